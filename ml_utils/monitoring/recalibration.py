"""Whether scores still say what happens: a line from scores to outcomes, and a test of whether it moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CLIP = 1e-6


@dataclass(frozen=True)
class Recalibration:
    """A line that maps a model's scores to what happened, with its information matrix.

    For a binary model the line is one in log-odds (Platt 1999), for a regression one in the target's unit.

    Parameters
    ----------
    task : {"binary", "regression"}
    coefficients : ndarray of shape (2,)
        Intercept and slope; 0 and 1 where the scores need no correction.
    covariance : ndarray of shape (2, 2)
        Of the coefficients; heteroscedasticity-consistent for a regression.
    """

    task: str
    coefficients: np.ndarray
    covariance: np.ndarray

    def apply(self, score: np.ndarray) -> np.ndarray:
        """Return the corrected scores."""
        line = self.coefficients[0] + self.coefficients[1] * link(score, self.task)
        return expit(line) if self.task == "binary" else line


def link(score: np.ndarray, task: str) -> np.ndarray:
    """Return the log-odds of a probability; a regression's value as it is."""
    if task != "binary":
        return np.asarray(score, dtype=float)
    clipped = np.clip(score, _CLIP, 1 - _CLIP)
    return np.log(clipped / (1 - clipped))


def expit(x: np.ndarray) -> np.ndarray:
    """Return the probability of log-odds `x`."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -35, 35))))


def recalibrate(y: np.ndarray, score: np.ndarray, task: str) -> Recalibration:
    """Fit the line that best maps scores to outcomes.

    Parameters
    ----------
    y, score : ndarray of shape (n_rows,)
    task : {"binary", "regression"}

    Returns
    -------
    Recalibration
        The identity with an infinite covariance where it cannot be told: one class, or constant scores (then
        the slope alone stays at 1).

    Examples
    --------
    >>> y = np.array([0, 0, 1, 0, 1, 1])
    >>> recalibrate(y, np.full(6, 0.2), "binary").apply(np.array([0.2])).round(3).tolist()
    [0.5]
    """
    x = link(score, task)
    design = np.column_stack([np.ones(len(x)), x])
    if len(y) < 3 or (task == "binary" and np.min(y) == np.max(y)):
        return Recalibration(task, np.array([0.0, 1.0]), np.diag([np.inf, np.inf]))
    free = [0, 1] if np.ptp(x) > 1e-9 else [0]
    coefficients, inner = _fit_line(design, np.asarray(y, dtype=float), task, free)
    covariance = np.zeros((2, 2))
    covariance[np.ix_(free, free)] = inner
    return Recalibration(task, coefficients, covariance)


def _fit_line(design: np.ndarray, y: np.ndarray, task: str, free: list[int]) -> tuple[np.ndarray, np.ndarray]:
    coefficients = np.array([0.0, 1.0])
    used = design[:, free]
    for _ in range(50 if task == "binary" else 1):  # Newton; a straight line takes one step
        line = design @ coefficients
        mean = expit(line) if task == "binary" else line
        weight = mean * (1 - mean) if task == "binary" else np.ones(len(y))
        information = (used * weight[:, None]).T @ used + 1e-9 * np.eye(len(free))
        step = np.linalg.solve(information, used.T @ (y - mean))
        coefficients[free] += np.clip(step, -2, 2) if task == "binary" else step
        if np.abs(step).max() < 1e-9:
            break
    if task == "binary":
        return coefficients, np.linalg.inv(information)
    scores = used * (y - design @ coefficients)[:, None]
    bread = np.linalg.inv(information)
    return coefficients, bread @ (scores.T @ scores) @ bread  # White (1980)


def calibration_shift(reference: Recalibration, y: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Test whether outcomes still follow what the scores lead one to expect.

    Parameters
    ----------
    reference : Recalibration
        Fitted to the reference's outcomes and expected outcomes.
    y, expected : ndarray of shape (n_rows,)
        The period's outcomes and expected outcomes (`Estimator.expect`).

    Returns
    -------
    effect : float
        Mean absolute difference between the period's line and the reference's over the period's rows, as a
        share of the mean outcome that the reference's line expects.
    p_value : float
        Wald test that intercept and slope are the reference's, 2 degrees of freedom; 1 where not defined.
    """
    from scipy.stats import chi2

    now = recalibrate(y, expected, reference.task)
    covariance = now.covariance + reference.covariance
    rank = int(np.linalg.matrix_rank(covariance)) if np.isfinite(covariance).all() else 0
    if not rank:
        return float("nan"), 1.0
    gap = now.coefficients - reference.coefficients
    statistic = float(gap @ np.linalg.pinv(covariance) @ gap)
    before = reference.apply(expected)
    effect = np.abs(now.apply(expected) - before).mean() / max(float(np.abs(before).mean()), 1e-12)
    return float(effect), float(chi2.sf(statistic, rank))
