"""Partial dependence, accumulated effects and surfaces: scikit-learn and closed forms as references."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.inspection import partial_dependence as reference
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import DataError, ParameterError
from ml_utils.explanation.accumulated import accumulated_effects
from ml_utils.explanation.columns import describe_column, grid_of
from ml_utils.explanation.explain import explain
from ml_utils.explanation.partial_dependence import decision_surface, partial_dependence
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.model import Model
from ml_utils.plots import explanation_effects as plots
from ml_utils.training.candidates import CANDIDATES, Setting


class Formula(RegressorMixin, BaseEstimator):
    """A model whose output is a known function of raw columns."""

    def __init__(self, function=None):
        self.function = function

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        check_is_fitted(self, "fitted_")
        return np.asarray(self.function(X), dtype=float)


class Deciding(ClassifierMixin, BaseEstimator):
    """A classifier that only says yes or no."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.zeros(len(X))


def formula_model(function, columns):
    return Model(Pipeline([("model", Formula(function).fit(None))]), "regression", tuple(columns), "formula")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(4)
    n = 600
    X = pd.DataFrame(
        {
            "usage": rng.normal(size=n),
            "visits": rng.integers(0, 9, n),
            "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]),
            "joined": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "tenure": rng.integers(0, 60, n).astype(float),
            "constant": 3.0,
            "empty": np.nan,
            "only": "one",
        }
    )
    X.loc[rng.random(n) < 0.1, "tenure"] = np.nan
    logit = X["usage"] + 0.3 * X["visits"] + X["plan"].map({"basic": 1.0, "plus": 0.0, "pro": -1.0}) - 2
    return X, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


@pytest.fixture(scope="module")
def model(table):
    X, y = table
    candidate = CANDIDATES["lightgbm"]
    estimator = candidate.build(dict(candidate.prior) | {"n_estimators": 60}, Setting("binary"))
    steps = [("features", FeatureEngineer()), ("model", estimator)]
    return Model(Pipeline(steps).fit(X, y), "binary", tuple(X.columns), "lightgbm", 0.5)


@pytest.mark.parametrize("column", ["usage", "visits", "plan", "tenure"])
def test_partial_dependence_is_scikit_learns(model, table, column):
    X = table[0].astype({"visits": float})  # the reference takes no whole numbers
    found = partial_dependence(model, X, column, n_points=12, n_rows=len(X))
    expected = reference(
        *(model.pipeline, X, [column]),
        kind="both",
        method="brute",
        response_method="predict_proba",
        categorical_features=["plan"],
        custom_values={column: found.grid.to_numpy(dtype=object if column == "plan" else None)},
    )
    np.testing.assert_allclose(found.mean, expected["average"][0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.curves, expected["individual"][0], rtol=0, atol=1e-10)


def test_a_surface_is_scikit_learns(model, table):
    X = table[0].astype({"visits": float})
    found = decision_surface(model, X, "usage", "visits", n_points=6, n_rows=len(X))
    expected = reference(
        *(model.pipeline, X, ["usage", "visits"]),
        kind="average",
        method="brute",
        response_method="predict_proba",
        custom_values={"usage": found.first.to_numpy(), "visits": found.second.to_numpy()},
    )
    np.testing.assert_allclose(found.mean, expected["average"][0], rtol=0, atol=1e-10)
    assert found.to_frame()["mean"].to_numpy().reshape(found.mean.shape).tolist() == found.mean.tolist()
    assert "where usage is" in found.sentence()
    assert "acted on in" in found.sentence()


def test_categories_and_dates_have_surfaces(model, table):
    found = decision_surface(model, table[0], "plan", "joined", n_points=4, n_rows=20)
    assert found.kinds == ("category", "date")
    assert found.mean.shape == (3, 4)
    assert found.first.tolist() == ["basic", "plus", "pro"]


def test_the_grid_holds_known_values_of_the_columns_dtype(table):
    X, _ = table
    assert set(grid_of(X["visits"], 50)) <= set(range(9))
    assert grid_of(X["visits"], 50).dtype == X["visits"].dtype
    assert grid_of(X["plan"], 50).dtype == X["plan"].dtype
    assert describe_column(X["tenure"]).whole
    assert not describe_column(X["usage"]).whole
    assert describe_column(pd.Series([True, False, True])).levels == (True, False)


def test_a_missing_value_has_a_score_of_its_own(model, table):
    X, _ = table
    found = partial_dependence(model, X, "tenure", n_rows=100)
    rows = X.iloc[np.sort(np.random.default_rng(42).choice(len(X), 100, replace=False))]
    assert found.at_missing == pytest.approx(model.predict_score(rows.assign(tenure=np.nan)).mean())
    assert np.isnan(partial_dependence(model, X, "usage", n_rows=10).at_missing)


def test_accumulated_effects_of_a_line_are_the_line():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=500)})
    X["b"] = 0.9 * X["a"] + 0.1 * rng.normal(size=500)
    fit = LinearRegression().fit(X, 2 * X["a"] - 3 * X["b"])
    model = Model(Pipeline([("model", fit)]), "regression", ("a", "b"), "linear")
    found = accumulated_effects(model, X, "a", n_bins=15)
    slopes = np.diff(found.effect) / np.diff(found.points)
    np.testing.assert_allclose(slopes, 2.0, atol=1e-10)
    np.testing.assert_allclose(found.effect, 2 * (found.points - X["a"].mean()), atol=1e-10)
    assert (found.lower < found.effect).all()  # steps do not vary, but the centre does


