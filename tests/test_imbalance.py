"""A rare class: samplers do what they say, and probabilities are set right after them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ml_utils.errors import DataError, ParameterError
from ml_utils.training.imbalance import (
    IMBALANCES,
    SAMPLERS,
    balancing_weight,
    check_imbalance,
    prior_shift,
    resample,
)


@pytest.fixture
def rows() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    Z = pd.DataFrame(rng.normal(size=(3000, 3)), columns=["a", "b", "c"], index=np.arange(3000) + 7)
    y = (rng.random(3000) < 1 / (1 + np.exp(3 - 1.5 * Z["a"]))).astype(int).to_numpy()
    return Z, y


@pytest.mark.parametrize("name", SAMPLERS)
def test_classes_come_out_about_even_and_twice_the_same(
    rows: tuple[pd.DataFrame, np.ndarray], name: str
) -> None:
    Z, y = rows
    new, target = resample(name, Z, y, seed=1)
    assert 0.4 < target.mean() < 0.65
    assert list(new.columns) == ["a", "b", "c"]
    again, same = resample(name, Z, y, seed=1)
    pd.testing.assert_frame_equal(new, again)
    np.testing.assert_array_equal(target, same)


@pytest.mark.parametrize("name", ["none", "class_weight", "scale_pos_weight"])
def test_weights_leave_the_rows_alone(rows: tuple[pd.DataFrame, np.ndarray], name: str) -> None:
    assert resample(name, *rows)[0] is rows[0]


@pytest.mark.parametrize("name", ["under", "over", "smote"])
def test_probabilities_are_set_right_by_the_known_shift(
    rows: tuple[pd.DataFrame, np.ndarray], name: str
) -> None:
    Z, y = rows
    plain = LogisticRegression(C=np.inf).fit(Z, y)
    new, target = resample(name, Z, y)
    resampled = LogisticRegression(C=np.inf).fit(new, target)
    p = resampled.predict_proba(Z)[:, 1]
    assert p.mean() > 2.5 * y.mean()
    set_right = prior_shift(y, target).undo(p)
    assert set_right.mean() == pytest.approx(y.mean(), abs=0.02)
    assert np.corrcoef(set_right, plain.predict_proba(Z)[:, 1])[0, 1] > 0.98


def test_a_moved_threshold_decides_as_the_true_one_would() -> None:
    shift = prior_shift([0, 0, 0, 1], [0, 1])
    p = np.linspace(0.01, 0.99, 99)
    np.testing.assert_array_equal(shift.undo(p) >= 0.25, p >= shift.moved(0.25) - 1e-12)
    assert shift.factor == pytest.approx(balancing_weight([0, 0, 0, 1]))


def test_few_rare_rows_take_fewer_neighbours_and_one_is_refused() -> None:
    Z = pd.DataFrame({"a": np.arange(30.0)})
    y = np.zeros(30, dtype=int)
    y[:3] = 1
    assert resample("smote", Z, y)[1].mean() == 0.5
    y[1:3] = 0
    with pytest.raises(DataError, match="SMOTE interpolates between rows of the rare class, which has 1"):
        resample("smote", Z, y)


def test_several_classes_are_resampled_too() -> None:
    rng = np.random.default_rng(1)
    y = rng.choice(3, size=600, p=[0.7, 0.2, 0.1])
    target = resample("over", pd.DataFrame({"a": rng.normal(size=600)}), y)[1]
    assert len(set(np.bincount(target))) == 1


def test_bad_options_are_named() -> None:
    with pytest.raises(ParameterError, match=r"imbalance is 'smoote'. Did you mean 'smote'"):
        check_imbalance("smoote", "binary")
    with pytest.raises(ParameterError, match="a regression has no classes"):
        check_imbalance("over", "regression")
    with pytest.raises(ParameterError, match="take class_weight"):
        check_imbalance("scale_pos_weight", "multiclass")
    for name in IMBALANCES:
        check_imbalance(name, "binary")
