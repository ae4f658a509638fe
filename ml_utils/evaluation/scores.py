"""Metrics as functions of targets and scores; what is not defined is NaN."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ECE_BINS = 10


def _one_class(y: Array) -> bool:
    return bool(y.min() == y.max())


def roc_auc(y: Array, score: Array) -> float:
    """Area under the ROC curve; NaN with one class."""
    from sklearn.metrics import roc_auc_score

    return float("nan") if _one_class(y) else float(roc_auc_score(y, score))


def average_precision(y: Array, score: Array) -> float:
    """Average precision (step-wise area under the precision–recall curve); NaN without positives."""
    from sklearn.metrics import average_precision_score

    return float("nan") if not y.any() else float(average_precision_score(y, score))


def log_losses(y: Array, score: Array) -> Array:
    """Log loss of each row, probabilities clipped by one float epsilon as scikit-learn does."""
    eps = np.finfo(float).eps
    p = np.clip(score, eps, 1 - eps)
    return -np.where(y > 0, np.log(p), np.log1p(-p))


def log_loss(y: Array, score: Array) -> float:
    """Mean log loss, in nats."""
    return float(log_losses(y, score).mean())


def brier(y: Array, score: Array) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((score - y) ** 2))


def calibration_bins(score: Array, bins: int = ECE_BINS) -> npt.NDArray[np.intp]:
    """Return each row's bin: about equal numbers of rows a bin, equal scores always together.

    Equal numbers instead of equal widths, because a rare outcome leaves most equal-width bins empty
    (Nixon et al. 2019, "Measuring calibration in deep learning").
    """
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, score, side="right")


def ece(y: Array, score: Array) -> float:
    """Expected calibration error: mean |mean score − rate| over bins of about equal numbers of rows.

    Examples
    --------
    >>> ece(np.array([0.0, 1.0, 0.0, 1.0]), np.full(4, 0.3))
    0.2
    """
    index = calibration_bins(score)
    gaps = np.bincount(index, weights=score) - np.bincount(index, weights=y)
    return float(np.abs(gaps).sum() / len(y))


def ks(y: Array, score: Array) -> float:
    """Kolmogorov–Smirnov distance between the scores of the two classes; NaN with one class."""
    if _one_class(y):
        return float("nan")
    order = np.argsort(score, kind="stable")
    ordered, positive = score[order], y[order]
    gap = np.cumsum(positive) / positive.sum() - np.cumsum(1 - positive) / (1 - positive).sum()
    last_of_ties = np.append(ordered[1:] != ordered[:-1], True)
    return float(np.abs(gap[last_of_ties]).max())


def mse(y: Array, predicted: Array) -> float:
    """Mean squared error, in the target's unit squared."""
    return float(np.mean((predicted - y) ** 2))


def rmse(y: Array, predicted: Array) -> float:
    """Root of the mean squared error, in the target's unit."""
    return float(np.sqrt(mse(y, predicted)))


def mae(y: Array, predicted: Array) -> float:
    """Mean absolute error, in the target's unit."""
    return float(np.mean(np.abs(predicted - y)))


def pinball(y: Array, predicted: Array) -> float:
    """Pinball loss at the median, in the target's unit.

    A point prediction claims no other quantile than the middle one, where the loss is half the mean absolute
    error; a model of another quantile is judged by `sklearn.metrics.mean_pinball_loss` with its own alpha.
    """
    return mae(y, predicted) / 2


def r2(y: Array, predicted: Array) -> float:
    """Share of the target's variance explained; NaN for a constant target."""
    if _one_class(y):
        return float("nan")
    return float(1 - np.sum((predicted - y) ** 2) / np.sum((y - y.mean()) ** 2))


def mape(y: Array, predicted: Array) -> float:
    """Mean absolute error as a share of the target; NaN where any target is zero."""
    return float("nan") if (y == 0).any() else float(np.mean(np.abs((predicted - y) / y)))
