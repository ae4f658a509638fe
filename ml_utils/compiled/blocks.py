"""Blocks of features as `features.blocks` learnt them, for one row and for many.

`one` appends a row's features to a list; `many` writes into rows of an array of (n_features, n_rows).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from ml_utils.compiled import cells
from ml_utils.compiled.hashing import hash_columns
from ml_utils.compiled.table import Table
from ml_utils.errors import DataError
from ml_utils.registry.input_columns import Kind
from ml_utils.words import MISSING, normal_form

Row = Mapping[str, Any]
Spec = Mapping[str, Any]
_LARGEST = sys.float_info.max


class Block(Protocol):
    """What turns raw values into features."""

    width: int

    def one(self, row: Row, out: list[float]) -> None:
        """Append a row's features."""

    def many(self, table: Table, out: np.ndarray) -> None:
        """Write the features of all rows."""


class Numbers:
    """Numbers within their fences, complete; then marks of what was missing.

    Parameters
    ----------
    spec : mapping
        columns, lower, upper (None where there is no fence), fill, marked.
    kinds : mapping of str to Kind
    """

    def __init__(self, spec: Spec, kinds: Mapping[str, Kind]) -> None:
        self.names: list[str] = list(spec["columns"])
        self.lower = [-_LARGEST if low is None else low for low in spec["lower"]]
        self.upper = [_LARGEST if high is None else high for high in spec["upper"]]
        self.fenced = [low is not None for low in spec["lower"]]
        self.fill: list[float] = list(spec["fill"])
        self.marked: list[int] = list(spec["marked"])
        self.width = len(self.names) + len(self.marked)
        self._kinds = [kinds.get(name, "number") for name in self.names]
        self._cells = list(zip(self.names, self.lower, self.upper, range(len(self.names)), strict=True))
        self._unmarked = [0.0] * len(self.marked)

    def one(self, row: Row, out: list[float]) -> None:
        """Append a row's numbers and marks."""
        absent = None
        for name, low, high, i in self._cells:
            value = row[name]
            try:
                if low <= value <= high:
                    out.append(value)
                    continue
            except TypeError:  # None or text
                pass
            value = self._read(value, i)
            if value == value:
                out.append(low if value < low else high if value > high else value)
            else:
                out.append(self.fill[i])
                absent = [i] if absent is None else [*absent, i]
        if self.marked:
            out += self._unmarked if absent is None else [float(i in absent) for i in self.marked]

    def _read(self, value: Any, i: int) -> float:
        kind = self._kinds[i]
        if kind != "boolean":
            return cells.number(value, self.names[i], kind)
        found = cells.truth(value, self.names[i])
        return float("nan") if found is None else float(found)

    def many(self, table: Table, out: np.ndarray) -> None:
        """Write numbers and marks."""
        n = len(self.names)
        marks = {i: n + place for place, i in enumerate(self.marked)}
        out[n:] = 0.0
        for i, name in enumerate(self.names):
            values, row = table.numbers(name), out[i]
            if self.fenced[i]:
                np.clip(values, self.lower[i], self.upper[i], out=row)
            else:
                row[:] = values
            absent = np.isnan(values)
            if absent.any():
                row[absent] = self.fill[i]
                if i in marks:
                    out[marks[i]] = absent


class Categories:
    """Categories, each as the numbers that stand for it.

    Parameters
    ----------
    spec : mapping
        columns: list of mappings with name, forms (normal form → place), values (usual spellings), outputs
        (numbers of each place, last those of what was not seen), hashed (columns of a hash, or 0).
    kinds : mapping of str to Kind
    """

    def __init__(self, spec: Spec, kinds: Mapping[str, Kind]) -> None:
        self.columns = [_Category(item, kinds.get(item["name"], "text")) for item in spec["columns"]]
        self.width = sum(column.width for column in self.columns)
        self._known: list[tuple[str, Callable[[Any], list[float] | None], _Category]] = [
            (column.name, column.known.get, column) for column in self.columns
        ]

    def one(self, row: Row, out: list[float]) -> None:
        """Append a row's encodings."""
        for name, known, column in self._known:
            value = row[name]
            try:
                found = known(value)
            except TypeError:  # a list or the like
                found = None
            out += column.outputs_of(value) if found is None else found

    def many(self, table: Table, out: np.ndarray) -> None:
        """Write the encodings."""
        start = 0
        for column in self.columns:
            column.many(table, out[start : (start := start + column.width)])


class _Category:
    def __init__(self, item: Spec, kind: Kind) -> None:
        self.name: str = item["name"]
        self.kind: Kind = kind
        self.forms: dict[str, int] = dict(item["forms"])
        self.outputs: list[list[float]] = [list(map(float, outputs)) for outputs in item["outputs"]]
        self.hashed: int = int(item.get("hashed", 0))
        self.width = len(self.outputs[0])
        # the spellings of the training table find their numbers by one look; others by their normal form
        self.known: dict[Any, list[float]] = {}
        if kind == "text":
            spelled = (*item["values"], *item.get("spellings", ()))
            self.known = {value: self._of_form(normal_form(value)) for value in spelled}
        elif kind == "boolean":
            self.known = {value: self._of_form(normal_form(value)) for value in (True, False)}
        self.known[None] = self._of_form(MISSING)

    def outputs_of(self, value: Any) -> list[float]:
        """Return the numbers of a value in any spelling."""
        found = cells.read(self.kind)(value, self.name)
        return self._of_form(MISSING if cells.is_missing(found) else normal_form(found))

    def _of_form(self, form: str) -> list[float]:
        place = self.forms.get(form, -1)
        if place < 0 and self.hashed:
            return hash_columns(form, self.hashed)
        return self.outputs[place]

    def many(self, table: Table, out: np.ndarray) -> None:
        codes, values = table.coded(self.name)
        each = [self._of_form(normal_form(value)) for value in values]
        numbers = np.array([*each, self._of_form(MISSING)]).T.copy()
        for row, mapped in zip(out, numbers, strict=True):
            np.take(mapped, codes, out=row, mode="wrap")  # code −1, missing, is the last


def row_lacks(error: KeyError) -> DataError:
    """Return the error for a row without one of the model's columns."""
    return DataError(f"The row lacks {error}. Send every column; null where a value is unknown.")


def block_of(spec: Spec, kinds: Mapping[str, Kind]) -> Block:
    """Rebuild a block from what compiling wrote."""
    from ml_utils.compiled.dates import Dates
    from ml_utils.compiled.texts import Texts

    known: dict[str, Callable[[Spec, Mapping[str, Kind]], Block]] = {
        "number": Numbers,
        "category": Categories,
        "date": Dates,
        "text": Texts,
    }
    return known[spec["kind"]](spec, kinds)
