"""Nested cross-validation: what choosing flatters, the outer folds show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from ml_utils.problem import Decision
from ml_utils.training.candidates import Candidate
from ml_utils.training.nested import nested_scores
from ml_utils.training.trainer import ModelTrainer


def table(n: int = 300) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 4))).rename(columns=str)
    return X, pd.Series((rng.random(n) < 1 / (1 + np.exp(-2 * X["0"]))).astype(int))


def one_column(name: str) -> Candidate:
    """A model of one column, of which there can be many."""
    return Candidate(
        *(f"only_{name}", f"column {name} alone", ("binary",)),
        lambda params, setting: make_pipeline(
            ColumnTransformer([("one", "passthrough", [name])]), GaussianNB()
        ),
    )


def test_on_a_permuted_target_the_search_flatters_itself_and_nesting_does_not() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(150, 12))).add_prefix("noise")
    y = pd.Series(rng.permutation(np.repeat([0, 1], 75)))
    trainer = ModelTrainer([one_column(name) for name in X], cv_folds=3, ensemble="none")
    found = nested_scores(trainer, X, y, n_folds=4)
    assert found.frame["inner_score"].mean() > 0.55  # the best of 12 coins
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.optimism > 0.05
    assert "so much does choosing flatter" in found.sentences()[1]


def test_what_there_is_to_learn_is_found_on_the_outer_folds_too() -> None:
    X, y = table()
    groups = pd.Series(np.arange(300) // 3)
    decision = Decision(benefit=40, cost=10)
    trainer = ModelTrainer(["linear", "spline"], n_trials=1, cv_folds=3, decision=decision)
    found = nested_scores(trainer, X, y, groups, n_folds=3)
    assert found.to_frame()["fold"].tolist() == [1, 2, 3]
    assert {"candidate", "score", "inner_score", "threshold", "f1", "profit"} <= set(found.frame)
    assert found.mean == pytest.approx(found.frame["score"].mean())
    assert found.interval[0] < found.mean < found.interval[1]
    assert found.mean > 0.75
    assert (found.frame["threshold"] == 0.2).all()
    assert not hasattr(trainer, "best_")
    again = nested_scores(trainer, X, y, groups, n_folds=3)
    pd.testing.assert_frame_equal(again.frame, found.frame)


def test_a_loss_flatters_downwards_and_regressions_have_no_threshold() -> None:
    X, _ = table(120)
    y = X["0"] + np.random.default_rng(1).normal(size=120)
    times = pd.Series(pd.date_range("2025-01-01", periods=120))
    trainer = ModelTrainer(["linear"], n_trials=2, cv="time", cv_folds=2)
    found = nested_scores(trainer, X, y, n_folds=2, times=times, gap=pd.DateOffset(days=2))
    assert "threshold" not in found.frame
    assert found.optimism == pytest.approx((found.frame["score"] - found.frame["inner_score"]).mean())
    assert "root mean squared error" in found.sentences()[0] or "RMSE" in found.sentences()[0]
    assert "<table" in found._repr_html_()
