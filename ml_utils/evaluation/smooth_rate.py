"""The rate of positives as a smooth function of a row's rank, where counting alone is too noisy."""

from __future__ import annotations

import numpy as np

from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.scores import Array

STEPS, RIDGE = 25, 0.5


def smooth_rate(ranked: Ranked) -> Array:
    """Fit the rate of positives along the ranking by a logistic curve of degree two.

    Its argument is the normal quantile of the rank, so that the scale of the scores does not matter. Used for
    what a formula needs beside the figure itself: the variance of a bin that happens to hold no positive, the
    place where the densities of the two classes cross.

    Parameters
    ----------
    ranked : Ranked
        Holding both classes.

    Returns
    -------
    ndarray of shape (n_runs,)

    Examples
    --------
    >>> y = np.array([1.0, 1, 0, 1, 0, 0, 1, 0, 0, 0])
    >>> rate = smooth_rate(Ranked.of(y, np.linspace(1, 0, 10)))
    >>> bool((np.diff(rate) < 0).all()), round(float(rate.sum()), 3)
    (True, 4.0)
    """
    from scipy.special import expit, ndtri

    rows = ranked.positives + ranked.negatives
    total = float(rows.sum())
    z = ndtri(1 - (np.cumsum(rows) - rows / 2) / total)
    design = np.column_stack([np.ones_like(z), z, z**2 - 1])
    share = ranked.positives.sum() / total
    weights = np.array([np.log(share / (1 - share)), 0.0, 0.0])
    penalty = np.diag([0.0, RIDGE, RIDGE])  # keeps a perfect separation finite
    for _ in range(STEPS):
        rate = expit(design @ weights)
        slope = design.T @ (ranked.positives - rows * rate) - penalty @ weights
        bend = (design * (rows * rate * (1 - rate))[:, None]).T @ design + penalty
        step = np.linalg.solve(bend + 1e-9 * np.eye(3), slope)
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(expit(design @ weights), dtype=float)
