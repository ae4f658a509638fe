"""The columns of many rows, read once each as the features ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ml_utils.compiled import cells
from ml_utils.compiled.cells import Coded
from ml_utils.errors import DataError
from ml_utils.registry.input_columns import InputColumn, Kind


class Table:
    """Raw columns, and those made from them.

    Parameters
    ----------
    columns : mapping of str to array or Coded, each of n_rows
        Raw values; further columns are left aside.
    kinds : mapping of str to Kind
        Of the raw columns.

    Raises
    ------
    DataError
        If a column is missing, or is not as long as the others.
    """

    def __init__(self, columns: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
        lacking = [name for name in kinds if name not in columns]
        if lacking:
            raise DataError(
                f"The table lacks {len(lacking)} of the model's columns: {', '.join(lacking[:5])}. "
                "Add what is missing; leave a value empty where it is unknown."
            )
        self._raw = columns
        self._kinds = dict(kinds)
        sizes = {name: length(columns[name]) for name in kinds}
        self.n_rows = next(iter(sizes.values()))
        for name, size in sizes.items():
            if size != self.n_rows:
                raise DataError(f"Column {name!r} has {size} values, others have {self.n_rows}.")
        self._numbers: dict[str, np.ndarray] = {}
        self._coded: dict[str, Coded] = {}
        self._times: dict[str, np.ndarray] = {}

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64, NaN where a value is missing or infinite."""
        if name not in self._numbers:
            self._numbers[name] = cells.numbers(self._raw[name], name, self._kinds[name])
        return self._numbers[name]

    def coded(self, name: str) -> Coded:
        """Return a column's values told apart."""
        if name not in self._coded:
            self._coded[name] = cells.coded(self._raw[name], name, self._kinds[name])
        return self._coded[name]

    def instants(self, name: str) -> np.ndarray:
        """Return a column of times as datetime64[us], UTC."""
        if name not in self._times:
            self._times[name] = cells.instants(self._raw[name], name)
        return self._times[name]

    def add(self, name: str, values: np.ndarray | Coded) -> None:
        """Keep a column that was made: numbers, or text told apart."""
        if isinstance(values, Coded):
            self._coded[name] = values
        else:
            self._numbers[name] = values


def length(values: Any) -> int:
    """Return how many rows a column has."""
    return len(values.codes if isinstance(values, Coded) else values)


def kinds_of(columns: tuple[InputColumn, ...]) -> dict[str, Kind]:
    """Return the kind of each raw column."""
    return {column.name: column.kind for column in columns}
