"""Ensembles: weights are what they should be, scores are honest, and averages add up."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from ml_utils.errors import ParameterError
from ml_utils.evaluation.metrics import METRICS
from ml_utils.training.ensembles import ENSEMBLES, LogOddsBlend, MeanBlend, find_weights, score_ensemble
from ml_utils.training.ensembles.blend import from_link, on_link

AUC, LOSS = METRICS["roc_auc"], METRICS["log_loss"]


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Two views of one truth with independent noise, and one of nothing; log-odds, targets."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-2 * truth))).astype(float)
    views = [2 * truth + rng.normal(scale=1.0, size=4000) for _ in range(2)]
    return 0.8 * np.array([*views, rng.normal(size=4000)]), y


def by_fold(oof: dict[str, np.ndarray], folds: list[np.ndarray]) -> dict[str, list[np.ndarray]]:
    return {name: [scores[rows] for rows in folds] for name, scores in oof.items()}


@pytest.mark.parametrize("kind", ["blend", "greedy", "stacking"])
def test_noise_gets_no_weight_and_equal_views_equal_ones(
    rows: tuple[np.ndarray, np.ndarray], kind: str
) -> None:
    weights = np.array(find_weights(kind, *rows, LOSS).each)
    shares = weights / weights.sum()
    assert shares[2] < 0.1  # the noise of 4,000 rows alone moves a coefficient by about 0.05
    assert abs(shares[0] - shares[1]) < 0.15


def test_a_blend_is_the_least_loss_on_the_simplex(rows: tuple[np.ndarray, np.ndarray]) -> None:
    parts, y = rows[0][:2], rows[1]
    share = find_weights("blend", parts, y, LOSS).each[0]
    grid = np.linspace(0, 1, 1001)
    losses = [LOSS.value(y, from_link(w * parts[0] + (1 - w) * parts[1])[:, 1]) for w in grid]
    assert share == pytest.approx(grid[int(np.argmin(losses))], abs=2e-3)


def test_stacking_is_the_logistic_regression_where_no_weight_is_negative(
    rows: tuple[np.ndarray, np.ndarray],
) -> None:
    parts, y = rows[0][:2], rows[1]
    found = find_weights("stacking", parts, y, LOSS)
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(parts.T, y)
    np.testing.assert_allclose(found.each, reference.coef_[0], atol=1e-3)
    assert found.intercept == pytest.approx(reference.intercept_[0], abs=1e-3)


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_an_ensemble_of_two_views_beats_both_on_rows_it_never_saw(
    rows: tuple[np.ndarray, np.ndarray], kind: str
) -> None:
    parts, y = rows[0][:2], rows[1]
    oof = {name: 1 / (1 + np.exp(-part)) for name, part in zip("ab", parts, strict=True)}
    folds = np.array_split(np.arange(len(y)), 5)
    found = score_ensemble(kind, by_fold(oof, folds), y, folds, AUC)
    alone = [np.mean([AUC.value(y[fold], oof[name][fold]) for fold in folds]) for name in "ab"]
    assert np.mean(found.fold_scores) > max(alone)
    assert np.isfinite(found.oof).all()


def test_weights_of_a_fold_are_chosen_on_the_other_folds(rows: tuple[np.ndarray, np.ndarray]) -> None:
    """Turning round the answers of one fold must not move its own scores."""
    parts, y = rows
    oof = {name: 1 / (1 + np.exp(-part)) for name, part in zip("abc", parts, strict=True)}
    folds = np.array_split(np.arange(len(y)), 4)
    turned = y.copy()
    turned[folds[0]] = 1 - turned[folds[0]]
    for kind in ("blend", "greedy", "stacking"):
        before = score_ensemble(kind, by_fold(oof, folds), y, folds, AUC).oof[folds[0]]
        after = score_ensemble(kind, by_fold(oof, folds), turned, folds, AUC).oof[folds[0]]
        np.testing.assert_array_equal(before, after)


def test_rows_that_no_fold_scores_are_left_aside(rows: tuple[np.ndarray, np.ndarray]) -> None:
    parts, y = rows
    oof = {name: 1 / (1 + np.exp(-part)) for name, part in zip("abc", parts, strict=True)}
    folds = np.array_split(np.arange(1000, len(y)), 3)
    found = score_ensemble("blend", by_fold(oof, folds), y, folds, AUC)
    assert np.isnan(found.oof[:1000]).all()
    assert np.isfinite(found.oof[1000:]).all()


def test_greedy_selection_never_does_worse_than_the_best_member_on_its_own_rows(
    rows: tuple[np.ndarray, np.ndarray],
) -> None:
    parts, y = rows
    weights = find_weights("greedy", parts, y, AUC)
    best = max(AUC.value(y, part) for part in from_link(parts[:2].ravel())[:, 1].reshape(2, -1))
    assert AUC.value(y, from_link(weights.combine(parts))[:, 1]) >= best


def test_a_regressions_blend_minimises_squared_error() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=2000)
    parts = np.array([y + rng.normal(scale=s, size=2000) for s in (1.0, 0.5)])
    weights = find_weights("blend", parts, y, METRICS["rmse"]).each
    assert weights[1] == pytest.approx(0.8, abs=0.05)  # inverse variances: 4 / (1 + 4)


def test_several_classes() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, size=900)
    sound = np.full((900, 3), 0.2)
    sound[np.arange(900), y] = 0.6
    noise = rng.dirichlet(np.ones(3), size=900)
    parts = np.array([on_link(sound), on_link(noise)])
    loss = METRICS["log_loss"]
    assert find_weights("blend", parts, y, loss).each[0] > 0.9
    np.testing.assert_allclose(from_link(on_link(sound)), sound, atol=1e-12)


def test_the_fitted_blend_averages_log_odds_and_survives_a_pickle() -> None:
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    y = (X["a"] + rng.normal(size=300) > 0).astype(int)
    members = [("logistic", LogisticRegression()), ("bayes", GaussianNB())]
    blend = LogOddsBlend(members, [0.75, 0.25]).fit(X, y)
    expected = 0.75 * on_link(LogisticRegression().fit(X, y).predict_proba(X))
    expected += 0.25 * on_link(GaussianNB().fit(X, y).predict_proba(X))
    np.testing.assert_allclose(blend.decision_function(X), expected, rtol=1e-12)
    again = pickle.loads(pickle.dumps(blend))
    np.testing.assert_array_equal(again.predict_proba(X), blend.predict_proba(X))
    assert set(blend.predict(X)) == {0, 1}


def test_a_member_that_is_certain_does_not_break_the_average() -> None:
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
    blend = LogOddsBlend([("tree", DecisionTreeClassifier()), ("flat", GaussianNB())], [0.5, 0.5])
    assert np.isfinite(blend.fit(X, [0, 0, 1, 1]).predict_proba(X)).all()


def test_a_mean_blend_averages_predictions() -> None:
    X, y = pd.DataFrame({"a": np.arange(10.0)}), np.arange(10.0)
    blend = MeanBlend([("a", Ridge(0.0)), ("b", Ridge(1e9))], [0.5, 0.5]).fit(X, y)
    np.testing.assert_allclose(blend.predict(X), 0.5 * y + 0.5 * y.mean(), atol=1e-4)


def test_bad_input_is_named() -> None:
    with pytest.raises(ParameterError, match=r"ensemble is 'vote'. Did you mean 'voting'"):
        find_weights("vote", np.zeros((1, 2)), [0, 1], AUC)
    with pytest.raises(ParameterError, match="one weight a member; got 1 members and 2 weights"):
        LogOddsBlend([("a", GaussianNB())], [0.5, 0.5]).fit(pd.DataFrame({"a": [0.0, 1.0]}), [0, 1])
