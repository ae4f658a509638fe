"""Ratios and differences of pairs of columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.features.creation.base import Creator, finite, numbers, pairs_of, quotient, unique_names
from ml_utils.features.creation.created import Created


class _OfPairs(Creator):
    """A column for each pair of numbers."""

    def __init__(self, pairs: Sequence[Sequence[str]] = (), columns: Sequence[str] | None = None) -> None:
        self.pairs = pairs
        self.columns = columns

    @abstractmethod
    def _called(self, first: str, second: str) -> tuple[str, str, str, str]:
        """Return the name, kind, meaning and formula of a pair's column."""

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        self.pairs_ = pairs_of(self.pairs, self.columns, type(self).__name__)
        for name in dict.fromkeys(name for pair in self.pairs_ for name in pair):
            self._training_numbers(table, name)
        called = [self._called(*pair) for pair in self.pairs_]
        names = unique_names([name for name, *_ in called], table.columns)
        self.created_ = [
            Created(name, pair, *rest)
            for name, pair, (_, *rest) in zip(names, self.pairs_, called, strict=True)
        ]

    def _read(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        used = dict.fromkeys(name for pair in self.pairs_ for name in pair)
        return {name: numbers(table[name]) for name in used}


class Ratios(_OfPairs):
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

    def _called(self, above: str, below: str) -> tuple[str, str, str, str]:
        return f"{above}_per_{below}", "ratio", f"{above} for each unit of {below}", f"{above} / {below}"

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        read = self._read(table)
        return [quotient(read[above], read[below]) for above, below in self.pairs_]


class Differences(_OfPairs):
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

    def _called(self, first: str, second: str) -> tuple[str, str, str, str]:
        return (
            f"{first}_minus_{second}",
            "difference",
            f"how much {first} exceeds {second}",
            f"{first} − {second}",
        )

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        read = self._read(table)
        with np.errstate(over="ignore"):
            return [finite(read[first] - read[second]) for first, second in self.pairs_]
