"""ModelEvaluator: how good a model is, for whom, against others, and whether it may go into production."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.bootstrap import (
    bootstrap_binary,
    bootstrap_regression,
    calibration_noise,
    percentile_interval,
    reflected_interval,
)
from ml_utils.evaluation.by_period import binary_periods, regression_periods
from ml_utils.evaluation.comparison import Comparison, compare_scores
from ml_utils.evaluation.curves import binary_curves, lift_table, regression_curves
from ml_utils.evaluation.delong import delong_interval
from ml_utils.evaluation.fairness import (
    binary_fairness,
    binary_groups,
    regression_fairness,
    regression_groups,
)
from ml_utils.evaluation.gate import GateDecision, decide
from ml_utils.evaluation.metrics import METRICS, Array, Counts, check_scores
from ml_utils.evaluation.profit import profit_table
from ml_utils.evaluation.result import Evaluation
from ml_utils.model import Model
from ml_utils.problem import Decision

__all__ = ["Evaluation", "ModelEvaluator"]

_PUSHED_UP = ("ece", "ks")  # figures that noise can only enlarge


class ModelEvaluator:
    """Judge models on rows that they were not trained on.

    Parameters
    ----------
    decision : Decision, optional
        What acting on a prediction is worth; without it nothing is said in money.
    n_bootstrap : int
        Resamples behind the intervals that have no formula.
    seed : int
        For the resamples; one seed gives one result.

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
            0 or 1, or the value.
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
        target, score = check_scores(y, model.predict_score(X), model.task)
        _check_rows(len(target), sensitive=sensitive, periods=periods)
        beside = {name: other.predict_score(X) for name, other in (baselines or {}).items()}
        if not beside:
            beside = {"constant": np.full(len(target), target.mean())}
        rng = np.random.default_rng(self.seed)
        if model.task == "binary":
            return self._binary(model, target, score, beside, sensitive, periods, rng)
        return self._regression(model, target, score, beside, sensitive, periods, rng)

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
        rng: np.random.Generator,
    ) -> Evaluation:
        threshold = self._threshold(model)
        resamples = bootstrap_binary(y, score, threshold, self.n_bootstrap, rng)
        intervals = _binary_intervals(y, score, threshold, resamples, rng)
        groups = None if sensitive is None else binary_groups(y, score, threshold, sensitive)
        money = self.decision
        return Evaluation(
            model=model.name,
            task="binary",
            n_rows=len(y),
            rate=float(y.mean()),
            threshold=threshold,
            metrics=_metric_table("binary", y, score, threshold, intervals, beside),
            curves=binary_curves(y, score, money),
            confusion=Counts.of(y, score >= threshold),
            lift=lift_table(y, score),
            profit=None if money is None else profit_table(y, score, threshold, money, resamples),
            groups=groups,
            fairness=None if groups is None else binary_fairness(groups),
            periods=None if periods is None else binary_periods(y, score, periods),
        )

    def _regression(
        self,
        model: Model,
        y: Array,
        score: Array,
        beside: Mapping[str, Array],
        sensitive: pd.DataFrame | None,
        periods: pd.Series | None,
        rng: np.random.Generator,
    ) -> Evaluation:
        resamples = bootstrap_regression(y, score, self.n_bootstrap, rng)
        intervals = {name: percentile_interval(draws) for name, draws in resamples.items()}
        groups = None if sensitive is None else regression_groups(y, score, sensitive)
        by_period = None if periods is None else regression_periods(y, score, periods, self.n_bootstrap, rng)
        return Evaluation(
            model=model.name,
            task="regression",
            n_rows=len(y),
            rate=float(y.mean()),
            threshold=None,
            metrics=_metric_table("regression", y, score, None, intervals, beside),
            curves=regression_curves(y, score),
            groups=groups,
            fairness=None if groups is None else regression_fairness(groups),
            periods=by_period,
        )


def _check_rows(n_rows: int, **tables: pd.DataFrame | pd.Series | None) -> None:
    for name, table in tables.items():
        if table is not None and len(table) != n_rows:
            raise DataError(
                f"{name} has {len(table)} rows and the table {n_rows}; they must be the same rows."
            )


def _binary_intervals(
    y: Array, score: Array, threshold: float, resamples: dict[str, Array], rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    intervals = {"roc_auc": delong_interval(y, score)[1:]}
    for name, draws in resamples.items():
        if name not in METRICS:
            continue
        value = METRICS[name].value(y, score, threshold)
        pushed = name in _PUSHED_UP and np.isfinite(value)
        intervals[name] = reflected_interval(value, draws) if pushed else percentile_interval(draws)
    noise = calibration_noise(score, len(resamples["ece"]), rng)
    if METRICS["ece"].value(y, score) <= np.quantile(noise, 0.975):
        intervals["ece"] = (0.0, intervals["ece"][1])  # no more than calibrated scores show by chance
    return intervals


def _metric_table(
    task: str,
    y: Array,
    score: Array,
    threshold: float | None,
    intervals: Mapping[str, tuple[float, float]],
    beside: Mapping[str, Array],
) -> pd.DataFrame:
    rows = []
    for metric in METRICS.values():
        if metric.task != task:
            continue
        lower, upper = intervals[metric.name]
        row = {
            "metric": metric.name,
            "label": metric.label,
            "value": metric.value(y, score, threshold),
            "lower": lower,
            "upper": upper,
            "greater_is_better": metric.greater_is_better,
        }
        rows.append(row | {name: metric.value(y, other, threshold) for name, other in beside.items()})
    return pd.DataFrame(rows)
