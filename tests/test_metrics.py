"""Metrics: scikit-learn as the reference, stated "not defined", bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.metrics import METRICS, Counts, calibration_bins, get_metric

BINARY = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier": sk.brier_score_loss,
}
DECISION = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "f1": sk.f1_score,
    "specificity": lambda y, d: sk.recall_score(1 - y, 1 - d),
    "mcc": sk.matthews_corrcoef,
}
REGRESSION = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
    "mape": sk.mean_absolute_percentage_error,
}


@pytest.fixture
def scored():
    rng = np.random.default_rng(1)
    y = (rng.random(500) < 0.3).astype(int)
    return y, np.round(np.clip(0.3 * y + rng.beta(2, 4, 500) * 0.7, 0, 1), 2)  # rounded: ties


def test_metrics_agree_with_scikit_learn(scored):
    y, score = scored
    for name, reference in BINARY.items():
        assert METRICS[name].value(y, score) == pytest.approx(reference(y, score), abs=1e-12), name
    decided = (score >= 0.4).astype(int)
    for name, reference in DECISION.items():
        assert METRICS[name].value(y, score, 0.4) == pytest.approx(reference(y, decided), abs=1e-12), name
    target = 5 + score * 3
    for name, reference in REGRESSION.items():
        assert METRICS[name].value(target, y + 5) == pytest.approx(reference(target, y + 5)), name


def test_ks_is_the_two_sample_statistic(scored):
    from scipy.stats import ks_2samp

    y, score = scored
    expected = ks_2samp(score[y == 1], score[y == 0]).statistic
    assert METRICS["ks"].value(y, score) == pytest.approx(expected, abs=1e-12)


def test_ece_by_hand():
    # ten rows a bin at 0.1 and 0.8 with rates 0.2 and 0.5: (0.1 + 0.3) / 2
    score = np.repeat([0.1, 0.8], 10)
    y = np.r_[np.ones(2), np.zeros(8), np.ones(5), np.zeros(5)]
    assert METRICS["ece"].value(y, score) == pytest.approx(0.2)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_equal_scores_share_a_bin(values):
    score = np.array(values)
    index = calibration_bins(score)
    assert all(len(set(index[score == value])) == 1 for value in score)


def test_what_is_not_defined_is_nan_never_zero():
    nan = [
        METRICS["roc_auc"].value([0, 0], [0.1, 0.2]),
        METRICS["ks"].value([1, 1], [0.1, 0.2]),
        METRICS["average_precision"].value([0, 0], [0.1, 0.2]),
        METRICS["precision"].value([0, 1], [0.1, 0.2], 0.5),
        METRICS["recall"].value([0, 0], [0.1, 0.9], 0.5),
        METRICS["specificity"].value([1, 1], [0.1, 0.9], 0.5),
        METRICS["mcc"].value([0, 1], [0.1, 0.2], 0.5),
        METRICS["balanced_accuracy"].value([1, 1], [0.1, 0.9], 0.5),
        METRICS["r2"].value([2.0, 2.0], [1.0, 3.0]),
        METRICS["mape"].value([0.0, 2.0], [1.0, 3.0]),
    ]
    assert np.isnan(nan).all()


def test_counts_take_arrays_and_stay_undefined_where_nobody_acts():
    rates = Counts(
        np.array([3.0, 0.0]), np.array([1.0, 0.0]), np.array([1.0, 4.0]), np.array([5.0, 6.0])
    ).rates()
    assert rates["precision"][0] == pytest.approx(0.75)
    assert np.isnan(rates["precision"][1])
    assert rates["recall"].tolist() == [0.75, 0.0]


def test_constant_scores_are_chance():
    assert METRICS["roc_auc"].value([0, 1, 1], [0.5] * 3) == 0.5
    assert METRICS["ks"].value([0, 1, 1], [0.5] * 3) == 0


@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([0, 1], [0.1], "2 targets and 1 scores"),
        ([], [], "no rows"),
        ([0, 1], [0.1, np.nan], "1 of 2 values of the score are NaN"),
        ([0, np.nan], [0.1, 0.2], "values of the target"),
        ([0, 2], [0.1, 0.2], "target is 0 or 1"),
        ([0, 1], [-0.1, 1.2], "between 0 and 1; got scores from -0.1 to 1.2"),
    ],
)
def test_bad_input_is_named(y, score, message):
    with pytest.raises(DataError, match=message):
        METRICS["brier"].value(y, score)


def test_unknown_metric_and_missing_threshold():
    with pytest.raises(ParameterError, match="Did you mean 'roc_auc'"):
        get_metric("rocauc", "binary")
    with pytest.raises(ParameterError, match="no metric 'rmse' for a binary"):
        get_metric("rmse", "binary")
    with pytest.raises(ParameterError, match="give the threshold"):
        METRICS["f1"].value([0, 1], [0.1, 0.2])


def test_every_metric_has_its_key_and_direction():
    assert all(key == metric.name for key, metric in METRICS.items())
    losses = {name for name, metric in METRICS.items() if not metric.greater_is_better}
    assert losses == {"log_loss", "brier", "ece", "mse", "rmse", "mae", "pinball", "mape"}
