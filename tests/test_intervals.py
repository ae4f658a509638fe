"""Intervals by formula: published figures, brute force, what is not defined, and how often they hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_coverage import RATES, binary_held, multiclass_held, regression_held
from scipy.stats import binom

from ml_utils.evaluation.binary import binary_intervals, binary_notes, decision_intervals
from ml_utils.evaluation.calibration_error import Binned, BrierParts, calibration_intervals
from ml_utils.evaluation.counts import Counts
from ml_utils.evaluation.delong import delong_interval
from ml_utils.evaluation.intervals import (
    difference_of_proportions,
    logit_interval,
    mean_interval,
    mean_of_proportions,
    profit_interval,
    proportion_interval,
    proportion_intervals,
    t_quantile,
    variance_df,
)
from ml_utils.evaluation.metrics import METRICS
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.ranking import (
    auc_interval,
    average_precision_interval,
    gain_at,
    gain_intervals,
    ks_interval,
)
from ml_utils.evaluation.regression import r2_interval, regression_intervals
from ml_utils.evaluation.residuals import residual_tests

NOISE = 2.6  # standard errors of a simulated share


@pytest.fixture
def scored():
    rng = np.random.default_rng(1)
    y = (rng.random(300) < 0.3).astype(float)
    return y, np.round(np.clip(0.3 * y + rng.beta(2, 4, 300) * 0.7, 0, 1), 2)  # rounded: ties


# Published figures


def test_proc_wfns_of_asah():
    # R's pROC 1.18, data(aSAH): roc(outcome ~ wfns) has AUC 0.8237, ci() 0.7485-0.8988 (DeLong). Patients by
    # WFNS grade as its coords() give them.
    good, poor = [37, 20, 3, 8, 4], [2, 12, 1, 8, 18]
    y = np.r_[np.zeros(72), np.ones(41)]
    grade = np.r_[np.repeat(range(5), good), np.repeat(range(5), poor)] / 4
    value, low, high = delong_interval(y, grade)
    assert value == pytest.approx(0.8236789, abs=5e-8)
    assert (round(low, 4), round(high, 4)) == (0.7485, 0.8988)
    low, high = auc_interval(Ranked.of(y, grade))  # on the log-odds: the upper end is drawn in
    assert 0.7 < low < 0.7485
    assert 0.8237 < high < 0.8988


def test_caret_confusion_matrix_of_two_classes():
    # R's caret, ?confusionMatrix: 231 true abnormal found, 32 false, 27 missed, 54 true normal
    rates = Counts(231.0, 32.0, 27.0, 54.0).rates()
    published = {
        "accuracy": 0.8285,
        "recall": 0.8953,
        "specificity": 0.6279,
        "precision": 0.8783,
        "balanced_accuracy": 0.7616,
    }
    for name, value in published.items():
        assert rates[name] == pytest.approx(value, abs=5e-5), name
    low, high = decision_intervals(Counts(231.0, 32.0, 27.0, 54.0))["accuracy"]
    assert 0.7844 < low < high < 0.8668  # inside caret's exact interval, which is the wider


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    [(81, 263, 0.2544, 0.3658), (15, 148, 0.0601, 0.1581), (0, 20, 0.0, 0.1391), (1, 29, 0.0017, 0.1585)],
)
def test_mid_p_of_newcombe_1998(hits, rows, low, high):
    # Statistics in Medicine 17:857, table I, method 6
    assert proportion_interval(hits, rows) == pytest.approx((low, high), abs=5e-5)


def test_mid_p_solves_its_equation():
    low, high = proportion_interval(17, 40)
    assert binom.sf(17, 40, low) + binom.pmf(17, 40, low) / 2 == pytest.approx(0.025, abs=1e-10)
    assert binom.cdf(16, 40, high) + binom.pmf(17, 40, high) / 2 == pytest.approx(0.025, abs=1e-10)


@pytest.mark.parametrize("rows", [25, 60, 250])
def test_mid_p_holds_whatever_the_share(rows):
    hits = np.arange(rows + 1)
    low, high = proportion_intervals(hits, np.full(rows + 1, rows))
    for share in np.linspace(0.02, 0.98, 49):
        held = binom.pmf(hits, rows, share)[(low <= share) & (share <= high)].sum()
        assert held > 0.925, share


def test_newcombe_1998_difference():
    # Statistics in Medicine 17:873, table II: 56/70 less 48/80, method 10: 0.0524 to 0.3339, by Wilson
    low, high = difference_of_proportions((56, 48), (70, 80))
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=0.003)


def test_interval_of_a_mean_is_students_where_values_are_symmetric():
    values = np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 40)
    half = 1.971956544 * values.std(ddof=1) / np.sqrt(200)  # scipy.stats.t.ppf(0.975, 199)
    assert mean_interval(values) == pytest.approx((-half, half), abs=1e-9)


def test_residual_tests_are_those_of_scipy_and_statsmodels():
    from scipy.stats import jarque_bera, ttest_1samp
    from statsmodels.stats.diagnostic import het_breuschpagan

    rng = np.random.default_rng(2)
    predicted = rng.uniform(1, 5, 400)
    y = predicted + 0.3 + rng.normal(0, predicted)
    found = residual_tests(y, predicted)
    residual = y - predicted
    expected = [
        ttest_1samp(residual, 0).pvalue,
        het_breuschpagan(residual, np.column_stack([np.ones(400), predicted]))[1],
        jarque_bera(residual).pvalue,
    ]
    assert found.tests["p_value"].tolist() == pytest.approx(expected, rel=1e-9)
    assert (found.bias_lower, found.bias_upper) == pytest.approx(
        tuple(ttest_1samp(residual, 0).confidence_interval(0.95)), rel=1e-9
    )
    assert "Errors grow with higher predictions" in found.sentence()
    assert residual_tests(predicted, predicted) is None


# Brute force


def test_jackknife_of_average_precision_is_leaving_out_each_row(scored):
    from sklearn.metrics import average_precision_score

    from ml_utils.evaluation.ranking import _left_out

    y, score = scored
    ranked = Ranked.of(y, score)
    value, no_positive, no_negative = _left_out(ranked)
    assert value == pytest.approx(average_precision_score(y, score), abs=1e-12)
    for i in range(0, 300, 7):
        rest = np.arange(300) != i
        run = int(np.flatnonzero(ranked.scores == score[i])[0])
        quick = (no_positive if y[i] else no_negative)[run]
        assert quick == pytest.approx(average_precision_score(y[rest], score[rest]), abs=1e-12)


def test_jackknife_of_r2_is_leaving_out_each_row():
    rng = np.random.default_rng(3)
    y = rng.normal(size=60)
    predicted = y + rng.normal(0, 0.5, 60)
    kept = [np.arange(60) != i for i in range(60)]
    logs = np.array([np.log(1 - METRICS["r2"].function(y[k], predicted[k])) for k in kept])
    error = np.sqrt(59 / 60 * np.sum((logs - logs.mean()) ** 2))
    low, high = r2_interval(y, predicted)
    off = (logs - logs.mean()) / logs.std()
    t = t_quantile(variance_df(off))
    assert np.log(1 - low) - np.log(1 - high) == pytest.approx(2 * t * error, rel=1e-9)
    assert low < METRICS["r2"].function(y, predicted) < high


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_brier_parts_add_up(seed):
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(80), rng.integers(1, 4))
    y = (rng.random(80) < score).astype(float)
    parts = BrierParts.of(y, score)
    assert parts.total == pytest.approx(np.mean((score - y) ** 2), abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0
    assert parts.uncertainty == pytest.approx(y.var())


def test_brier_parts_of_scores_on_a_few_values_are_murphys():
    score = np.repeat([0.1, 0.4, 0.9], [50, 30, 20])
    y = np.r_[np.ones(8), np.zeros(42), np.ones(10), np.zeros(20), np.ones(15), np.zeros(5)]
    parts = BrierParts.of(y, score)
    rates, weights = np.array([0.16, 1 / 3, 0.75]), np.array([0.5, 0.3, 0.2])
    assert parts.reliability == pytest.approx(weights @ (np.array([0.1, 0.4, 0.9]) - rates) ** 2)
    assert parts.resolution == pytest.approx(weights @ (rates - 0.33) ** 2)
    assert parts.within_bins == pytest.approx(0, abs=1e-12)
    assert Binned.of(y, score).rows.tolist() == [50, 30, 20]


def test_gain_shares_ties_evenly():
    y, score = np.array([1.0, 0, 1, 0]), np.full(4, 0.5)
    assert gain_at(Ranked.of(y, score), [0.1, 0.5, 1]).tolist() == pytest.approx([0.1, 0.5, 1.0])


def test_profit_interval_counts_every_row(scored):
    y, score = scored
    acted = (score >= 0.3).astype(float)
    per_row, low, high = profit_interval(y, acted, 40, 10)
    assert per_row * 300 == pytest.approx(40 * (y * acted).sum() - 10 * ((1 - y) * acted).sum())
    assert low < per_row < high


# What is not defined


def test_what_is_not_defined_is_nan_never_zero(scored):
    y, _ = scored
    none = Ranked.of(np.zeros(5), np.linspace(0, 1, 5))
    undefined = [
        auc_interval(none),
        average_precision_interval(none),
        ks_interval(none),
        *gain_intervals(none, [0.1, 0.5]),
        proportion_interval(0, 0),
        mean_interval(np.array([1.0])),
        mean_of_proportions([0, 1], [0, 3]),
        difference_of_proportions((0, 1), (0, 3)),
        logit_interval(float("nan"), 0.1),
        r2_interval(np.ones(9), np.arange(9.0)),
        decision_intervals(Counts(0.0, 0.0, 3.0, 7.0))["precision"],
        decision_intervals(Counts(0.0, 0.0, 3.0, 7.0))["mcc"],
        regression_intervals(np.r_[0.0, 1, 2], np.ones(3))["mape"],
        *calibration_intervals(np.zeros(9), np.linspace(0, 1, 9), np.random.default_rng(0)).values(),
    ]
    assert np.isnan(undefined).all()
    assert auc_interval(Ranked.of(y, np.full(300, 0.2))) == (0.5, 0.5)


def test_a_perfect_ranking_still_has_a_lower_end():
    y = np.r_[np.zeros(30), np.ones(20)]
    low, high = auc_interval(Ranked.of(y, np.linspace(0, 1, 50)))
    assert 0.85 < low < 0.95
    assert high == 1.0
    assert auc_interval(Ranked.of(1 - y, np.linspace(0, 1, 50))) == pytest.approx((0.0, 1 - low))


def test_notes_say_why(scored):
    y, score = scored
    assert binary_notes(y, score, 0.3) == ()
    assert "All 9 rows are negative" in binary_notes(np.zeros(9), np.linspace(0, 1, 9), 0.5)[0]
    few = binary_notes(np.r_[np.ones(3), np.zeros(50)], np.linspace(0, 1, 53), 0.5)
    assert few == ("Only 3 of 53 rows are positive: with fewer than 10, intervals are too rough to lean on.",)
    same = binary_notes(y, np.full(300, 0.25), 0.5)
    assert "Every row has the same score, 0.250" in same[0]
    assert "No row is acted on at the threshold 0.500" in same[1]


def test_one_seed_gives_one_interval(scored):
    y, score = scored
    ranked = Ranked.of(y, score)
    twice = [binary_intervals(y, score, 0.3, ranked, np.random.default_rng(5)) for _ in range(2)]
    assert twice[0] == twice[1]
    for name in set(twice[0]) & set(METRICS):
        value = METRICS[name].value(y, score, 0.3)
        assert twice[0][name][0] <= value <= twice[0][name][1] or name in ("ece", "ks"), name


# How often the truth is held


def _check(found, n_simulations, low=0.93, high=0.97):
    slack = NOISE * np.sqrt(0.95 * 0.05 / n_simulations)
    off = {name: share for name, share in found.items() if not low - slack <= share <= high + slack}
    assert not off


@pytest.mark.parametrize(("rate", "kind"), [(0.27, "calibrated"), (0.27, "overconfident")])
def test_binary_intervals_hold(rate, kind):
    _check(binary_held(rate, kind, 1000, 200), 200)


def test_intervals_of_regressions_and_classes_hold():
    _check(regression_held("t5", 500, 200), 200)
    _check(multiclass_held(500, 200), 200)


@pytest.mark.full
def test_every_binary_interval_holds_what_it_promises():
    """Half of the conditions, each rate with both kinds and sizes; benchmarks/bench_evaluation.py has all."""
    kinds = ("calibrated", "overconfident")
    cells = [
        (rate, kind, (500, 2000)[(i + j) % 2]) for i, rate in enumerate(RATES) for j, kind in enumerate(kinds)
    ]
    found = [binary_held(*cell, 1000, seed=3) for cell in cells]
    for cell, held in zip(cells, found, strict=True):
        few = cell[0] * cell[2] < 50  # 25 positives: shares near 1 come in steps, and skewed sums are short
        _check(held, 1000, 0.92 if few else 0.93, 0.985 if few else 0.97)
    overall = {name: np.mean([held[name] for held in found]) for name in found[0]}
    assert all(0.93 <= share <= 0.97 for share in overall.values()), overall


@pytest.mark.full
@pytest.mark.parametrize("n", [500, 2000])
def test_every_interval_of_regressions_and_classes_holds(n):
    for kind in ("normal", "t5", "laplace", "skewed"):
        assert all(0.93 <= share <= 0.97 for share in regression_held(kind, n, 1000).values())
    assert all(0.93 <= share <= 0.97 for share in multiclass_held(n, 1000).values())
