"""Rules for the threshold, each against an exhaustive search, and the profit's interval."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ml_utils.errors import ParameterError
from ml_utils.problem import Decision
from ml_utils.training.holdout import lever_sentence
from ml_utils.training.rules import (
    parse_rule,
    precision_at_recall_threshold,
    recall_at_precision_threshold,
    top_threshold,
)
from ml_utils.training.thresholds import choose_threshold, threshold_rules
from ml_utils.training.trainer import ModelTrainer

DECISION = Decision(action="call", benefit=40.0, cost=10.0, currency="EUR")
targets = hnp.arrays(np.int8, st.integers(2, 30), elements=st.integers(0, 1)).filter(lambda y: y.any())


def scored(y: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([0.1, 0.2, 0.5, 0.5, 0.8, 0.9], len(y))


def rates(y: np.ndarray, score: np.ndarray, cut: float) -> tuple[float, float]:
    acted = score >= cut
    return float(y[acted].mean()), float(y[acted].sum() / y.sum())


@settings(max_examples=60, deadline=None)
@given(targets, st.integers(0, 2**31), st.floats(0.05, 1.0))
def test_precision_and_recall_rules_are_the_optimum_of_an_exhaustive_search(
    y: np.ndarray, seed: int, wanted: float
) -> None:
    score = scored(y, seed)
    every = [rates(y, score, cut) for cut in np.unique(score)]
    precision, recall = rates(y, score, recall_at_precision_threshold(y, score, wanted))
    reachable = [r for p, r in every if p >= wanted]
    if reachable:
        assert precision >= wanted
        assert recall == pytest.approx(max(reachable))
    else:
        assert precision == pytest.approx(max(p for p, _ in every))
    precision, recall = rates(y, score, precision_at_recall_threshold(y, score, wanted))
    assert recall >= wanted - 1e-12
    assert precision == pytest.approx(max(p for p, r in every if r >= wanted))


@settings(max_examples=60, deadline=None)
@given(targets, st.integers(0, 2**31), st.one_of(st.floats(0.01, 0.99), st.integers(1, 40).map(float)))
def test_capacity_is_never_exceeded_and_used_as_far_as_ties_allow(
    y: np.ndarray, seed: int, capacity: float
) -> None:
    score = scored(y, seed)
    most = np.floor(capacity * len(y) + 1e-9) if capacity < 1 else capacity
    acted = (score >= top_threshold(y, score, capacity)).sum()
    assert acted == max(n for n in [0, *((score >= cut).sum() for cut in np.unique(score))] if n <= most)


def test_a_precision_that_is_out_of_reach_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert recall_at_precision_threshold([1, 0, 0], [0.5, 0.5, 0.1], 0.9) == 0.5
    assert "no threshold has a precision of 90.0 %; the most precise one, 50.0 %, is taken" in caplog.text


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        ("auto", 0.2),
        ("analytic", 0.2),
        ("half", 0.5),
        ("tuned", 0.4),
        ("best_f1", 0.4),
        ("recall_at_precision:0.6", 0.4),
        ("precision_at_recall:0.3", 0.9),
        ("top:0.5", 0.5),
        ("top:1", 0.9),
    ],
)
def test_every_rule(rule: str, threshold: float) -> None:
    y, score = [0, 1, 0, 0, 1, 1], [0.1, 0.4, 0.5, 0.2, 0.6, 0.9]
    assert choose_threshold(y, score, DECISION, rule) == threshold


@pytest.mark.parametrize(
    ("rule", "decision", "message"),
    [
        ("anlytic", DECISION, "threshold is 'anlytic'. Did you mean 'analytic'"),
        ("top", None, "takes a number: write 'top:0.1'"),
        ("top:0", None, "a share of the rows above 0 and below 1, or a whole number"),
        ("top:2.5", None, "a whole number"),
        ("precision_at_recall:1.2", None, "above 0 and at most 1"),
        ("recall_at_precision:high", None, "above 0 and at most 1"),
        ("tuned", None, "needs a benefit and a cost"),
        ("best_f1:3", None, "threshold is 'best_f1:3'"),
    ],
)
def test_bad_rules(rule: str, decision: Decision | None, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        parse_rule(rule, decision)
    X, y = pd.DataFrame({"a": np.arange(40.0)}), pd.Series(np.arange(40) % 2)
    with pytest.raises(ParameterError, match=message):  # before anything is searched
        ModelTrainer(["linear"], threshold=rule, decision=decision).fit(X, y)


def table(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 4, n)
    return (rng.random(n) < p).astype(int), p


def test_the_rule_that_was_asked_for_stands_in_the_table() -> None:
    y, p = table()
    rules = threshold_rules(y, p, DECISION, "top:0.1")
    assert rules["rule"].tolist() == ["analytic", "tuned for profit", "best F1", "one half", "top 10.0 %"]
    assert rules["acted"].iloc[-1] == 400
    assert len(threshold_rules(y, p, DECISION, "tuned")) == 4
    assert "profit_lower" not in threshold_rules(y, p, None, "top:500")


def test_profit_intervals_are_those_of_drawing_rows_anew() -> None:
    y, p = table(1000)
    rules = threshold_rules(y, p, DECISION, n_bootstrap=4000)
    rng = np.random.default_rng(1)
    earned = np.where(p >= 0.2, np.where(y == 1, 40.0, -10.0), 0.0)
    drawn = np.array([earned[rng.integers(0, 1000, 1000)].sum() for _ in range(2000)])
    found = rules.iloc[0]
    assert found["profit"] == earned.sum()
    width = np.diff(np.quantile(drawn, [0.025, 0.975]))[0]
    assert found["profit_upper"] - found["profit_lower"] == pytest.approx(width, rel=0.08)
    assert (rules["profit"].between(rules["profit_lower"], rules["profit_upper"])).all()
    pd.testing.assert_frame_equal(threshold_rules(y, p, DECISION), threshold_rules(y, p, DECISION))


def test_profit_intervals_cover() -> None:
    truth, covered = 0.0, 0
    y, p = table(400_000)
    truth = float(np.mean(np.where(p >= 0.2, np.where(y == 1, 40.0, -10.0), 0.0)))
    for start in range(0, 200 * 500, 500):
        part = slice(start, start + 500)
        row = threshold_rules(y[part], p[part], DECISION).iloc[0]
        covered += row["profit_lower"] <= 500 * truth <= row["profit_upper"]
    assert 0.90 <= covered / 200 <= 0.99


def test_tuned_rules_are_judged_on_folds_they_were_not_chosen_on() -> None:
    rng = np.random.default_rng(0)
    y, noise = (rng.random(300) < 0.2).astype(int), rng.random(300)
    folds = np.array_split(rng.permutation(300), 5)
    flattered = threshold_rules(y, noise, DECISION).set_index("rule")
    honest = threshold_rules(y, noise, DECISION, folds=folds).set_index("rule")
    assert honest.loc["tuned for profit", "profit"] < flattered.loc["tuned for profit", "profit"]
    assert honest.loc["analytic", "profit"] == flattered.loc["analytic", "profit"]
    assert honest["threshold"].equals(flattered["threshold"])
    top = threshold_rules(y, noise, DECISION, "top:60", folds).set_index("rule")
    assert top.loc["top 60 rows", "acted"] == pytest.approx(60, abs=12)


def test_a_trainer_acts_by_the_rule_it_was_given() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=400)})
    y = pd.Series((rng.random(400) < 1 / (1 + np.exp(1 - 2 * X["a"]))).astype(int))
    trainer = ModelTrainer(["linear"], n_trials=1, cv_folds=3, decision=DECISION, threshold="top:0.1").fit(
        X, y
    )
    assert trainer.thresholds_ is not None
    assert trainer.best_.threshold == trainer.thresholds_.set_index("rule").loc["top 10.0 %", "threshold"]
    assert trainer.best_.decide(X).mean() == pytest.approx(0.1, abs=0.03)
    assert "greater lever" in lever_sentence(trainer, y)


@pytest.mark.full
def test_telco_profits() -> None:
    """What issue and page say of the lever: +40 a saved customer, −10 a contact, on out-of-fold scores."""
    path = (
        Path(os.environ.get("OCTAVO_PUBLIC_DATA", Path(__file__).parents[1] / "data" / "public"))
        / "telco.csv"
    )
    if not path.exists():
        pytest.skip("data/README.md says where telco.csv is downloaded")
    frame = pd.read_csv(path, na_values=[" "])
    X, y = frame.drop(columns=["customerID", "Churn"]), (frame["Churn"] == "Yes").astype("int8")
    trainer = ModelTrainer(n_trials=1, decision=DECISION).fit(X, y)
    assert trainer.thresholds_ is not None
    profit = trainer.thresholds_.set_index("rule")["profit"]
    # the model is not the one that these were measured with: 1.5 % may stand between
    wanted = {"one half": 35_130, "best F1": 43_120, "tuned for profit": 47_170, "analytic": 47_390}
    assert profit[list(wanted)].to_dict() == pytest.approx(wanted, rel=0.015)
    assert "the threshold is the greater lever" in lever_sentence(trainer, y)
