"""`ModelMonitor`: what has changed since the model was tested, and is the model still right?"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils import data
from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.evaluation.intervals import Z95
from ml_utils.model import Model
from ml_utils.monitoring.column_checks import ColumnReference, kind_of
from ml_utils.monitoring.comparing import drift_table, fault_table
from ml_utils.monitoring.drift import adjust
from ml_utils.monitoring.estimation import METRICS_OF, Estimator, fit_estimator, realised
from ml_utils.monitoring.recalibration import Recalibration, calibration_shift, recalibrate
from ml_utils.monitoring.result import MonitorResult
from ml_utils.monitoring.samples import Sample, column_influence, take_sample
from ml_utils.monitoring.served import judge_served
from ml_utils.problem import Problem

SCORE = "model score"
MIN_ROWS = 50


class ModelMonitor:
    """Compares a production period with the reference on which the model was tested.

    A column counts as drifted in a period when two things hold: the test against the reference is
    significant after correction for all columns and periods (Benjamini–Hochberg), and the population
    stability index exceeds both `min_effect` and what chance alone explains. The first keeps false alarms
    at `alpha`, the second keeps a large sample from flagging what does not matter.

    Parameters
    ----------
    problem : Problem
    alpha : float
        Level of each family of tests of the columns: drift, and faults.
    n_periods : int
        Parts to cut a table into where it has no time column.
    min_effect : float
        Least stability index that matters; 0.02 is a normal column's mean moved by a seventh of its
        standard deviation.
    min_fault : float
        Least rise in the share of faulty values that matters.
    margin : float
        Least fall of the metric that matters, as a share of its value on the reference.
    calibration_margin : float
        Least distance of outcomes from the expected ones that matters, as a share of them.
    alpha_performance : float
        Level of each family of tests of the outcomes: performance, and calibration. Outcomes are fewer and
        later than columns, and missing a fall costs more than looking once too often.
    seed : int

    Examples
    --------
    >>> ModelMonitor(problem).fit(test, model).calculate(production).alerts  # doctest: +SKIP
    """

    def __init__(
        self,
        problem: Problem,
        alpha: float = 0.01,
        n_periods: int = 6,
        min_effect: float = 0.02,
        min_fault: float = 0.01,
        margin: float = 0.02,
        calibration_margin: float = 0.15,
        alpha_performance: float = 0.05,
        seed: int = 42,
    ) -> None:
        self.problem = problem
        self.alpha = alpha
        self.n_periods = n_periods
        self.min_effect = min_effect
        self.min_fault = min_fault
        self.margin = margin
        self.calibration_margin = calibration_margin
        self.alpha_performance = alpha_performance
        self.seed = seed

    def fit(self, reference: pd.DataFrame, model: Model) -> Self:
        """Learn what is normal from rows that the model was tested, not trained, on.

        Parameters
        ----------
        reference : DataFrame
            With the target.
        model : Model

        Raises
        ------
        DataError
            If there are fewer than 50 rows, a column of the model is missing, or targets are missing.
        ParameterError
            If `alpha` or `n_periods` is out of range.
        """
        self._check(reference)
        self.model_: Model = model
        sample = take_sample(reference, self.problem, model, self.n_periods)
        y, score = sample.labelled
        if len(y) < len(sample.y):
            raise DataError(
                f"The reference lacks the target in {len(sample.y) - len(y)} of {len(sample.y)} rows. "
                "Take a period whose outcomes are known."
            )
        self.n_reference_ = len(reference)
        self.columns_: list[ColumnReference] = [
            ColumnReference.learn(name, sample.X[name], sample.n_independent)
            for name in model.columns
            if kind_of(sample.X[name]) != "time"
        ]
        scores = pd.Series(score)
        self.columns_.append(ColumnReference.learn(SCORE, scores, sample.n_independent, "score"))
        self.estimator_: Estimator = fit_estimator(y, score, self._features(sample.X), model.task, self.seed)
        self.line_: Recalibration = recalibrate(y, self.estimator_.expect(score), model.task)
        self.reference_: pd.DataFrame = self._reference_metrics(y, score)
        self.influence_: pd.Series = column_influence(model, sample.X, self.seed)
        return self

    def calculate(self, current: pd.DataFrame, score: str | npt.ArrayLike | None = None) -> MonitorResult:
        """Compare each period of a table with the reference.

        Parameters
        ----------
        current : DataFrame
            Rows in order of time; the target may be missing, wholly or where it is not known yet.
        score : str or array-like of shape (n_rows,), optional
            Scores that were served, or the name of the column that holds them; they are what is monitored,
            and held against what the model gives for the same rows. By default the model scores the rows.

        Returns
        -------
        MonitorResult

        Raises
        ------
        DataError
            If the monitor is not fitted, the table is empty, a column of the model is missing, or the scores
            are not one finite number a row.
        """
        if not hasattr(self, "columns_"):
            raise DataError("The monitor knows no reference yet; call fit(reference, model) first.")
        if current.empty:
            raise DataError("There are no rows to monitor; give at least one period.")
        sample = take_sample(current, self.problem, self.model_, self.n_periods)
        served = None
        if isinstance(score, str) and score not in current:
            raise DataError(f"The table has no column {score!r}. {list_known(score, map(str, current))}")
        if score is not None:
            sample, served = judge_served(sample, current[score] if isinstance(score, str) else score)
        periods = {str(name): sample.of(str(name)) for name in pd.unique(sample.period)}
        return MonitorResult(
            problem=self.problem.name,
            task=self.model_.task,
            metric=METRICS_OF[self.model_.task][0],
            alpha=self.alpha,
            margin=self.margin,
            n_reference=self.n_reference_,
            rows={name: len(part.y) for name, part in periods.items()},
            reference=self.reference_,
            drift=drift_table(periods, self.columns_, self.alpha, self.min_effect),
            faults=fault_table(periods, self.columns_, self.alpha, self.min_fault),
            performance=self._performance(periods),
            calibration=self._calibration(periods),
            influence=self.influence_,
            served=served,
        )

    def shares(self, current: pd.DataFrame, column: str, period: str) -> pd.DataFrame:
        """Return how a column's values are spread over its cells, on the reference and in a period.

        Parameters
        ----------
        current : DataFrame
        column : str
            A column of the model.
        period : str

        Returns
        -------
        DataFrame
            cell, reference, and the period's name: shares of rows. Cells empty in both are left out.

        Raises
        ------
        ParameterError
            If the column is not monitored, or no row is of that period.
        """
        found = {item.name: item for item in self.columns_ if item.kind != "score"}
        if column not in found:
            raise ParameterError(f"{column!r} is not monitored. {list_known(column, found)}")
        label = data.periods(current, self.problem, self.n_periods)
        if period not in set(label):
            raise ParameterError(f"No row is of period {period!r}. {list_known(period, set(label))}")
        reference, cells = found[column].counts, found[column].cells
        now = cells.count(data.features_and_target(current, self.problem)[0].loc[label == period, column])
        used = (reference + now) > 0
        table = pd.DataFrame({"cell": cells.labels, "reference": reference / reference.sum()})
        return table.assign(**{period: now / now.sum()})[used].reset_index(drop=True)

    def _check(self, reference: pd.DataFrame) -> None:
        for name in ("alpha", "alpha_performance"):
            if not 0 < getattr(self, name) < 1:
                raise ParameterError(
                    f"{name} is {getattr(self, name)!r}; it must lie between 0 and 1, such as 0.01."
                )
        if self.n_periods < 1:
            raise ParameterError(f"n_periods is {self.n_periods!r}; it must be 1 or more.")
        if len(reference) < MIN_ROWS:
            raise DataError(
                f"The reference has {len(reference)} rows; {MIN_ROWS} or more are needed to tell change "
                "from chance. Give a larger test split."
            )

    def _features(self, X: pd.DataFrame) -> np.ndarray:
        if self.model_.task == "binary":
            return np.empty((len(X), 0))
        table = X[list(self.model_.columns)]
        return np.asarray(self.model_.pipeline["features"].transform(table), dtype=float)

    def _reference_metrics(self, y: np.ndarray, score: np.ndarray) -> pd.DataFrame:
        rows = []
        for metric in METRICS_OF[self.model_.task]:
            value, error = realised(y, score, metric)
            row = {"metric": metric, "value": value, "error": error}
            rows.append({**row, "lower": value - Z95 * error, "upper": value + Z95 * error})
        return pd.DataFrame(rows).set_index("metric")

    def _performance(self, periods: dict[str, Sample]) -> pd.DataFrame:
        rows = []
        for name, part in periods.items():
            features = self._features(part.X)
            for metric in METRICS_OF[self.model_.task]:
                estimated = self.estimator_.estimate(part.score, features, metric)
                rows.append({"period": name, "metric": metric, **self._measured(part, metric, estimated)})
        table = pd.DataFrame(rows)
        table["p_adjusted"] = np.nan
        for metric in METRICS_OF[self.model_.task]:
            known = (table["metric"] == metric) & table["p_value"].notna()
            table.loc[known, "p_adjusted"] = adjust(table.loc[known, "p_value"].to_numpy(float))
        limit = self.margin * table["metric"].map(self.reference_["value"])
        table["fallen"] = (table["p_adjusted"] < self.alpha_performance) & (table["loss"] > limit)
        # a fall expected from the columns alone: beyond the margin, and beyond the noise of a period
        beyond = table["expected_loss"] > np.maximum(limit, Z95 * table["noise"])
        table["expected_to_fall"] = beyond
        return table.drop(columns=["loss", "expected_loss", "noise"])

    def _measured(self, part: Sample, metric: str, estimated: float) -> dict[str, float]:
        from scipy.special import ndtr

        before = self.reference_.loc[metric]
        y, score = part.labelled
        value, error = realised(y, score, metric) if len(y) else (np.nan, np.nan)
        sign = 1.0 if metric == "roc_auc" else -1.0
        loss, spread = sign * (before["value"] - value), np.hypot(error, before["error"])
        noise = float(before["error"] * np.sqrt(self.n_reference_ / max(len(part.y), 1)))
        return {
            "n_labelled": len(y),
            "value": value,
            "lower": value - Z95 * error,
            "upper": value + Z95 * error,
            "estimated": estimated,
            "estimated_lower": estimated - Z95 * noise,
            "estimated_upper": estimated + Z95 * noise,
            "p_value": float(ndtr(-loss / spread)) if spread > 0 else np.nan,  # one-sided: worse
            "loss": loss,
            "expected_loss": sign * (before["value"] - estimated),
            "noise": noise,
        }

    def _calibration(self, periods: dict[str, Sample]) -> pd.DataFrame:
        rows = []
        for name, part in periods.items():
            y, score = part.labelled
            if not len(y):
                continue
            expected = self.estimator_.expect(score)
            effect, p_value = calibration_shift(self.line_, y, expected)
            row = {"period": name, "observed": float(y.mean()), "expected": float(expected.mean())}
            rows.append({**row, "effect": effect, "p_value": p_value})
        table = pd.DataFrame(rows, columns=["period", "observed", "expected", "effect", "p_value"])
        table["p_adjusted"] = adjust(table["p_value"].to_numpy(float))
        unsettled = table["p_adjusted"] < self.alpha_performance
        table["shifted"] = unsettled & (table["effect"] > self.calibration_margin)
        return table