def test_accumulated_effects_of_a_product_follow_the_other_columns_mean():
    # Apley & Zhu 2020, eq. 7: the derivative of x1·x2 in x1 is x2, and E(x2 | x1 = z) = z
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 20_000)
    X = pd.DataFrame({"x1": x, "x2": x + 0.1 * rng.normal(size=len(x)), "x3": rng.normal(size=len(x))})
    model = formula_model(lambda t: t["x1"] * t["x2"] + t["x1"] * t["x3"], X.columns)
    found = accumulated_effects(model, X, "x1", n_bins=40, n_rows=len(X))
    z = found.points.to_numpy()
    np.testing.assert_allclose(found.effect, z**2 / 2 - 1 / 6, atol=0.02)
    alone = accumulated_effects(model, X, "x3", n_bins=40, n_rows=len(X))
    assert alone.span < 0.1  # x1 has mean zero whatever x3 is: no effect of the first order


def test_accumulated_effects_of_categories_add_up_in_the_order_of_their_scores():
    rng = np.random.default_rng(2)
    plan = rng.choice(["mid", "low", "high"], 900, p=[0.2, 0.5, 0.3])
    X = pd.DataFrame({"plan": plan, "x": rng.normal(size=900)})
    worth = {"low": -1.0, "mid": 0.5, "high": 4.0}
    model = formula_model(lambda t: t["plan"].map(worth).to_numpy(float) + t["x"].to_numpy(), X.columns)
    found = accumulated_effects(model, X, "plan")
    assert found.points.tolist() == ["low", "mid", "high"]
    np.testing.assert_allclose(np.diff(found.effect), [1.5, 3.5])
    shares = pd.Series(plan).value_counts(normalize=True)[["low", "mid", "high"]]
    assert (shares.to_numpy() * found.effect).sum() == pytest.approx(0, abs=1e-12)


def _covered(seed):
    rng = np.random.default_rng(seed)
    a = rng.choice(np.linspace(-1, 1, 5), 400)
    X = pd.DataFrame({"a": a, "b": rng.normal(1, 1, 400) + a})
    X["c"] = rng.choice(["x", "y", "z"], 400, p=[0.5, 0.3, 0.2])
    worth = {"x": 0.0, "y": 1.0, "z": 3.0}
    model = formula_model(lambda t: t["a"] * t["b"] + t["c"].map(worth).to_numpy(float) * t["b"], X.columns)
    number = accumulated_effects(model, X, "a", n_bins=40)
    level = accumulated_effects(model, X, "c")
    # a step from z to z′ is (z′ − z)·E(b | rows of the bin), b's mean 1 + a; the first bin holds both ends
    true = np.cumsum([0.0, *(0.5 * (1 + z) for z in (-0.75, 0.0, 0.5, 1.0))])
    true = true - true.mean()
    levels = np.array([0.0, 1.0, 3.0])
    levels = levels - np.array([0.5, 0.3, 0.2]) @ levels
    return np.concatenate(
        [
            (number.lower <= true) & (true <= number.upper),
            (level.lower <= levels) & (levels <= level.upper),
        ]
    )


