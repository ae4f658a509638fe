"""Formulas as `features.creation.formulas` resolved them, by the same operations, for one row and for many.

A tree is written as ["number", value], ["text", normal form], ["column", name, "number", "date" or "text",
zone] or ["apply", operation, [arguments]].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ml_utils.compiled import cells
from ml_utils.compiled.creators import Kinds, Spec, number_reader
from ml_utils.compiled.dates import clock, clocks
from ml_utils.compiled.table import Table
from ml_utils.features.creation.formula.operations import OPERATIONS
from ml_utils.words import normal_form

_MICROSECONDS_A_DAY = 86_400_000_000.0
Step = Callable[[Mapping[str, Any]], Any]


class Formulas:
    """New columns by formulas: `trees`, a name and a tree each, each after those it uses."""

    def __init__(self, spec: Spec, kinds: Kinds) -> None:
        self.trees: list[tuple[str, list[Any]]] = [(name, tree) for name, tree in spec["trees"]]
        names = {name for name, _ in self.trees}
        self._kinds = {name: kind for name, kind in kinds.items() if name not in names}
        self._steps = [(name, self._step(tree)) for name, tree in self.trees]

    def one(self, row: dict[str, Any]) -> None:
        """Write the formulas' values."""
        with np.errstate(all="ignore"):
            for name, step in self._steps:
                row[name] = step(row)

    def many(self, table: Table) -> None:
        """Add the formulas' values."""
        with np.errstate(all="ignore"):
            for name, tree in self.trees:
                found = np.asarray(self._evaluate(tree, table), dtype=float)
                table.add(name, np.broadcast_to(found, table.n_rows))

    def _step(self, tree: list[Any]) -> Step:
        if tree[0] in ("number", "text"):
            constant = tree[1]
            return lambda row: constant
        if tree[0] == "column":
            return self._cell(*tree[1:])
        one = OPERATIONS[tree[1]].one
        parts = [self._step(part) for part in tree[2]]
        if len(parts) == 1:
            (a,) = parts
            return lambda row: one(a(row))
        if len(parts) == 2:
            a, b = parts
            return lambda row: one(a(row), b(row))
        return lambda row: one(*[part(row) for part in parts])

    def _cell(self, name: str, what: str, zone: str | int | None) -> Step:
        if what == "number":
            return number_reader(name, self._kinds)
        if what == "date":
            clocks_of = cells.zone_of(zone)

            def read_day(row: Mapping[str, Any]) -> float:
                micro = clock(row[name], name, clocks_of)
                return math.nan if micro is None else micro / _MICROSECONDS_A_DAY

            return read_day
        read = cells.read(self._kinds.get(name, "text"))

        def read_text(row: Mapping[str, Any]) -> str | None:
            found = read(row[name], name)
            return None if cells.is_missing(found) else normal_form(found)

        return read_text

    def _evaluate(self, tree: list[Any], table: Table) -> Any:
        if tree[0] in ("number", "text"):
            return tree[1]
        if tree[0] == "apply":
            return OPERATIONS[tree[1]].many(*[self._evaluate(part, table) for part in tree[2]])
        _, name, what, zone = tree
        if what == "number":
            return table.numbers(name)
        if what == "date":
            shown = clocks(table, name, cells.zone_of(zone))
            return np.where(np.isnat(shown), np.nan, shown.astype("int64") / _MICROSECONDS_A_DAY)
        codes, values = table.coded(name)
        return np.array([*map(normal_form, values), None], dtype=object)[codes]
