from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from monitored import LATER, REFERENCE, oracle, problem, world
from scipy import stats

from ml_utils.evaluation.comparison import compare_scores
from ml_utils.monitoring.known_changes import check_changes, known_changes, simulate_shift
from ml_utils.monitoring.monitor import ModelMonitor
from ml_utils.plots import monitoring as plots
from ml_utils.problem import load_problem
from ml_utils.registry import Registry
from ml_utils.retraining.takeover import (
    decide_promotion,
    paired_loss,
    reliability,
    restore_incumbent,
    take_over,
    takeover_sentences,
)
from ml_utils.retraining.triggers import RetrainingPolicy, RetrainingRows, Trigger


def decided(y, incumbent, challenger, task="binary"):
    rng = np.random.default_rng(0)
    scores = {"champion": incumbent, "challenger": challenger}
    thresholds = dict.fromkeys(scores, 0.3) if task == "binary" else {}
    comparison = compare_scores(scores, y, task, thresholds, 100, rng)
    return decide_promotion(comparison, paired_loss(y, incumbent, challenger), RetrainingPolicy())


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(1)
    p = 1 / (1 + np.exp(-rng.normal(-1.5, 1.2, 4000)))
    return (rng.random(4000) < p).astype(float), p, rng


def test_paired_loss_is_the_paired_t_test_on_squared_errors(sample):
    y, p, rng = sample
    other = np.clip(p + rng.normal(0, 0.1, len(p)), 0, 1)
    expected = stats.ttest_rel((other - y) ** 2, (p - y) ** 2)
    found = paired_loss(y, other, p)
    assert found.gain == pytest.approx(np.mean((other - y) ** 2 - (p - y) ** 2))
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.02)


def test_a_better_model_takes_over(sample):
    y, p, rng = sample
    noisy = np.clip(p + rng.normal(0, 0.2, len(p)), 0, 1)
    decision = decided(y, noisy, p)
    assert decision.promote
    assert "better in Brier score and AUC" in decision.reason
    assert not decided(y, p, noisy).promote


def test_a_model_that_only_mends_the_level_takes_over(sample):
    y, p, _ = sample
    decision = decided(y, p**0.5, p)
    assert decision.promote
    assert decision.gains[1].value == 0
    assert decision.reason == "the challenger is better in Brier score beyond chance and not worse in any"


def test_the_same_model_stays(sample):
    y, p, _ = sample
    decision = decided(y, p, p)
    assert not decision.promote
    assert "not better beyond chance" in decision.reason


def test_a_smaller_error_does_not_buy_a_worse_ranking(sample):
    y, p, _ = sample
    rough = np.round(p, 1)
    decision = decided(y, p**0.3, rough)
    assert decision.gains[0].better
    assert not decision.gains[1].not_worse
    assert not decision.promote
    assert "AUC may be worse" in decision.reason


def test_one_class_in_the_holdout_promotes_nothing():
    decision = decided(np.zeros(50), np.full(50, 0.2), np.linspace(0, 0.1, 50))
    assert not decision.promote
    assert "AUC cannot be told" in decision.reason


def test_a_regression_is_judged_by_its_squared_error():
    rng = np.random.default_rng(2)
    truth = rng.gamma(2, 50, 2000)
    y = truth + rng.normal(0, 10, 2000)
    assert decided(y, truth + rng.normal(0, 10, 2000), truth, "regression").promote


@pytest.mark.full
def test_equal_models_are_rarely_swapped():
    hits = 0
    for run in range(1000):
        rng = np.random.default_rng(run)
        p = 1 / (1 + np.exp(-rng.normal(-1.5, 1.2, 800)))
        y = (rng.random(800) < p).astype(float)
        a, b = (np.clip(p + rng.normal(0, 0.05, 800), 0, 1) for _ in range(2))
        hits += any(gain.better for gain in decided(y, a, b).gains)
    assert hits / 1000 < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 1000)


