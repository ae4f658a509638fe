"""ModelEvaluator: how good a model is, for whom, against others, and whether it may go into production."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.binary import binary_intervals, binary_notes, brier_table
from ml_utils.evaluation.by_period import binary_periods, multiclass_periods, regression_periods
from ml_utils.evaluation.comparison import Comparison, compare_scores
from ml_utils.evaluation.curves import binary_curves, class_curves, lift_table, regression_curves
from ml_utils.evaluation.fairness import (
    binary_fairness,
    binary_groups,
    regression_fairness,
    regression_groups,
)
from ml_utils.evaluation.gate import GateDecision, decide
from ml_utils.evaluation.intervals import Interval
from ml_utils.evaluation.metrics import METRICS, Array, Counts, check_scores
from ml_utils.evaluation.multiclass import MULTICLASS, check_classes
from ml_utils.evaluation.multiclass_intervals import by_class, confusion_frame, multiclass_intervals
from ml_utils.evaluation.profit import profit_table
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.regression import regression_intervals, regression_notes
from ml_utils.evaluation.residuals import residual_tests
from ml_utils.evaluation.result import Evaluation
from ml_utils.model import Model
from ml_utils.problem import Decision

__all__ = ["Evaluation", "ModelEvaluator"]


class ModelEvaluator:
    """Judge models on rows that they were not trained on.

    Parameters
    ----------
    decision : Decision, optional
        What acting on a prediction is worth; without it nothing is said in money.
    n_bootstrap : int
        Resamples behind what has no formula: differences between models in `compare`. The intervals of
        `evaluate` all have one.
    seed : int
        For resamples and the simulated noise of the calibration error; one seed gives one result.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.pipeline import Pipeline
    >>> X, y = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]}), np.array([0, 1, 0, 1])
    >>> chance = Pipeline([("model", DummyClassifier(strategy="prior"))]).fit(X, y)
    >>> model = Model(chance, "binary", ("a",), "chance", threshold=0.5)
    >>> ModelEvaluator(n_bootstrap=20).evaluate(model, X, y).value("roc_auc")
    0.5
    >>> ModelEvaluator(n_bootstrap=20).evaluate(model, X, y[:3])
    Traceback (most recent call last):
    ml_utils.errors.DataError: There are 3 targets and 4 scores; they must be one a row.
    """

    def __init__(self, decision: Decision | None = None, n_bootstrap: int = 200, seed: int = 42) -> None:
        self.decision = decision
        self.n_bootstrap = n_bootstrap
        self.seed = seed

    def evaluate(
        self,
        model: Model,
        X: pd.DataFrame,
        y: npt.ArrayLike,
        sensitive: pd.DataFrame | None = None,
        periods: pd.Series | None = None,
        baselines: Mapping[str, Model] | None = None,
    ) -> Evaluation:
        """Judge one model.

        Parameters
        ----------
        model : Model
        X : DataFrame of shape (n_rows, n_columns)
            Raw columns.
        y : array of shape (n_rows,)
            0 or 1, class codes 0, 1, 2 …, or the value.
        sensitive : DataFrame of shape (n_rows, n_attributes), optional
            Attributes to compare groups by.
        periods : Series of shape (n_rows,), optional
            Each row's period.
        baselines : mapping of str to Model, optional
            Models to put beside every figure. By default a constant score: the rate of these very rows.

        Returns
        -------
        Evaluation

        Raises
        ------
        DataError
            If targets and scores do not fit together, are not finite, or are no probabilities; or if
            `sensitive` or `periods` has another number of rows.
        """
        scores = model.predict_score(X)
        check = (
            check_classes(y, scores) if model.task == "multiclass" else check_scores(y, scores, model.task)
        )
        target, score = check
        _check_rows(len(target), sensitive=sensitive, periods=periods)
        beside = {name: other.predict_score(X) for name, other in (baselines or {}).items()}
        if not beside:
            beside = {"constant": _constant(target, score)}
        if model.task == "binary":
            return self._binary(model, target, score, beside, sensitive, periods)
        if model.task == "multiclass":
            return self._multiclass(model, target, score, beside, periods)
        return self._regression(model, target, score, beside, sensitive, periods)

    def compare(self, models: Mapping[str, Model], X: pd.DataFrame, y: npt.ArrayLike) -> Comparison:
        """Compare models pair by pair on the same rows.

        Binary: DeLong's test of the AUC and McNemar's of the decisions. Regression: bootstrap interval of
        the difference in RMSE and Wilcoxon's test of the absolute errors. Holm's correction throughout.

        Raises
        ------
        ParameterError
            If fewer than two models are given, or their tasks differ.
        """
        tasks = {model.task for model in models.values()}
        if len(tasks) > 1:
            raise ParameterError(f"Models of one task can be compared; got {', '.join(sorted(tasks))}.")
        scores = {name: model.predict_score(X) for name, model in models.items()}
        thresholds = {name: self._threshold(model) for name, model in models.items()}
        rng = np.random.default_rng(self.seed)
        task = "".join(tasks) or "binary"
        return compare_scores(scores, np.asarray(y, dtype=float), task, thresholds, self.n_bootstrap, rng)

    def gate(
        self,
        evaluation: Evaluation,
        minimum: Mapping[str, float],
        comparison: Comparison | None = None,
        margin: float = 0.01,
    ) -> GateDecision:
        """Decide whether the model may go into production; see `gate.decide`."""
        return decide(evaluation, minimum, comparison, margin)

    def _threshold(self, model: Model) -> float:
        if model.threshold is not None:
            return model.threshold
        return self.decision.threshold if self.decision else 0.5

    def _binary(
        self,
        model: Model,
        y: Array,
        score: Array,
        beside: Mapping[str, Array],
        sensitive: pd.DataFrame | None,
        periods: pd.Series | None,
    ) -> Evaluation:
        threshold, money, ranked = self._threshold(model), self.decision, Ranked.of(y, score)
        intervals = binary_intervals(y, score, threshold, ranked, np.random.default_rng(self.seed))
        groups = None if sensitive is None else binary_groups(y, score, threshold, sensitive)
        return Evaluation(
            model=model.name,
            task="binary",
            n_rows=len(y),
            rate=float(y.mean()),
            threshold=threshold,
            metrics=_metric_table("binary", y, score, threshold, intervals, beside),
            curves=binary_curves(y, score, money, ranked),
            confusion=Counts.of(y, score >= threshold),
            lift=lift_table(y, score, ranked),
            profit=None if money is None else profit_table(y, score, threshold, money),
            groups=groups,
            fairness=None if groups is None else binary_fairness(groups),
            periods=None if periods is None else binary_periods(y, score, periods),
            brier=brier_table(y, score, intervals),
            notes=binary_notes(y, score, threshold),
        )

    def _multiclass(
        self,
        model: Model,
        y: Array,
        p: Array,
        beside: Mapping[str, Array],
        periods: pd.Series | None,
    ) -> Evaluation:
        names = _class_names(model, p.shape[1])
        rows = np.bincount(y.astype(int), minlength=p.shape[1])
        absent = [name for name, count in zip(names, rows, strict=True) if not count]
        note = f"No row is of class {', '.join(absent)}: figures that need every class are not defined."
        return Evaluation(
            model=model.name,
            task="multiclass",
            n_rows=len(y),
            rate=float(rows.max() / len(y)),
            threshold=None,
            metrics=_metric_table("multiclass", y, p, None, multiclass_intervals(y, p), beside),
            curves=class_curves(y, p),
            periods=None if periods is None else multiclass_periods(y, p, periods),
            classes=by_class(y, p, names),
            class_confusion=confusion_frame(y, p, names),
            notes=(note,) if absent else (),
        )

    def _regression(
        self,
        model: Model,
        y: Array,
        score: Array,
        beside: Mapping[str, Array],
        sensitive: pd.DataFrame | None,
        periods: pd.Series | None,
    ) -> Evaluation:
        groups = None if sensitive is None else regression_groups(y, score, sensitive)
        return Evaluation(
            model=model.name,
            task="regression",
            n_rows=len(y),
            rate=float(y.mean()),
            threshold=None,
            metrics=_metric_table("regression", y, score, None, regression_intervals(y, score), beside),
            curves=regression_curves(y, score),
            groups=groups,
            fairness=None if groups is None else regression_fairness(groups),
            periods=None if periods is None else regression_periods(y, score, periods),
            residuals=residual_tests(y, score),
            notes=regression_notes(y, score),
        )


def _class_names(model: Model, n_classes: int) -> list[str]:
    classes = getattr(model.pipeline, "classes_", None)
    if classes is None or len(classes) != n_classes:
        return [str(code) for code in range(n_classes)]
    return [str(name) for name in classes]


def _constant(y: Array, score: Array) -> Array:
    """A score that says the same of every row: the rate, the classes' shares, the mean."""
    if score.ndim == 1:
        return np.full(len(y), y.mean())
    shares = np.bincount(y.astype(int), minlength=score.shape[1]) / len(y)
    return np.tile(shares, (len(y), 1))


def _check_rows(n_rows: int, **tables: pd.DataFrame | pd.Series | None) -> None:
    for name, table in tables.items():
        if table is not None and len(table) != n_rows:
            raise DataError(
                f"{name} has {len(table)} rows and the table {n_rows}; they must be the same rows."
            )


def _metric_table(
    task: str,
    y: Array,
    score: Array,
    threshold: float | None,
    intervals: Mapping[str, Interval],
    beside: Mapping[str, Array],
) -> pd.DataFrame:
    rows = []
    for metric in (MULTICLASS if task == "multiclass" else METRICS).values():
        if metric.task != task:
            continue
        value = metric.value(y, score, threshold)
        lower, upper = intervals[metric.name] if np.isfinite(value) else (np.nan, np.nan)
        row = {
            "metric": metric.name,
            "label": metric.label,
            "value": value,
            "lower": lower,
            "upper": upper,
            "greater_is_better": metric.greater_is_better,
        }
        rows.append(row | {name: metric.value(y, other, threshold) for name, other in beside.items()})
    return pd.DataFrame(rows)
