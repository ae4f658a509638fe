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

Array = npt.NDArray[np.float64]
ECE_BINS = 10


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


# Counts and what follows from them: arrays in, arrays out, so that a bootstrap takes all resamples at once.


@dataclass(frozen=True)
class Counts:
    """Cells of a confusion table; numbers, or arrays of one shape.

    Examples
    --------
    >>> Counts.of([1, 1, 0, 0], [1, 0, 0, 0]).rates()["precision"]
    np.float64(1.0)
    """

    tp: npt.NDArray[np.float64] | float
    fp: npt.NDArray[np.float64] | float
    fn: npt.NDArray[np.float64] | float
    tn: npt.NDArray[np.float64] | float

    @classmethod
    def of(cls, y: npt.ArrayLike, decided: npt.ArrayLike) -> Counts:
        """Count from targets and decisions, both 0/1 of shape (n_rows,)."""
        target, acted = np.asarray(y, dtype=bool), np.asarray(decided, dtype=bool)
        tp, fp = float(np.sum(target & acted)), float(np.sum(~target & acted))
        return cls(tp, fp, float(target.sum()) - tp, float((~target).sum()) - fp)

    def rates(self) -> dict[str, Array]:
        """Return every metric of kind "decision" by name; NaN where a denominator is zero."""
        tp, fp, fn, tn = (np.asarray(item, dtype=float) for item in (self.tp, self.fp, self.fn, self.tn))
        recall, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
        margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return {
            "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
            "balanced_accuracy": (recall + specificity) / 2,
            "precision": _ratio(tp, tp + fp),
            "recall": recall,
            "f1": _ratio(2 * tp, 2 * tp + fp + fn),
            "specificity": specificity,
            "mcc": _ratio(tp * tn - fp * fn, np.sqrt(margins)),
        }


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(below > 0, above / below, np.nan)
    return share[()]  # a number where numbers came in


def _decision(name: str) -> Callable[[Array, Array], float]:
    def value(y: Array, decided: Array) -> float:
        return float(Counts.of(y, decided).rates()[name])

    return value


# Scores


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


def rmse(y: Array, predicted: Array) -> float:
    """Root of the mean squared error, in the target's unit."""
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


def mae(y: Array, predicted: Array) -> float:
    """Mean absolute error, in the target's unit."""
    return float(np.mean(np.abs(predicted - y)))


def r2(y: Array, predicted: Array) -> float:
    """Share of the target's variance explained; NaN for a constant target."""
    spread = float(np.sum((y - y.mean()) ** 2))
    return float("nan") if spread == 0 else float(1 - np.sum((predicted - y) ** 2) / spread)


def mape(y: Array, predicted: Array) -> float:
    """Mean absolute error as a share of the target; NaN where any target is zero."""
    return float("nan") if (y == 0).any() else float(np.mean(np.abs((predicted - y) / y)))


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
    Metric("rmse", "root mean squared error", False, "regression", "score", rmse),
    Metric("mae", "mean absolute error", False, "regression", "score", mae),
    Metric("r2", "R²", True, "regression", "score", r2),
    Metric("mape", "mean absolute percentage error", False, "regression", "score", mape),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}
