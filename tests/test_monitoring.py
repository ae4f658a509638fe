from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from monitored import LATER, REFERENCE, oracle, problem, world

from ml_utils.errors import DataError, ParameterError
from ml_utils.monitoring.monitor import ModelMonitor
from ml_utils.monitoring.result import MonitorSummary
from ml_utils.monitoring.words import headline, sentences
from ml_utils.plots import monitoring as plots


@pytest.fixture(scope="module")
def monitor():
    return ModelMonitor(problem()).fit(world(REFERENCE, 1500, 1), oracle())


def later(**changes):
    return world(LATER, 1500, 2, **changes)


def from_month(frame, month):
    return (frame["month"] >= pd.Timestamp(month)).to_numpy()


def test_nothing_is_flagged_where_nothing_changed(monitor):
    result = monitor.calculate(later())
    assert result.periods == ["2024-03", "2024-04", "2024-05", "2024-06"]
    assert not result.drift["drifted"].any()
    assert not result.faults["flagged"].any()
    assert result.alerts == []
    assert result.drifted.empty
    assert "still right" in sentences(result, problem())[0]


def test_a_shift_is_found_where_and_when_it_was_put(monitor):
    frame = later()
    frame.loc[from_month(frame, "2024-05-31"), "income"] += 6
    result = monitor.calculate(frame)
    hits = result.drift[result.drift["drifted"] & (result.drift["kind"] != "score")]
    assert set(zip(hits["column"], hits["period"], strict=True)) == {
        ("income", "2024-05"),
        ("income", "2024-06"),
    }
    alert = next(a for a in result.alerts if a.subject == "drift: income")
    assert alert.period == "2024-05"
    assert "2 periods running" in alert.what


def test_a_small_shift_in_a_large_sample_is_significant_but_no_drift():
    monitor = ModelMonitor(problem()).fit(world(REFERENCE, 30_000, 1), oracle())
    frame = world(LATER[:2], 30_000, 2)
    frame["income"] += 0.8  # a fifteenth of its standard deviation
    rows = monitor.calculate(frame).drift.query("column == 'income'")
    assert (rows["p_adjusted"] < 0.001).all()
    assert not rows["drifted"].any()


def test_missing_values_that_rise_are_drift_and_a_fault(monitor):
    frame = later()
    gone = from_month(frame, "2024-06-30") & (np.random.default_rng(0).random(len(frame)) < 0.2)
    frame.loc[gone, "income"] = np.nan
    result = monitor.calculate(frame)
    row = result.drift.set_index(["period", "column"]).loc[("2024-06", "income")]
    assert row["drifted"]
    assert row["test"] == "chi-square of missing"
    flagged = result.faults[result.faults["flagged"]]
    assert flagged[["period", "column", "fault"]].to_numpy().tolist() == [["2024-06", "income", "missing"]]


def test_unseen_levels_and_values_out_of_range_are_faults(monitor):
    frame = later()
    last = np.flatnonzero(from_month(frame, "2024-06-30"))[:100]
    frame.loc[last, "plan"] = "platinum"
    frame.loc[last, "visits"] = 99
    flagged = monitor.calculate(frame).faults.query("flagged")
    assert set(flagged["fault"]) == {"unseen level", "out of range"}
    assert set(flagged["period"]) == {"2024-06"}


def test_a_changed_relation_shows_in_outcomes_but_not_in_columns_or_estimates(monitor):
    frame = pd.concat([later()[:3000], later(strength=-0.2)[3000:]], ignore_index=True)
    result = monitor.calculate(frame)
    rows = result.of_metric().set_index("period")
    assert rows["fallen"].tolist() == [False, False, True, True]
    assert not rows["expected_to_fall"].any()
    assert result.calibration.set_index("period")["shifted"].tolist() == [False, False, True, True]
    assert not result.drift["drifted"].any()
    assert [alert.severity for alert in result.alerts] == ["critical", "critical"]
    assert "no longer right" in sentences(result, problem())[0]


def test_a_changed_rate_leaves_the_ranking_and_shows_in_calibration(monitor):
    result = monitor.calculate(later(base=-3.0))
    assert result.calibration["shifted"].all()
    assert not result.of_metric()["fallen"].any()


def test_without_outcomes_performance_is_estimated_only(monitor):
    known = monitor.calculate(later()).of_metric()
    result = monitor.calculate(later().drop(columns="left"))
    assert result.of_metric()["value"].isna().all()
    assert result.calibration.empty
    pd.testing.assert_series_equal(result.of_metric()["estimated"], known["estimated"])
    assert (known["value"] - known["estimated"]).abs().max() < 0.03
    assert "No outcome is known" in sentences(result, problem())[0]
    assert result.to_frame()["outcome observed"].tolist() == ["not known yet"] * 4


def test_first_outcomes_that_are_all_alike_are_not_called_unknown(monitor):
    result = monitor.calculate(later().assign(left="no"))
    assert (
        "The 6,000 outcomes known so far are too few or too alike to give AUC"
        in sentences(result, problem())[0]
    )


def test_outcomes_known_for_a_part_of_the_rows_are_used(monitor):
    frame = later()
    frame.loc[from_month(frame, "2024-06-30"), "left"] = None
    rows = monitor.calculate(frame).of_metric()
    assert rows["n_labelled"].tolist() == [1500, 1500, 1500, 0]


def test_estimate_sees_what_the_columns_do_to_the_auc(monitor):
    frame = later()
    frame["income"] = frame["income"].fillna(50) * 0 + 50
    frame["visits"] = 2
    rows = monitor.calculate(frame).of_metric()
    assert rows["expected_to_fall"].all()
    assert rows["fallen"].all()


