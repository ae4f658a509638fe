"""SHAP values against brute force and closed forms; additivity of any row, classes; interactions."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeRegressor
from test_explanation_effects import Deciding, formula_model

from ml_utils.errors import DataError, ParameterError
from ml_utils.explanation.contributions import contributions, log_odds, margin, spread_rounding
from ml_utils.explanation.explain import explain, explain_classes
from ml_utils.explanation.interactions import interactions
from ml_utils.explanation.known_effects import check_drivers, known_effects
from ml_utils.explanation.permutation import _loss, permutation_importance
from ml_utils.explanation.rounding import DOUBLE
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.model import Model
from ml_utils.plots import explanation_effects
from ml_utils.problem import load_problem
from ml_utils.training.calibration import Calibrated, Calibrator
from ml_utils.training.candidates import CANDIDATES, Setting
from ml_utils.training.ensembles import LogOddsBlend

DEFAULT = ("spline_logistic", "lightgbm", "xgboost")


def build(name, task="binary", **changes):
    return CANDIDATES[name].build(dict(CANDIDATES[name].prior) | changes, Setting(task))


def default_blend(n_estimators=100):
    members = [
        (name, build(name, **({} if name == "spline_logistic" else {"n_estimators": n_estimators})))
        for name in DEFAULT
    ]
    return LogOddsBlend(members, [0.5, 0.3, 0.2])


def as_model(estimator, X, y, task="binary", **options):
    steps = [("features", FeatureEngineer(**options)), ("model", estimator)]
    threshold = 0.5 if task == "binary" else None
    return Model(Pipeline(steps).fit(X, y), task, tuple(X.columns), "model", threshold)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(8)
    n = 900
    X = pd.DataFrame(
        {
            "usage": rng.normal(size=n),
            "visits": rng.integers(0, 9, n).astype(float),
            "plan": rng.choice(["basic", "plus", "pro"], n),
            "noise": rng.normal(size=n),
        }
    )
    X.loc[rng.random(n) < 0.1, "visits"] = np.nan
    worth = X["plan"].map({"basic": 1.0, "plus": 0.0, "pro": -1.0})
    logit = X["usage"] + 0.3 * X["visits"].fillna(4) + worth + 0.8 * X["usage"] * worth - 1
    return X, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


@pytest.fixture(scope="module")
def blend(table):
    return as_model(Calibrated(default_blend(), Calibrator("sigmoid", 1.2, -0.1)), *table)


def shapley(value, d):
    """Shapley (1953): every subset of the other features, by its weight."""
    found = np.zeros(d)
    for i in range(d):
        others = [j for j in range(d) if j != i]
        for size in range(d):
            for subset in combinations(others, size):
                weight = factorial(size) * factorial(d - size - 1) / factorial(d)
                found[i] += weight * (value({*subset, i}) - value(set(subset)))
    return found


def tree_value(tree, x, known, node=0):
    """A tree's expectation where only some features are known: both ways by their share of rows."""
    left, right, feature = tree.children_left[node], tree.children_right[node], tree.feature[node]
    if left < 0:
        return tree.value[node].ravel()[0]
    if feature in known:
        return tree_value(tree, x, known, left if x[feature] <= tree.threshold[node] else right)
    weights = tree.weighted_n_node_samples
    ways = [weights[child] / weights[node] * tree_value(tree, x, known, child) for child in (left, right)]
    return sum(ways)


def booster_value(nodes, x, known, node="0-0"):
    """The same for XGBoost's table of nodes, whose share of rows is their cover."""
    row = nodes.loc[node]
    if row["Feature"] == "Leaf":
        return row["Gain"]
    if row["Feature"] in known:
        return booster_value(nodes, x, known, row["Yes"] if x[row["Feature"]] < row["Split"] else row["No"])
    covers = nodes.loc[[row["Yes"], row["No"]], "Cover"]
    return sum(
        share * booster_value(nodes, x, known, child) for child, share in (covers / covers.sum()).items()
    )


def test_a_trees_shap_values_are_the_brute_force_ones():
    rng = np.random.default_rng(1)
    Z = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    fit = DecisionTreeRegressor(max_depth=4, random_state=0).fit(Z, Z["a"] * Z["b"] + Z["c"])
    found = contributions(fit, Z.head(5), Z, seed=1)
    for i in range(5):
        x = Z.iloc[i].to_numpy()
        expected = shapley(lambda known, x=x: tree_value(fit.tree_, x, known), 4)
        np.testing.assert_allclose(found.shap[i], expected, atol=1e-9)
    assert found.base == pytest.approx(tree_value(fit.tree_, None, set()))


