"""Metrics of several classes, from probabilities of shape (n_rows, n_classes) and class codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import Array, Metric

AVERAGES = ("macro", "weighted")


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
            As `check_classes`.
        """
        return self.function(*check_classes(y, score))


def check_classes(y: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Array, Array]:
    """Return class codes and probabilities as float arrays.

    Raises
    ------
    DataError
        If there are no rows, lengths differ, a value is NaN, a probability lies outside [0, 1], or a code has
        no column.
    """
    target, scores = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    if scores.ndim != 2 or len(target) != len(scores) or not len(target):
        raise DataError(
            f"Several classes take one target and one row of probabilities a row; got {len(target)} "
            f"targets and scores of shape {scores.shape}."
        )
    if not (np.isfinite(target).all() and np.isfinite(scores).all()):
        raise DataError("Targets or probabilities are NaN or infinite. Leave those rows out.")
    if scores.min() < 0 or scores.max() > 1 + 1e-6:
        raise DataError(
            f"Probabilities lie between 0 and 1; got scores from {scores.min():.4g} to {scores.max():.4g}."
        )
    if target.min() < 0 or target.max() >= scores.shape[1] or (target != np.floor(target)).any():
        odd = target[(target < 0) | (target >= scores.shape[1]) | (target != np.floor(target))][0]
        raise DataError(f"Class codes run from 0 to {scores.shape[1] - 1}; got {odd:g}.")
    return target, scores


def class_confusion(y: Array, p: Array) -> Array:
    """Count rows by true class (row) and likeliest class (column)."""
    k = p.shape[1]
    flat = y.astype(int) * k + p.argmax(axis=1)
    return np.bincount(flat, minlength=k * k).reshape(k, k).astype(float)


def class_rates(table: Array) -> dict[str, Array]:
    """Return precision, recall and F1 of each class from a confusion table.

    A class that does not occur has no recall, one that is never decided for no precision, one that does
    neither no F1: NaN.
    """
    right, true, decided = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "precision": np.where(decided > 0, right / decided, np.nan),
            "recall": np.where(true > 0, right / true, np.nan),
            "f1": np.where(true + decided > 0, 2 * right / (true + decided), np.nan),
        }


def averaged(table: Array, rate: str, average: str) -> float:
    """Average a rate over classes, plainly or by their rows; NaN where a class has none."""
    values, true = class_rates(table)[rate], table.sum(axis=1)
    if average == "macro":
        return float(values.mean())
    used = true > 0  # a class without rows has no weight
    return float(values[used] @ true[used] / true.sum())


def _averaged(rate: str, average: str) -> Callable[[Array, Array], float]:
    def value(y: Array, p: Array) -> float:
        return averaged(class_confusion(y, p), rate, average)

    return value


def class_log_losses(y: Array, p: Array) -> Array:
    """Log loss of each row, probabilities made to add up to 1."""
    right = p[np.arange(len(y)), y.astype(int)] / p.sum(axis=1)
    return -np.log(np.clip(right, np.finfo(float).eps, 1))


def class_squares(y: Array, p: Array) -> Array:
    """Squared distance of each row's probabilities from its outcome, summed over classes (0 to 2)."""
    wanted = np.eye(p.shape[1])[y.astype(int)]
    return np.asarray(np.sum((p - wanted) ** 2, axis=1))


def _log_loss(y: Array, p: Array) -> float:
    return float(class_log_losses(y, p).mean())


def _auc(y: Array, p: Array) -> float:
    """Mean over classes of the AUC of one against the rest; NaN where a class is missing."""
    from sklearn.metrics import roc_auc_score

    if len(np.unique(y)) < p.shape[1]:
        return float("nan")
    normed = p / p.sum(axis=1, keepdims=True)
    if p.shape[1] == 2:
        return float(roc_auc_score(y, normed[:, 1]))
    return float(roc_auc_score(y, normed, multi_class="ovr", average="macro"))


def _brier(y: Array, p: Array) -> float:
    return float(class_squares(y, p).mean())


def _accuracy(y: Array, p: Array) -> float:
    return float(np.mean(p.argmax(axis=1) == y))


def _table() -> tuple[ClassesMetric, ...]:
    made = [
        ClassesMetric("log_loss", "log loss", False, "multiclass", "score", _log_loss),
        ClassesMetric("roc_auc", "AUC, one against the rest", True, "multiclass", "score", _auc),
        ClassesMetric("brier", "Brier score", False, "multiclass", "score", _brier),
        ClassesMetric("accuracy", "accuracy (micro F1)", True, "multiclass", "score", _accuracy),
    ]
    labels = {"precision": "precision", "recall": "recall", "f1": "F1"}
    for average in AVERAGES:
        for rate, label in labels.items():
            if (average, rate) == ("weighted", "recall"):  # the accuracy again
                continue
            name = "balanced_accuracy" if (average, rate) == ("macro", "recall") else f"{rate}_{average}"
            shown = (
                "balanced accuracy (macro recall)" if name == "balanced_accuracy" else f"{average} {label}"
            )
            made.append(ClassesMetric(name, shown, True, "multiclass", "score", _averaged(rate, average)))
    return tuple(made)


MULTICLASS: dict[str, Metric] = {item.name: item for item in _table()}
