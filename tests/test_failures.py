"""Where a model fails, beside the slices: surest errors, calibration by band, months, bias and variance."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_slices import make
from scipy import stats
from scipy.special import expit
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.failures import (
    bias_variance,
    calibration_by_band,
    confident_errors,
    find_slices,
    stability,
)
from ml_utils.evaluation.failures.bias_variance import decompose_binary, decompose_squared
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.files import to_json
from ml_utils.plots.failures import failures

# most confident errors


def test_the_surest_errors_are_those_with_the_largest_loss() -> None:
    X = pd.DataFrame({"plan": ["a", "b", "a", "b"]})
    found = confident_errors(X, [1, 0, 0, 1], [0.9, 0.2, 0.8, 0.02], n=2)
    assert found.rows.index.tolist() == [3, 2]
    assert found.rows["loss"].tolist() == pytest.approx([-np.log(0.02), -np.log(0.2)])
    assert json.loads(to_json(found.results()))["rows"]


def test_what_errors_have_in_common_is_named_and_ids_are_not_shown() -> None:
    table = make(1, fault="too low", effect=2.0, n_columns=6)
    X = table.X.assign(customer=[f"K{i}" for i in range(len(table.X))])
    found = confident_errors(X, table.y, table.score)
    assert "customer" not in found.rows
    assert "customer" in confident_errors(X, table.y, table.score, keep_ids=True).rows
    assert found.common["column"].iloc[0] in ("region", "number2")
    assert "region = north" in found.sentence()


def test_a_right_models_errors_have_nothing_in_common() -> None:
    """Their scores differ from others', and columns with them; rows with like scores are the comparison."""
    named = 0
    for seed in range(10):
        table = make(seed, n=2000, n_columns=4)
        named += "nothing in common" not in confident_errors(table.X, table.y, table.score).sentence()
    assert named <= stats.binom.ppf(0.999, 10, 0.05)


def test_errors_need_a_share() -> None:
    with pytest.raises(ParameterError, match="share 2"):
        confident_errors(pd.DataFrame({"a": [1, 2]}), [0, 1], [0.1, 0.2], share=2)
    with pytest.raises(DataError, match="X has 1 rows and y 2"):
        confident_errors(pd.DataFrame({"a": [1]}), [0, 1], [0.1, 0.2])


# calibration by band


def test_calibration_by_band_counts_what_is_there() -> None:
    X = pd.DataFrame({"plan": ["a"] * 100 + ["b"] * 100})
    y = np.repeat([1, 0, 1, 0], [30, 70, 10, 90])
    found = calibration_by_band(X, y, np.full(200, 0.2))
    row = found.table.set_index("band").loc["plan = a"]
    assert (row["observed"], row["expected"]) == pytest.approx((0.3, 0.2))
    # Wilson's interval of 30 of 100 is 0.2189 to 0.3958 (Newcombe 1998, method 3)
    assert (row["lower"] + 0.2, row["upper"] + 0.2) == pytest.approx((0.21895, 0.39585), abs=1e-4)
    assert row["z"] == pytest.approx(10 / np.sqrt(100 * 0.16))
    assert "observed" in found._repr_html_()


def test_calibration_by_band_names_the_bands_that_are_off() -> None:
    table = make(1, n=6000, n_columns=4)
    score = np.where(table.X["region"] == "east", table.score * 0.6, table.score)
    found = calibration_by_band(table.X, table.y, score)
    assert found.table["band"].iloc[0] == "region = east"
    assert "surest where region = east" in found.sentence()
    right = calibration_by_band(table.X, table.y, table.score)
    assert "not shown to be off" in right.sentence()
    assert calibration_by_band(pd.DataFrame({"a": [1, 1]}), [0, 1], [0.5, 0.5]).table.empty


def test_calibration_of_a_regression_is_a_t_statistic() -> None:
    table = make(1, "regression", n=2000, n_columns=4)
    found = calibration_by_band(table.X, table.y, table.score, "regression")
    row = found.table.set_index("band").loc["region = east"]
    error = (table.y - table.score)[table.X["region"] == "east"]
    assert row["z"] == pytest.approx(stats.ttest_1samp(error, 0).statistic)


# months


def _months(seed: int, k: int, fall: float = 0.0, n: int = 600) -> tuple[np.ndarray, np.ndarray, pd.Series]:
    rng = np.random.default_rng(seed)
    month = np.repeat(np.arange(k), n)
    z = rng.normal(size=k * n)
    score = expit(1.5 * z - 1)
    y = rng.random(k * n) < expit((1.5 - fall * month) * z - 1)
    return y.astype(int), score, pd.Series([f"2025-{m + 1:02d}" for m in month])