@pytest.mark.full
def test_intervals_of_accumulated_effects_hold_for_the_rows_drawn():
    inside = np.mean([_covered(seed) for seed in range(1000)], axis=0)
    print(inside)
    assert (inside >= 0.93).all()
    assert (inside <= 0.97).all()


def test_scales_and_dates(model, table):
    X, _ = table
    on_logit = accumulated_effects(model, X, "usage", scale="log-odds")
    assert on_logit.unit == "log-odds"
    assert on_logit.effect[-1] > on_logit.effect[0]
    dated = accumulated_effects(model, X, "joined", n_bins=5)
    assert dated.kind == "date"
    assert len(dated.to_frame()) == 6
    with pytest.raises(ParameterError, match="is a regression and has no log-odds"):
        partial_dependence(formula_model(lambda t: t["usage"], ["usage"]), X, "usage", scale="log-odds")
    with pytest.raises(ParameterError, match="scale is 'logit'"):
        partial_dependence(model, X, "usage", scale="logit")


def test_columns_with_nothing_to_vary_say_so(model, table):
    X, _ = table
    for column in ("constant", "only"):
        for found in (partial_dependence(model, X, column), accumulated_effects(model, X, column)):
            assert "has one value only" in found.note
            assert found.span == 0
    empty = partial_dependence(model, X, "empty")
    assert (empty.kind, empty.span, len(empty.to_frame())) == ("empty", 0, 0)
    assert "empty in every row" in empty.note
    assert "empty in every row" in accumulated_effects(model, X, "empty").note
    with pytest.raises(ParameterError, match="empty is empty in every row"):
        decision_surface(model, X, "usage", "empty")


def test_bad_input_is_refused_with_what_is_known(model, table):
    X, _ = table
    with pytest.raises(ParameterError, match=r"takes no column 'usge'\. Did you mean 'usage'"):
        partial_dependence(model, X, "usge")
    with pytest.raises(ParameterError, match="name two different ones"):
        decision_surface(model, X, "usage", "usage")
    with pytest.raises(DataError, match="no rows to explain"):
        accumulated_effects(model, X.head(0), "usage")
    with pytest.raises(DataError, match="which the table lacks"):
        partial_dependence(model, X.drop(columns="visits"), "usage")
    with pytest.raises(ParameterError, match="n_rows is 0"):
        partial_dependence(model, X, "usage", n_rows=0)
    with pytest.raises(ParameterError, match="n_points is 1"):
        partial_dependence(model, X, "usage", n_points=1)
    deciding = Model(Pipeline([("model", Deciding().fit(None))]), "binary", ("usage",), "deciding", 0.5)
    with pytest.raises(DataError, match="no predict_proba"):
        partial_dependence(deciding, X, "usage")
    several = Model(model.pipeline, "multiclass", model.columns, "several")
    with pytest.raises(DataError, match="has several classes"):
        accumulated_effects(several, X, "usage")


def test_more_rows_than_there_are_means_all(model, table):
    X, _ = table
    found = partial_dependence(model, X, "usage", n_rows=10_000, n_points=3)
    assert found.curves.shape == (len(X), 3)


def test_figures_are_drawn_for_every_kind_of_column(model, table):
    X, y = table
    names = ["usage", "plan", "joined", "constant", "empty"]
    dependences = [partial_dependence(model, X, name, n_rows=20) for name in names]
    accumulated = [accumulated_effects(model, X, name, n_rows=50) for name in names]
    made = plots.effects(dependences, accumulated)
    made.canvas.draw()
    assert len(made.axes) == 2 * len(names)
    assert plots.effects([], []) is None
    for pair in (("usage", "visits"), ("plan", "joined")):
        plots.surface(decision_surface(model, X, *pair, n_points=4, n_rows=5)).canvas.draw()
    assert plots.shuffling(explain(model, X, n_rows=20)) is None
    plots.shuffling(explain(model, X, n_rows=20, y=y)).canvas.draw()
