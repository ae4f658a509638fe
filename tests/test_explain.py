"""Explanations: SHAP's own values as the reference, additivity, sums back to columns, known effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from ml_utils.errors import DataError
from ml_utils.explanation.contributions import contributions, log_odds, spread_rounding
from ml_utils.explanation.explain import SEVERAL, category_effects, explain
from ml_utils.explanation.known_effects import Effect, check_drivers, known_effects
from ml_utils.explanation.permutation import permutation_importance
from ml_utils.explanation.sampling import sampled_shapley
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.model import Model
from ml_utils.problem import load_problem
from ml_utils.training.calibration import Calibrated, Calibrator
from ml_utils.training.candidates import CANDIDATES, Setting
from ml_utils.training.ensembles import LogOddsBlend, MeanBlend


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(2)
    n = 1500
    X = pd.DataFrame(
        {
            "usage": rng.normal(size=n),
            "plan": rng.choice(["basic", "plus", "pro"], n),
            "tenure": rng.integers(0, 60, n).astype(float),
            "noise": rng.normal(size=n),
        }
    )
    X.loc[rng.random(n) < 0.1, "tenure"] = np.nan
    margin = -1 + 1.5 * X["usage"] + X["plan"].map({"basic": 1.0, "plus": 0.0, "pro": -1.0})
    return X, (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(int)


def fitted(name, table, task="binary"):
    candidate = CANDIDATES[name]
    estimator = candidate.build(dict(candidate.prior), Setting(task))
    return as_model(estimator, table, task, name)


def as_model(estimator, table, task="binary", name="model"):
    X, y = table
    steps = [("features", FeatureEngineer()), ("model", estimator)]
    return Model(Pipeline(steps).fit(X, y), task, tuple(X.columns), name, 0.5 if task == "binary" else None)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "logistic", "spline_logistic"])
def test_contributions_add_up_and_find_the_drivers(table, name):
    X, _ = table
    found = explain(fitted(name, table), X, n_rows=300)
    assert found.additivity_error < (1e-6 if name == "xgboost" else 1e-9)  # XGBoost counts in 32 bits
    assert (len(found.rows), len(found.sources)) == (300, 4)
    assert found.top(2) == ["usage", "plan"]
    effects = found.importance.set_index("source")
    assert effects.loc["usage", "direction"] == 1
    assert effects.loc["plan", "effect"] == "raised by basic, lowered by pro"
    assert effects["share"].sum() == pytest.approx(1)


def build(name, task="binary"):
    return CANDIDATES[name].build(dict(CANDIDATES[name].prior), Setting(task))


SIGMOID = Calibrator("sigmoid", 1.3, -0.2)
BOTH = ("xgboost", "spline_logistic")


def blend(*names, weights=(0.6, 0.4), intercept=0.1, task="binary"):
    kind = MeanBlend if task == "regression" else LogOddsBlend
    return kind([(name, build(name, task)) for name in names], list(weights), intercept)


NESTED = {
    "calibrated": Calibrated(build("xgboost"), SIGMOID),
    "not calibrated": Calibrated(build("lightgbm"), Calibrator("none")),
    "blend": blend(*BOTH),
    "blend, calibrated": Calibrated(blend("lightgbm", *BOTH, weights=(0.5, 0.2, 0.3)), SIGMOID),
    "blend of calibrated": LogOddsBlend(
        [("a", Calibrated(build("lightgbm"), SIGMOID)), ("b", build("logistic"))], [0.7, 0.3]
    ),
    "blend in a blend": LogOddsBlend(
        [("a", blend(*BOTH)), ("b", build("hist_gradient_boosting"))], [2.0, 1.0]
    ),
}


@pytest.mark.parametrize("kind", NESTED)
def test_blends_and_calibrated_models_add_up(table, kind):
    found = explain(as_model(NESTED[kind], table), table[0], n_rows=300)
    assert found.additivity_error < 1e-6
    assert found.method.startswith("SHAP, exact for trees")
    assert len(found.rows) == 300
    assert found.top(2) == ["usage", "plan"]


def test_a_blends_values_are_the_weighted_sum_of_its_members(table):
    model = as_model(Calibrated(blend(*BOTH), SIGMOID), table)
    Z = model.pipeline["features"].transform(table[0].head(50))
    found = contributions(model.pipeline["model"], Z, Z, seed=1)
    first, second = (
        contributions(member, Z, Z, seed=1) for _, member in model.pipeline["model"].estimator_.members_
    )
    np.testing.assert_allclose(found.shap, 1.3 * (0.6 * first.shap + 0.4 * second.shap))
    assert found.base == pytest.approx(1.3 * (0.6 * first.base + 0.4 * second.base + 0.1) - 0.2)
    assert found.method == "SHAP, exact for trees and linear models"


def test_a_blend_of_regressors_adds_up(table):
    X, _ = table
    y = 10 * X["usage"].to_numpy() + 50
    model = as_model(blend("ridge", "xgboost", task="regression"), (X, y), "regression")
    assert explain(model, X, n_rows=200).additivity_error < 1e-6


@pytest.mark.parametrize("name", ["naive_bayes", "nearest_neighbours", "svm", "neural_network"])
def test_models_without_a_closed_form_are_sampled_alone_or_in_a_blend(table, name, monkeypatch):
    monkeypatch.setattr("ml_utils.explanation.sampling.MAX_SAMPLED_ROWS", 10)
    monkeypatch.setattr("ml_utils.explanation.sampling.ORDERS", 4)
    X, y = table[0].head(400), table[1][:400]
    estimator = build(name)
    for one, method in (
        (estimator, "SHAP by sampled orders"),
        (
            LogOddsBlend([("a", estimator), ("b", build("lightgbm"))], [0.5, 0.5]),
            "SHAP, exact for trees; SHAP by sampled orders",
        ),
    ):
        found = explain(as_model(one, (X, y)), X)
        assert found.additivity_error < 1e-6
        assert found.method in (method, "; ".join(reversed(method.split("; "))))
        assert len(found.rows) == 10


STEPS = ((np.array([0.0, 0.3, 1.0]), np.array([0.05, 0.4, 0.9])),)


@pytest.mark.parametrize(("method", "named"), [("isotonic", "isotonic"), ("venn_abers", "Venn–Abers")])
def test_a_staircase_is_explained_before_it_and_said_so(table, method, named):
    found = explain(as_model(Calibrated(blend(*BOTH), Calibrator(method, steps=STEPS)), table), table[0])
    assert found.unit == "log-odds before calibration"
    assert f"before the {named} calibration" in found.note
    assert found.note == found.results()["note"]
    assert found.additivity_error < 1e-6
    assert found.method == "SHAP, exact for trees and linear models"
    inside = LogOddsBlend([("a", Calibrated(build("logistic"), Calibrator(method, steps=STEPS)))], [1.0])
    assert explain(as_model(inside, table), table[0], n_rows=5).method == "SHAP by sampled orders"


def test_only_rounding_is_spread():
    shap = np.array([[1.0, -3.0], [0.0, 0.0]])
    exact = spread_rounding(shap, 0.5, np.array([-1.500004, 0.5]))
    np.testing.assert_allclose(exact.sum(axis=1), [-2.000004, 0.0])
    wrong = spread_rounding(shap, 0.5, np.array([-1.4, 0.6]))
    np.testing.assert_array_equal(wrong, shap)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_trees_agree_with_shap(table, name):
    import shap

    X, _ = table
    model = fitted(name, table)
    Z = model.pipeline["features"].transform(X.head(100))
    expected = shap.TreeExplainer(model.pipeline["model"]).shap_values(Z)
    found = contributions(model.pipeline["model"], Z, Z, seed=1)
    np.testing.assert_allclose(found.shap, expected, atol=1e-5)


def test_linear_models_agree_with_shap(table):
    import shap

    X, y = table
    Z = FeatureEngineer(scaling="standard").fit_transform(X)
    for estimator in (LogisticRegression(), Ridge()):
        fit = estimator.fit(Z, y)
        expected = shap.LinearExplainer(fit, shap.maskers.Independent(Z, max_samples=len(Z))).shap_values(Z)
        np.testing.assert_allclose(contributions(fit, Z, Z, seed=1).shap, expected, atol=1e-8)


def test_any_other_model_is_explained_on_few_rows(table, monkeypatch):
    X, y = table
    steps = [("features", FeatureEngineer(scaling="standard")), ("model", GaussianNB())]
    model = Model(Pipeline(steps).fit(X, y), "binary", tuple(X.columns), "bayes", 0.5)
    monkeypatch.setattr("ml_utils.explanation.sampling.MAX_SAMPLED_ROWS", 50)
    found = explain(model, X, n_rows=400)
    assert len(found.rows) == 50
    assert found.additivity_error < 1e-9
    assert set(found.top(2)) == {"usage", "plan"}


def test_sampled_orders_are_exact_where_the_model_is_additive(table):
    X, y = table
    Z = FeatureEngineer(scaling="standard").fit_transform(X)
    fit = LogisticRegression().fit(Z, y)
    few = Z.head(20)
    values, base = sampled_shapley(fit, Z.head(30), few, seed=1)
    exact = contributions(fit, Z.head(30), few, seed=1)
    np.testing.assert_allclose(values, exact.shap, atol=1e-9)
    assert base[0] == pytest.approx(exact.base)


def test_histogram_boosting_goes_through_shap(table):
    X, y = table
    steps = [("features", FeatureEngineer()), ("model", HistGradientBoostingClassifier(max_iter=20))]
    model = Model(Pipeline(steps).fit(X, y), "binary", tuple(X.columns), "histgb", 0.5)
    found = explain(model, X, n_rows=100)
    assert found.method == "SHAP, exact for trees"
    assert found.additivity_error < 1e-6


def test_a_dummy_uses_no_column(table):
    X, y = table
    dummy = Pipeline([("features", FeatureEngineer()), ("model", DummyClassifier())]).fit(X, y)
    found = explain(Model(dummy, "binary", tuple(X.columns), "baseline", 0.5), X, y=y)
    assert found.method == "no column is used"
    assert found.top() == []
    assert found.base == pytest.approx(log_odds(np.array([y.mean()]))[0])
    assert found.disagreement() == "The model uses no column."
    assert (found.permutation["loss"] == 0).all()


def test_features_of_several_columns_are_shared_and_untraceable_ones_refused(table):
    X, _ = table
    model = fitted("logistic", table)
    engineer = model.pipeline["features"]
    usual = engineer.dictionary_.copy()
    try:
        engineer.dictionary_.loc[0, "source"] = SEVERAL.join(["usage", "noise"])
        found = explain(model, X, n_rows=50)
        shares = found.importance.set_index("source")["share"]
        assert shares["noise"] == pytest.approx(shares["usage"], rel=0.2)
        assert found.additivity_error < 1e-9
        engineer.dictionary_.loc[0, "source"] = "elsewhere"
        with pytest.raises(DataError, match="cannot be traced to a column"):
            explain(model, X, n_rows=50)
    finally:
        engineer.dictionary_ = usual


def test_permutation_importance_tells_used_columns_from_others(table):
    X, y = table
    model = fitted("logistic", table)
    found = permutation_importance(model, X, y.astype(float), seed=3)
    by_source = found.set_index("source")
    assert found["source"].tolist()[:2] == ["usage", "plan"]
    assert by_source.loc["usage", "lower"] > 0
    assert by_source.loc["noise", "lower"] < 0.005
    again = permutation_importance(model, X, y.astype(float), seed=3)
    pd.testing.assert_frame_equal(found, again)


def test_a_regression_is_explained_in_its_own_unit(table):
    X, _ = table
    y = 10 * X["usage"].to_numpy() + 50
    found = explain(fitted("ridge", (X, y), "regression"), X, n_rows=200, y=y)
    assert found.unit == "the target's unit"
    assert found.importance.loc[0, "source"] == "usage"
    assert found.permutation.loc[0, "loss"] > 5
    assert "Both methods" in found.disagreement(1)


def test_one_seed_gives_one_explanation_and_no_rows_an_error(table):
    X, _ = table
    model = fitted("lightgbm", table)
    first, second = (explain(model, X, n_rows=100, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)
    with pytest.raises(DataError, match="no rows to explain"):
        explain(model, X.head(0))


def test_spellings_of_a_category_are_one():
    column = pd.Series(["yes", "Yes ", "yes", "no"] * 10)
    effects = category_effects(column, np.tile([1.0, 1.0, 1.0, -1.0], 10))
    assert effects.to_dict() == {"yes": 1.0, "no": -1.0}


def test_drivers_are_held_against_the_known_effects(table):
    X, _ = table
    found = explain(fitted("logistic", table), X)
    truth = {
        "usage": Effect(1),
        "plan": Effect(levels={"basic": 3.0, "plus": 1.0, "pro": 0.3}),
        "age": Effect(1),
    }
    check = check_drivers(found, truth, n=3)
    assert (check.n_true, check.n_right) == (2, 2)
    assert check.missed == ("age",)
    assert "2 are true drivers, all of them in the right direction" in check.sentence()
    wrong = check_drivers(found, {"usage": Effect(-1)}, n=1)
    assert wrong.n_right == 0


@pytest.mark.parametrize("name", ["churn", "spend", "conversion"])
def test_known_effects_name_columns_of_the_view(name):
    from ml_utils.synthetic import read_view

    problem = load_problem(name)
    frame, _ = read_view(name, 300, 1)
    effects = known_effects(problem)
    assert set(effects) <= set(frame.columns)
    for column, effect in effects.items():
        if effect.levels is not None:
            found = set(frame[column].dropna().astype("str").str.strip().str.casefold())
            assert {level.casefold() for level in effect.levels} <= found | {"student"}, column