def test_sentences_say_what_was_done(sample):
    y, p, _ = sample
    rows = RetrainingRows(pd.DataFrame(), pd.DataFrame({"y": y}), 0)
    fired = [Trigger("scores are off", True, ""), Trigger("model is old", False, "")]
    better = takeover_sentences(fired, decided(y, p**0.5, p), rows, True)
    assert better[0] == "Retraining is due (scores are off), and the new model is better."
    assert "4,000 later rows" in better[1]
    assert "is the champion" in better[2]
    same = takeover_sentences(fired[1:], decided(y, p, p), rows, True)
    assert same[0].startswith("No rule asks")
    assert "The champion stays" in same[2]
    assert "never passed its gate" in takeover_sentences(fired, decided(y, p, p), rows, False)[2]


def test_figures(sample):
    y, p, _ = sample
    groups = reliability(y, {"champion": p**0.5, "challenger": p})
    assert groups.groupby("model")["rows"].sum().tolist() == [4000, 4000]
    assert plots.reliability(groups, problem()).axes[0].get_title()
    assert len(plots.takeover(decided(y, p**0.5, p)).axes) == 2


class FakeModel:
    def __init__(self, version):
        self.version = version


class FakeRegistry(Registry):
    """The aliases of a registry without its store."""

    def __init__(self, champion):
        self.champions, self.reasons = [champion], []

    def alias(self, name):
        return self.champions[-1]

    def promote(self, version, *, reason, who="notebook", metrics=None):
        if version != self.champions[-1]:
            self.champions.append(version)
            self.reasons.append(reason)

    def rollback(self, *, reason, who="notebook"):
        self.champions.pop()
        self.reasons.append(reason)
        return self.champions[-1]

    def load(self, which):
        return FakeModel(self.champions[-1])


def test_going_back_is_rehearsed(sample):
    y, p, _ = sample
    registry = FakeRegistry(1)
    assert take_over(registry, 2, decided(y, p**0.5, p)) == [2, 1, 2]
    assert len(registry.reasons) == 3


def test_the_page_starts_from_the_judged_version():
    registry = FakeRegistry(3)
    assert "again" in restore_incumbent(registry, 1, approved=True)
    assert registry.alias("champion") == 1
    assert restore_incumbent(registry, 1, approved=True) == "Version 1 is the champion."
    assert "did not pass" in restore_incumbent(FakeRegistry(None), 1, approved=False)


def test_the_retailer_changes_are_known_and_held_against_the_result():
    known = known_changes(load_problem("churn"))
    assert (known.columns_from, known.relation_from) == ("2025-06", "2025-09")
    assert known_changes(problem()) is None
    months = ["2025-05-31", "2025-06-30", "2025-07-31", "2025-08-31", "2025-09-30"]
    frame = world(months, 800, 2)
    frame.loc[frame["month"] >= pd.Timestamp("2025-06-01"), "income"] += 8
    result = ModelMonitor(problem()).fit(world(REFERENCE, 800, 1), oracle()).calculate(frame)
    check = check_changes(result, known)
    assert check.unexpected == ["income"]
    assert check.missed == list(known.columns)
    assert (check.before, check.tests_before) == (0, 4)
    assert check.sentence().startswith("0 of 3 columns")
    assert len(check.to_frame()) == 5


def test_a_simulated_shift_is_seen():
    plain = problem(time=None, unit=None)
    frame = world(LATER, 600, 4).drop(columns=["id", "month"])
    monitor = ModelMonitor(plain).fit(world(REFERENCE, 600, 1).drop(columns=["id", "month"]), oracle())
    shift = simulate_shift(frame, plain, monitor.influence_)
    assert (shift.column, shift.since) == ("income", "part 4 of 6")
    assert not monitor.calculate(frame).drift["drifted"].any()
    found = monitor.calculate(shift.frame).drifted.set_index("column")["since"]
    assert found["income"] == "part 4 of 6"
    assert simulate_shift(frame[["plan"]], plain, pd.Series({"plan": 1.0})) is None
