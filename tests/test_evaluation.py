"""Evaluation: references, brute force, hand-computed cases, the gate, bad input."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_bootstrap import bootstrap_binary, bootstrap_regression
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.pipeline import Pipeline

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.baselines import baseline_models, rule_text
from ml_utils.evaluation.comparison import holm, mcnemar
from ml_utils.evaluation.curves import calibration_curve, lift_table
from ml_utils.evaluation.delong import delong_covariance, delong_interval, delong_test
from ml_utils.evaluation.evaluator import ModelEvaluator
from ml_utils.evaluation.fairness import group_labels, sensitive_columns
from ml_utils.evaluation.gate import former_champion
from ml_utils.evaluation.intervals import wilson
from ml_utils.evaluation.metrics import METRICS
from ml_utils.evaluation.model_card import model_card
from ml_utils.evaluation.paired import percentile_interval
from ml_utils.evaluation.verdict import answer, worth
from ml_utils.explanation.explain import explain
from ml_utils.files import to_json
from ml_utils.model import Model
from ml_utils.plots import evaluation as plots
from ml_utils.plots import explanation as explanation_plots
from ml_utils.problem import Decision, load_problem

DECISION = Decision(action="call", benefit=40.0, cost=10.0, currency="EUR")


class _Echo(ClassifierMixin, BaseEstimator):
    """Says the column it is named after."""

    def __init__(self, column="score"):
        self.column = column

    def fit(self, X, y=None):
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X):
        return np.column_stack([1 - X[self.column], X[self.column]])


class _EchoValue(RegressorMixin, BaseEstimator):
    def __init__(self, column="score"):
        self.column = column

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return X[self.column].to_numpy()


def echo(column="score", task="binary", threshold=0.3):
    kind = _Echo if task == "binary" else _EchoValue
    pipeline = Pipeline([("model", kind(column))]).fit(pd.DataFrame({column: [0.0]}), [0])
    return Model(pipeline, task, (column,), column, threshold if task == "binary" else None)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    n = 2000
    p = rng.beta(1, 4, n)
    frame = pd.DataFrame(
        {
            "score": np.round(p, 3),
            "noisy": np.clip(p + rng.normal(0, 0.15, n), 0.001, 0.999),
            "gender": rng.choice(["female", "male", "Male ", None], n, p=[0.5, 0.4, 0.05, 0.05]),
            "age": rng.integers(18, 80, n).astype(float),
            "rare": rng.choice(["a", "b"], n, p=[0.99, 0.01]),
        }
    )
    return frame, (rng.random(n) < p).astype(int)


# DeLong


def _brute_force(y, scores):
    """Eq. 4 to 6 of DeLong et al. (1988), every pair looked at."""
    structural = []
    for score in scores:
        up, down = score[y == 1], score[y == 0]
        wins = (up[:, None] > down) + 0.5 * (up[:, None] == down)
        structural.append((wins.mean(axis=1), wins.mean(axis=0)))
    m, n = int(y.sum()), int((1 - y).sum())
    v10, v01 = (np.array([part[i] for part in structural]) for i in (0, 1))
    return v10.mean(axis=1), np.cov(v10) / m + np.cov(v01) / n


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_delong_is_what_all_pairs_say(seed):
    rng = np.random.default_rng(seed)
    y = np.r_[np.zeros(2), np.ones(2), rng.integers(0, 2, 40)]
    scores = np.round(rng.random((3, len(y))) + 0.3 * y, 1)  # rounded: ties
    auc, covariance = delong_covariance(y, scores)
    expected_auc, expected = _brute_force(y, scores)
    np.testing.assert_allclose(auc, expected_auc, atol=1e-12)
    np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_delong_by_hand():
    # positives 0.4, 0.9 and negatives 0.1, 0.6: V10 = (1/2, 1), V01 = (1, 1/2), variance 1/16 + 1/16
    value, low, high = delong_interval(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]))
    assert (value, high) == (0.75, 1.0)
    assert low == pytest.approx(0.75 - 1.959963984540054 * np.sqrt(0.125))


def test_delong_test_is_antisymmetric_and_one_for_the_same_ranking(table):
    frame, y = table
    a, b = frame["score"].to_numpy(), frame["noisy"].to_numpy()
    there, back = delong_test(y, a, b), delong_test(y, b, a)
    assert there[0] == pytest.approx(-back[0])
    assert there[3] == pytest.approx(back[3])
    assert there[3] < 0.01
    assert delong_test(y, a, a**3)[3] == 1.0
    assert np.isnan(delong_test(np.zeros(5), a[:5], b[:5])[3])


# Decisions


def test_mcnemar_of_fagerland_et_al_2013():
    # table 1 there: 1 and 7 discordant pairs; exact p 0.070, mid-p 0.039 (table 3)
    first = np.array([True] * 1 + [False] * 7 + [True] * 13)
    second = np.array([False] * 1 + [True] * 7 + [True] * 13)
    found = mcnemar(first, second)
    assert (found["only_first"], found["only_second"]) == (1, 7)
    assert found["p_mcnemar"] == pytest.approx(18 / 256)
    assert found["p_mcnemar_mid"] == pytest.approx(10 / 256)
    assert mcnemar(first, first)["p_mcnemar_mid"] == 1.0


def test_holm_leaves_what_is_not_defined_aside():
    np.testing.assert_allclose(holm(np.array([0.01, 0.03, np.nan, 0.04])), [0.03, 0.06, np.nan, 0.06])


def test_wilson_of_newcombe_1998():
    # table I there: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611
    lower, upper = wilson([81, 0, 0], [263, 20, 0])
    np.testing.assert_allclose(lower[:2], [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(upper[:2], [0.3662, 0.1611], atol=5e-5)
    assert np.isnan(upper[2])


# Bootstrap


def test_bootstrap_agrees_with_resampled_rows(table):
    frame, y = table
    score, target = frame["score"].to_numpy(), y.astype(float)
    fast = bootstrap_binary(target, score, 0.3, 400, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    for name in ("average_precision", "log_loss", "brier", "ks", "f1", "mcc"):
        slow = []
        for _ in range(150):
            rows = rng.integers(0, len(y), len(y))
            slow.append(METRICS[name].value(target[rows], score[rows], 0.3))
        assert fast[name].mean() == pytest.approx(np.mean(slow), abs=4 * np.std(slow) / np.sqrt(100)), name
        assert fast[name].std() == pytest.approx(np.std(slow), rel=0.25), name


def test_bootstrap_of_a_regression_agrees_with_its_formula():
    rng = np.random.default_rng(5)
    y = rng.normal(10, 3, 1000)
    draws = bootstrap_regression(y, y + rng.normal(0, 1, 1000), 400, rng)
    assert draws["mae"].std() == pytest.approx(np.sqrt(1 - 2 / np.pi) / np.sqrt(1000), rel=0.15)
    assert set(draws) == {"mse", "rmse", "mae", "pinball", "r2", "mape"}


def test_interval_of_mostly_undefined_resamples_is_not_defined():
    assert np.isnan(percentile_interval(np.array([np.nan, np.nan, 1.0]))).all()


# Evaluation


def test_evaluation_holds_everything_and_repeats_itself(table):
    frame, y = table
    periods = pd.Series(np.where(np.arange(len(y)) < 1000, "2025-01", "2025-02"))
    evaluator = ModelEvaluator(DECISION, n_bootstrap=60, seed=1)
    found = [
        evaluator.evaluate(echo(), frame, y, frame[["gender", "age"]], periods).results() for _ in range(2)
    ]
    assert to_json(found[0]) == to_json(found[1])
    result = evaluator.evaluate(echo(), frame, y, frame[["gender", "age"]], periods)
    for row in result.metrics.itertuples():
        assert row.lower <= row.value <= row.upper or row.metric in ("ece", "ks"), row.metric
    assert result.metrics.set_index("metric").loc["roc_auc", "constant"] == 0.5
    assert result.periods["rows"].tolist() == [1000, 1000]
    assert {"roc", "pr", "gain", "calibration", "profit"} == set(result.curves)
    assert "AUC" in result._repr_html_()


def test_profit_by_hand(table):
    frame, y = table
    result = ModelEvaluator(DECISION, n_bootstrap=40).evaluate(echo(), frame, y)
    acted = frame["score"] >= 0.3
    expected = 40 * (acted & (y == 1)).sum() - 10 * (acted & (y == 0)).sum()
    money = result.profit.set_index("policy")
    assert money.loc["model", "total"] == expected
    assert money.loc["everyone", "total"] == 40 * y.sum() - 10 * (1 - y).sum()
    assert money.loc["no one", "total"] == 0
    best = max(money.loc["everyone", "total"], 0)
    assert money["total"].iloc[-1] == expected - best
    assert money.loc["model", "lower"] < expected < money.loc["model", "upper"]


def test_groups_are_cleaned_counted_and_marked_when_small(table):
    frame, y = table
    result = ModelEvaluator(n_bootstrap=10).evaluate(echo(), frame, y, frame[["gender", "age", "rare"]])
    groups = result.groups.set_index(["attribute", "group"])
    assert set(groups.loc["gender"].index) == {"female", "male", "(missing)"}
    assert groups.loc["gender", "rows"].sum() == len(y)
    assert groups.loc["age"].index[0].startswith("under")
    assert groups.loc[("rare", "b"), "small"]
    fairness = result.fairness.set_index("attribute")
    assert fairness.loc["rare", ["disparate_impact", "equal_opportunity"]].isna().all()
    rates = groups.loc["gender", "selection_rate"][["female", "male"]]
    assert fairness.loc["gender", "disparate_impact"] == pytest.approx(rates.min() / rates.max())


def test_bands_of_a_number_are_round():
    labels = group_labels(pd.Series([*range(100), None]))
    assert labels.unique().tolist() == [
        "under 25",
        "25 to below 50",
        "50 to below 75",
        "75 and over",
        "(missing)",
    ]


def test_one_class_and_constant_scores_are_said_to_be_not_defined(table):
    frame, _ = table
    result = ModelEvaluator(DECISION, n_bootstrap=20).evaluate(
        echo(), frame.assign(score=0.1), np.zeros(len(frame))
    )
    for name in ("roc_auc", "average_precision", "ks", "recall", "precision"):
        assert np.isnan(result.value(name)), name
    assert "not defined" in result.to_frame().loc[0, "value"]
    assert result.value("accuracy") == 1.0
    assert "roc" not in result.curves


def test_a_regression_is_evaluated_and_compared():
    rng = np.random.default_rng(8)
    y = rng.gamma(2, 50, 1500)
    frame = pd.DataFrame({"score": y + rng.normal(0, 20, 1500), "noisy": y + rng.normal(0, 30, 1500)})
    frame["region"] = rng.choice(["north", "south"], 1500)
    evaluator = ModelEvaluator(n_bootstrap=60)
    good, bad = echo(task="regression"), echo("noisy", task="regression")
    periods = pd.Series(np.repeat(["a", "b"], 750))
    result = evaluator.evaluate(good, frame, y, frame[["region"]], periods)
    low, high = result.interval("rmse")
    assert low < METRICS["rmse"].value(y, frame["score"]) < high
    assert 18 < low < high < 22
    assert set(result.fairness["attribute"]) == {"region"}
    compared = evaluator.compare({"challenger": good, "champion": bad}, frame, y)
    value, low, _ = compared.gain("challenger", "champion")
    assert value > low > 5
    assert compared.pairs["p_value"].iloc[0] < 1e-6
    gate = evaluator.gate(result, {"r2": 0.5, "rmse": 25}, compared, margin=0.05)
    assert gate.passed
    assert not evaluator.gate(result, {"rmse": 10}).passed


class _Classes(ClassifierMixin, BaseEstimator):
    """Says the columns a, b and c."""

    def fit(self, X, y=None):
        self.classes_ = np.array([0, 1, 2])
        return self

    def predict_proba(self, X):
        return X[["a", "b", "c"]].to_numpy()


def _several_classes(n=900, seed=6):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([1.0, 0.7, 0.5], n)
    y = (rng.random((n, 1)) > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    pipeline = Pipeline([("model", _Classes())]).fit(None, None)
    return Model(pipeline, "multiclass", ("a", "b", "c"), "three"), pd.DataFrame(p, columns=list("abc")), y


def test_several_classes_are_evaluated_as_scikit_learn_does():
    from sklearn import metrics as sk

    model, frame, y = _several_classes()
    periods = pd.Series(np.repeat(["a", "b"], 450))
    result = ModelEvaluator().evaluate(model, frame, y, periods=periods)
    p, said = frame.to_numpy(), frame.to_numpy().argmax(axis=1)
    expected = {
        "accuracy": sk.accuracy_score(y, said),
        "balanced_accuracy": sk.balanced_accuracy_score(y, said),
        "log_loss": sk.log_loss(y, p),
        "roc_auc": sk.roc_auc_score(y, p, multi_class="ovr"),
        "brier": sk.brier_score_loss(y, p, scale_by_half=False, labels=[0, 1, 2]),
    }
    for average in ("macro", "weighted"):
        expected[f"f1_{average}"] = sk.f1_score(y, said, average=average)
        expected[f"precision_{average}"] = sk.precision_score(y, said, average=average)
    for name, value in expected.items():
        low, high = result.interval(name)
        assert result.value(name) == pytest.approx(value, abs=1e-12), name
        assert low < value < high, name
    assert set(expected) == set(result.metrics["metric"])
    assert result.value("accuracy") == sk.f1_score(y, said, average="micro")
    report = sk.precision_recall_fscore_support(y, said)
    np.testing.assert_allclose(result.classes[["precision", "recall", "f1", "rows"]].T, report)
    assert result.class_confusion.to_numpy().tolist() == sk.confusion_matrix(y, said).tolist()
    assert result.periods["rows"].tolist() == [450, 450]
    html = result._repr_html_()
    assert "truly 2" in html
    assert "micro F1" in html
    assert to_json(result.results())
    assert plots.classes(result) is not None


def test_a_class_that_is_missing_is_said_to_be():
    model, frame, y = _several_classes()
    result = ModelEvaluator().evaluate(model, frame[y < 2], y[y < 2])
    assert np.isnan(result.value("roc_auc"))
    assert np.isnan(result.value("balanced_accuracy"))
    assert result.value("f1_weighted") > 0
    assert "No row is of class 2" in result.notes[0]
    assert "not defined" in result._repr_html_()


def test_comparison_of_a_model_with_itself_and_with_a_worse_one(table):
    frame, y = table
    evaluator = ModelEvaluator(n_bootstrap=20)
    found = evaluator.compare({"a": echo(), "same": echo(), "noisy": echo("noisy")}, frame, y)
    pairs = found.pairs.set_index(["first", "second"])
    assert pairs.loc[("a", "same"), "p_value"] == 1.0
    assert (found.pairs["p_adjusted"] >= found.pairs["p_value"]).all()
    assert found.gain("a", "noisy")[0] == pytest.approx(-found.gain("noisy", "a")[0])
    assert "is better than" in found.sentence("a", "noisy")
    assert "cannot be told apart" in found.sentence("a", "same")
    with pytest.raises(ParameterError, match="two models or more"):
        evaluator.compare({"a": echo()}, frame, y)
    with pytest.raises(ParameterError, match="Known: a, noisy, same"):
        found.gain("b", "a")


def test_a_constant_target_and_constant_predictions_are_said():
    frame = pd.DataFrame({"score": np.linspace(1, 2, 50)})
    evaluator = ModelEvaluator()
    result = evaluator.evaluate(echo(task="regression"), frame, np.full(50, 3.0))
    assert np.isnan(result.value("r2"))
    assert np.isnan(result.interval("r2")).all()
    assert "R² is not defined" in result.notes[0]
    flat = evaluator.evaluate(echo(task="regression"), frame.assign(score=2.0), np.linspace(0, 5, 50))
    assert "tells no rows apart" in flat.notes[0]
    assert "percentage error is not defined" in flat.notes[1]
    assert "not defined" in flat.residuals.to_frame().loc[1, "p"]
    assert to_json(flat.results())


# Gate


def test_gate_knows_directions_and_says_why(table):
    frame, y = table
    evaluator = ModelEvaluator(n_bootstrap=20)
    result = evaluator.evaluate(echo(), frame, y)
    gate = evaluator.gate(result, {"roc_auc": 0.6, "brier": 0.01})
    assert [check.passed for check in gate.checks] == [True, False]
    assert not gate.passed
    assert "at most 0.01 is asked for" in gate.checks[1].reason
    assert "1 check of 2 failed: Brier score at most 0.01" in gate.sentence()
    undefined = evaluator.evaluate(echo(), frame, np.zeros(len(y)))
    assert not evaluator.gate(undefined, {"roc_auc": 0.5}).passed


def test_gate_against_the_champion_allows_the_margin_and_no_more(table):
    frame, y = table
    evaluator = ModelEvaluator(n_bootstrap=20)
    same = evaluator.compare({"challenger": echo(), "champion": echo()}, frame, y)
    worse = evaluator.compare({"challenger": echo("noisy"), "champion": echo()}, frame, y)
    result = evaluator.evaluate(echo(), frame, y)
    assert evaluator.gate(result, {}, same, margin=0.01).passed
    assert not evaluator.gate(result, {}, worse, margin=0.01).passed
    assert evaluator.gate(result, {}, worse, margin=0.5).passed
    beaten = evaluator.compare({"challenger": echo(), "one rule": echo()}, frame, y)
    assert not evaluator.gate(result, {}, beaten).passed  # a baseline has to be beaten


def test_gate_refuses_what_it_cannot_check(table):
    frame, y = table
    evaluator = ModelEvaluator(n_bootstrap=10)
    result = evaluator.evaluate(echo(), frame, y)
    with pytest.raises(ParameterError, match="Did you mean 'roc_auc'"):
        evaluator.gate(result, {"rocauc": 0.7})
    with pytest.raises(ParameterError, match="margin is -1"):
        evaluator.gate(result, {"roc_auc": 0.7}, margin=-1)
    with pytest.raises(ParameterError, match="needs a check"):
        evaluator.gate(result, {})
    with pytest.raises(ParameterError, match="has no model 'challenger'; it has a and b"):
        evaluator.gate(result, {}, evaluator.compare({"a": echo(), "b": echo("noisy")}, frame, y))


# Bad input


def test_bad_input_is_named(table):
    frame, y = table
    evaluator = ModelEvaluator(n_bootstrap=10)
    with pytest.raises(DataError, match="NaN or infinite"):
        evaluator.evaluate(echo(), frame.assign(score=np.nan), y)
    with pytest.raises(DataError, match="Probabilities lie between 0 and 1"):
        evaluator.evaluate(echo(), frame.assign(score=2.0), y)
    with pytest.raises(DataError, match="2000 scores"):
        evaluator.evaluate(echo(), frame, y[:-1])
    with pytest.raises(DataError, match="sensitive has 5 rows and the table 2000"):
        evaluator.evaluate(echo(), frame, y, sensitive=frame[["gender"]].head())
    with pytest.raises(DataError, match="attribute 'gendre' is no column"):
        sensitive_columns(frame, ["gendre"])
    with pytest.raises(DataError, match="There are no rows to judge"):
        evaluator.evaluate(echo(), frame.head(0), y[:0])
    several, probabilities, codes = _several_classes()
    with pytest.raises(DataError, match="Class codes run from 0 to 2; got 7"):
        evaluator.evaluate(several, probabilities, np.where(codes == 1, 7, codes))
    with pytest.raises(DataError, match="Probabilities lie between 0 and 1; got scores from"):
        evaluator.evaluate(several, probabilities * 3, codes)
    silent = Pipeline([("model", _EchoValue())]).fit(frame[["score"]], y)
    with pytest.raises(DataError, match="has no predict_proba"):
        evaluator.evaluate(Model(silent, "binary", ("score",), "silent", 0.5), frame, y)
    with pytest.raises(ParameterError, match="Models of one task"):
        evaluator.compare({"a": echo(), "b": echo(task="regression")}, frame, y)
    assert sensitive_columns(frame, []) is None


# Curves and baselines


def test_curves_by_hand():
    y, score = np.array([1.0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), np.linspace(0.95, 0.05, 10)
    lift = lift_table(y, score)
    assert lift["share_of_positives"].tolist()[:3] == [0.5, 1.0, 1.0]
    assert lift["lift"].tolist()[:2] == [5.0, 5.0]
    assert calibration_curve(y, score, bins=2)["rate"].tolist() == [0.0, 0.4]


def test_the_one_rule_finds_the_split_that_tells_most():
    rng = np.random.default_rng(4)
    X = pd.DataFrame({"noise": rng.normal(size=800), "plan": rng.choice(["a", "b"], 800)})
    X["tenure"] = rng.integers(0, 60, 800)
    y = ((X["tenure"] < 6) | (rng.random(800) < 0.05)).astype(int)
    models = baseline_models(X, y, "binary", 0.5)
    assert rule_text(models["one rule"]) == "tenure above 5.5"
    assert np.unique(models["constant"].predict_score(X)).tolist() == [pytest.approx(y.mean())]
    assert METRICS["roc_auc"].value(y, models["one rule"].predict_score(X)) > 0.8


# What the page says and shows


def _problem(**changes):
    return load_problem("churn").model_copy(update=changes)


def _page(frame, y, problem, task="binary", minimum=None):
    evaluator = ModelEvaluator(problem.decision, n_bootstrap=30)
    model = echo(task=task)
    sensitive = frame[["gender", "age"]]
    baselines = {"constant": echo("flat", task), "one rule": echo("noisy", task)}
    table = frame.assign(flat=float(np.mean(y)))
    result = evaluator.evaluate(model, table, y, sensitive, baselines=baselines)
    compared = evaluator.compare({"challenger": model, **baselines}, table, y)
    return model, result, compared, evaluator.gate(result, minimum or {}, compared)


def test_the_answer_is_three_sentences_with_money_first(table):
    frame, y = table
    problem = _problem()
    model, result, _, gate = _page(frame, y, problem)
    explanation = explain(model, frame, n_rows=40)
    said = answer(problem, result, gate, explanation, achievable=0.9)
    assert len(said) == 3
    assert said[0].startswith("Yes, it should ship: to send the customer a retention offer")
    assert "EUR" in said[0]
    assert "0.900 is the best that any model could reach" in said[1]
    assert "rests most on score" in said[2]


def test_a_failed_gate_and_an_unpriced_problem_are_said_plainly(table):
    frame, y = table
    problem = _problem(decision=None)
    model, result, _, gate = _page(frame, y, problem, minimum={"roc_auc": 0.99})
    said = answer(problem, result, gate, explain(model, frame, n_rows=40))
    assert said[0].startswith("No, it should not ship (1 check of 3 failed: AUC at least 0.99)")
    assert "that of the best rule on one column" in said[0]
    assert "does not price a decision" in result.money_table(problem).iloc[0, 0]
    assert "no time column" in result.period_table().iloc[0, 0]


def test_everyone_is_the_rival_where_acting_pays_for_all(table):
    frame, y = table
    cheap = Decision(action="write", benefit=100.0, cost=1.0)
    result = ModelEvaluator(cheap, n_bootstrap=30).evaluate(echo(), frame, y)
    assert "less than without a model" in worth(_problem(decision=cheap), result)


def test_model_card_is_filled_from_results(table):
    frame, y = table
    problem = _problem()
    model, result, _, gate = _page(frame, y, problem)
    manifest = SimpleNamespace(snapshot_sha256="ab" * 32, python="3.11.7", code="0.1.0")
    registered = SimpleNamespace(model=model, name="churn", version=3, manifest=manifest)
    card = model_card(problem, registered, result, explain(model, frame, n_rows=40), gate)
    assert card.startswith("# Model card: Customers who leave within the next month")
    assert f"| AUC | {result.value('roc_auc'):.3f} |" in card
    assert "churn version 3" in card
    assert "`abababababababab`" in card
    assert all(check.reason in card for check in gate.checks)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_figures_come_from_results(table, task):
    frame, y = table
    problem = _problem(task=task) if task == "binary" else load_problem("spend")
    model, result, compared, _ = _page(frame, y, problem, task)
    explanation = explain(model, frame, n_rows=40)
    made = [
        plots.curves(result),
        plots.ranking(result),
        plots.calibration_and_gain(result),
        plots.profit(result, problem),
        plots.fit(result, problem),
        plots.groups(result),
        plots.comparison(compared, "challenger"),
        explanation_plots.drivers(explanation),
        explanation_plots.dependence(explanation),
    ]
    assert [figure is None for figure in made[:5]] == (
        [False] * 4 + [True] if task == "binary" else [True] * 4 + [False]
    )
    for figure in made:
        if figure is not None:
            assert all(axes.get_title() for axes in figure.axes)
            assert all(axes.get_xlabel() for axes in figure.axes)


def test_a_champion_of_the_same_data_is_not_compared():
    def version(number, sha, columns=("a",)):
        return SimpleNamespace(
            version=number,
            manifest=SimpleNamespace(snapshot_sha256=sha),
            model=SimpleNamespace(columns=columns),
        )

    def registry(champion):
        number = champion.version if champion else None
        return SimpleNamespace(alias=lambda name: number, load=lambda which: champion)

    candidate = version(2, "new", ("a", "b"))
    older = version(1, "old")
    assert former_champion(registry(older), candidate) is older
    assert former_champion(registry(None), candidate) is None
    assert former_champion(registry(version(2, "old")), candidate) is None
    assert former_champion(registry(version(1, "new")), candidate) is None
    assert former_champion(registry(version(1, "old", ("gone",))), candidate) is None
