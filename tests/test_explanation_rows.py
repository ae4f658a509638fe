"""Single rows: chosen customers, counterfactuals that really cross, LIME, and where methods disagree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline
from test_explanation_effects import Deciding, formula_model

from ml_utils.errors import DataError, ParameterError
from ml_utils.explanation.agreement import association, compare_methods, hold_together
from ml_utils.explanation.changes import learn_ranges
from ml_utils.explanation.counterfactuals import counterfactuals
from ml_utils.explanation.customers import HIGHEST, NEAR, WRONG, choose_rows, explain_cases
from ml_utils.explanation.explain import explain
from ml_utils.explanation.labels import shown
from ml_utils.explanation.surrogate import local_surrogates
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.model import Model
from ml_utils.plots import explanation_effects, explanation_rows
from ml_utils.training.candidates import CANDIDATES, Setting


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    n = 900
    spelling = rng.choice(["basic", "Basic", "BASIC "], n, p=[0.8, 0.1, 0.1])
    plan = rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2])
    X = pd.DataFrame(
        {
            "usage": rng.normal(size=n).round(2),
            "visits": rng.integers(0, 9, n),
            "plan": np.where(plan == "basic", spelling, plan),
            "tenure": rng.integers(0, 60, n).astype(float),
            "gender": rng.choice(["f", "m"], n),
            "joined": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "constant": 3.0,
            "empty": np.nan,
        }
    )
    X.loc[rng.random(n) < 0.1, "tenure"] = np.nan
    worth = pd.Series(plan).map({"basic": 1.5, "plus": 0.0, "pro": -1.5})
    logit = X["usage"] + 0.4 * X["visits"] + worth - 3
    return X, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


def fit(name, table, **changes):
    X, y = table
    candidate = CANDIDATES[name]
    estimator = candidate.build(dict(candidate.prior) | changes, Setting("binary"))
    steps = [("features", FeatureEngineer()), ("model", estimator)]
    return Model(Pipeline(steps).fit(X, y), "binary", tuple(X.columns), name, 0.5)


@pytest.fixture(scope="module")
def model(table):
    return fit("lightgbm", table, n_estimators=60)


@pytest.fixture(scope="module")
def linear(table):
    return fit("logistic", table)


def test_rows_worth_looking_at_are_chosen_once_each():
    score = np.array([0.9, 0.52, 0.1, 0.85])
    assert choose_rows(score, [1, 0, 1, 0], 0.5) == {HIGHEST: 0, NEAR: 1, WRONG: 2}
    assert choose_rows(score[:1], [0], 0.5) == {HIGHEST: 0}
    assert choose_rows(score, None, None) == {HIGHEST: 0}
    assert list(choose_rows(score, [9.0, 0, 0, 0], None, "regression")) == [HIGHEST, "largest error"]
    with pytest.raises(DataError, match="no rows to choose from"):
        choose_rows(np.empty(0))


def test_cases_add_up_to_their_score(model, table):
    X, y = table
    found = explain_cases(model, X, X, y)
    assert len(found.cases) == 3
    for case in found.cases:
        assert case.score == pytest.approx(model.predict_score(X.iloc[[case.position]])[0])
        assert case.output == pytest.approx(np.log(case.score / (1 - case.score)), abs=1e-6)
        labels, values = case.parts(3)
        assert case.base + sum(values) == pytest.approx(case.output)
        assert len(labels) == 4
    assert "did" in found.cases[0].sentence("leave")
    assert len(found.to_frame()) == len(found.results()) == 3
    for figure in (explanation_rows.waterfall(found), explanation_rows.force(found)):
        assert len(figure.axes) == 3
    with pytest.raises(DataError, match="no row 5000"):
        explain_cases(model, X, X, rows={"far": 5000})


def test_a_single_row_is_explained_against_the_whole_background(linear, table):
    X, _ = table
    alone = explain_cases(linear, X, X, rows={"one": 7}).cases[0]
    among = explain(linear, X, X, n_rows=len(X))
    assert alone.base == pytest.approx(among.base)
    np.testing.assert_allclose(alone.contributions[list(among.sources)], among.values[7])  # noqa: PD011


@pytest.mark.parametrize("place", range(0, 60, 6))
def test_counterfactuals_cross_when_the_pipeline_scores_them(model, table, place):
    X, _ = table
    row = X.iloc[[place]]
    found = counterfactuals(model, row, X, sensitive=["gender"], threshold=0.4)
    assert len(found.found) >= 1
    for one in found.found:
        changed = row.copy()
        for change in one.changes:
            assert change.column not in ("gender", "joined", "empty", "constant")
            changed[change.column] = pd.Series([change.after], index=row.index)
            known = X[change.column].dropna()
            if change.column == "plan":
                assert change.after in set(known)
            else:
                assert known.min() <= change.after <= known.max()
            if change.column in ("visits", "tenure"):
                assert change.after == round(change.after)
            if change.column == "usage":
                assert change.after == round(change.after, 2)
        score = model.predict_score(changed)[0]
        assert score == pytest.approx(one.score, abs=1e-12)
        assert (score >= 0.4) == found.above
    sizes = [len(one.changes) for one in found.found]
    assert len(set(sizes)) == 1
    assert [one.distance for one in found.found] == sorted(one.distance for one in found.found)


def test_the_smallest_change_of_a_line_is_the_lines(table):
    X, _ = table
    line = formula_model(lambda t: t["usage"] + 0.1 * t["visits"], ["usage", "visits"])
    row = pd.Series({"usage": 0.0, "visits": 3})
    found = counterfactuals(line, row, X, threshold=0.8)
    # 0.3 at the start: usage must rise by 0.5, or visits by 5, whichever is less in standard deviations
    by_column = {one.changes[0].column: one.changes[0].after for one in found.found}
    assert by_column == {"usage": pytest.approx(0.5), "visits": 8}
    assert found.found[0].changes[0].column == "usage"
    assert found.found[0].distance == pytest.approx(0.5 / X["usage"].std(ddof=0))
    both = counterfactuals(line, row, X, threshold=X["usage"].max() + 0.5)
    assert {change.column for change in both.found[0].changes} == {"usage", "visits"}


def test_none_is_said_where_none_exists(linear, table):
    X, _ = table
    found = counterfactuals(linear, X.iloc[[0]], X, actionable=["plan"], threshold=0.999999)
    assert found.found == ()
    assert "none of the changes of up to 3 of plan" in found.sentence()
    assert found.to_frame().empty
    nothing = counterfactuals(linear, X.iloc[[0]], X, actionable=["constant", "empty"])
    assert "no column is allowed to change" in nothing.sentence()


def test_limits_are_kept(linear, table):
    X, _ = table
    row = X.iloc[[int(np.argmin(linear.predict_score(X)))]]
    found = counterfactuals(
        linear,
        row,
        X,
        actionable=["plan", "visits"],
        allowed={"plan": ["plus"], "visits": [0, 4]},
        threshold=0.05,
    )
    for one in found.found:
        for change in one.changes:
            assert change.after == "plus" if change.column == "plan" else 0 <= change.after <= 4
    for allowed, message in (
        ({"plan": ["gold"]}, "names 'gold', which no training row has"),
        ({"visits": [9, 3]}, "lowest and highest"),
        ({"visits": [50, 60]}, "leaves no known value"),
    ):
        with pytest.raises(ParameterError, match=message):
            counterfactuals(linear, row, X, allowed=allowed)


def test_a_category_has_one_spelling(linear, table):
    X, _ = table
    ranges = counterfactuals(linear, X.iloc[[0]], X).ranges
    assert {one.column: one.options for one in ranges}["plan"] == ("basic", "plus", "pro")
    assert [one.column for one in learn_ranges(X, ["plan"], {}, named=False)] == ["plan"]


def test_counterfactuals_refuse_what_they_cannot_take(linear, table):
    X, _ = table
    row = X.iloc[[0]]
    with pytest.raises(ParameterError, match=r"no column 'plam'\. Did you mean 'plan'"):
        counterfactuals(linear, row, X, actionable=["plam"])
    with pytest.raises(ParameterError, match="immutable 'gendre' is no column"):
        counterfactuals(linear, row, X, immutable=["gendre"])
    with pytest.raises(DataError, match="one row; got 2"):
        counterfactuals(linear, X.head(2), X)
    with pytest.raises(ParameterError, match="max_changes is 5"):
        counterfactuals(linear, row, X, max_changes=5)
    no_limit = formula_model(lambda t: t["usage"], ["usage"])
    with pytest.raises(ParameterError, match="has no threshold"):
        counterfactuals(no_limit, row, X)
    deciding = Model(Pipeline([("model", Deciding().fit(None))]), "binary", ("usage",), "deciding", 0.5)
    with pytest.raises(DataError, match="no predict_proba"):
        counterfactuals(deciding, row, X)


@settings(max_examples=15)
@given(st.integers(0, 899), st.floats(0.05, 0.95))
def test_no_counterfactual_is_on_the_rows_own_side(linear, table, place, threshold):
    found = counterfactuals(linear, table[0].iloc[place], table[0], threshold=threshold, n=2, max_changes=2)
    for one in found.found:
        assert (one.score >= threshold) == (found.score < threshold)


def test_lime_finds_what_drives_the_score(model, table):
    X, _ = table
    found = local_surrogates(model, X, X, n_rows=6, n_samples=500)
    assert set(found.importance.index[:3]) == {"usage", "visits", "plan"}
    assert {"constant", "empty"}.isdisjoint(found.sources)
    assert found.weights.shape == (6, len(found.sources))
    again = local_surrogates(model, X, X, n_rows=6, n_samples=500)
    np.testing.assert_array_equal(found.weights, again.weights)
    assert len(found.results()["fit"]) == 6
    line = formula_model(lambda t: 3 * t["usage"], ["usage", "visits"])
    assert local_surrogates(line, X, X, n_rows=3, n_samples=300).importance.index[0] == "usage"
    with pytest.raises(ParameterError, match="n_samples is 10"):
        local_surrogates(model, X, X, n_samples=10)
    with pytest.raises(DataError, match="No column varies"):
        local_surrogates(formula_model(lambda t: t["constant"], ["constant"]), X, X)


def test_disagreement_names_the_columns_and_the_reason():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    X = pd.DataFrame({"a": a, "twin": a + 0.1 * rng.normal(size=500)})
    X = X.assign(**{name: rng.normal(size=500) for name in ("b", "c", "d", "e")})
    first = {"a": 6.0, "twin": 5.0, "b": 4.0, "c": 3.0, "d": 2.0, "e": 1.0}
    second = {"b": 6.0, "c": 5.0, "d": 4.0, "e": 3.0, "a": 2.0, "twin": 1.0}
    found = hold_together({"SHAP": first, "shuffling": second}, X, n=2)
    assert set(found.apart["column"]) >= {"a", "twin"}
    assert (
        "a is number 1 by SHAP and number 5 by shuffling: it is associated with twin (1.00"
        in found.sentence()
    )
    assert found.pairs.loc[0, "spearman"] == pytest.approx(
        pd.Series(first).corr(pd.Series(second), "spearman")
    )
    same = hold_together({"SHAP": first, "LIME": first}, X, n=3)
    assert "No leading column's rank differs" in same.sentence()
    assert hold_together({"SHAP": first}, X).sentence() == "Only one method was used."
    assert len(explanation_effects.agreement(found).axes) == 1


def test_associations_of_every_kind_of_pair():
    rng = np.random.default_rng(1)
    x = pd.Series(rng.normal(size=1000))
    assert association(x, np.exp(x)) == pytest.approx(1)
    level = pd.Series(np.where(x > 0, "high", "low"))
    assert association(x, level) == association(level, x) == pytest.approx(np.sqrt(0.75), abs=0.01)
    assert association(level, level) == pytest.approx(1, abs=0.01)
    assert association(x, pd.Series(rng.normal(size=1000))) < 0.1
    assert association(x, pd.Series(1.0, index=x.index)) == 0


def test_methods_are_compared_on_a_model(model, table):
    X, y = table
    explained = explain(model, X, X, 200, y=y)
    found = compare_methods(model, X, explained, local_surrogates(model, X, X, 4, 200), n=3, n_rows=100)
    assert list(found.ranks.columns) == ["SHAP", "shuffling", "accumulated effects", "LIME"]
    assert set(found.to_frame(3)["column"]) == {"usage", "visits", "plan"}
    assert "share" in found.sentence()
    assert set(found.results()) == {"strength", "pairs", "apart"}


def test_raw_values_are_written_for_people():
    values = [None, np.nan, pd.NaT, pd.Timestamp("2024-03-01 10:00"), True, 3.0, 1234.567, "x" * 30]
    assert [shown(value) for value in values] == [
        *("(missing)", "(missing)", "(missing)", "2024-03-01", "yes", "3", "1,235", "x" * 24 + "…")
    ]
