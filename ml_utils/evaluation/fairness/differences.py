"""Intervals of what compares groups: the largest difference of two rates, and the smallest ratio of two.

The largest difference is one of an extreme, so that the interval must hold for all pairs of groups at once.
Each rate gets Wilson's limits, each pair of groups Newcombe's interval from them, and the quantile is that of
the studentised range (Tukey), which for two groups is the normal one. For two groups the coverage is that of
Newcombe's interval; for more it is above what is claimed, since the extreme pair alone is reported.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ml_utils.evaluation.intervals import wilson
from ml_utils.evaluation.metrics import Array

Limits = tuple[float, float]


@lru_cache(maxsize=64)
def simultaneous_quantile(groups: int, level: float) -> float:
    """Return what stands in for the normal quantile so that all pairs of groups hold together.

    Examples
    --------
    >>> round(simultaneous_quantile(2, 0.95), 4), round(simultaneous_quantile(4, 0.95), 3)
    (1.96, 2.569)
    """
    from scipy.special import ndtri
    from scipy.stats import studentized_range

    if groups <= 2:
        return float(ndtri((1 + level) / 2))
    return float(studentized_range.ppf(level, groups, np.inf) / np.sqrt(2))


def largest_difference(hits: Array, rows: Array, level: float = 0.95) -> tuple[float, float, float]:
    """Return the largest difference between groups' rates with its interval.

    Parameters
    ----------
    hits, rows : ndarray of shape (n_groups,)
    level : float

    Returns
    -------
    value, lower, upper : float
        NaN for fewer than two groups with rows.

    Notes
    -----
    Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10.

    Examples
    --------
    >>> found = largest_difference(np.array([56.0, 48.0]), np.array([70.0, 80.0]))
    >>> [round(value, 4) for value in found]  # Newcombe's table II (a): 0.0524 to 0.3339
    [0.2, 0.0524, 0.3339]
    """
    some = rows > 0
    if some.sum() < 2:
        return float("nan"), float("nan"), float("nan")
    p, low, high = _limits(hits[some], rows[some], level)
    difference = p[:, None] - p[None, :]
    down = np.hypot(p[:, None] - low[:, None], high[None, :] - p[None, :])
    up = np.hypot(high[:, None] - p[:, None], p[None, :] - low[None, :])
    return (
        float(difference.max()),
        float(max(0.0, (difference - down)[difference >= 0].max())),
        float(min(1.0, (difference + up).max())),
    )


def smallest_ratio(hits: Array, rows: Array, level: float = 0.95) -> tuple[float, float, float]:
    """Return the lowest rate over the highest with its interval.

    Returns
    -------
    value, lower, upper : float
        NaN for fewer than two groups with rows, or where no group has a hit.

    Notes
    -----
    Donner & Zou (2012), "Closed-form confidence intervals for functions of the normal mean and standard
    deviation", eq. 9: limits of a ratio from Wilson's limits of its parts.

    Examples
    --------
    >>> found = smallest_ratio(np.array([36.0, 60.0]), np.array([240.0, 240.0]))
    >>> [round(value, 3) for value in found]
    [0.6, 0.414, 0.868]
    """
    some = rows > 0
    if some.sum() < 2 or not hits[some].any():
        return float("nan"), float("nan"), float("nan")
    p, low, high = _limits(hits[some], rows[some], level)
    value = float(p.min() / p.max())
    pairs = [_ratio_limits(p, low, high, i, j) for i in range(len(p)) for j in range(len(p)) if i != j]
    lower, upper = zip(*pairs, strict=True)
    return value, float(max(0.0, min(lower))), float(min(1.0, min(upper)))


def _limits(hits: Array, rows: Array, level: float) -> tuple[Array, Array, Array]:
    z = simultaneous_quantile(len(hits), level)
    return (hits / rows, *wilson(hits, rows, z))


def _ratio_limits(p: Array, low: Array, high: Array, i: int, j: int) -> Limits:
    """Limits of p[i] / p[j]."""
    product, bottom, top = p[i] * p[j], 2 * p[j] - high[j], 2 * p[j] - low[j]
    if bottom <= 0:  # the wider ratio of limits, where eq. 9 has no root
        lower = low[i] / high[j]
    else:
        root = max(product**2 - low[i] * high[j] * (2 * p[i] - low[i]) * bottom, 0.0)
        lower = (product - np.sqrt(root)) / (high[j] * bottom)
    if low[j] <= 0:
        return float(lower), float("inf")
    root = max(product**2 - high[i] * low[j] * (2 * p[i] - high[i]) * top, 0.0)
    return float(lower), float((product + np.sqrt(root)) / (low[j] * top))


def odds_difference(
    found: Array, positives: Array, wrong: Array, negatives: Array, level: float = 0.95
) -> tuple[float, float, float]:
    """Return the larger of the largest differences in TPR and in FPR, with its interval.

    The two rates come from different rows, so that each is held at the square root of `level`.
    """
    each = level**0.5
    tpr, fpr = largest_difference(found, positives, each), largest_difference(wrong, negatives, each)
    if not np.isfinite([tpr[0], fpr[0]]).all():
        return float("nan"), float("nan"), float("nan")
    return max(tpr[0], fpr[0]), max(tpr[1], fpr[1]), max(tpr[2], fpr[2])
