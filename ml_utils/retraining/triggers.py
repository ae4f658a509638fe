"""When to retrain, and on which rows; `takeover` then says whether the new model may replace the old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils import data
from ml_utils.errors import ParameterError
from ml_utils.evaluation.metrics import METRICS
from ml_utils.monitoring.result import MonitorSummary
from ml_utils.problem import Problem
from ml_utils.wording import count, figure, listing, percent


@dataclass(frozen=True)
class RetrainingPolicy:
    """What makes a retraining due, and what a new model must show.

    Parameters
    ----------
    recent : int
        How many of the last periods count for performance and calibration.
    min_influence : float
        Share of the model's score that drifted columns must carry to count.
    max_age_days : int
        Age of the youngest training row at which a model is old whatever the monitor says.
    margin : float
        How much of the metric the new model may lose at most, as a share of the incumbent's value, its
        interval included.
    """

    recent: int = 3
    min_influence: float = 0.05
    max_age_days: int = 365
    margin: float = 0.01

    def __post_init__(self) -> None:
        if self.recent < 1:
            raise ParameterError(f"recent is {self.recent}; it must be 1 period or more.")
        if not 0 <= self.margin < 1:
            raise ParameterError(f"margin is {self.margin}; it is a share, 0 or more and below 1.")


@dataclass(frozen=True)
class Trigger:
    """One rule and whether it says that a retraining is due."""

    rule: str
    fired: bool
    reason: str


def triggers(
    summary: MonitorSummary, policy: RetrainingPolicy, age_days: float | None = None
) -> list[Trigger]:
    """Hold a monitor's summary against the policy.

    Parameters
    ----------
    summary : MonitorSummary
    policy : RetrainingPolicy
    age_days : float, optional
        Days from the youngest training row to the youngest monitored one; None where rows have no time.

    Returns
    -------
    list of Trigger
        One a rule, fired or not.
    """
    recent = summary.periods[-policy.recent :]
    return [
        _performance(summary, recent),
        _calibration(summary, recent),
        _expected(summary, recent),
        _drift(summary, policy),
        _age(policy, age_days),
    ]


def triggers_to_frame(found: Sequence[Trigger]) -> pd.DataFrame:
    """Return triggers as a table for a page."""
    rows = [(item.rule, "yes" if item.fired else "no", item.reason) for item in found]
    return pd.DataFrame(rows, columns=["rule", "retrain", "reason"])


def _performance(summary: MonitorSummary, recent: Sequence[str]) -> Trigger:
    label = METRICS[summary.metric].label
    fallen = [row for row in summary.performance if row["fallen"] and row["period"] in recent]
    if not fallen:
        reason = (
            f"{label} was not below the reference ({figure(summary.reference)}) beyond chance and margin."
        )
        return Trigger("performance fell", False, reason)
    values = listing([f"{figure(row['value'])} in {row['period']}" for row in fallen])
    return Trigger("performance fell", True, f"{label}: {values}, against {figure(summary.reference)}.")


def _calibration(summary: MonitorSummary, recent: Sequence[str]) -> Trigger:
    shifted = [row for row in summary.calibration if row["shifted"] and row["period"] in recent]
    if not shifted:
        return Trigger("scores are off", False, "Outcomes follow the scores as on the reference.")
    last = shifted[-1]
    where = f" in {last['period']}" if len(shifted) > 1 else ""
    reason = (
        f"In {listing([row['period'] for row in shifted])} outcomes left the scores: "
        f"{figure(last['observed'])} observed and {figure(last['expected'])} expected{where}."
    )
    return Trigger("scores are off", True, reason)


def _expected(summary: MonitorSummary, recent: Sequence[str]) -> Trigger:
    rule, label = "expected to fall", METRICS[summary.metric].label
    rows = [row for row in summary.performance if row["expected_to_fall"] and row["period"] in recent]
    if not rows:
        return Trigger(rule, False, f"From the columns alone {label} is expected where it was.")
    values = listing([f"{figure(row['estimated'])} in {row['period']}" for row in rows])
    return Trigger(rule, True, f"{label} estimated without labels: {values}.")


def _drift(summary: MonitorSummary, policy: RetrainingPolicy) -> Trigger:
    columns = [row for row in summary.drifted if row["influence"] is not None]
    share = float(np.nansum([row["influence"] for row in columns]))
    if not columns:
        return Trigger("important columns drifted", False, "No column drifted.")
    names = listing([row["column"] for row in columns])
    reason = (
        f"{names} drifted; they carry {percent(share)} of the score, {percent(policy.min_influence)} counts."
    )
    return Trigger("important columns drifted", share >= policy.min_influence, reason)


def _age(policy: RetrainingPolicy, age_days: float | None) -> Trigger:
    if age_days is None:
        return Trigger("model is old", False, "The rows carry no time, so that age says nothing.")
    reason = (
        f"Its youngest training row is {count(age_days)} days old; {count(policy.max_age_days)} is the limit."
    )
    return Trigger("model is old", age_days > policy.max_age_days, reason)


@dataclass(frozen=True)
class RetrainingRows:
    """Rows to retrain on, and later ones that neither model has seen.

    Parameters
    ----------
    train, holdout : DataFrame
    embargoed : int
        Rows left out because their outcome was not known yet when the holdout starts.
    """

    train: pd.DataFrame
    holdout: pd.DataFrame
    embargoed: int


def choose_rows(
    splits: Mapping[str, pd.DataFrame], problem: Problem, holdout_periods: int = 1, window_months: int = 12
) -> RetrainingRows:
    """Divide what is known by now into rows to learn from and later rows to judge on.

    Parameters
    ----------
    splits : mapping
        train, valid, test and production.
    problem : Problem
    holdout_periods : int
        Last periods of production to hold out (months; sixths without a time column).
    window_months : int
        Months before the holdout to learn from; 0 takes all. A moving window forgets how things were
        before they changed. Without a time column all rows are taken.

    Returns
    -------
    RetrainingRows

    Raises
    ------
    ParameterError
        If nothing would be left to learn from or to judge on.
    """
    production = splits["production"]
    period = data.periods(production, problem)
    names = list(pd.unique(period))
    if not 1 <= holdout_periods < len(names):
        raise ParameterError(
            f"holdout_periods is {holdout_periods}; production has {len(names)} periods, so take 1 to "
            f"{len(names) - 1}."
        )
    late = period.isin(names[-holdout_periods:]).to_numpy()
    holdout = production[late].reset_index(drop=True)
    earlier = [splits["train"], splits["valid"], splits["test"], production[~late]]
    known = pd.concat(earlier, ignore_index=True)
    if problem.time is None:
        return RetrainingRows(_without_groups(known, holdout, problem), holdout, 0)
    start = holdout[problem.time].min()
    horizon = pd.DateOffset(months=problem.label_horizon.months, days=problem.label_horizon.days)
    ripe = (known[problem.time] + horizon <= start).to_numpy()
    train = known[ripe]
    if window_months and len(train):
        train = train[train[problem.time] > train[problem.time].max() - pd.DateOffset(months=window_months)]
    if train.empty:
        raise ParameterError(
            f"No row before {start} is old enough to know its outcome. Lower holdout_periods, or raise "
            "window_months."
        )
    return RetrainingRows(train.reset_index(drop=True), holdout, int((~ripe).sum()))


def _without_groups(known: pd.DataFrame, holdout: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    column = problem.group or problem.id
    if column is None:
        return known
    return known[~known[column].isin(holdout[column])].reset_index(drop=True)


def age_in_days(splits: Mapping[str, pd.DataFrame], problem: Problem) -> float | None:
    """Return the days from the incumbent's youngest training row to the youngest production row."""
    if problem.time is None:
        return None
    youngest = splits["production"][problem.time].max() - splits["train"][problem.time].max()
    return float(youngest / pd.Timedelta(days=1))
