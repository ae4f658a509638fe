"""Metrics with their direction: one table that training, evaluation and monitoring read.

A metric that is not defined for the rows at hand (one class only, nobody acted on, a target of zero under a
percentage error) is NaN, never a silent zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.evaluation.counts import Counts
from ml_utils.evaluation.scores import (
    ECE_BINS,
    Array,
    average_precision,
    brier,
    calibration_bins,
    ece,
    ks,
    log_loss,
    log_losses,
    mae,
    mape,
    mse,
    pinball,
    r2,
    rmse,
    roc_auc,
)

__all__ = [
    "ECE_BINS",
    "METRICS",
    "Array",
    "Counts",
    "Metric",
    "calibration_bins",
    "check_scores",
    "get_metric",
    "log_loss",
    "log_losses",
]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name : str
        Key in `METRICS`.
    label : str
        What a page calls it.
    greater_is_better : bool
    task : {"binary", "multiclass", "regression"}
    kind : {"score", "decision"}
        Whether `function` takes scores (probabilities, predicted values) or decisions (0 or 1).
    function : callable
        `function(y, score_or_decision) -> float`; NaN where it is not defined.

    Examples
    --------
    >>> METRICS["recall"].value([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.2], threshold=0.5)
    0.5
    >>> METRICS["recall"].value([0, 0], [0.1, 0.9], threshold=0.5)
    nan
    """

    name: str
    label: str
    greater_is_better: bool
    task: Literal["binary", "multiclass", "regression"]
    kind: Literal["score", "decision"]
    function: Callable[[Array, Array], float]

    def value(self, y: npt.ArrayLike, score: npt.ArrayLike, threshold: float | None = None) -> float:
        """Compute the metric from scores.

        Parameters
        ----------
        y : array of shape (n_rows,)
            0 or 1 for a binary task, the value for a regression.
        score : array of shape (n_rows,)
            P(positive), or the predicted value.
        threshold : float, optional
            Score at or above which a row is acted on; needed by metrics of kind "decision".

        Returns
        -------
        float
            NaN where the metric is not defined.

        Raises
        ------
        DataError
            If lengths differ, a value is NaN or infinite, or `y` is not 0/1 in a binary task.
        ParameterError
            If the metric is one of decisions and no threshold is given.
        """
        target, scores = check_scores(y, score, self.task)
        if self.kind == "score":
            return self.function(target, scores)
        if threshold is None:
            raise ParameterError(f"{self.name} judges decisions; give the threshold that makes them.")
        return self.function(target, (scores >= threshold).astype(float))


def get_metric(name: str, task: str) -> Metric:
    """Return a metric of `task` by name.

    Raises
    ------
    ParameterError
        If there is none; the message lists the known ones.
    """
    from ml_utils.evaluation.multiclass import MULTICLASS

    table = MULTICLASS if task == "multiclass" else METRICS
    known = [item.name for item in table.values() if item.task == task]
    if name not in known:
        raise ParameterError(f"There is no metric {name!r} for a {task} task. {list_known(name, known)}")
    return table[name]


def check_scores(y: npt.ArrayLike, score: npt.ArrayLike, task: str) -> tuple[Array, Array]:
    """Return targets and scores as float arrays of one length, without missing values.

    Raises
    ------
    DataError
        If lengths differ, there are no rows, a value is NaN or infinite, `y` is not 0/1 or a probability lies
        outside [0, 1] in a binary task.
    """
    target, scores = np.asarray(y, dtype=float).ravel(), np.asarray(score, dtype=float).ravel()
    if len(target) != len(scores):
        raise DataError(f"There are {len(target)} targets and {len(scores)} scores; they must be one a row.")
    if not len(target):
        raise DataError("There are no rows to judge; give at least one.")
    for what, values in (("target", target), ("score", scores)):
        bad = int((~np.isfinite(values)).sum())
        if bad:
            raise DataError(
                f"{bad} of {len(values)} values of the {what} are NaN or infinite. Leave those rows out, or "
                "mend what made them."
            )
    if task == "binary":
        _check_binary(target, scores)
    return target, scores


def _check_binary(target: Array, scores: Array) -> None:
    if not np.isin(target, (0.0, 1.0)).all():
        found = np.unique(target)[:5].tolist()
        raise DataError(f"A binary target is 0 or 1; got values like {found}.")
    low, high = float(scores.min()), float(scores.max())
    if low < 0 or high > 1:
        raise DataError(
            f"Probabilities lie between 0 and 1; got scores from {low:.4g} to {high:.4g}. Use predict_proba, "
            "or calibrate the scores first."
        )


def _decision(name: str) -> Callable[[Array, Array], float]:
    def value(y: Array, decided: Array) -> float:
        return float(Counts.of(y, decided).rates()[name])

    return value


_TABLE = (
    Metric("roc_auc", "AUC", True, "binary", "score", roc_auc),
    Metric("average_precision", "average precision", True, "binary", "score", average_precision),
    Metric("log_loss", "log loss", False, "binary", "score", log_loss),
    Metric("brier", "Brier score", False, "binary", "score", brier),
    Metric("ece", "expected calibration error", False, "binary", "score", ece),
    Metric("ks", "Kolmogorov–Smirnov distance", True, "binary", "score", ks),
    Metric("accuracy", "accuracy", True, "binary", "decision", _decision("accuracy")),
    Metric(
        "balanced_accuracy", "balanced accuracy", True, "binary", "decision", _decision("balanced_accuracy")
    ),
    Metric("precision", "precision", True, "binary", "decision", _decision("precision")),
    Metric("recall", "recall", True, "binary", "decision", _decision("recall")),
    Metric("f1", "F1", True, "binary", "decision", _decision("f1")),
    Metric("specificity", "specificity", True, "binary", "decision", _decision("specificity")),
    Metric("mcc", "Matthews correlation", True, "binary", "decision", _decision("mcc")),
    Metric("mse", "mean squared error", False, "regression", "score", mse),
    Metric("rmse", "root mean squared error", False, "regression", "score", rmse),
    Metric("mae", "mean absolute error", False, "regression", "score", mae),
    Metric("pinball", "pinball loss at the median", False, "regression", "score", pinball),
    Metric("r2", "R²", True, "regression", "score", r2),
    Metric("mape", "mean absolute percentage error", False, "regression", "score", mape),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}
