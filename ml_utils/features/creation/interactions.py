"""Products and powers of numeric features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.creation.base import Creator, finite, named_or_all, numbers, unique_names
from ml_utils.features.creation.created import Created

SAMPLE = 50_000  # training rows that products are ranked on
LIMIT = 2000  # products


class Interactions(Creator):
    """Products of features: all of named columns, or the `top` ones that tell most about the target.

    Named columns are multiplied out by scikit-learn's PolynomialFeatures. Without names, every product of two
    features is scored on the training rows: by its correlation with what a linear model of all features
    leaves of the target. So a product counts for what the features don't say by themselves.

    Parameters
    ----------
    columns : sequence of str, optional
        Complete numeric columns.
    top : int
        How many products to keep where no columns are named; needs `y`.
    degree : int
        Factors at most; 2 where no columns are named.
    interaction_only : bool
        Leave out a column times itself.
    seed : int
        Draws 50,000 rows to score on where there are more.

    Attributes
    ----------
    powers_ : ndarray of shape (n_created, n_columns)
        Exponent of each column in each product.
    columns_ : list of str
    scores_ : ndarray of shape (n_created,) or None
        Absolute correlation, where products were ranked.

    Examples
    --------
    >>> X = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    >>> Interactions(["a", "b"], interaction_only=False).fit_transform(X).columns.tolist()
    ['a^2', 'a × b', 'b^2']
    """

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        top: int = 10,
        degree: int = 2,
        interaction_only: bool = True,
        seed: int = 42,
    ) -> None:
        self.columns = columns
        self.top = top
        self.degree = degree
        self.interaction_only = interaction_only
        self.seed = seed

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        if self.degree < 2:
            raise ParameterError(f"degree is {self.degree}; it must be 2 or more.")
        names = named_or_all(self.columns, table, "columns")
        if not names:
            raise ParameterError("columns is empty; name two or more, or None for the best products of all.")
        values = np.column_stack([self._training_numbers(table, name) for name in names])
        self.scores_: np.ndarray | None = None
        n = len(names)
        powers = self._rank(values, y, n) if self.columns is None else self._all(n)
        used = np.flatnonzero(powers.any(axis=0))
        self.columns_ = [names[i] for i in used]
        self.powers_ = powers[:, used]
        new = unique_names([self._name(row) for row in self.powers_], table.columns)
        self.created_ = [self._describe(name, row) for name, row in zip(new, self.powers_, strict=True)]

    def to_frame(self) -> pd.DataFrame:
        """Return the products as a table, with their score where they were ranked."""
        table = super().to_frame()
        return table if self.scores_ is None else table.assign(score=self.scores_)

    def _all(self, n: int) -> np.ndarray:
        from math import comb

        from sklearn.preprocessing import PolynomialFeatures

        if self.interaction_only and n < 2:
            raise ParameterError(f"Interactions needs two or more columns; got {list(self.columns or ())!r}.")
        many = comb(n + (0 if self.interaction_only else self.degree), min(self.degree, n))
        if many > LIMIT:
            raise ParameterError(
                f"{n} columns to degree {self.degree} give about {many:,} products; at most {LIMIT:,} are "
                "made. Name fewer columns, or none: then the best products are found."
            )
        polynomial = PolynomialFeatures(
            self.degree, interaction_only=self.interaction_only, include_bias=False
        )
        powers = polynomial.fit(np.zeros((1, n))).powers_
        return powers[powers.sum(axis=1) > 1]

    def _rank(self, values: np.ndarray, y: Any, n: int) -> np.ndarray:
        if y is None:
            raise ParameterError("Interactions without named columns needs y, to find the best products.")
        if self.degree != 2 or self.top < 1:
            raise ParameterError(
                f"Without named columns, degree is 2 and top 1 or more; got {self.degree} and {self.top}."
            )
        scores = product_scores(values, np.asarray(y), self.seed)
        first, second = np.triu_indices(n, 1 if self.interaction_only else 0)
        ranked = scores[first, second]
        best = np.argsort(-ranked, kind="stable")[: self.top]
        best = np.sort(best[ranked[best] > 0])
        self.scores_ = ranked[best]
        powers = np.zeros((len(best), n), dtype=int)
        np.add.at(powers, (np.arange(len(best)), first[best]), 1)
        np.add.at(powers, (np.arange(len(best)), second[best]), 1)
        return powers

    def _factors(self, row: np.ndarray) -> list[tuple[str, int]]:
        return [(name, int(n)) for name, n in zip(self.columns_, row, strict=True) if n]

    def _name(self, row: np.ndarray) -> str:
        return " × ".join(name if n == 1 else f"{name}^{n}" for name, n in self._factors(row))

    def _describe(self, name: str, row: np.ndarray) -> Created:
        factors = self._factors(row)
        sources = tuple(source for source, _ in factors)
        meaning = f"{' and '.join(sources)} together" if len(factors) > 1 else f"{sources[0]}, bent"
        return Created(name, sources, "interaction", meaning, self._name(row))

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        read = {name: numbers(table[name]) for name in self.columns_}
        found = []
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for row in self.powers_:
                product = np.ones(len(table))
                for name, n in self._factors(row):
                    for _ in range(n):
                        product = product * read[name]
                found.append(finite(product))
        return found


def product_scores(values: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Score each product of two columns by what it adds to a linear model of the columns.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        NaN counts as the mean.
    y : ndarray of shape (n_rows,)
        Numbers or classes; of several classes, each against the rest, and the best counts.
    seed : int

    Returns
    -------
    ndarray of shape (n_columns, n_columns)
        Absolute correlation of the product of the standardised columns with the linear model's residuals;
        0 where a column is constant.
    """
    if len(y) > SAMPLE:
        chosen = np.sort(np.random.default_rng(seed).choice(len(y), SAMPLE, replace=False))
        values, y = values[chosen], y[chosen]
    z = _standardised(values)
    targets = _targets(y)
    design = np.column_stack([np.ones(len(z)), z])
    residuals = targets - design @ np.linalg.lstsq(design, targets, rcond=None)[0]
    squares, n = z**2, len(z)
    mean = z.T @ z / n
    spread = np.sqrt(np.maximum(squares.T @ squares / n - mean**2, 0.0))
    best = np.zeros_like(mean)
    for residual in residuals.T:
        scale = residual.std()
        if scale > 1e-9:
            covariance = (z * residual[:, None]).T @ z / n  # the residual's mean is 0
            score = np.divide(
                np.abs(covariance), spread * scale, where=spread > 1e-9, out=np.zeros_like(mean)
            )
            best = np.maximum(best, score)
    return np.round(best, 12)


def _standardised(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        known = np.isfinite(values)
        n = np.maximum(known.sum(axis=0), 1)
        centred = np.where(known, values - np.where(known, values, 0.0).sum(axis=0) / n, 0.0)
        spread = np.sqrt((centred**2).mean(axis=0))
        z = np.where(spread > 0, centred / spread, 0.0)
    return np.where(np.isfinite(z), z, 0.0)


def _targets(y: np.ndarray) -> np.ndarray:
    classes = np.unique(y)
    if pd.api.types.is_numeric_dtype(y.dtype) and (len(classes) == 2 or len(classes) > 20):
        return y.astype(float).reshape(-1, 1)
    if len(classes) > 200:
        raise DataError(
            f"y has {len(classes):,} classes of {y.dtype}; Interactions takes numbers, or classes."
        )
    return np.column_stack([(y == one) * 1.0 for one in classes])