def test_xgboosts_shap_values_are_the_brute_force_ones():
    from xgboost import XGBRegressor

    rng = np.random.default_rng(2)
    Z = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    fit = XGBRegressor(n_estimators=1, max_depth=3, n_jobs=1).fit(Z, Z["a"] * Z["b"] + Z["c"])
    nodes = fit.get_booster().trees_to_dataframe().set_index("ID")
    found = contributions(fit, Z.head(5), Z, seed=1)
    for i in range(5):
        x = Z.iloc[i].astype("float32")
        expected = shapley(lambda k, x=x: booster_value(nodes, x, {"abcd"[j] for j in k}), 4)
        np.testing.assert_allclose(found.shap[i], expected, atol=1e-5)


def test_a_linear_models_shap_values_are_the_closed_form():
    rng = np.random.default_rng(3)
    Z = pd.DataFrame(rng.normal(2, 1, size=(400, 3)), columns=list("abc"))
    fit = LogisticRegression().fit(Z, (Z["a"] - Z["b"] + rng.normal(size=400) > 0).astype(int))
    found = contributions(fit, Z, Z, seed=1)
    # Lundberg & Lee 2017, corollary 1
    np.testing.assert_allclose(found.shap, (Z - Z.mean()).to_numpy() * fit.coef_[0], atol=1e-9)
    assert found.base == pytest.approx(fit.intercept_[0] + (Z.mean() @ fit.coef_[0]))


numbers = st.one_of(st.none(), st.floats(-1e30, 1e30), st.sampled_from([0.0, -0.0, 1e-300, 40.0]))


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(numbers, numbers, st.sampled_from(["basic", " PRO", "new", None, ""])),
        min_size=1,
        max_size=4,
    )
)
def test_any_row_adds_up_to_its_log_odds(blend, table, rows):
    strange = pd.DataFrame(rows, columns=["usage", "visits", "plan"]).assign(noise=1e12)
    strange = strange.astype({"usage": float, "visits": float, "plan": "str"})
    found = explain(blend, strange, table[0])
    assert found.additivity_error < 1e-6
    score = blend.predict_score(strange)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), log_odds(score), atol=1e-6, rtol=0)  # noqa: PD011


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "logistic"])
def test_scores_next_to_0_and_1_add_up_too(name):
    rng = np.random.default_rng(4)
    X = pd.DataFrame({"a": rng.normal(size=500), "b": rng.normal(size=500)})
    y = (X["a"] > 0).astype(int)
    sure = {"n_estimators": 400, "learning_rate": 0.8, "reg_lambda": 0.0, "min_child_weight": 0.0}
    if name == "lightgbm":
        sure |= {"min_child_samples": 5, "min_child_weight": 1e-9, "reg_lambda": 1e-6}
    estimator = build(name, **(sure if name != "logistic" else {"C": 1e9}))
    model = as_model(estimator, X, y)
    output = log_odds(model.predict_score(X))
    assert output.max() > 15
    assert output.min() < -15
    assert explain(model, X, X).additivity_error < 1e-6
    both = as_model(LogOddsBlend([("a", estimator), ("b", build("logistic"))], [0.7, 0.3]), X, y)
    assert explain(both, X, X).additivity_error < 1e-6


def test_what_rounding_does_not_explain_stays():
    shap, output = np.array([[1.0, 2.0]]), np.array([3.1])
    np.testing.assert_array_equal(spread_rounding(shap, 0.0, output), shap)
    far = np.array([[6.0, 7.0]])  # 13 and 13.5 are different probabilities, in 32 bits too
    np.testing.assert_array_equal(spread_rounding(far, 0.0, np.array([13.5])), far)
    np.testing.assert_array_equal(spread_rounding(-far, 0.0, np.array([-13.01])), -far)
    regression = np.array([[60.0, 40.0]])
    left = spread_rounding(regression, 0.0, np.array([100.01]), probability=False)
    np.testing.assert_array_equal(left, regression)
    held = spread_rounding(np.array([[40.0, 20.0]]), 0.0, log_odds(np.array([1.0])), True, DOUBLE)
    assert held.sum() == pytest.approx(log_odds(np.array([1.0]))[0])


