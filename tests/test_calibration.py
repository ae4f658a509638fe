"""Calibration: it helps where it should, is left alone where it doesn't, and keeps the ranking."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import _SigmoidCalibration
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB

from ml_utils.errors import DataError, ParameterError
from ml_utils.training.calibration import METHODS, Calibrated, choose_calibration, fit_calibrator
from ml_utils.training.ensembles.blend import on_link


def rows(n: int, stretch: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and probabilities whose log-odds are `stretch` times the true ones."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1, size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(int)
    return y, 1 / (1 + np.exp(-stretch * truth))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "venn_abers"])
def test_overconfident_scores_become_honest_on_rows_never_seen(method: str) -> None:
    fitted = fit_calibrator(method, *rows(4000, 3.0, seed=0))
    y, p = rows(4000, 3.0, seed=1)
    truth = rows(4000, 1.0, seed=1)[1]
    assert log_loss(y, fitted.apply(p)) < log_loss(y, p) - 0.15
    assert log_loss(y, fitted.apply(p)) < log_loss(y, truth) + 0.02


def test_a_sigmoid_is_scikit_learns() -> None:
    """Same problem as its private helper: Platt's smoothed targets on the scores given, here log-odds."""
    y, p = rows(500, 2.0, seed=2)
    reference = _SigmoidCalibration().fit(on_link(p), y)
    np.testing.assert_allclose(
        fit_calibrator("sigmoid", y, p).apply(p), reference.predict(on_link(p)), atol=1e-4
    )


def test_a_sigmoid_is_affine_in_log_odds() -> None:
    y, p = rows(500, 2.0, seed=3)
    fitted = fit_calibrator("sigmoid", y, p)
    expected = fitted.slope * on_link(p) + fitted.intercept
    np.testing.assert_allclose(on_link(fitted.apply(p)), expected, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["sigmoid", "isotonic", "venn_abers"]))
def test_the_ranking_never_turns(seed: int, method: str) -> None:
    y, p = rows(60, 1.5, seed)
    if len(set(y)) == 2:
        mapped = fit_calibrator(method, y, p).apply(np.sort(p))
        assert (np.diff(mapped) >= -1e-12).all()
        assert ((mapped >= 0) & (mapped <= 1)).all()


def test_auto_takes_it_where_it_helps_and_leaves_it_where_it_does_not() -> None:
    folds = np.array_split(np.arange(4000), 5)
    assert choose_calibration(*rows(4000, 3.0, seed=0), folds).method == "sigmoid"
    taken = [choose_calibration(*rows(4000, 1.0, seed=s), folds).method for s in range(20)]
    assert taken.count("none") >= 18  # two standard errors: about one in forty by chance


def test_auto_sees_a_bend_that_no_sigmoid_follows() -> None:
    y, p = rows(20_000, 1.0, seed=4)
    bent = np.where(p > 0.3, 0.9 + p / 10, p)
    assert choose_calibration(y, bent, np.array_split(np.arange(20_000), 5)).method == "isotonic"


def test_several_classes() -> None:
    X, y = make_classification(6000, 12, n_informative=6, n_redundant=6, n_classes=3, random_state=0)
    model = GaussianNB().fit(X[:500], y[:500])
    p = model.predict_proba(X)
    for method in ("sigmoid", "isotonic"):
        fitted = fit_calibrator(method, y[500:3000], p[500:3000]).apply(p[3000:])
        np.testing.assert_allclose(fitted.sum(axis=1), 1)
        assert log_loss(y[3000:], fitted) < log_loss(y[3000:], p[3000:])


def test_rows_without_a_score_are_left_aside() -> None:
    y, p = rows(300, 2.0, seed=5)
    p[:100] = np.nan
    assert fit_calibrator("sigmoid", y, p) == fit_calibrator("sigmoid", y[100:], p[100:])


def test_the_calibrated_classifier() -> None:
    X, y = make_classification(600, 8, n_informative=4, random_state=1)
    table = pd.DataFrame(X, columns=[f"c{i}" for i in range(8)])
    plain = LogisticRegression().fit(table, y)
    fitted = fit_calibrator("sigmoid", y, plain.predict_proba(table)[:, 1])
    model = Calibrated(LogisticRegression(), fitted).fit(table, y)
    expected = fitted.apply(plain.predict_proba(table)[:, 1])
    np.testing.assert_array_equal(model.predict_proba(table)[:, 1], expected)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(table), model.predict(table))


def test_none_changes_nothing() -> None:
    y, p = rows(50, 1.0, seed=6)
    np.testing.assert_array_equal(fit_calibrator("none", y, p).apply(p), p)


def test_bad_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match=r"calibration is 'platt'. Known: " + ", ".join(sorted(METHODS))):
        fit_calibrator("platt", [0, 1], [0.1, 0.9])
    with pytest.raises(DataError, match="more than one class"):
        fit_calibrator("sigmoid", [1, 1], [0.1, 0.9])
    monkeypatch.setitem(sys.modules, "venn_abers", None)
    with pytest.raises(ParameterError, match="pip install venn-abers"):
        fit_calibrator("venn_abers", [0, 1], [0.1, 0.9])
