"""All features of a model, from raw values: what `FeatureEngineer.transform` gives, without pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ml_utils.compiled.blocks import block_of, row_lacks
from ml_utils.compiled.creators import creator_of
from ml_utils.compiled.derived import step_of
from ml_utils.compiled.scaling import Affine
from ml_utils.compiled.table import Table, kinds_of
from ml_utils.registry.input_columns import InputColumn


class Features:
    """The features of a fitted engineer.

    Parameters
    ----------
    spec : mapping
        creators, blocks (each with a scaling or None), steps, names, sources: what compiling wrote.
    columns : tuple of InputColumn
        Raw columns.
    """

    def __init__(self, spec: Mapping[str, Any], columns: tuple[InputColumn, ...]) -> None:
        self.kinds = kinds_of(columns)
        self.names: list[str] = list(spec["names"])
        self.sources: list[list[str]] = [list(names) for names in spec["sources"]]
        self.creators = [creator_of(item, self.kinds) for item in spec["creators"]]
        self.blocks = [block_of(item, self.kinds) for item in spec["blocks"]]
        self.scalings = [
            None if item.get("scaling") is None else Affine(item["scaling"]) for item in spec["blocks"]
        ]
        self.steps = [step_of(item) for item in spec["steps"]]
        self._pairs = list(zip(self.blocks, self.scalings, strict=True))

    def one(self, row: Mapping[str, Any]) -> list[float]:
        """Return a row's features.

        Raises
        ------
        DataError
            If a column is missing or holds a value of the wrong type.
        """
        try:
            if self.creators:
                row = dict(row)
                for creator in self.creators:
                    creator.one(row)
            values: list[float] = []
            for block, scaling in self._pairs:
                start = len(values)
                block.one(row, values)
                if scaling is not None:
                    scaling.one(values, start)
        except KeyError as error:
            raise row_lacks(error) from error
        for step in self.steps:
            values = step.one(values)
        return values

    def many(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Return the features of all rows, (n_features, n_rows), float64.

        Raises
        ------
        DataError
            If a column is missing or holds a value of the wrong type.
        """
        table = Table(columns, self.kinds)
        for creator in self.creators:
            creator.many(table)
        found = np.empty((sum(block.width for block in self.blocks), table.n_rows))
        start = 0
        for block, scaling in self._pairs:
            rows = found[start : (start := start + block.width)]
            block.many(table, rows)
            if scaling is not None:
                scaling.many(rows)
        for step in self.steps:
            found = step.many(found)
        return found


def as_columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Turn rows into columns of plain values.

    Raises
    ------
    DataError
        If a row lacks a column.
    """
    try:
        return {name: np.array([*(row[name] for row in rows), None], dtype=object)[:-1] for name in names}
    except KeyError as error:
        raise row_lacks(error) from error
