"""Fairness: agreement with fairlearn, published intervals, coverage, thresholds by group, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.fairness import (
    audit,
    binary_fairness,
    binary_groups,
    group_labels,
    group_thresholds,
    intersections,
    observed_to_expected,
    regression_groups,
    sensitive_columns,
)
from ml_utils.evaluation.fairness.auditing import four_fifths
from ml_utils.evaluation.fairness.differences import largest_difference, odds_difference, smallest_ratio
from ml_utils.files import to_json
from ml_utils.plots import decisions as plots
from ml_utils.problem import Decision

OFFER = Decision(action="send an offer", benefit=40.0, cost=10.0, currency="EUR")


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(6)
    n = 3000
    frame = pd.DataFrame(
        {
            "gender": rng.choice(["female", "male"], n),
            "age": rng.integers(18, 80, n).astype(float),
            "region": rng.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2]),
        }
    )
    p = np.clip(rng.beta(2, 6, n) + 0.12 * (frame["gender"] == "male") - 0.001 * frame["age"], 0.01, 0.95)
    return frame, p.to_numpy(), (rng.random(n) < p).astype(float).to_numpy()


# fairlearn


@pytest.mark.parametrize("name", ["gender", "region"])
def test_figures_agree_with_fairlearn(people, name):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    from sklearn.metrics import precision_score

    frame, p, y = people
    acted = (p >= 0.3).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_group = fairlearn.MetricFrame(
            metrics={
                "selection_rate": fairlearn.selection_rate,
                "tpr": fairlearn.true_positive_rate,
                "fpr": fairlearn.false_positive_rate,
                "precision": precision_score,
            },
            y_true=y,
            y_pred=acted,
            sensitive_features=frame[name],
        ).by_group
        ratio = fairlearn.demographic_parity_ratio(y, acted, sensitive_features=frame[name])
        odds = fairlearn.equalized_odds_difference(y, acted, sensitive_features=frame[name])
        equal = fairlearn.equal_opportunity_difference(y, acted, sensitive_features=frame[name])
    groups = binary_groups(y, p, 0.3, frame[[name]]).set_index("group")
    for figure in by_group.columns:
        np.testing.assert_allclose(groups.loc[by_group.index, figure], by_group[figure], atol=1e-12)
    found = binary_fairness(groups.reset_index()).iloc[0]
    assert found["disparate_impact"] == pytest.approx(ratio, abs=1e-12)
    assert found["equalised_odds"] == pytest.approx(odds, abs=1e-12)
    assert found["equal_opportunity"] == pytest.approx(equal, abs=1e-12)
    summary = audit(y, p, 0.3, frame[[name]]).summary.iloc[0]
    assert summary["disparate_impact"] == pytest.approx(ratio, abs=1e-12)
    assert summary["equalised_odds"] == pytest.approx(odds, abs=1e-12)


# Intervals


def test_differences_of_newcombe_1998():
    # "Interval estimation for the difference between independent proportions", table II, method 10
    cases = [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 20), (0.6791, 1.0)),
    ]
    for (a, m, b, n), expected in cases:
        found = largest_difference(np.array([a, b], dtype=float), np.array([m, n], dtype=float))
        assert found[1:] == pytest.approx(expected, abs=5e-5)
    _, low, _ = largest_difference(np.array([6.0, 2.0]), np.array([7.0, 7.0]))
    assert low == pytest.approx(0.0582, abs=5e-5)


def test_intervals_of_statsmodels():
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(90, 300, 30, 250, method="newcomb", compare="diff")
    found = largest_difference(np.array([90.0, 30.0]), np.array([300.0, 250.0]))
    assert found[1:] == pytest.approx((low, high), abs=1e-10)
    hits, rows = np.array([90.0, 60.0]), np.array([300.0, 250.0])
    ratio = smallest_ratio(hits, rows)
    low, high = confint_proportions_2indep(60, 250, 90, 300, method="score", compare="ratio")
    assert ratio[1:] == pytest.approx((low, min(high, 1.0)), abs=0.02)


def _coverage(seeds, rates, sizes):
    """Share of samples whose intervals hold the truth: difference, ratio, odds."""
    rates, sizes, hits = np.array(rates), np.array(sizes), np.zeros(3)
    truth = [np.ptp(rates), rates.min() / rates.max(), np.ptp(rates)]
    rng, rows = np.random.default_rng(8), sizes.astype(int)
    for _ in range(seeds):
        a, b = (rng.binomial(rows, rates).astype(float) for _ in range(2))
        found = (
            largest_difference(a, sizes),
            smallest_ratio(a, sizes),
            odds_difference(a, sizes, b, sizes),
        )
        hits += [
            low - 1e-12 <= value <= high + 1e-12 for (_, low, high), value in zip(found, truth, strict=True)
        ]
    return hits / seeds


@pytest.mark.parametrize(
    ("rates", "sizes"), [([0.1, 0.2], [300, 400]), ([0.1, 0.1, 0.12, 0.3], [200, 300, 150, 400])]
)
def test_intervals_of_differences_hold_what_they_promise(rates, sizes):
    share = _coverage(300, rates, np.array(sizes, dtype=float))
    assert (share >= 0.93 - 2 * np.sqrt(0.05 * 0.95 / 300)).all(), share


@pytest.mark.full
@pytest.mark.parametrize("rates", [[0.08, 0.2], [0.5, 0.6], [0.3, 0.3]])
def test_intervals_of_two_groups_hold_in_1000_samples(rates):
    share = _coverage(1000, rates, np.array([300.0, 400.0]))
    equal = rates[0] == rates[1]  # then the truth lies on the border, and the intervals are conservative
    assert (share >= 0.93).all(), share
    assert equal or (share[:2] <= 0.975).all(), share


@pytest.mark.full
def test_intervals_of_rates_and_calibration_hold_in_1000_samples():
    hits, seen = np.zeros(5), 1000
    for seed in range(seen):
        rng = np.random.default_rng([4, seed])
        p = rng.beta(2, 6, 400)
        y = (rng.random(400) < 0.8 * p).astype(float)
        _, low, high = observed_to_expected(y, p)
        hits[0] += low <= 0.8 <= high
        groups = binary_groups(y, p, 0.3, pd.DataFrame({"all": ["x"] * 400})).iloc[0]
        for i, (name, truth) in enumerate(_TRUE_RATES.items(), start=1):
            hits[i] += groups[f"{name}_lower"] <= truth <= groups[f"{name}_upper"]
    assert ((hits / seen >= 0.93) & (hits / seen <= 0.97)).all(), hits / seen


def _true_rates():
    p = np.random.default_rng(0).beta(2, 6, 2_000_000)
    acted, rate = p >= 0.3, 0.8 * p
    return {
        "selection": acted.mean(),
        "tpr": rate[acted].sum() / rate.sum(),
        "fpr": (1 - rate)[acted].sum() / (1 - rate).sum(),
        "precision": rate[acted].mean(),
    }


_TRUE_RATES = _true_rates()


# Thresholds by group


def test_thresholds_by_group_even_out_what_they_are_to(people):
    frame, p, y = people
    same = group_thresholds(y, p, 0.3, frame["gender"], "equal selection", OFFER)
    rates = same.table["acted"] / same.table["rows"]
    assert np.ptp(rates) < 2 / same.table["rows"].min()
    assert rates.iloc[0] == pytest.approx(same.level, abs=0.002)
    before = same.table["acted_before"] / same.table["rows"]
    assert np.ptp(before) > 0.05
    equal = group_thresholds(y, p, 0.3, frame["gender"], "equal opportunity", OFFER)
    assert np.ptp(equal.table["tpr"]) < 0.01
    by_hand = 40 * (y * (p >= 0.3)).sum() - 10 * ((1 - y) * (p >= 0.3)).sum()
    own = frame["gender"].map(equal.table.set_index("group")["threshold"]).to_numpy()
    after = 40 * (y * (p >= own)).sum() - 10 * ((1 - y) * (p >= own)).sum()
    assert equal.cost == pytest.approx(by_hand - after)
    assert equal.lower <= equal.cost <= equal.upper
    assert "EUR" in equal.sentence()
    assert "not defined" in group_thresholds(y, p, 0.3, frame["gender"]).sentence()


# Whole audits, and bad input


def test_an_audit_holds_attributes_intersections_and_costs(people):
    frame, p, y = people
    found = audit(y, p, 0.3, frame[["gender", "age"]], OFFER)
    assert found.summary["attribute"].tolist() == ["gender", "age", "gender × age"]
    assert found.summary["crossed"].tolist() == [False, False, True]
    assert len(found.thresholds) == 4
    row = found.summary.iloc[0]
    assert row["disparate_impact_lower"] < row["disparate_impact"] < row["disparate_impact_upper"]
    assert four_fifths(row) == "broken"
    assert "below four fifths, beyond chance" in found.sentences()[0]
    assert found.value("disparate_impact") == found.summary["disparate_impact"].iloc[:2].min()
    assert to_json(found.results()) == to_json(audit(y, p, 0.3, frame[["gender", "age"]], OFFER).results())
    assert "80 % rule" in found._repr_html_()
    for crossed in (False, True):
        figure = plots.fairness(found, crossed)
        assert all(axes.get_xlabel() and axes.get_title() for axes in figure.axes)
    assert plots.fairness(audit(y, p, 0.3, frame[["gender"]]), crossed=True) is None


def test_small_single_and_missing_groups_are_said_not_compared(people):
    frame, p, y = people
    odd = pd.DataFrame(
        {
            "one": np.where(np.arange(3000) == 0, "alone", "others"),
            "constant": "same",
            "empty": np.full(3000, np.nan),
            "partly": np.where(np.arange(3000) % 3 == 0, None, frame["gender"]),
        }
    )
    found = audit(y, p, 0.3, odd, OFFER)
    groups = found.groups.set_index(["attribute", "group"])
    assert groups.loc[("one", "alone"), "rows"] == 1
    assert groups.loc[("one", "alone"), "small"]
    assert groups.loc[("partly", "(missing)"), "rows"] == 1000
    summary = found.summary.set_index("attribute")
    for name in ("one", "constant", "empty"):
        assert np.isnan(summary.loc[name, "disparate_impact"]), name
    assert np.isfinite(summary.loc["partly", "disparate_impact"])
    assert summary.loc["partly", "groups"] == 2
    assert "Not defined for one, constant and empty" in found.sentences()[-1]
    assert (found.to_frame().iloc[:3]["80 % rule"] == "not defined").all()
    keeps = group_thresholds(y, p, 0.3, odd["one"], "equal opportunity").table.set_index("group")
    assert keeps.loc["alone", "threshold"] == 0.3


def test_bad_input_is_named(people):
    frame, p, y = people
    with pytest.raises(DataError, match=r"'gendr' is no column. Did you mean 'gender'"):
        sensitive_columns(frame, ["gendr"])
    with pytest.raises(DataError, match="no sensitive attribute"):
        audit(y, p, 0.3, frame[[]])
    with pytest.raises(DataError, match="sensitive has 10 rows and the scores 3000"):
        audit(y, p, 0.3, frame.head(10))
    with pytest.raises(DataError, match="NaN or infinite"):
        audit(y, np.where(p > 0.5, np.nan, p), 0.3, frame)
    with pytest.raises(ParameterError, match="no goal 'equal'"):
        group_thresholds(y, p, 0.3, frame["gender"], "equal")
    none = binary_groups(np.zeros(60), np.full(60, 0.1), 0.3, pd.DataFrame({"g": ["a"] * 60})).iloc[0]
    assert np.isnan(none[["tpr", "precision", "observed_to_expected"]].astype(float)).all()
    assert np.isnan(largest_difference(np.array([1.0]), np.array([5.0]))[0])
    assert np.isnan(smallest_ratio(np.zeros(2), np.full(2, 9.0))[0])


def test_intersections_leave_small_and_missing_out():
    frame = pd.DataFrame({"a": ["x", "y"] * 60, "b": ["u"] * 100 + ["v"] * 20})
    crossed = intersections(frame, minimum_rows=20)
    assert sorted(crossed["a × b"].dropna().unique()) == ["x × u", "y × u"]
    assert intersections(frame, minimum_rows=200).shape == (120, 0)
    assert group_labels(pd.Series([None, None], dtype=float)).tolist() == ["(missing)", "(missing)"]


def test_bias_of_a_regression_by_group():
    y = np.arange(200.0)
    groups = regression_groups(y, y + np.tile([1.0, -1.0], 100), pd.DataFrame({"g": ["a", "b"] * 100}))
    assert groups.set_index("group").loc["a", "bias"] == 1.0