def test_a_model_that_fades_is_said_to() -> None:
    found = stability(*_months(1, 6, fall=0.25))
    assert "does not hold over 6 periods: its AUC falls by" in found.sentence()
    held = stability(*_months(1, 6))
    assert held.sentence().startswith("The model holds over 6 periods")
    assert held.table["period"].tolist() == [f"2025-{m:02d}" for m in range(1, 7)]
    assert json.loads(to_json(held.results()))["periods"]


def test_a_level_that_moves_is_said_to() -> None:
    y, score, month = _months(2, 4)
    late = (month == "2025-04").to_numpy()
    assert (
        "gap between observed and expected"
        in stability(y, np.where(late, score / 2, score), month).sentence()
    )


def test_cochrans_q_and_the_trend_agree_with_statsmodels() -> None:
    import statsmodels.api as sm
    from statsmodels.stats.meta_analysis import combine_effects

    found = stability(*_months(3, 5))
    value = found.table["value"].to_numpy()
    error = (found.table["upper"] - found.table["value"]).to_numpy() / 1.959964
    combined = combine_effects(value, error**2, method_re="iterated")
    assert found.readings[0].alike_p == pytest.approx(stats.chi2.sf(combined.q, 4), rel=1e-6)
    line = sm.WLS(value, sm.add_constant(np.arange(5.0)), weights=error**-2).fit(cov_type="fixed scale")
    assert found.readings[0].trend_p == pytest.approx(line.pvalues[1], rel=1e-6)


def test_months_that_cannot_be_judged_are_not_defined() -> None:
    y, score, month = _months(1, 2, n=8)
    found = stability(y, score, month)
    assert "cannot be told" in found.sentence()
    assert found.to_frame()["AUC"].tolist() == ["not defined"] * 2
    with pytest.raises(DataError, match="3 rows have no period"):
        stability(y, score, month.where(month.index > 2))


@pytest.mark.full
@pytest.mark.parametrize(("k", "task"), [(2, "binary"), (4, "binary"), (10, "binary"), (4, "regression")])
def test_a_model_that_holds_is_doubted_in_at_most_five_percent(k: int, task: str) -> None:
    doubted, trends = [], []
    for seed in range(400):
        y, score, month = _months(seed, k, n=400)
        if task == "regression":
            y = score + np.random.default_rng(seed).standard_t(5, len(score))
        found = stability(y, score, month, task)
        doubted.append("does not hold" in found.sentence())
        trends.append([item.trend_p < 0.05 for item in found.readings])
    assert np.sum(doubted) <= stats.binom.ppf(0.999, 400, 0.05)
    assert np.mean(trends, axis=0) == pytest.approx([0.05, 0.05], abs=0.035)


# bias and variance


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 7), st.booleans())
def test_every_decomposition_adds_up_exactly(seed: int, refits: int, truth_known: bool) -> None:
    rng = np.random.default_rng(seed)
    fits, y = rng.random((refits, 30)), rng.integers(0, 2, 30).astype(float)
    truth = rng.random(30) if truth_known else None
    for table in (decompose_binary(fits, y, 0.4, truth), decompose_squared(fits, y, truth)):
        parts = table["noise"] + table["bias"] + table["variance"]
        assert parts.to_numpy() == pytest.approx(table["total"].to_numpy(), abs=1e-12)


def test_totals_are_the_losses_of_the_fits() -> None:
    from sklearn.metrics import brier_score_loss, log_loss, zero_one_loss

    rng = np.random.default_rng(1)
    fits, y = rng.uniform(0.05, 0.95, (5, 80)), rng.integers(0, 2, 80).astype(float)
    table = decompose_binary(fits, y)
    losses = (log_loss, brier_score_loss, lambda a, b: zero_one_loss(a, b >= 0.5))
    expected = [np.mean([loss(y, p) for p in fits]) for loss in losses]
    assert table["total"].tolist() == pytest.approx([*expected, expected[-1]])