def test_a_regression_is_monitored_too():
    task = problem("regression")
    monitor = ModelMonitor(task).fit(world(REFERENCE, 1500, 1, task="regression"), oracle("regression"))
    result = monitor.calculate(world(LATER, 1500, 2, task="regression"))
    rows = result.of_metric()
    assert result.metric == "rmse"
    assert rows["value"].between(2.8, 3.2).all()
    assert rows["estimated"].between(2.8, 3.2).all()
    assert result.alerts == []
    worse = world(LATER, 1500, 2, task="regression")
    worse["left"] += np.random.default_rng(0).normal(0, 3, len(worse))
    assert monitor.calculate(worse).of_metric()["fallen"].all()


def test_a_table_without_time_or_id_is_cut_into_parts():
    plain = problem(time=None, unit=None)
    frame = world(["2024-01-31"], 3000, 1).drop(columns=["id", "month"])
    result = ModelMonitor(plain, n_periods=3).fit(frame[:1500], oracle()).calculate(frame[1500:])
    assert result.periods == ["part 1 of 3", "part 2 of 3", "part 3 of 3"]
    assert not result.drift["drifted"].any()


def test_influence_says_which_columns_the_model_uses(monitor):
    assert monitor.influence_.index[0] == "visits"
    assert monitor.influence_["flag"] == 0
    assert monitor.influence_.sum() == pytest.approx(1)


def test_shares_add_up(monitor):
    shares = monitor.shares(later(), "plan", "2024-04")
    assert shares[["reference", "2024-04"]].sum().tolist() == pytest.approx([1, 1])
    with pytest.raises(ParameterError, match="not monitored"):
        monitor.shares(later(), "plam", "2024-04")
    with pytest.raises(ParameterError, match="No row is of period"):
        monitor.shares(later(), "plan", "2030-04")


def test_two_runs_agree(monitor):
    again = ModelMonitor(problem()).fit(world(REFERENCE, 1500, 1), oracle())
    pd.testing.assert_frame_equal(
        monitor.calculate(later()).performance, again.calculate(later()).performance
    )


def test_summary_survives_json(monitor):
    from json import loads

    from ml_utils.files import to_json

    summary = monitor.calculate(later(base=-3.0)).summary()
    again = MonitorSummary.from_json(loads(to_json(summary.to_json())))
    assert again.periods == summary.periods
    assert [row["shifted"] for row in again.calibration] == [True] * 4


def test_bad_input_is_told(monitor):
    reference = world(REFERENCE, 100, 1)
    with pytest.raises(ParameterError, match="alpha is 2"):
        ModelMonitor(problem(), alpha=2).fit(reference, oracle())
    with pytest.raises(DataError, match="reference has 10 rows"):
        ModelMonitor(problem()).fit(reference[:10], oracle())
    with pytest.raises(DataError, match="lacks the target in 1"):
        ModelMonitor(problem()).fit(reference.assign(left=["yes", None] + ["no"] * 198), oracle())
    with pytest.raises(DataError, match="lacks income"):
        monitor.calculate(reference.drop(columns="income"))
    with pytest.raises(DataError, match="no rows to monitor"):
        monitor.calculate(reference[:0])
    with pytest.raises(DataError, match="call fit"):
        ModelMonitor(problem()).calculate(reference)


def test_figures_are_made_from_the_result(monitor):
    frame = later(base=-3.0)
    frame["income"] += 6
    result = monitor.calculate(frame)
    drawn = [
        plots.drift_map(result),
        plots.performance(result),
        plots.outcomes(result, problem()),
        plots.column_shift(monitor.shares(frame, "income", "2024-04"), "income"),
    ]
    assert all(made.axes[0].get_title() and made.axes[0].get_xlabel() for made in drawn)
    assert "drifted" in drawn[0].axes[0].get_title()
    assert len(headline(result)) == 4


def false_alarms(runs: int, n: int, alpha: float) -> float:
    """Share of whole monitorings of unchanged data in which any column or score is flagged."""
    hits = 0
    for run in range(runs):
        monitor = ModelMonitor(problem(), alpha=alpha, min_effect=0.0)
        monitor.fit(world(REFERENCE[:1], n, 10_000 + run), oracle())
        hits += monitor.calculate(world(LATER, n, 20_000 + run)).drift["drifted"].any()
    return hits / runs


def test_false_alarms_are_rare():
    # without the floor on the effect, so that the tests alone hold the level; 30 runs at 5 %: 5 or more
    # would come up once in 65 times
    assert false_alarms(30, 400, 0.05) < 5 / 30


@pytest.mark.full
@pytest.mark.parametrize(("n", "alpha"), [(300, 0.05), (2000, 0.05), (1000, 0.01)])
def test_false_alarms_hold_their_level(n, alpha):
    runs = 200
    limit = alpha + 2.6 * np.sqrt(alpha * (1 - alpha) / runs)
    assert false_alarms(runs, n, alpha) <= limit


@pytest.mark.full
def test_outcomes_raise_false_alarms_at_their_level():
    runs, fallen, shifted = 200, 0, 0
    for run in range(runs):
        monitor = ModelMonitor(problem(), margin=0.0, calibration_margin=0.0)
        monitor.fit(world(REFERENCE[:1], 2000, 30_000 + run), oracle())
        result = monitor.calculate(world(LATER, 2000, 40_000 + run))
        fallen += bool(result.of_metric()["fallen"].any())
        shifted += bool(result.calibration["shifted"].any())
    assert max(fallen, shifted) / runs <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / runs)
