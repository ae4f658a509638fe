"""Performance with labels and, by estimate, without them: values with standard errors, on arrays.

Without labels a binary model is judged by confidence-based estimation (CBPE): calibrated probabilities say
how many of the rows that it ranks high will turn out positive. A regression is judged by a second model that
learnt, on the reference, how large the first one's errors are (direct loss estimation). Both see a change in
the columns; neither can see that the same columns now lead to another outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_utils.errors import DataError
from ml_utils.monitoring.recalibration import Recalibration, recalibrate

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.isotonic import IsotonicRegression

METRICS_OF = {"binary": ("roc_auc", "brier"), "regression": ("rmse", "mae")}


def realised(y: np.ndarray, score: np.ndarray, metric: str) -> tuple[float, float]:
    """Compute a metric with its standard error.

    Parameters
    ----------
    y, score : ndarray of shape (n_rows,)
    metric : {"roc_auc", "brier", "rmse", "mae"}

    Returns
    -------
    value, error : float
        Errors are analytic: DeLong for the area, the delta method for the root. NaN where not defined.

    Examples
    --------
    >>> realised(np.array([1.0, 2.0]), np.array([1.0, 4.0]), "mae")
    (1.0, 1.0)
    """
    if metric == "roc_auc":
        from ml_utils.evaluation.delong import delong_covariance

        area, covariance = delong_covariance(np.asarray(y, dtype=float), score[None, :])
        return float(area[0]), float(np.sqrt(covariance[0, 0]))
    if metric not in ("brier", "rmse", "mae"):
        raise DataError(f"No standard error is known for {metric!r}; use roc_auc, brier, rmse or mae.")
    losses = np.abs(score - y) if metric == "mae" else (score - y) ** 2
    mean = float(losses.mean()) if len(losses) else float("nan")
    error = float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else float("nan")
    if metric != "rmse":
        return mean, error
    return float(np.sqrt(mean)), error / (2 * float(np.sqrt(mean))) if mean > 0 else 0.0


def expected_auc(score: np.ndarray, probability: np.ndarray) -> float:
    """Expected area under the ROC curve of rows whose true probabilities are `probability`.

    Parameters
    ----------
    score : ndarray of shape (n_rows,)
        What the rows are ranked by.
    probability : ndarray of shape (n_rows,)
        Calibrated P(positive).

    Returns
    -------
    float
        Ties count half; NaN where no positive or no negative is expected.

    Notes
    -----
    CBPE for the area, as in NannyML's documentation ("How it works: estimating AUROC").

    Examples
    --------
    >>> round(expected_auc(np.array([0.1, 0.9]), np.array([0.1, 0.9])), 3)
    0.9
    """
    order = np.argsort(score, kind="stable")
    positive, negative = probability[order], 1 - probability[order]
    starts = np.flatnonzero(np.append(True, np.diff(score[order]) > 0))
    up, down = np.add.reduceat(positive, starts), np.add.reduceat(negative, starts)
    total = float(up.sum() * down.sum())
    if total <= 0:
        return float("nan")
    below = np.cumsum(down) - down
    return float((up * (below + down / 2)).sum() / total)


@dataclass(frozen=True)
class Estimator:
    """Estimates a model's performance from its scores and features, learnt on the reference.

    Parameters
    ----------
    task : {"binary", "regression"}
    line : Recalibration
        Maps scores to probabilities where `steps` is None.
    steps : IsotonicRegression or None
        Maps scores to probabilities where that predicts the reference better, cross-validated.
    losses : dict of str to regressor
        Metric to the model of its loss (regression).
    """

    task: str
    line: Recalibration
    steps: IsotonicRegression | None
    losses: dict[str, HistGradientBoostingRegressor]

    def expect(self, score: np.ndarray) -> np.ndarray:
        """Return the outcome that a score leads to by the reference: P(positive), or a value."""
        return self.line.apply(score) if self.steps is None else np.asarray(self.steps.predict(score))

    def estimate(self, score: np.ndarray, features: np.ndarray, metric: str) -> float:
        """Estimate a metric of `METRICS_OF` for rows without labels.

        Parameters
        ----------
        score : ndarray of shape (n_rows,)
        features : ndarray of shape (n_rows, n_features)
            What the loss models were fitted on; not used for a binary task.
        metric : str

        Returns
        -------
        float
        """
        if self.task == "binary":
            probability = self.expect(score)
            if metric == "roc_auc":
                return expected_auc(score, probability)
            # E(p − y)² when y is Bernoulli with the calibrated probability
            return float(np.mean((score - probability) ** 2 + probability * (1 - probability)))
        loss = np.maximum(self.losses[metric].predict(np.column_stack([features, score])), 0).mean()
        return float(np.sqrt(loss)) if metric == "rmse" else float(loss)


def fit_estimator(y: np.ndarray, score: np.ndarray, features: np.ndarray, task: str, seed: int) -> Estimator:
    """Learn on the reference what `Estimator` needs.

    Parameters
    ----------
    y, score : ndarray of shape (n_rows,)
    features : ndarray of shape (n_rows, n_features)
    task : {"binary", "regression"}
    seed : int

    Returns
    -------
    Estimator
    """
    line = recalibrate(y, score, task)
    if task == "binary":
        return Estimator(task, line, _steps_if_better(y, score, seed), {})
    from sklearn.ensemble import HistGradientBoostingRegressor

    table = np.column_stack([features, score])
    losses = {}
    for metric in METRICS_OF[task]:
        target = np.abs(score - y) if metric == "mae" else (score - y) ** 2
        losses[metric] = HistGradientBoostingRegressor(
            max_iter=80, learning_rate=0.08, max_depth=3, min_samples_leaf=50, random_state=seed
        ).fit(table, target)
    return Estimator(task, line, None, losses)


def _steps_if_better(y: np.ndarray, score: np.ndarray, seed: int) -> IsotonicRegression | None:
    """Choose between a line in log-odds and isotonic steps by log loss on rows that neither saw."""
    fold = np.random.default_rng(seed).permutation(len(y)) % 5
    line, steps = np.empty(len(y)), np.empty(len(y))
    for k in range(5):
        inside, outside = fold != k, fold == k
        line[outside] = recalibrate(y[inside], score[inside], "binary").apply(score[outside])
        steps[outside] = _isotonic(y[inside], score[inside]).predict(score[outside])
    from ml_utils.evaluation.metrics import log_loss

    return _isotonic(y, score) if log_loss(y, steps) < log_loss(y, line) else None


def _isotonic(y: np.ndarray, score: np.ndarray) -> IsotonicRegression:
    from sklearn.isotonic import IsotonicRegression

    least = 0.5 / max(len(y), 1)  # no sample of n rows shows that a probability is 0
    return IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(score, y)