def test_domingos_example_by_hand() -> None:
    """Three fits say 1, 1, 0 of a row that is 1 (unbiased, variance 1/3) and of one that is 0 (biased)."""
    fits = np.array([[0.9, 0.9], [0.9, 0.9], [0.1, 0.1]])
    row = decompose_binary(fits, np.array([1.0, 0.0])).iloc[2]
    assert (row["bias"], row["variance_unbiased"], row["variance_biased"]) == pytest.approx(
        (0.5, 1 / 6, 1 / 6)
    )
    # Kohavi & Wolpert: bias² ½Σ(P(Y) − P(Ŷ))² is 1/9 and 4/9, variance ½(1 − ΣP(Ŷ)²) is 2/9 in both
    other = decompose_binary(fits, np.array([1.0, 0.0])).iloc[3]
    assert (other["bias"], other["variance"]) == pytest.approx((5 / 18, 2 / 9))


def test_the_variance_of_least_squares_is_the_textbooks() -> None:
    """σ² d / n of a linear model with d coefficients, and no bias where the line is the truth."""
    rng = np.random.default_rng(5)
    n, sigma = 400, 2.0
    X = pd.DataFrame(rng.normal(size=(n + 4000, 5)), columns=list("abcde"))
    truth = X.to_numpy() @ [1, 2, 3, 0, 0]
    y = truth + sigma * rng.normal(size=len(X))
    test = slice(n, None)
    found = bias_variance(
        LinearRegression(), X[:n], y[:n], X[test], y[test], "regression", 200, None, truth=truth[test]
    )
    row = found.table.iloc[0]
    assert row["noise"] == pytest.approx(sigma**2, rel=0.05)
    assert row["variance"] == pytest.approx(sigma**2 * 6 / n, rel=0.25)
    assert abs(row["bias"]) < 0.25  # what this one training table got wrong, about σ² d / n, stays in it
    assert found.truth_known


def test_a_rich_model_varies_and_a_poor_one_is_bent() -> None:
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(6)
    X = pd.DataFrame(rng.normal(size=(3000, 3)), columns=list("abc"))
    truth = expit(2 * X["a"] * X["b"]).to_numpy()
    y = (rng.random(3000) < truth).astype(int)
    parts = {}
    for name, model in {"poor": LogisticRegression(), "rich": DecisionTreeClassifier(random_state=0)}.items():
        steps = Pipeline([("features", FeatureEngineer()), ("model", model)])
        args = (X[:1500], y[:1500], X[1500:], y[1500:])
        parts[name] = bias_variance(steps, *args, n_refits=8, truth=truth[1500:]).table.set_index("loss")
    brier = {name: table.loc["Brier score"] for name, table in parts.items()}
    assert brier["rich"]["variance"] > 5 * brier["poor"]["variance"]
    assert brier["poor"]["bias"] > 1.4 * brier["rich"]["bias"]
    assert brier["poor"]["noise"] == pytest.approx((truth[1500:] * (1 - truth[1500:])).mean())


def test_refits_are_seeded_and_bad_input_is_named() -> None:
    X, y = pd.DataFrame({"a": np.arange(60.0)}), np.arange(60) % 2
    first, second = (bias_variance(LogisticRegression(), X, y, X, y, n_refits=3) for _ in range(2))
    assert first.table.equals(second.table)
    assert "3 refits on 60 rows" in first.sentence()
    assert "bias and noise" in first._repr_html_()
    with pytest.raises(ParameterError, match="n_refits is 1"):
        bias_variance(LogisticRegression(), X, y, X, y, n_refits=1)
    with pytest.raises(ParameterError, match="task is 'multiclass'"):
        bias_variance(LogisticRegression(), X, y, X, y, "multiclass")
    with pytest.raises(DataError, match="needs both classes"):
        bias_variance(LogisticRegression(), X, y * 0, X, y)
    with pytest.raises(DataError, match="60 training rows have 59 targets"):
        bias_variance(LogisticRegression(), X, y[1:], X, y)


# the figure


def test_the_figure_shows_what_there_is() -> None:
    table = make(1, fault="too low", effect=1.5, n_columns=6)
    slices = find_slices(table.X, table.y, table.score, n_null=19)
    bands = calibration_by_band(table.X, table.y, table.score)
    months = pd.Series(np.arange(10_000) // 2500).map("2025-{:02d}".format)
    drawn = failures(slices, bands, stability(table.y, table.score, months))
    assert [axes.get_title()[:9] for axes in drawn.axes] == ["Where the", "Expected ", "AUC by pe"]
    right = make(2, n=1000, n_columns=4)
    none = find_slices(right.X, np.zeros(1000), right.score)
    assert failures(none).axes[0].get_title() == "No slice was shown to be wrong"
