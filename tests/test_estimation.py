from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import METRICS
from ml_utils.monitoring.estimation import expected_auc, fit_estimator, realised
from ml_utils.monitoring.recalibration import calibration_shift, expit, recalibrate
from ml_utils.paths import project_root

SHARED = project_root().parent / "shared" / "data"


def scores(n: int, seed: int, intercept: float = 0.0, slope: float = 1.0):
    rng = np.random.default_rng(seed)
    line = rng.normal(-1, 1.2, n)
    y = (rng.random(n) < expit(intercept + slope * line)).astype(float)
    return y, expit(line)


def test_line_finds_the_intercept_and_slope_that_made_the_outcomes():
    y, score = scores(200_000, 1, 0.4, 0.7)
    found = recalibrate(y, score, "binary")
    assert found.coefficients == pytest.approx([0.4, 0.7], abs=0.03)


def test_line_agrees_with_statsmodels():
    import statsmodels.api as sm

    y, score = scores(500, 2, 0.4, 0.7)
    fitted = sm.Logit(y, sm.add_constant(np.log(score / (1 - score)))).fit(disp=0)
    found = recalibrate(y, score, "binary")
    assert found.coefficients == pytest.approx(fitted.params, rel=1e-6)
    assert found.covariance == pytest.approx(fitted.cov_params(), rel=1e-5)


def test_line_of_a_regression_agrees_with_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    score = rng.gamma(2, 10, 400)
    y = 3 + 1.2 * score + rng.normal(0, 1 + score / 10)
    fitted = sm.OLS(y, sm.add_constant(score)).fit(cov_type="HC0")
    found = recalibrate(y, score, "regression")
    assert found.coefficients == pytest.approx(fitted.params, rel=1e-6)
    assert found.covariance == pytest.approx(fitted.cov_params(), rel=1e-5)


def test_line_of_one_class_is_not_told():
    found = recalibrate(np.zeros(10), np.linspace(0.1, 0.9, 10), "binary")
    assert found.coefficients.tolist() == [0, 1]
    assert calibration_shift(found, *scores(100, 1))[1] == 1


def test_constant_scores_are_moved_to_the_rate():
    y = np.r_[np.ones(30), np.zeros(70)]
    assert recalibrate(y, np.full(100, 0.5), "binary").apply(np.array([0.5]))[0] == pytest.approx(0.3)


def test_a_shift_is_measured_as_a_share_of_what_was_expected():
    y, score = scores(50_000, 4)
    reference = recalibrate(y, score, "binary")
    assert calibration_shift(reference, y, score) == pytest.approx((0, 1), abs=1e-9)
    y_now, score_now = scores(50_000, 5, intercept=-0.5)
    effect, p_value = calibration_shift(reference, y_now, score_now)
    assert effect == pytest.approx(1 - y_now.mean() / score_now.mean(), abs=0.02)
    assert p_value < 1e-10


@pytest.mark.full
def test_calibration_test_holds_its_level_and_p_values_are_uniform():
    p_values = []
    for run in range(1000):
        reference = recalibrate(*scores(3000, 10_000 + run), "binary")
        p_values.append(calibration_shift(reference, *scores(1500, 20_000 + run))[1])
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(np.array(p_values) < 0.5) == pytest.approx(0.5, abs=0.045)


def test_expected_auc_counts_every_pair():
    rng = np.random.default_rng(6)
    score, p = rng.integers(0, 8, 60) / 10, rng.random(60)
    pairs = np.outer(p, 1 - p)
    order = (score[:, None] > score).astype(float) + 0.5 * (score[:, None] == score)
    # a row is its own pair too: calibrated probabilities describe a cell of rows, not one row
    assert expected_auc(score, p) == pytest.approx((pairs * order).sum() / pairs.sum())


def test_expected_auc_is_not_defined_without_a_class():
    assert np.isnan(expected_auc(np.array([0.1, 0.2]), np.zeros(2)))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared tables are not here")
def test_estimates_equal_those_of_nannyml():
    # car_loan_cbpe_expected.csv: NannyML 0.13.1, chunks of 5,000
    reference = pd.read_parquet(SHARED / "car_loan_reference.parquet")
    analysis = pd.read_parquet(SHARED / "car_loan_analysis.parquet")
    expected = pd.read_csv(SHARED / "car_loan_cbpe_expected.csv")["roc_auc_est_value"]
    y, score = reference["repaid"].to_numpy(), reference["y_pred_proba"].to_numpy()
    estimator = fit_estimator(y, score, np.empty((len(y), 0)), "binary", seed=0)
    every = pd.concat([reference, analysis])["y_pred_proba"].to_numpy().reshape(20, 5000)
    found = [estimator.estimate(chunk, np.empty((5000, 0)), "roc_auc") for chunk in every]
    assert found == pytest.approx(expected.tolist(), abs=1e-4)


def test_estimated_brier_is_what_comes_true():
    y, score = scores(20_000, 7)
    estimator = fit_estimator(y, score, np.empty((len(y), 0)), "binary", seed=0)
    y_now, score_now = scores(20_000, 8)
    found = estimator.estimate(score_now, np.empty((len(y), 0)), "brier")
    assert found == pytest.approx(METRICS["brier"].value(y_now, score_now), abs=0.005)


def test_loss_of_a_regression_is_estimated_where_the_noise_moves():
    rng = np.random.default_rng(9)
    x = rng.uniform(0, 10, 6000)
    y = 5 * x + rng.normal(0, 1 + x)
    estimator = fit_estimator(y, 5 * x, x[:, None], "regression", seed=0)
    now = rng.uniform(7, 10, 4000)
    truth = METRICS["rmse"].value(5 * now + rng.normal(0, 1 + now), 5 * now)
    assert estimator.estimate(5 * now, now[:, None], "rmse") == pytest.approx(truth, rel=0.07)


@pytest.mark.parametrize("metric", ["roc_auc", "brier"])
def test_standard_errors_are_the_spread_of_the_metric(metric):
    found = np.array([realised(*scores(800, 100 + run), metric) for run in range(300)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.12)


def test_standard_error_of_the_root_follows_the_delta_method():
    rng = np.random.default_rng(0)
    samples = [realised(rng.normal(0, 2, 500), np.zeros(500), "rmse") for _ in range(300)]
    values, errors = np.array(samples).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.12)


def test_an_unknown_metric_is_told():
    with pytest.raises(DataError, match="'f1'; use roc_auc"):
        realised(np.ones(3), np.ones(3), "f1")
