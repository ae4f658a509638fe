"""DeLong's covariance of areas under the ROC curve: analytic intervals and a paired test."""

from __future__ import annotations

import numpy as np

from ml_utils.evaluation.intervals import t_quantile
from ml_utils.evaluation.metrics import Array


def delong_covariance(y: Array, scores: Array) -> tuple[Array, Array]:
    """Estimate the AUC of each model, and their covariance, from scores on the same rows.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    scores : ndarray of shape (n_models, n_rows)

    Returns
    -------
    auc : ndarray of shape (n_models,)
    covariance : ndarray of shape (n_models, n_models)
        NaN, like `auc`, where a class is missing; covariance alone where a class has one row.

    Notes
    -----
    DeLong, DeLong & Clarke-Pearson (1988); by midranks in O(n log n) as in Sun & Xu (2014), "Fast
    implementation of DeLong's algorithm", IEEE Signal Processing Letters 21(11).

    Examples
    --------
    >>> auc, covariance = delong_covariance(np.array([0, 0, 1, 1]), np.array([[0.1, 0.6, 0.4, 0.9]]))
    >>> auc.tolist(), covariance.round(4).tolist()
    ([0.75], [[0.125]])
    """
    from scipy.stats import rankdata

    positive = y > 0
    m, n = int(positive.sum()), int((~positive).sum())
    k = scores.shape[0]
    if m == 0 or n == 0:
        return np.full(k, np.nan), np.full((k, k), np.nan)
    up, down = scores[:, positive], scores[:, ~positive]
    ranks = rankdata(np.hstack([up, down]), axis=1)
    v10 = (ranks[:, :m] - rankdata(up, axis=1)) / n  # share of negatives below each positive
    v01 = 1 - (ranks[:, m:] - rankdata(down, axis=1)) / m  # share of positives above each negative
    auc = v10.mean(axis=1)
    if m == 1 or n == 1:
        return auc, np.full((k, k), np.nan)
    covariance = np.atleast_2d(np.cov(v10)) / m + np.atleast_2d(np.cov(v01)) / n
    return auc, covariance


def delong_interval(y: Array, score: Array, level: float = 0.95) -> tuple[float, float, float]:
    """Return the AUC of one model with its interval, cut off at 0 and 1.

    Examples
    --------
    >>> delong_interval(np.zeros(3), np.array([0.1, 0.2, 0.3]))
    (nan, nan, nan)
    """
    auc, covariance = delong_covariance(y, score[None, :])
    value, half = float(auc[0]), t_quantile(level=level) * float(np.sqrt(covariance[0, 0]))
    return value, float(np.clip(value - half, 0, 1)), float(np.clip(value + half, 0, 1))


def delong_test(
    y: Array, first: Array, second: Array, level: float = 0.95
) -> tuple[float, float, float, float]:
    """Test whether two models have the same AUC on the same rows.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    first, second : ndarray of shape (n_rows,)
        Scores of the two models.

    Returns
    -------
    difference : float
        AUC of `first` less that of `second`.
    lower, upper : float
        Its interval.
    p_value : float
        Two-sided; 1 where the two rank the rows alike, NaN where a class is missing.
    """
    from scipy.special import ndtr

    auc, covariance = delong_covariance(y, np.vstack([first, second]))
    difference = float(auc[0] - auc[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if not np.isfinite(variance):
        return difference, float("nan"), float("nan"), float("nan")
    error = float(np.sqrt(max(variance, 0.0)))
    if error < 1e-12:  # the same ranking, or both flawless: no noise is left to test against
        return difference, difference, difference, 1.0 if abs(difference) < 1e-12 else 0.0
    half = t_quantile(level=level) * error
    p_value = float(2 * ndtr(-abs(difference) / error))
    return difference, difference - half, difference + half, p_value
