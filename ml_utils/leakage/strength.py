"""How much one column says about the target, out of fold, whatever the shape of the relation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.leakage.sample import N_FOLDS, Array, bins

PRIOR_ROWS = 2.0  # rows of the overall mean that each value's mean is drawn to


@dataclass(frozen=True)
class Strength:
    """What a column says: AUC for an event, absolute rank correlation for a number; 0 to 1.

    Attributes
    ----------
    value : float
    error : float
        Standard error.
    shape : {"ordered", "by value"}
        Whether its order says it, or which value it has.
    """

    value: float
    error: float
    shape: str

    @property
    def surely(self) -> float:
        """A value that it most likely exceeds: two standard errors below."""
        return self.value - 2 * self.error


def strength(x: Array, y: Array, fold: Array, binary: bool, category: bool = False) -> Strength:
    """Measure a column by its order and, cross-fitted, by its values; the better of the two.

    Parameters
    ----------
    x : ndarray of float, shape (n_rows,)
        Values, or codes of categories; NaN is missing.
    y : ndarray of float, shape (n_rows,)
    fold : ndarray of int, shape (n_rows,)
    binary : bool
        Whether y is an event.
    category : bool
        Whether the order of x means nothing.

    Examples
    --------
    >>> y = np.tile([0.0, 1.0], 60)
    >>> strength(y, y, np.arange(120) % 3, True).value
    1.0
    """
    codes = np.where(np.isfinite(x), x + 1, 0).astype(np.int64) if category else bins(x)
    by_value = score(by_bin(codes, y, fold), y, binary)
    if category:
        return Strength(*by_value, "by value")
    known = np.isfinite(x)
    middle = np.median(x[known]) if known.any() else 0.0
    value, error = score(np.where(known, x, middle), y, binary)
    value = max(value, 1 - value) if binary else abs(value)
    if by_value[0] > value + 0.01:
        return Strength(*by_value, "by value")
    return Strength(value, error, "ordered")


def by_bin(codes: Array, y: Array, fold: Array) -> Array:
    """Predict each row by the mean target of its value in the other folds."""
    n = int(codes.max()) + 1
    # One pass: counts and sums of each value in each fold, then all but the row's own fold.
    cell = fold * n + codes
    rows = np.bincount(cell, minlength=N_FOLDS * n).reshape(N_FOLDS, n)
    sums = np.bincount(cell, weights=y, minlength=N_FOLDS * n).reshape(N_FOLDS, n)
    other_rows, other_sums = rows.sum(0) - rows, sums.sum(0) - sums
    prior = other_sums.sum(1, keepdims=True) / np.maximum(other_rows.sum(1, keepdims=True), 1)
    # Centred on its fold's own prior, so that folds can be ranked together.
    mean = (other_sums + PRIOR_ROWS * prior) / (other_rows + PRIOR_ROWS) - prior
    return mean[fold, codes]


def score(x: Array, y: Array, binary: bool) -> tuple[float, float]:
    """Return AUC or rank correlation of x with y, and its standard error."""
    return auc(x, y) if binary else rank_correlation(x, y)


def auc(x: Array, y: Array) -> tuple[float, float]:
    """Area under the ROC curve and its standard error (Hanley & McNeil 1982, eq. 2).

    Examples
    --------
    >>> auc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, 1.0, 1.0]))[0]
    1.0
    """
    from scipy.stats import rankdata

    positive = y > 0
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return 0.5, 0.5
    area = (rankdata(x)[positive].sum() - m * (m + 1) / 2) / (m * n)
    a = max(area, 1 - area)
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    variance = (a * (1 - a) + (m - 1) * (q1 - a**2) + (n - 1) * (q2 - a**2)) / (m * n)
    # A perfect ranking of few rows is not a perfect column: no error smaller than one row's.
    return float(area), float(max(np.sqrt(max(variance, 0.0)), 0.5 / min(m, n)))


def rank_correlation(x: Array, y: Array) -> tuple[float, float]:
    """Spearman's rank correlation and its standard error (Bonett & Wright 2000)."""
    from scipy.stats import rankdata

    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0, 1.0
    rho = float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
    return rho, float((1 - rho**2) * np.sqrt((1 + rho**2 / 2) / max(len(x) - 3, 1)))


def codes_of(values: pd.Series) -> Array:
    """Number the categories of a column; missing is NaN."""
    codes = pd.factorize(values)[0].astype(float)
    return np.where(codes < 0, np.nan, codes)
