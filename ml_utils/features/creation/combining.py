"""Ratios and differences of pairs of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.features.creation.base import Creator, finite, numbers, pairs_of, quotient, unique_names
from ml_utils.features.creation.created import Created


class Ratios(Creator):
    """One number divided by another; NaN where the second is zero or either is missing.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Numerator and denominator.
    columns : sequence of str, optional
        All pairs of these, the earlier one above.

    Examples
    --------
    >>> X = pd.DataFrame({"balance": [10.0, 3.0], "products": [4, 0]})
    >>> Ratios([("balance", "products")]).fit_transform(X)["balance_per_products"].tolist()
    [2.5, nan]
    """

    def __init__(self, pairs: Sequence[Sequence[str]] = (), columns: Sequence[str] | None = None) -> None:
        self.pairs = pairs
        self.columns = columns

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        self.pairs_ = pairs_of(self.pairs, self.columns, "Ratios")
        for name in dict.fromkeys(name for pair in self.pairs_ for name in pair):
            self._training_numbers(table, name)
        names = unique_names([f"{above}_per_{below}" for above, below in self.pairs_], table.columns)
        self.created_ = [
            Created(name, pair, "ratio", f"{pair[0]} for each unit of {pair[1]}", f"{pair[0]} / {pair[1]}")
            for name, pair in zip(names, self.pairs_, strict=True)
        ]

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        read = _read(table, self.pairs_)
        return [quotient(read[above], read[below]) for above, below in self.pairs_]


class Differences(Creator):
    """One number less another; NaN where either is missing.

    Parameters
    ----------
    pairs : sequence of (str, str)
        What is taken from, and what is taken off.
    columns : sequence of str, optional
        All pairs of these, the earlier one first.

    Examples
    --------
    >>> X = pd.DataFrame({"paid": [10.0, 3.0], "owed": [4.0, None]})
    >>> Differences([("paid", "owed")]).fit_transform(X)["paid_minus_owed"].tolist()
    [6.0, nan]
    """

    def __init__(self, pairs: Sequence[Sequence[str]] = (), columns: Sequence[str] | None = None) -> None:
        self.pairs = pairs
        self.columns = columns

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        self.pairs_ = pairs_of(self.pairs, self.columns, "Differences")
        for name in dict.fromkeys(name for pair in self.pairs_ for name in pair):
            self._training_numbers(table, name)
        names = unique_names([f"{first}_minus_{second}" for first, second in self.pairs_], table.columns)
        self.created_ = [
            Created(
                name, pair, "difference", f"how much {pair[0]} exceeds {pair[1]}", f"{pair[0]} − {pair[1]}"
            )
            for name, pair in zip(names, self.pairs_, strict=True)
        ]

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        read = _read(table, self.pairs_)
        with np.errstate(over="ignore"):
            return [finite(read[first] - read[second]) for first, second in self.pairs_]


def _read(table: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> dict[str, np.ndarray]:
    return {name: numbers(table[name]) for name in dict.fromkeys(name for pair in pairs for name in pair)}
