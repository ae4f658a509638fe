"""Learning and validation curves: what they show is what was fitted, and a forecast owns up to its doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_utils.evaluation.metrics import METRICS
from ml_utils.training import learning
from ml_utils.training.forecast import Forecast, forecast_gain
from ml_utils.training.learning import (
    LearningCurve,
    important_parameter,
    learning_curve,
    validation_curve,
)
from ml_utils.training.trainer import ModelTrainer


def customers(n: int = 700, seed: int = 3) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({f"x{i}": rng.normal(size=n) for i in range(6)})
    X["plan"] = rng.choice(["basic", "plus"], n)
    odds = 1.2 * X["x0"] - 0.8 * X["x1"] + (X["plan"] == "basic")
    return X, pd.Series((rng.random(n) < 1 / (1 + np.exp(-odds))).astype("int8"))


@pytest.fixture(scope="module")
def trainer() -> ModelTrainer:
    X, y = customers()
    models = ["logistic", "decision_tree"]
    return ModelTrainer(models, n_trials=2, cv_folds=3, ensemble="voting", calibration="none").fit(X, y)


# Forecast


def test_a_power_law_is_found_and_its_gain_exact() -> None:
    rows = np.array([100.0, 200.0, 500.0, 1000.0, 2000.0])
    curve = 0.9 - 3.0 * rows**-0.5
    found = forecast_gain(rows, np.tile(curve[:, None], 4), 0.25)
    assert found is not None
    assert (found.limit, found.coefficient, found.exponent) == pytest.approx((0.9, 3.0, 0.5))
    assert found.gain == pytest.approx(3.0 * (2000**-0.5 - 4000**-0.5))
    assert found.lower == pytest.approx(found.gain)
    np.testing.assert_allclose(found.at(rows), curve)
    loss = forecast_gain(rows, np.tile(-curve[:, None], 4), 0.25, greater_is_better=False)
    assert loss is not None
    assert loss.gain == pytest.approx(found.gain)


def test_a_flat_curve_gains_nothing_and_few_points_tell_nothing() -> None:
    flat = forecast_gain([100, 200, 400, 800], np.full((4, 3), 0.8), 0.5)
    assert flat is not None
    assert flat.gain == pytest.approx(0.0, abs=1e-12)
    assert forecast_gain([100, 200, 400], np.full((3, 3), 0.8), 0.5) is None
    assert forecast_gain([100, 200, 400, 800], np.full((4, 1), 0.8), 0.5) is None


def test_the_interval_holds_the_true_gain() -> None:
    # folds differ in level (which a gain does not feel) and in each point; the exponent is not on the grid
    rows = np.array([160.0, 320.0, 560.0, 960.0, 1600.0])
    truth = 2.0 * (1600**-0.62 - 3200**-0.62)
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 0.01, 5) + rng.normal(0, 0.004, (5, 5)) * np.sqrt(1600 / rows)[:, None]
        found = forecast_gain(rows, 0.85 - 2.0 * rows[:, None] ** -0.62 + noise, 0.25)
        assert found is not None
        held += found.lower <= truth <= found.upper
    assert held >= 93


# Learning curve


def test_the_curve_ends_with_the_search_itself(trainer: ModelTrainer) -> None:
    curve = learning_curve(trainer, shares=(0.3, 0.5, 0.7))
    assert curve.label == trainer.chosen_result_.label
    last = curve.points.iloc[-1]
    assert last["valid"] == trainer.chosen_result_.mean
    assert last["train"] == trainer.chosen_result_.train_mean
    board = trainer.leaderboard_.set_index("candidate")
    assert last["valid_lower"] == pytest.approx(board.loc[trainer.chosen_result_.name, "lower"])
    assert curve.points["rows"].is_monotonic_increasing
    assert curve.points["rows"].iloc[0] == pytest.approx(0.3 * 700 * 2 / 3, rel=0.05)
    gaps = curve.points["train"] - curve.points["valid"]
    assert gaps.iloc[0] > gaps.iloc[-1] > 0
    assert set(curve.results()) == {"label", "points", "forecast", "learnt"}
    assert curve.to_frame() is curve.points
    pd.testing.assert_frame_equal(curve.points, learning_curve(trainer, shares=(0.3, 0.5, 0.7)).points)


def test_all_rows_give_what_the_search_gave_for_single_models_and_ensembles(trainer: ModelTrainer) -> None:
    for item in trainer.candidates_:
        train, valid = learning._score(trainer, item, replace(trainer.tables_, _made=[]))
        np.testing.assert_allclose(train, item.train_scores)
        np.testing.assert_allclose(valid, item.fold_scores)


def test_parts_are_nested_stratified_and_keep_groups_whole(trainer: ModelTrainer) -> None:
    small, large = (learning._part(trainer.tables_, share, "binary") for share in (0.3, 0.6))
    assert small is not None
    assert large is not None
    for one, other, fold in zip(small.folds, large.folds, trainer.tables_.folds, strict=True):
        assert set(one.train) < set(other.train) < set(fold.train)
        np.testing.assert_array_equal(one.valid, fold.valid)
        rates = [trainer.tables_.y[rows].mean() for rows in (one.train, fold.train)]
        assert rates[0] == pytest.approx(rates[1], abs=0.05)
    groups = np.repeat(np.arange(70), 10)
    part = learning._part(replace(trainer.tables_, groups=groups), 0.5, "binary")
    assert part is not None
    for fold, whole in zip(part.folds, trainer.tables_.folds, strict=True):
        kept = set(groups[fold.train])
        left = set(groups[np.setdiff1d(whole.train, fold.train)])
        assert not kept & left


def test_too_few_rows_tell_nothing(trainer: ModelTrainer) -> None:
    assert learning._part(trainer.tables_, 0.05, "binary") is None
    curve = learning_curve(trainer, shares=(0.05,))
    assert len(curve.points) == 1
    assert curve.forecast is None
    assert "too few" in curve.sentence()


@pytest.mark.parametrize(
    ("gain", "lower", "upper", "said"),
    [
        (0.01, 0.005, 0.02, "of what was learnt over the baseline: more rows would help."),
        (0.002, 0.001, 0.02, "more rows would help, a little."),
        (0.01, -0.005, 0.02, "whether more rows would help cannot be told."),
        (0.001, -0.001, 0.002, "more rows would hardly help."),
    ],
)
def test_sentences_follow_the_forecast(gain: float, lower: float, upper: float, said: str) -> None:
    points = pd.DataFrame({"rows": [100.0, 16_000.0]})
    forecast = Forecast(0.9, 1.0, 0.5, 2.0, gain, lower, upper)
    sentence = LearningCurve("a", METRICS["roc_auc"], points, forecast, learnt=0.3).sentence()
    assert sentence.endswith(said)
    assert sentence.startswith("Twice the 16,000 rows would let AUC gain about 0.0")


def test_a_regression_is_told_in_its_unit() -> None:
    X, _ = customers(300)
    y = pd.Series(20 * X["x0"] + 100 + np.random.default_rng(1).normal(0, 5, len(X)))
    fitted = ModelTrainer(["ridge"], n_trials=1, cv_folds=3).fit(X, y)
    curve = learning_curve(fitted, shares=(0.3, 0.5, 0.7))
    assert "root mean squared error fall by about" in curve.sentence()
    shown = validation_curve(fitted, n_values=3)
    assert shown is not None
    assert shown.parameter == "alpha"
    assert shown.points["valid"].min() == pytest.approx(
        shown.points.set_index("value").loc[10.0, "valid"], rel=0.1
    )


# Validation curve


def test_the_chosen_value_is_the_searchs_own(trainer: ModelTrainer) -> None:
    curve = validation_curve(trainer, n_values=4)
    assert curve is not None
    single = next(item for item in trainer.candidates_ if not item.weights)
    assert curve.label == single.label
    row = curve.points.set_index("value").loc[curve.chosen]
    assert row["valid"] == single.mean
    assert row["p_value"] == 1
    assert curve.points["value"].is_monotonic_increasing
    assert len(curve.points) in (4, 5)
    assert curve.parameter in curve.sentence()
    assert set(curve.results()) == {"label", "parameter", "reason", "chosen", "points"}


def test_importance_comes_from_the_trials_where_they_are_many(trainer: ModelTrainer) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    result = replace(trainer.candidates_[0], params={"learning_rate": 0.1, "depth": 3})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(
        lambda t: (t.suggest_int("depth", 1, 20) - 7) ** 2 + t.suggest_float("learning_rate", 0, 1),
        n_trials=7,
    )
    assert important_parameter(study, result, 1)[0] == "learning_rate"
    study.optimize(
        lambda t: (t.suggest_int("depth", 1, 20) - 7) ** 2 + t.suggest_float("learning_rate", 0, 1),
        n_trials=5,
    )
    name, reason = important_parameter(study, result, 1)
    assert name == "depth"
    assert reason.startswith("explains ")


def test_without_a_parameter_there_is_no_validation_curve() -> None:
    X, y = customers(200)
    fitted = ModelTrainer(["baseline"], n_trials=1, cv_folds=3).fit(X, y)
    assert validation_curve(fitted) is None
    assert learning_curve(fitted, shares=(0.5, 0.6, 0.7, 0.8)).forecast is None
