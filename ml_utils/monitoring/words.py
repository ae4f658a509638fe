"""A monitor's result in three sentences, and the figures that stand on the index."""

from __future__ import annotations

import numpy as np

from ml_utils.evaluation.metrics import METRICS
from ml_utils.monitoring.alerts import SERVED
from ml_utils.monitoring.result import MonitorResult
from ml_utils.problem import Problem
from ml_utils.wording import figure, listing, percent, times


def sentences(result: MonitorResult, problem: Problem) -> list[str]:
    """Say whether the model is still right, how sure that is, and what to do.

    Parameters
    ----------
    result : MonitorResult
    problem : Problem

    Returns
    -------
    list of str
        Three sentences.
    """
    return [_verdict(result, problem), _certainty(result), _advice(result)]


def headline(result: MonitorResult) -> dict[str, str]:
    """Return the figures for the index."""
    rows = result.of_metric().dropna(subset=["value"])
    label = METRICS[result.metric].label
    columns = result.drifted["column"]
    grave = [alert for alert in result.alerts if alert.severity == "critical"]
    shown = {f"{label} on the reference": figure(float(result.reference.loc[result.metric, "value"]))}
    if len(rows):
        shown[f"{label}, last period"] = figure(rows["value"].iloc[-1])
    shown["columns drifted"] = str(int((columns != "model score").sum()))
    shown["critical alerts"] = str(len(grave))
    return shown


def _verdict(result: MonitorResult, problem: Problem) -> str:
    label = METRICS[result.metric].label
    before = figure(float(result.reference.loc[result.metric, "value"]))
    rows, lines = result.of_metric(), result.calibration
    fallen, shifted = rows[rows["fallen"]], lines[lines["shifted"]]
    found = []
    if len(shifted):
        last = shifted.iloc[-1]
        shown = percent if problem.task == "binary" else figure
        seen, due = shown(last["observed"]), shown(last["expected"])
        where = f" in {last['period']}" if len(shifted) > 1 else ""
        found.append(
            f"in {listing(list(shifted['period']))} outcomes left the scores ({seen} observed against {due} "
            f"expected{where})"
        )
    if len(fallen):
        values = listing([f"{figure(row.value)} in {row.period}" for row in fallen.itertuples()])
        found.append(f"{label} went to {values} from {before} on the reference")
    if found:
        return f"The model is no longer right: {', and '.join(found)}."
    if rows["value"].notna().any():
        last = rows.dropna(subset=["value"]).iloc[-1]
        return (
            f"The model is still right: {label} is {figure(last['value'])} in {last['period']} and was "
            f"{before} on the reference, a difference that chance or the margin explains."
        )
    last, known = rows.iloc[-1], int(rows["n_labelled"].sum())
    so_far = f"The {times(known, 'outcome')} known so far are too few or too alike to give {label}"
    return (
        f"{so_far if known else 'No outcome is known yet'}; from the columns alone {label} is estimated at "
        f"{figure(last['estimated'])} in {last['period']}, against {before} on the reference."
    )


def _certainty(result: MonitorResult) -> str:
    drifted = result.drifted[result.drifted["column"] != "model score"]
    n_tests = len(result.drift)
    level = percent(result.alpha, 0)
    if len(drifted):
        share = percent(float(np.nansum(drifted["influence"])))
        what = (
            f"{times(len(drifted), 'column')} drifted ({listing(list(drifted['column']))}; first in "
            f"{drifted['since'].min()}), which carry {share} of the model's score"
        )
    else:
        what = "No column drifted"
    gap = (result.of_metric()["value"] - result.of_metric()["estimated"]).abs()
    estimate = (
        f", and estimates without labels missed the realised {METRICS[result.metric].label} by "
        f"{figure(float(gap.mean()))} on average"
        if gap.notna().any()
        else ""
    )
    return f"{what}; false alarms are held at {level} over {n_tests} comparisons{estimate}."


def _advice(result: MonitorResult) -> str:
    alerts = result.alerts
    kinds = {severity: sum(a.severity == severity for a in alerts) for severity in ("critical", "warning")}
    counted = f"{times(kinds['critical'], 'critical alert')} and {times(kinds['warning'], 'warning')}"
    if any(alert.subject == SERVED for alert in alerts):
        return (
            "Find out first what the service runs: it served something else than the model that is judged "
            f"here; {counted}."
        )
    if kinds["critical"]:
        return f"Retrain on recent rows and hold the new model against this one, as page 7 does; {counted}."
    if kinds["warning"]:
        return f"Nothing needs to be replaced now; look at what moved and collect outcomes early; {counted}."
    return f"Leave the model as it is and look again when the next period is in; {counted}."
