from __future__ import annotations

import pandas as pd
import pytest
from monitored import LATER, REFERENCE, problem, world

from ml_utils.errors import ParameterError
from ml_utils.monitoring.result import MonitorSummary
from ml_utils.problem import LabelHorizon
from ml_utils.retraining.triggers import (
    RetrainingPolicy,
    age_in_days,
    choose_rows,
    triggers,
    triggers_to_frame,
)


def summary(**changes):
    periods = ["2024-03", "2024-04", "2024-05", "2024-06"]
    quiet = {"value": 0.8, "lower": 0.7, "upper": 0.9, "estimated": 0.8}
    content = {
        "metric": "roc_auc",
        "reference": 0.81,
        "margin": 0.02,
        "periods": periods,
        "performance": [
            {"period": name, **quiet, "fallen": False, "expected_to_fall": False} for name in periods
        ],
        "calibration": [
            {"period": name, "observed": 0.1, "expected": 0.1, "effect": 0.0, "shifted": False}
            for name in periods
        ],
        "drifted": [],
    }
    return MonitorSummary.from_json(content | changes)


def fired(found):
    return [item.rule for item in found if item.fired]


def splits():
    early = [f"2023-{month:02d}-28" for month in range(1, 13)]
    return {
        "train": world(early[:10], 20, 1),
        "valid": world(early[10:], 20, 2),
        "test": world(REFERENCE, 20, 3),
        "production": world(LATER, 20, 4),
    }


def test_nothing_fires_where_nothing_happened():
    found = triggers(summary(), RetrainingPolicy(), age_days=100)
    assert fired(found) == []
    assert len(triggers_to_frame(found)) == 5


@pytest.mark.parametrize(
    ("where", "flag", "rule"),
    [
        ("performance", "fallen", "performance fell"),
        ("performance", "expected_to_fall", "expected to fall"),
        ("calibration", "shifted", "scores are off"),
    ],
)
def test_a_recent_flag_fires_its_rule_and_an_old_one_does_not(where, flag, rule):
    recent, old = summary(), summary()
    getattr(recent, where)[-1][flag] = True
    getattr(old, where)[0][flag] = True
    assert fired(triggers(recent, RetrainingPolicy(recent=2))) == [rule]
    assert fired(triggers(old, RetrainingPolicy(recent=2))) == []


def test_drift_counts_by_what_the_model_makes_of_it():
    row = {"column": "income", "since": "2024-05", "periods": 2, "largest_psi": 0.4}
    small, large = summary(drifted=[row | {"influence": 0.01}]), summary(drifted=[row | {"influence": 0.3}])
    score = summary(drifted=[row | {"column": "model score", "influence": None}])
    assert fired(triggers(small, RetrainingPolicy())) == []
    assert fired(triggers(large, RetrainingPolicy())) == ["important columns drifted"]
    assert fired(triggers(score, RetrainingPolicy())) == []


def test_age_fires_past_its_limit():
    assert fired(triggers(summary(), RetrainingPolicy(max_age_days=90), 91.0)) == ["model is old"]
    assert age_in_days(splits(), problem()) == 246
    assert age_in_days(splits(), problem(time=None)) is None


def test_rows_end_before_the_holdout_begins():
    rows = choose_rows(splits(), problem(), holdout_periods=1, window_months=0)
    assert rows.holdout["month"].unique().tolist() == [pd.Timestamp("2024-06-30")]
    assert rows.train["month"].max() == pd.Timestamp("2024-05-31")
    assert rows.embargoed == 0
    assert len(rows.train) == 17 * 20


def test_rows_whose_outcome_was_not_known_are_left_out():
    slow = problem().model_copy(update={"label_horizon": LabelHorizon(days=0, months=2)})
    rows = choose_rows(splits(), slow, 1, 0)
    assert rows.train["month"].max() == pd.Timestamp("2024-04-30")
    assert rows.embargoed == 20


def test_a_window_forgets():
    rows = choose_rows(splits(), problem(), 1, 3)
    assert rows.train["month"].nunique() == 3


def test_without_time_the_last_parts_are_held_out():
    plain = problem(time=None, unit=None)
    tables = {name: table.drop(columns=["id", "month"]) for name, table in splits().items()}
    rows = choose_rows(tables, plain, 1, 12)
    assert (len(rows.train), len(rows.holdout)) == (12 * 20 + 2 * 20 + 67, 13)


def test_without_time_a_customer_stands_on_one_side():
    keyed = problem(time=None)
    rows = choose_rows(splits(), keyed, 1, 12)
    assert not set(rows.train["id"]) & set(rows.holdout["id"])


def test_bad_options_are_told():
    with pytest.raises(ParameterError, match="production has 4 periods, so take 1 to 3"):
        choose_rows(splits(), problem(), 4, 0)
    with pytest.raises(ParameterError, match=r"margin is 1\.5"):
        RetrainingPolicy(margin=1.5)
    with pytest.raises(ParameterError, match="recent is 0"):
        RetrainingPolicy(recent=0)
    slow = problem().model_copy(update={"label_horizon": LabelHorizon(days=0, months=40)})
    with pytest.raises(ParameterError, match="old enough"):
        choose_rows(splits(), slow, 1, 0)