@pytest.mark.parametrize(
    "estimator",
    [
        build("lightgbm", "multiclass", n_estimators=30),
        build("xgboost", "multiclass", n_estimators=30),
        build("spline_logistic", "multiclass"),
        Calibrated(
            LogOddsBlend(
                [
                    ("a", build("lightgbm", "multiclass", n_estimators=30)),
                    ("b", build("logistic", "multiclass")),
                ],
                [0.6, 0.4],
            ),
            Calibrator("sigmoid", 0.8, 0.0),
        ),
    ],
    ids=["lightgbm", "xgboost", "spline", "blend, temperature"],
)
def test_each_class_has_an_explanation_that_adds_up(table, estimator):
    X, _ = table
    y = X["plan"].map({"basic": 0, "plus": 1, "pro": 2}).to_numpy()
    y = np.where(X["usage"] > 1, 2, y)
    model = as_model(estimator, X, y, "multiclass")
    found = explain_classes(model, X, X, n_rows=200)
    assert list(found) == ["0", "1", "2"]
    p = model.predict_score(found["0"].rows)
    for k, one in enumerate(found.values()):
        assert one.additivity_error < 1e-6
        expected = np.log(p[:, k]) - np.log(p).mean(axis=1)
        np.testing.assert_allclose(one.base + one.values.sum(axis=1), expected, atol=1e-6)  # noqa: PD011
        assert one.top(1) == ["plan"]
    assert found["2"].importance.set_index("source").loc["usage", "direction"] == 1
    with pytest.raises(ParameterError, match="use explain_classes"):
        explain(model, X)


def test_models_and_options_that_cannot_be_explained(table, blend):
    X, _ = table
    deciding = Model(Pipeline([("model", Deciding().fit(None))]), "binary", ("usage",), "deciding", 0.5)
    with pytest.raises(DataError, match="has no predict_proba"):
        explain(deciding, X)
    with pytest.raises(ParameterError, match="n_rows is 0"):
        explain(blend, X, n_rows=0)
    with pytest.raises(ParameterError, match="use explain"):
        explain_classes(blend, X)
    assert len(explain(blend, X, n_rows=10**6).rows) == len(X)


def test_columns_without_information_have_no_contribution(table):
    X, y = table
    odd = X.assign(constant=1.0, empty=np.nan, one="level")
    found = explain(as_model(default_blend(20), odd, y), odd, n_rows=100).importance.set_index("source")
    assert (found.loc[["constant", "empty", "one"], "mean_abs"] == 0).all()
    assert (found.loc[["constant", "empty", "one"], "effect"] == "not used").all()


def test_interactions_add_up_to_contributions_created_features_too(table):
    X, y = table
    options = {"ratios": [("usage", "noise")], "interactions": 2}
    model = as_model(default_blend(60), X, y, **options)
    assert model.pipeline["features"].dictionary_["source"].str.contains(r" \+ ").any()
    found = interactions(model, X, X, n_rows=40)
    values = found.values  # noqa: PD011
    np.testing.assert_allclose(values, values.swapaxes(1, 2), atol=1e-6)
    explained = explain(model, found.rows, X, n_rows=1000)
    np.testing.assert_allclose(values.sum(axis=2), explained.values, atol=1e-5)
    plain = interactions(as_model(default_blend(60), X, y), X, X, n_rows=40)
    assert set(plain.table.loc[0, ["first", "second"]]) == {"usage", "plan"}
    assert "usage with plan" in plain.sentence()
    assert len(plain.to_frame(3)) == 3
    assert explanation_effects.interactions(plain) is not None


def test_linear_models_have_no_interactions(table):
    found = interactions(as_model(build("logistic"), *table), table[0], n_rows=20)
    assert (found.table["strength"] == 0).all()
    assert "No two columns act together" in found.sentence()
    assert explanation_effects.interactions(found) is None


def test_friedmans_h_of_a_product_and_a_sum():
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("abc"))
    model = formula_model(lambda t: t["a"] * t["b"] + t["c"], X.columns)
    found = interactions(model, X)
    assert found.method == "Friedman's H"
    shares = {(row.first, row.second): row.share for row in found.table.itertuples()}
    assert shares[("a", "b")] > 0.8
    assert shares[("a", "c")] == pytest.approx(0, abs=1e-12)
    assert shares[("b", "c")] == pytest.approx(0, abs=1e-12)
    with pytest.raises(ParameterError, match="two columns at least"):
        interactions(model, X, columns=["a"])


