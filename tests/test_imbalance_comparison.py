"""What resampling does to one model, on the folds of a search."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from ml_utils.errors import DataError, ParameterError
from ml_utils.problem import Decision
from ml_utils.training.imbalance_comparison import ImbalanceComparison, compare_imbalance
from ml_utils.training.trainer import ModelTrainer


def fitted(n: int = 900, columns: int = 3, **options: object) -> ModelTrainer:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, columns))).rename(columns=str)
    y = pd.Series((rng.random(n) < 1 / (1 + np.exp(2.5 - 1.5 * X["0"]))).astype(int))
    decision = Decision(benefit=40.0, cost=10.0, currency="EUR")
    return ModelTrainer(
        ["linear", "decision_tree"],
        n_trials=1,
        cv_folds=3,
        **{"decision": decision, **options},  # type: ignore[arg-type]
    ).fit(X, y)


@pytest.fixture(scope="module")
def trainer() -> ModelTrainer:
    return fitted()


@pytest.fixture(scope="module")
def comparison(trainer: ModelTrainer) -> ImbalanceComparison:
    return compare_imbalance(trainer)


def test_nothing_is_what_the_search_found(trainer: ModelTrainer, comparison: ImbalanceComparison) -> None:
    table = comparison.frame.set_index("method")
    assert table.index[0] == "none"
    board = trainer.leaderboard_.set_index("candidate")
    assert table.loc["none", "roc_auc"] == pytest.approx(board.loc["logistic", "mean"])
    assert table.loc["none", "brier"] == table.loc["none", "brier_set_right"]
    assert comparison.rows == 600


def test_probabilities_get_worse_and_are_set_right(comparison: ImbalanceComparison) -> None:
    table = comparison.frame.set_index("method")
    for name in ("class_weight", "over", "smote", "under"):
        assert table.loc[name, "brier"] > 1.3 * table.loc["none", "brier"]
        assert table.loc[name, "brier_set_right"] < 1.1 * table.loc["none", "brier"]
        assert table.loc[name, "profit_set_right"] > table.loc[name, "profit_raw"]
    ranking, probabilities, profit = comparison.sentences()
    assert "AUC" in ranking
    assert "as the model gives them got worse with" in probabilities
    assert "Acting from 20.0 % on earns EUR" in profit


def test_differences_are_paired(comparison: ImbalanceComparison) -> None:
    told = comparison.differences.set_index(["method", "metric"])
    assert (told["lower"] <= told["difference"]).all()
    assert (told["difference"] <= told["upper"]).all()
    row = told.loc[("over", "brier")]
    assert row["lower"] > 0
    assert row["p_value"] < 0.05
    assert not row["better"]
    means = comparison.frame.set_index("method")["brier"]
    assert row["difference"] == pytest.approx(means["over"] - means["none"])


def test_two_runs_give_the_same_and_rows_can_be_fewer(trainer: ModelTrainer) -> None:
    first = compare_imbalance(trainer, ["over"], "best", max_rows=200)
    again = compare_imbalance(trainer, ["over"], "best", max_rows=200)
    pd.testing.assert_frame_equal(first.to_frame(), again.to_frame())
    assert first.rows == 200
    assert first.candidate == "logistic regression"


def test_a_search_that_resampled_itself_is_compared_with_rows_as_they_are() -> None:
    treated = compare_imbalance(fitted(imbalance="over", ensemble="none"), ["over"]).frame
    plain = compare_imbalance(fitted(ensemble="none"), ["over"]).frame
    pd.testing.assert_frame_equal(treated, plain)


def test_bad_input(trainer: ModelTrainer) -> None:
    with pytest.raises(ParameterError, match="imbalance is 'smoote'"):
        compare_imbalance(trainer, ["smoote"])
    with pytest.raises(ParameterError, match="name one at least to compare with 'none'"):
        compare_imbalance(trainer, ["none"])
    with pytest.raises(ParameterError, match="no single fitted candidate 'lightgbm'"):
        compare_imbalance(trainer, candidate="lightgbm")
    X = pd.DataFrame({"a": np.arange(60.0)})
    regression = ModelTrainer(["linear"], n_trials=1, cv_folds=2).fit(X, X["a"] * 2.5)
    with pytest.raises(DataError, match="compared for two classes; the task is regression"):
        compare_imbalance(regression)


@pytest.mark.full
def test_twenty_thousand_rows_take_seconds() -> None:
    trainer = fitted(20_000, 40)
    started = time.perf_counter()
    compare_imbalance(trainer)
    assert time.perf_counter() - started < 8
