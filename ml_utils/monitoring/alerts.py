"""Alerts, and the rules that draw them from a monitor's result; `channels` carries them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from ml_utils.evaluation.metrics import METRICS
from ml_utils.wording import count, figure, percent, times

if TYPE_CHECKING:
    from ml_utils.monitoring.result import MonitorResult

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
SERVED = "served scores"  # subject of the alert about them
INFLUENTIAL = 0.05  # share of the model's score from which on a column's drift is more than news


@dataclass(frozen=True)
class Alert:
    """Something that someone should look at.

    Parameters
    ----------
    severity : {"critical", "warning", "info"}
    what : str
        What is wrong, as a sentence without its full stop.
    subject : str
        What it is about: a kind and a name, like "drift: income".
    period : str
        The first period of the episode.
    value, threshold : float
        What was measured, and the limit that it passed.
    advice : str
        What to do.
    problem : str
    """

    severity: Severity
    what: str
    subject: str
    period: str
    value: float
    threshold: float
    advice: str
    problem: str

    @property
    def key(self) -> str:
        """What makes two alerts the same: an episode that goes on is not reported again."""
        return f"{self.problem}|{self.subject}|{self.period}"


def alerts_to_frame(alerts: Sequence[Alert]) -> pd.DataFrame:
    """Return alerts as a table for a page."""
    columns = ["severity", "since", "what", "value", "limit", "what to do"]
    rows = [(a.severity, a.period, a.what, figure(a.value), figure(a.threshold), a.advice) for a in alerts]
    return pd.DataFrame(rows, columns=columns)


def alerts_from(result: MonitorResult) -> list[Alert]:
    """Draw the alerts from a result, gravest first; one for each run of periods that goes on.

    Parameters
    ----------
    result : MonitorResult

    Returns
    -------
    list of Alert
    """
    found = [
        *_served_alerts(result),
        *_performance_alerts(result),
        *_calibration_alerts(result),
        *_drift_alerts(result),
        *_fault_alerts(result),
    ]
    order = {period: i for i, period in enumerate(result.periods)}
    return sorted(found, key=lambda a: (SEVERITIES.index(a.severity), order[a.period], a.subject))


def _episodes(flagged: pd.Series, periods: Sequence[str]) -> list[tuple[str, int]]:
    """Return the first period and the length of each run of flagged periods."""
    runs: list[tuple[str, int]] = []
    going_on = False
    for period in periods:
        hit = bool(flagged.get(period, False))
        if hit and going_on:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif hit:
            runs.append((period, 1))
        going_on = hit
    return runs


def _served_alerts(result: MonitorResult) -> list[Alert]:
    if result.served is None:
        return []
    rows = result.served.set_index("period")
    found = []
    for period, length in _episodes(rows["differing"] > 0, result.periods):
        differing, total = int(rows.loc[period, "differing"]), int(rows.loc[period, "rows"])
        what = (
            f"the service served something else than the registered model in {count(differing)} of "
            f"{times(total, 'row')}, {times(length, 'period')} running"
        )
        advice = "Find out what the service runs (/model names its version) before anything else is believed."
        share = differing / total
        found.append(Alert("critical", what, SERVED, period, share, 0.0, advice, result.problem))
    return found


def _performance_alerts(result: MonitorResult) -> list[Alert]:
    rows = result.of_metric().set_index("period")
    metric = METRICS[result.metric]
    before = float(result.reference.loc[result.metric, "value"])
    limit = before * (1 - result.margin if metric.greater_is_better else 1 + result.margin)
    found = []
    rules: list[tuple[str, str, Severity, str, str]] = [
        (
            "fallen",
            "value",
            "critical",
            "is worse than on the reference",
            "Retrain; until then act with care.",
        ),
        (
            *("expected_to_fall", "estimated", "warning"),
            "is expected to be worse, from the columns alone",
            "Collect labels early, and prepare to retrain.",
        ),
    ]
    for flag, column, severity, text, advice in rules:
        for period, length in _episodes(rows[flag], result.periods):
            what = f"{metric.label} {text} ({figure(before)}), {times(length, 'period')} running"
            value = float(rows.loc[period, column])
            subject = f"performance: {result.metric} {column}"
            found.append(Alert(severity, what, subject, period, value, limit, advice, result.problem))
    return found


def _calibration_alerts(result: MonitorResult) -> list[Alert]:
    rows = result.calibration.set_index("period")
    found = []
    for period, length in _episodes(rows["shifted"], result.periods):
        observed, expected = float(rows.loc[period, "observed"]), float(rows.loc[period, "expected"])
        what = (
            f"outcomes no longer follow the scores: {figure(observed)} observed, {figure(expected)} "
            f"expected, {times(length, 'period')} running"
        )
        advice = (
            "The relation changed, or columns moved beyond what the model learnt: retrain on recent rows."
        )
        found.append(
            Alert("critical", what, "calibration", period, observed, expected, advice, result.problem)
        )
    return found


def _drift_alerts(result: MonitorResult) -> list[Alert]:
    found = []
    for name, rows in result.drift.groupby("column", sort=False):
        table = rows.set_index("period")
        for period, length in _episodes(table["drifted"], result.periods):
            row = table.loc[period]
            found.append(_drift_alert(result, str(name), period, length, row))
    return found


def _drift_alert(result: MonitorResult, name: str, period: str, length: int, row: pd.Series) -> Alert:
    share = float(result.influence.get(name, 0.0))
    running = f"{times(length, 'period')} running"
    if row["kind"] == "score":
        what = f"the model's scores are distributed differently, {running}"
        severity: Severity = "warning"
        advice = "Look which influential column moved; check the share of rows acted on."
    else:
        what = f"{name} is distributed differently ({percent(share)} of the model's score), {running}"
        severity = "warning" if share >= INFLUENTIAL else "info"
        advice = "Find out whether the world or the data feed changed."
    psi, limit = float(row["psi"]), float(row["threshold"])
    return Alert(severity, what, f"drift: {name}", period, psi, limit, advice, result.problem)


def _fault_alerts(result: MonitorResult) -> list[Alert]:
    found = []
    for (name, fault), rows in result.faults.groupby(["column", "fault"], sort=False):
        table = rows.set_index("period")
        for period, length in _episodes(table["flagged"], result.periods):
            value, before = float(table.loc[period, "share"]), float(table.loc[period, "reference"])
            what = (
                f"{name}: {fault} in {percent(value)} of rows, {percent(before)} on the reference, "
                f"{times(length, 'period')} running"
            )
            subject, advice = f"{fault}: {name}", "Check the data feed with its owner."
            found.append(Alert("warning", what, subject, period, value, before, advice, result.problem))
    return found
