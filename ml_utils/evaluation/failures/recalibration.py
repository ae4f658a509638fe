"""Cox's recalibration: the intercept and slope that set probabilities right over all rows."""

from __future__ import annotations

import numpy as np

from ml_utils.evaluation.metrics import Array

SMALLEST = 1e-6  # probabilities are held this far from 0 and 1


def recalibrate(y: Array, score: Array) -> tuple[Array, float, float]:
    """Set the probabilities right over all rows, so that slices are held against the rest and not against 0.

    Parameters
    ----------
    y, score : ndarray of shape (n_rows,)

    Returns
    -------
    p : ndarray of shape (n_rows,)
    intercept, slope : float
        Of Cox's recalibration; 0 and 1 where the scores are right on the whole. Weakly held there (a normal
        prior of sd 1), so that they exist for any scores.

    Examples
    --------
    >>> p, intercept, slope = recalibrate(np.array([0.0, 1.0] * 500), np.full(1000, 0.3))
    >>> bool(abs(p[0] - 0.5) < 0.01)
    True
    """
    from scipy.special import expit, logit

    z = logit(np.clip(score, SMALLEST, 1 - SMALLEST))
    design = np.stack([np.ones_like(z), z])
    beta = np.array([0.0, 1.0])

    def objective(b: Array) -> float:
        eta = b @ design
        return float(np.logaddexp(0, eta).sum() - y @ eta + 0.5 * ((b - (0, 1)) ** 2).sum())

    value = objective(beta)
    for _ in range(50):
        p = expit(beta @ design)
        gradient = design @ (p - y) + beta - (0, 1)
        hessian = (design * (p * (1 - p))) @ design.T + np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        scale = 1.0
        while scale > 1e-6 and objective(beta - scale * step) > value:
            scale /= 2
        beta = beta - scale * step
        value = objective(beta)
        if float(np.abs(scale * step).max()) < 1e-10:
            break
    p = np.clip(expit(beta @ design), SMALLEST, 1 - SMALLEST)
    return p, float(beta[0]), float(beta[1])
