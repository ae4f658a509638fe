"""What a row holds that training never saw: scored all the same, and said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import NoneType
from typing import Any

from ml_utils.compiled import cells
from ml_utils.registry.input_columns import InputColumn, seen_in_training, short
from ml_utils.words import normal_form

Finding = tuple[str, str, str]  # column; range, category, missing or type; message


class Watch:
    """Holds rows against the training table's ranges and categories.

    Parameters
    ----------
    columns : tuple of InputColumn
    """

    def __init__(self, columns: tuple[InputColumn, ...]) -> None:
        self._columns = [(column.name, _Seen(column)) for column in columns]
        # what most columns are, looked at without a call each: a service does it for every row
        self._numbers, self._texts, self._others = [], [], []
        for name, seen in self._columns:
            if seen.kind in ("number", "integer") and math.isfinite(seen.low) and math.isfinite(seen.high):
                kind = float if seen.kind == "number" else int
                self._numbers.append((name, kind, seen.low, seen.high, seen.column.nullable))
            elif seen.kind == "text" and seen.values is not None:
                self._texts.append((name, seen.values | {None} if seen.column.nullable else seen.values))
            else:
                self._others.append((name, seen))

    def findings(self, row: Mapping[str, Any]) -> list[Finding]:
        """Return what training never saw, in the order of the columns."""
        if self._usual(row):
            return []
        found: list[Finding] = []
        for name, seen in self._columns:
            value = row.get(name)
            if not seen.usual(value):
                found += seen.findings(value)
        return found

    def _usual(self, row: Mapping[str, Any]) -> bool:
        """Tell cheaply whether a row surely holds nothing new."""
        get = row.get
        for name, kind, low, high, nullable in self._numbers:
            value = get(name)
            if value.__class__ is kind:
                if not low <= value <= high:
                    return False
            elif value is not None or not nullable:
                return False
        for name, values in self._texts:
            value = get(name)
            if value.__class__ not in (str, NoneType) or value not in values:  # a list has no hash
                return False
        return all(seen.usual(get(name)) for name, seen in self._others)


class _Seen:
    """One column as training saw it."""

    def __init__(self, column: InputColumn) -> None:
        self.column = column
        self.kind = column.kind
        self.values = None if column.categories is None else frozenset(column.categories)
        self.forms = frozenset(normal_form(value) for value in self.values or ())
        self.low, self.high = -math.inf, math.inf
        if column.minimum is not None and column.maximum is not None:
            self.low, self.high = (_edge(bound, column.name) for bound in (column.minimum, column.maximum))

    def usual(self, value: Any) -> bool:
        """Tell cheaply whether a value is surely nothing new."""
        kind = type(value)
        if kind is str:
            return self.kind == "text" and (self.values is None or value in self.values)
        if kind is float or kind is int:
            if self.kind == "number":
                return bool(self.low <= value <= self.high and value - value == 0)
            return self.kind == "integer" and bool(self.low <= value <= self.high) and value % 1 == 0
        if kind is bool:
            return self.kind == "boolean"
        return value is None and self.column.nullable

    def findings(self, value: Any) -> list[Finding]:
        """Return what is new about a value."""
        name = self.column.name
        found = cells.read(self.kind)(value, name)
        if cells.is_missing(found):
            message = f"{name}: missing, which training never had"
            return [] if self.column.nullable else [(name, "missing", message)]
        if self.kind == "text":
            known = self.values is None or found in self.values or normal_form(found) in self.forms
            return [] if known else [(name, "category", f"{name}: {found!r:.60} was not in training")]
        if self.kind == "boolean":
            return []
        said: list[Finding] = []
        if not self.low <= found <= self.high:
            shown = cells.moment_of(found) if self.kind == "time" else found
            within = seen_in_training(self.column)
            said.append((name, "range", f"{name}: {short(shown)} is outside training's {within}"))
        if self.kind == "integer" and found % 1 != 0:
            said.append((name, "type", f"{name}: not a whole number, which training always had"))
        return said


def _edge(bound: float | str, name: str) -> float:
    if not isinstance(bound, str):
        return bound
    found = cells.instant(bound, name)
    return math.nan if found is None else found
