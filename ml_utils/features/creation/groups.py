"""How a row stands within its group: a numeric column's statistics in the category of the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.features.creation.base import (
    Creator,
    distinct_values,
    finite,
    known_only,
    numbers,
    quotient,
    unique_names,
)
from ml_utils.features.creation.created import Created
from ml_utils.words import MISSING, normal_form

STATISTICS = ("mean", "std", "median", "count", "deviation", "z")
_MEANINGS = {
    "mean": ("usual {number} in the row's {category}", "mean of {number} by {category}"),
    "std": (
        "how much {number} varies in the row's {category}",
        "standard deviation of {number} by {category}",
    ),
    "median": ("middle {number} in the row's {category}", "median of {number} by {category}"),
    "count": (
        "how many training rows know {number} in the row's {category}",
        "count of {number} by {category}",
    ),
    "deviation": ("{number} above what is usual in the row's {category}", "{number} − mean by {category}"),
    "z": (
        "{number} above what is usual in the row's {category}, in standard deviations",
        "({number} − mean by {category}) / standard deviation by {category}",
    ),
}


@dataclass(frozen=True)
class GroupTable:
    """Statistics of one numeric column by group; the last entry stands for a group that was not seen."""

    mean: np.ndarray
    std: np.ndarray
    median: np.ndarray
    count: np.ndarray


class GroupStatistics(Creator):
    """Statistics of numbers within categories, and a row's distance from them.

    All is learnt from the training rows. A small group's mean, median and variance are drawn towards those of
    all rows: a group of n rows counts as n / (n + `shrinkage`) of itself. One that was not seen gets the
    statistics of all rows, and count 0. Spellings of one category go together; missing is one of its own.

    Parameters
    ----------
    by : mapping of str to sequence of str
        Category column to numeric columns.
    statistics : sequence of {"mean", "std", "median", "count", "deviation", "z"}
    shrinkage : float
        Rows that all rows together count for in a group; 0 takes each group as it is.

    Attributes
    ----------
    groups_ : dict of str to dict of str to int
        Each category column's groups, in their normal form, and their place in the tables.
    tables_ : dict of (str, str) to GroupTable
        By category and numeric column.
    """

    def __init__(
        self,
        by: Mapping[str, Sequence[str]],
        statistics: Sequence[str] = ("mean", "std", "deviation"),
        shrinkage: float = 10.0,
    ) -> None:
        self.by = by
        self.statistics = statistics
        self.shrinkage = shrinkage

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        known_only(self.statistics, STATISTICS, "statistics")
        if not self.shrinkage >= 0:
            raise ParameterError(f"shrinkage is {self.shrinkage}; it must be 0 or more rows.")
        self.groups_: dict[str, dict[str, int]] = {}
        self.tables_: dict[tuple[str, str], GroupTable] = {}
        for category, members in self.by.items():
            if isinstance(members, str):
                raise ParameterError(f"by.{category} is a list of numeric columns; write [{members!r}].")
            self._need(table, [category])
            words, codes = _words(table[category])
            seen = {word: i for i, word in enumerate(sorted({words[i] for i in np.unique(codes)}))}
            self.groups_[category] = seen
            group = np.array([seen.get(word, -1) for word in words])[codes]
            for number in members:
                values = self._training_numbers(table, number)
                self.tables_[category, number] = _summarise(values, group, len(seen), self.shrinkage)
        plan = [(*pair, statistic) for pair in self.tables_ for statistic in dict.fromkeys(self.statistics)]
        names = unique_names([f"{number}_{what}_by_{cat}" for cat, number, what in plan], table.columns)
        self.created_ = [self._describe(name, *item) for name, item in zip(names, plan, strict=True)]

    def _describe(self, name: str, category: str, number: str, statistic: str) -> Created:
        meaning, formula = (text.format(number=number, category=category) for text in _MEANINGS[statistic])
        if self.shrinkage and statistic != "count":
            formula += f", small groups drawn to all rows (weight {self.shrinkage:g})"
        sources = (category,) if statistic in ("mean", "std", "median", "count") else (number, category)
        return Created(name, sources, "group statistic", meaning, formula)

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        places: dict[str, np.ndarray] = {}
        for category, seen in self.groups_.items():
            words, codes = _words(table[category])
            places[category] = np.array([seen.get(word, len(seen)) for word in words])[codes]
        found = []
        for (category, number), stats in self.tables_.items():
            at = places[category]
            for statistic in dict.fromkeys(self.statistics):
                if statistic in ("deviation", "z"):
                    with np.errstate(over="ignore"):
                        values = finite(numbers(table[number]) - stats.mean[at])
                    found.append(quotient(values, stats.std[at]) if statistic == "z" else values)
                else:
                    found.append(getattr(stats, statistic)[at])
        return found


def _words(column: pd.Series) -> tuple[list[str], np.ndarray]:
    """Return the column's distinct categories in normal form, the last for missing, and each row's place."""
    codes, distinct = distinct_values(column)
    return [*(normal_form(value) for value in distinct), MISSING], codes


def _summarise(values: np.ndarray, group: np.ndarray, n_groups: int, weight: float) -> GroupTable:
    known = ~np.isnan(values)
    frame = pd.DataFrame({"group": group[known], "value": values[known]})
    with np.errstate(over="ignore"):
        by = frame.groupby("group")["value"].agg(["count", "mean", "median", "var"]).reindex(range(n_groups))
    n = by["count"].fillna(0.0).to_numpy(float)
    overall = pd.Series(values[known])
    parts = {}
    with np.errstate(all="ignore"):
        for what, freedom in (("mean", n), ("median", n), ("var", np.maximum(n - 1, 0))):
            whole = float(getattr(overall, what)()) if len(overall) else np.nan
            own = np.where(freedom > 0, by[what].to_numpy(float), whole)
            share = freedom / (freedom + weight) if weight else (freedom > 0) * 1.0
            parts[what] = finite(np.append(share * own + (1 - share) * whole, whole))
    return GroupTable(parts["mean"], np.sqrt(parts["var"]), parts["median"], np.append(n, 0.0))
