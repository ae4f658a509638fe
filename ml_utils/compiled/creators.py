"""Columns made from raw ones, as `features.creation` made them, for one row and for many.

`one` writes its columns into a row; `many` adds them to a table. A number that is not defined is NaN, a text
that is not there is None.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from ml_utils.compiled import cells
from ml_utils.compiled.cells import Coded
from ml_utils.compiled.table import Table
from ml_utils.features.creation.sphere import haversine, nearest, on_globe, on_sphere
from ml_utils.registry.input_columns import Kind
from ml_utils.words import MISSING, normal_form

Spec = Mapping[str, Any]
Kinds = Mapping[str, Kind]


class Creator(Protocol):
    """What makes new columns out of those that are there."""

    def one(self, row: dict[str, Any]) -> None:
        """Write the new columns of a row into it."""

    def many(self, table: Table) -> None:
        """Add the new columns to a table."""


def number_reader(name: str, kinds: Kinds) -> Callable[[Mapping[str, Any]], float]:
    """Return what reads a column of a row as a number; a made column is one already."""
    kind = kinds.get(name)
    if kind is None:
        return lambda row: row[name]
    if kind == "boolean":

        def read_truth(row: Mapping[str, Any]) -> float:
            found = cells.truth(row[name], name)
            return math.nan if found is None else float(found)

        return read_truth
    return lambda row: cells.number(row[name], name, kind)


class Pairs:
    """Ratios and differences: `pairs` of (name, first, second), `what` is "ratio" or "difference"."""

    def __init__(self, spec: Spec, kinds: Kinds) -> None:
        self.ratio = spec["what"] == "ratio"
        self.pairs = [tuple(pair) for pair in spec["pairs"]]
        self._read = {name: number_reader(name, kinds) for _, *both in self.pairs for name in both}

    def one(self, row: dict[str, Any]) -> None:
        """Write ratios or differences."""
        values = {name: read(row) for name, read in self._read.items()}
        for name, first, second in self.pairs:
            row[name] = self._of(values[first], values[second])

    def _of(self, first: float, second: float) -> float:
        if self.ratio and second == 0:
            return math.nan
        return kept(first / second if self.ratio else first - second)

    def many(self, table: Table) -> None:
        """Add ratios or differences."""
        with np.errstate(all="ignore"):
            for name, first, second in self.pairs:
                a, b = table.numbers(first), table.numbers(second)
                table.add(name, all_kept(np.divide(a, b) if self.ratio else a - b))


class Groups:
    """Statistics of numbers within categories.

    `groups`: category column → normal form → place; `columns`: (name, category, number, statistic, mean of
    each place, std of each place, the statistic's own values of each place); the last place is for groups
    that were not seen.
    """

    def __init__(self, spec: Spec, kinds: Kinds) -> None:
        self.groups: dict[str, dict[str, int]] = {name: dict(seen) for name, seen in spec["groups"].items()}
        self.columns = [(*item[:4], *map(_with_nan, item[4:])) for item in spec["columns"]]
        self._kinds = kinds
        self._read = {item[2]: number_reader(item[2], kinds) for item in self.columns}

    def one(self, row: dict[str, Any]) -> None:
        """Write the statistics."""
        at = {}
        for category, seen in self.groups.items():
            found = cells.read(self._kinds.get(category, "text"))(row[category], category)
            form = MISSING if cells.is_missing(found) else normal_form(found)
            at[category] = seen.get(form, len(seen))
        for name, category, number, statistic, means, spreads, own in self.columns:
            place = at[category]
            if statistic not in ("deviation", "z"):
                row[name] = own[place]
                continue
            found = kept(self._read[number](row) - means[place])
            if statistic == "z":
                found = kept(found / spreads[place]) if spreads[place] else math.nan
            row[name] = found

    def many(self, table: Table) -> None:
        """Add the statistics."""
        at = {}
        for category, seen in self.groups.items():
            codes, values = table.coded(category)
            places = [*(seen.get(normal_form(value), len(seen)) for value in values)]
            at[category] = np.array([*places, seen.get(MISSING, len(seen))])[codes]
        for name, category, number, statistic, means, spreads, own in self.columns:
            place = at[category]
            if statistic not in ("deviation", "z"):
                table.add(name, np.array(own, dtype=float)[place])
                continue
            with np.errstate(all="ignore"):
                found = all_kept(table.numbers(number) - np.array(means, dtype=float)[place])
                if statistic == "z":
                    found = all_kept(np.divide(found, np.array(spreads, dtype=float)[place]))
            table.add(name, found)


class Bins:
    """The bin of each number: `columns` of (name, source, inner edges, labels)."""

    def __init__(self, spec: Spec, kinds: Kinds) -> None:
        self.columns = [tuple(item) for item in spec["columns"]]
        self._read = {item[1]: number_reader(item[1], kinds) for item in self.columns}

    def one(self, row: dict[str, Any]) -> None:
        """Write the bins' labels."""
        for name, source, edges, labels in self.columns:
            value = self._read[source](row)
            row[name] = None if value != value else labels[bisect_right(edges, value)]

    def many(self, table: Table) -> None:
        """Add the bins' labels."""
        for name, source, edges, labels in self.columns:
            values = table.numbers(source)
            places = np.searchsorted(np.array(edges, dtype=float), values, side="right")
            table.add(name, Coded(np.where(np.isnan(values), -1, places), labels))


class Places:
    """Distances on earth, and areas.

    `places`: name → (latitude column, longitude column); `points`: (name, place, latitude, longitude);
    `between`: (name, place, place); `areas`: (name, place, centres on the unit sphere).
    """

    def __init__(self, spec: Spec, kinds: Kinds) -> None:
        self.places = {name: tuple(both) for name, both in spec["places"].items()}
        self.points = [tuple(item) for item in spec["points"]]
        self.between = [tuple(item) for item in spec["between"]]
        self.areas = [(name, place, np.array(centres)) for name, place, centres in spec["areas"]]
        self._read = {name: number_reader(name, kinds) for both in self.places.values() for name in both}

    def one(self, row: dict[str, Any]) -> None:
        """Write distances, and the areas' labels."""
        read = {name: np.array([value(row)]) for name, value in self._read.items()}
        for name, found in self._made(read):
            if isinstance(found, Coded):
                code = int(found.codes[0])
                row[name] = None if code < 0 else found.values[code]
            else:
                row[name] = float(found[0])

    def many(self, table: Table) -> None:
        """Add distances, and the areas' labels."""
        for name, found in self._made({name: table.numbers(name) for name in self._read}):
            table.add(name, found)

    def _made(self, read: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray | Coded]]:
        where = {name: on_globe(read[a], read[b]) for name, (a, b) in self.places.items()}
        made: list[tuple[str, np.ndarray | Coded]] = []
        for name, place, latitude, longitude in self.points:
            made.append((name, haversine(*where[place], latitude, longitude)))
        for name, place, other in self.between:
            made.append((name, haversine(*where[place], *where[other])))
        for name, place, centres in self.areas:
            found = nearest(on_sphere(*where[place]), centres)
            labels = [f"area {i + 1}" for i in range(len(centres))]
            made.append((name, Coded(np.where(np.isnan(where[place][0]), -1, found), labels)))
        return made


def _with_nan(values: list[float | None] | None) -> list[float]:
    return [math.nan if value is None else value for value in values or ()]


def kept(value: float) -> float:
    """Return a number where it is finite, else NaN."""
    return value if math.isfinite(value) else math.nan


def all_kept(values: np.ndarray) -> np.ndarray:
    """Return the numbers with infinities as NaN."""
    good = np.isfinite(values)
    return values if good.all() else np.where(good, values, math.nan)


def creator_of(spec: Spec, kinds: Kinds) -> Creator:
    """Rebuild what makes columns from what compiling wrote."""
    from ml_utils.compiled.formulas import Formulas

    known: dict[str, Callable[[Spec, Kinds], Creator]] = {
        "formulas": Formulas,
        "pairs": Pairs,
        "groups": Groups,
        "bins": Bins,
        "places": Places,
    }
    return known[spec["kind"]](spec, kinds)