def test_permutation_importance_is_scikit_learns_in_expectation(table):
    from sklearn.inspection import permutation_importance as reference

    X, y = table
    model = as_model(build("lightgbm", n_estimators=40), X, y)
    found = permutation_importance(model, X, y.astype(float), n_repeats=40, seed=1).set_index("source")
    expected = reference(model.pipeline, X, y, scoring="roc_auc", n_repeats=40, random_state=1)
    error = expected.importances_std / np.sqrt(40)
    distance = np.abs(found.loc[list(X.columns), "loss"] - expected.importances_mean)
    assert (distance <= 4 * np.sqrt(2) * error + 1e-12).all()


def test_columns_shuffled_together_are_worth_more(table):
    X, y = table
    twins = X.assign(twin=X["usage"] + 0.01)
    model = as_model(build("lightgbm", n_estimators=40), twins, y)
    groups = {"usage and twin": ["usage", "twin"], "usage": ["usage"]}
    found = permutation_importance(model, twins, y.astype(float), groups=groups).set_index("source")["loss"]
    assert found["usage and twin"] > found["usage"]
    with pytest.raises(ParameterError, match="no column 'twim'"):
        permutation_importance(model, twins, y.astype(float), groups={"a": ["twim"]})
    with pytest.raises(DataError, match="give one target a row"):
        permutation_importance(model, twins, y[:5].astype(float))
    with pytest.raises(ParameterError, match="n_repeats is 0"):
        permutation_importance(model, twins, y.astype(float), n_repeats=0)


def _score(x):
    return 1.2 * x[:, 0] + 0.8 * x[:, 1] * x[:, 0] + 0.6 * x[:, 1] + 0.05 * x[:, 2]


def _drawn(rng, n, task, intercept):
    x = rng.normal(size=(n, 3))
    x[:, 1] = 0.6 * x[:, 0] + 0.8 * x[:, 1]
    score = _score(x)
    if task == "regression":
        return x, score + rng.standard_t(5, n), score
    return x, (rng.random(n) < 1 / (1 + np.exp(-score - intercept))).astype(float), score


def _shuffles(rng, x, y, score, task, n_repeats=3):
    for column in range(3):
        orders = [rng.permutation(len(y)) for _ in range(n_repeats)]
        scores = []
        for order in orders:
            shuffled = x.copy()
            shuffled[:, column] = x[order, column]
            scores.append(_score(shuffled))
        yield _loss(y, score, np.array(scores), orders, task)


@pytest.mark.full
@pytest.mark.parametrize(
    ("task", "intercept", "n"), [("binary", -1, 1000), ("binary", -3, 1000), ("regression", 0, 1000)]
)
def test_permutation_intervals_cover_the_loss_in_the_population(task, intercept, n):
    rng = np.random.default_rng(99)
    truth = np.mean(
        [
            [loss for loss, _ in _shuffles(rng, x, y, score, task)]
            for x, y, score in (_drawn(rng, 100_000, task, intercept) for _ in range(12))
        ],
        axis=0,
    )
    inside = []
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        found = _shuffles(rng, *_drawn(rng, n, task, intercept), task)
        inside.append([abs(loss - t) <= 1.96 * e for (loss, e), t in zip(found, truth, strict=True)])
    covered = np.mean(inside, axis=0)
    print(task, intercept, covered)
    assert (covered >= 0.93).all()
    assert (covered <= 0.97).all()


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_default_models_first_five_columns_on_churn_are_true_drivers(seed):
    from ml_utils.data import features_and_target
    from ml_utils.synthetic import read_view

    problem = load_problem("churn")
    frame, _ = read_view("churn", 6000, seed)
    X, y = features_and_target(frame, problem)
    model = as_model(default_blend(300), X, y)
    rows = X.iloc[:2000]
    found = explain(model, X, rows, 2000, seed)
    check = check_drivers(found, known_effects(problem))
    assert (check.n_true, check.n_right) == (5, 5), check.table
    assert found.additivity_error < 1e-6
    assert margin(model.pipeline, rows).shape == (2000,)
