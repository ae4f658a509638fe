"""What stands for a missing number: one value for a column, or what the row's other numbers say."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np

from ml_utils.features.fences import Ordered

SIMPLE = ("median", "mean", "most_frequent", "constant")
MODELS = ("knn", "iterative")
IMPUTATIONS = (*SIMPLE, *MODELS)
NEIGHBOURS = 5
# Rows that are learnt from: neighbours are looked up among them for every row that lacks a number.
ROWS = {"knn": 2_000, "iterative": 20_000}


def filling(strategy: str, ordered: Ordered, known: np.ndarray, lower: float, upper: float) -> float:
    """Return what stands for a missing value of a column, from its finite values within their fences.

    As scikit-learn's SimpleImputer: most frequent is the smallest of the values that stand most often,
    constant is 0. Models get the median, where a row lacks everything.
    """
    if strategy == "constant":
        return 0.0
    if strategy == "mean":
        return float(np.clip(known, lower, upper).mean())
    if strategy == "most_frequent":
        values, counts = np.unique(np.clip(known, lower, upper), return_counts=True)
        return float(values[counts.argmax()])
    return float(np.clip(ordered.median(), lower, upper))


class ModelImputer:
    """scikit-learn's KNNImputer or IterativeImputer, on standardised columns, learnt from a sample of rows.

    Columns are brought to mean 0 and standard deviation 1 first: none rules the distances by its unit.

    Parameters
    ----------
    kind : {"knn", "iterative"}
    seed : int

    Attributes
    ----------
    centre, spread : ndarray of shape (n_columns,)
    imputer : KNNImputer or IterativeImputer
    """

    def __init__(self, kind: str, seed: int) -> None:
        self.kind = kind
        self.seed = seed

    def sample(self, n_rows: int) -> np.ndarray | None:
        """Choose the rows to learn from; None for all."""
        limit = ROWS[self.kind]
        if n_rows <= limit:
            return None
        return np.sort(np.random.default_rng(self.seed).choice(n_rows, limit, replace=False))

    def fit(self, values: np.ndarray) -> Self:
        """Learn from rows of numbers, (n_rows, n_columns), NaN where missing."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Mean of empty slice|Degrees of freedom")
            centre, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        self.centre = np.where(np.isfinite(centre), centre, 0.0)
        self.spread = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
        scaled = (values - self.centre) / self.spread
        self.imputer = self._make(scaled)
        with (
            warnings.catch_warnings()
        ):  # a table may need more rounds than it is worth; what was reached is used
            warnings.filterwarnings("ignore", message=".*Early stopping criterion not reached")
            self.imputer.fit(scaled)
        return self

    def _make(self, scaled: np.ndarray) -> Any:
        if self.kind == "knn":
            from sklearn.impute import KNNImputer

            return KNNImputer(n_neighbors=NEIGHBOURS, keep_empty_features=True)
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="All-NaN slice")
            low, high = np.nanmin(scaled, axis=0), np.nanmax(scaled, axis=0)
        # what is imputed stays within what was seen
        return IterativeImputer(
            random_state=self.seed,
            keep_empty_features=True,
            min_value=np.where(np.isfinite(low) & (high > low), low, -np.inf),
            max_value=np.where(np.isfinite(high) & (high > low), high, np.inf),
        )

    def fill(self, part: np.ndarray, absent: np.ndarray) -> None:
        """Fill absent cells of `part`, (n_columns, n_rows), in place; rows that lack all keep theirs."""
        rows = np.flatnonzero(absent.any(axis=0) & ~absent.all(axis=0))
        if len(rows) == 0:
            return
        lacking = absent[:, rows]
        values = np.where(lacking, np.nan, part[:, rows]).T
        found = self.imputer.transform((values - self.centre) / self.spread) * self.spread + self.centre
        part[:, rows] = np.where(lacking, found.T, part[:, rows])
