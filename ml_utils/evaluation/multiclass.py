"""Metrics of several classes, from probabilities of shape (n_rows, n_classes) and class codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import Array, Metric


@dataclass(frozen=True)
class ClassesMetric(Metric):
    """A metric of a multi-class task.

    Examples
    --------
    >>> MULTICLASS["accuracy"].value([0, 2], [[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]])
    0.5
    """

    def value(self, y: npt.ArrayLike, score: npt.ArrayLike, threshold: float | None = None) -> float:
        """Compute the metric; the likeliest class is decided for, so that no threshold is needed.

        Raises
        ------
        DataError
            If lengths differ, a value is NaN, or a code has no column.
        """
        target, scores = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
        if scores.ndim != 2 or len(target) != len(scores) or not len(target):
            raise DataError(
                f"Several classes take one target and one row of probabilities a row; got {len(target)} "
                f"targets and scores of shape {scores.shape}."
            )
        if not (np.isfinite(target).all() and np.isfinite(scores).all()):
            raise DataError("Targets or probabilities are NaN or infinite. Leave those rows out.")
        if target.min() < 0 or target.max() >= scores.shape[1]:
            raise DataError(f"Class codes run from 0 to {scores.shape[1] - 1}; got {target.max():g}.")
        return self.function(target, scores)


def _log_loss(y: Array, p: Array) -> float:
    right = p[np.arange(len(y)), y.astype(int)] / p.sum(axis=1)
    return float(-np.log(np.clip(right, np.finfo(float).eps, 1)).mean())


def _auc(y: Array, p: Array) -> float:
    """Mean over classes of the AUC of one against the rest; NaN where a class is missing."""
    from sklearn.metrics import roc_auc_score

    if len(np.unique(y)) < p.shape[1]:
        return float("nan")
    normed = p / p.sum(axis=1, keepdims=True)
    return float(roc_auc_score(y, normed, multi_class="ovr", average="macro"))


def _brier(y: Array, p: Array) -> float:
    wanted = np.eye(p.shape[1])[y.astype(int)]
    return float(np.mean(np.sum((p - wanted) ** 2, axis=1)))


def _accuracy(y: Array, p: Array) -> float:
    return float(np.mean(p.argmax(axis=1) == y))


def _f1(y: Array, p: Array) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(y, p.argmax(axis=1), average="macro", labels=range(p.shape[1]), zero_division=0))


MULTICLASS: dict[str, Metric] = {
    item.name: item
    for item in (
        ClassesMetric("log_loss", "log loss", False, "multiclass", "score", _log_loss),
        ClassesMetric("roc_auc", "AUC, one against the rest", True, "multiclass", "score", _auc),
        ClassesMetric("brier", "Brier score", False, "multiclass", "score", _brier),
        ClassesMetric("accuracy", "accuracy", True, "multiclass", "score", _accuracy),
        ClassesMetric("f1_macro", "macro F1", True, "multiclass", "score", _f1),
    )
}
