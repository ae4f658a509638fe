"""Comparison of models: published figures, references, error rates under the null, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.comparison import compare_scores
from ml_utils.evaluation.delong import delong_test
from ml_utils.evaluation.ensemble import AVERAGE, average_scores, compare_with_average, member_models
from ml_utils.evaluation.metrics import METRICS
from ml_utils.evaluation.paired import holm, mcnemar, paired_bootstrap, wilcoxon_signed_rank
from ml_utils.evaluation.refits import alpaydin_f, compare_folds, compare_learners, dietterich_t
from ml_utils.model import Model
from ml_utils.training.ensembles.blend import LogOddsBlend
from ml_utils.training.leaderboard import corrected_t_test

# pROC's example data aSAH, 41 poor then 72 good outcomes: WFNS grades, and the ranks of S100B (twice the
# midrank among the good outcomes), both worked back from tests/testthat/helper-deLongPlacementsCpp-expected.R
ASAH_WFNS = (
    "324555525212544255525252454414422552255551111512212211121211"
    "34141551124112212122111121211324214115422111312244111"
)
S100B = [
    *(
        81,
        63,
        103,
        78,
        130,
        144,
        140,
        26,
        123,
        50,
        26,
        128,
        126,
        139,
        144,
        118,
        144,
        144,
        144,
        26,
        144,
        120,
        0,
    ),
    *(
        50,
        116,
        144,
        118,
        144,
        38,
        118,
        81,
        63,
        74,
        116,
        144,
        88,
        144,
        121,
        144,
        144,
        130,
        81,
        88,
        63,
        10,
        134,
    ),
    *(
        111,
        63,
        63,
        10,
        38,
        10,
        50,
        74,
        26,
        111,
        26,
        74,
        81,
        111,
        10,
        103,
        88,
        125,
        50,
        142,
        134,
        103,
        26,
        129,
    ),
    *(
        134,
        74,
        38,
        50,
        38,
        10,
        81,
        63,
        88,
        96,
        10,
        10,
        50,
        10,
        50,
        38,
        103,
        50,
        38,
        123,
        74,
        119,
        26,
        63,
        121,
    ),
    *(26, 10, 117, 127, 63, 96, 38, 88, 63, 26, 10, 111, 96, 134, 111, 96, 142, 139),
]


def test_delong_is_what_proc_says_of_asah():
    # pROC, tests/testthat/test-roc.test.R: roc.test(r.wfns, r.s100b)
    wfns = np.array([*map(float, ASAH_WFNS)])
    y = np.r_[np.ones(41), np.zeros(72)]
    difference, lower, upper, p_value = delong_test(y, wfns, np.array(S100B, dtype=float))
    assert p_value == pytest.approx(0.0271757822291882, abs=1e-12)
    assert (lower, upper) == pytest.approx((0.0104061769564846, 0.174214419249478), abs=1e-12)
    half = (upper - lower) / 2 / stats.norm.ppf(0.975)
    assert difference / half == pytest.approx(2.20898359144091, abs=1e-10)


def test_mcnemar_is_the_binomial_test():
    for only_first, only_second in ((86, 150), (3, 9), (5, 5), (0, 6)):
        first = np.r_[np.ones(only_first), np.zeros(only_second), np.ones(20)] > 0
        second = np.r_[np.zeros(only_first), np.ones(only_second), np.ones(20)] > 0
        found = mcnemar(first, second)
        n = only_first + only_second
        exact = stats.binomtest(only_first, n).pvalue
        assert found["p_mcnemar"] == pytest.approx(exact, rel=1e-10)
        pmf = stats.binom.pmf(only_first, n, 0.5)
        mid = exact - pmf if only_first != only_second else 1 - pmf / 2
        assert found["p_mcnemar_mid"] == pytest.approx(mid, rel=1e-10)


def test_wilcoxon_of_hollander_and_wolfe():
    # depression scale factors, Hollander & Wolfe (1973), p. 29f, the example of R's help(wilcox.test):
    # V = 40, one-sided p = 0.01953, so 0.0390625 two-sided
    before = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    after = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    assert wilcoxon_signed_rank(before, after) == pytest.approx(0.0390625, abs=1e-9)
    assert wilcoxon_signed_rank(before, before) == 1.0


def test_the_tests_on_refits_by_hand():
    gaps = np.array([[0.04, 0.02], [0.01, 0.03], [0.02, 0.02], [0.03, 0.01], [0.02, 0.04]])
    variances = ((gaps - gaps.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    t, p = dietterich_t(gaps)
    assert t == pytest.approx(0.04 / np.sqrt(variances.mean()))
    assert p == pytest.approx(2 * stats.t.sf(t, 5))
    f, p = alpaydin_f(gaps)
    assert f == pytest.approx((gaps**2).sum() / (2 * variances.sum()))
    assert p == pytest.approx(stats.f.sf(f, 10, 5))
    assert dietterich_t(np.zeros((5, 2))) == (0.0, 1.0)
    assert alpaydin_f(np.full((5, 2), 0.1))[1] < 1e-6


def test_paired_bootstrap_of_a_mean_has_its_standard_error():
    y, first, second = _equals(np.random.default_rng(2), 800)
    found = paired_bootstrap(y, first, second, "brier", 800, np.random.default_rng(1))
    gaps = (first - y) ** 2 - (second - y) ** 2
    reference = stats.ttest_1samp(gaps, 0.0)
    assert found["difference"] == pytest.approx(gaps.mean())
    assert found["p_value"] == pytest.approx(reference.pvalue, abs=0.04)
    assert found["upper"] - found["lower"] == pytest.approx(2 * 1.96 * gaps.std() / np.sqrt(800), rel=0.12)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "f1", "ks"])
def test_paired_bootstrap_takes_any_metric(metric):
    rng = np.random.default_rng(4)
    y, first, _ = _equals(rng, 400)
    noise = rng.random(400)
    found = paired_bootstrap(y, first, noise, metric, 60, rng)
    own = METRICS[metric].value(y, first, 0.5) - METRICS[metric].value(y, noise, 0.5)
    assert found["difference"] == pytest.approx(own)
    assert found["lower"] < own < found["upper"]
    assert 0 <= found["p_value"] <= 1


def test_paired_bootstrap_of_what_is_not_defined():
    y, score = np.zeros(30), np.linspace(0.1, 0.9, 30)
    found = paired_bootstrap(y, score, score, "roc_auc", 20, np.random.default_rng(0))
    assert np.isnan(found["p_value"])


# Error rates: two models that are equally good by exchange


def _equals(rng, n):
    risk = rng.normal(-1, 1, n)
    y = (rng.random(n) < expit(risk)).astype(float)
    return y, *(expit(risk + rng.normal(0, 0.7, n)) for _ in range(2))


def _within(rate, low, high, n):
    """Whether a rate of n seeds fits [low, high], give or take what n seeds leave to chance."""
    slack = 3.3 * np.sqrt(np.array([low, high]) * (1 - np.array([low, high])) / n)
    return low - slack[0] <= rate <= high + slack[1]


BANDS = {
    "DeLong": (0.04, 0.06),
    "paired bootstrap": (0.04, 0.065),
    "McNemar, exact": (0.015, 0.05),  # conservative: the counts are whole
    "McNemar, mid-p": (0.035, 0.055),
    "Wilcoxon signed-rank": (0.04, 0.06),
}


def _paired_rates(seeds, n=300):
    hits = dict.fromkeys(BANDS, 0)
    for seed in range(seeds):
        rng = np.random.default_rng([7, seed])
        y, first, second = _equals(rng, n)
        found = compare_scores({"a": first, "b": second}, y, "binary", {"a": 0.4, "b": 0.4}, 120, rng)
        for row in found.tests.itertuples():
            hits[row.test] += row.p_value < 0.05
        value = rng.normal(0, 1, n)
        errors = [rng.standard_t(5, n) for _ in range(2)]
        p_value = wilcoxon_signed_rank(np.abs(errors[0] - value), np.abs(errors[1] - value))
        hits["Wilcoxon signed-rank"] += p_value < 0.05
    return {name: count / seeds for name, count in hits.items()}


def test_equal_models_are_told_apart_as_rarely_as_promised():
    rates = _paired_rates(150)
    assert all(_within(rates[name], *BANDS[name], 150) for name in BANDS), rates


@pytest.mark.full
def test_equal_models_are_told_apart_as_rarely_as_promised_in_2000_samples():
    rates = _paired_rates(2000)
    assert all(_within(rates[name], *BANDS[name], 2000) for name in BANDS), rates


class _OneColumn(ClassifierMixin, BaseEstimator):
    """Ranks by one column, in the direction that the training rows show: quick, and it learns something."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y):
        x = X.to_numpy()[:, self.column]
        self.classes_ = np.array([0.0, 1.0])
        self.slope_ = np.cov(x, y)[0, 1] / x.var()
        self.level_ = y.mean() - self.slope_ * x.mean()
        return self

    def predict_proba(self, X):
        p = np.clip(self.level_ + self.slope_ * X.to_numpy()[:, self.column], 0.01, 0.99)
        return np.column_stack([1 - p, p])


def _refit_rates(seeds, n=200):
    hits = {"t": 0, "F": 0, "corrected t": 0}
    learners = {"a": _OneColumn(0), "b": _OneColumn(1)}
    for seed in range(seeds):
        rng = np.random.default_rng([11, seed])
        X = pd.DataFrame(rng.normal(size=(n, 2)))
        y = (rng.random(n) < expit(X[0] + X[1])).astype(float).to_numpy()  # exchangeable columns
        found = compare_learners(learners, X, y, "brier", seed=seed).pairs.iloc[0]
        hits["t"] += found["p_5x2_t"] < 0.05
        hits["F"] += found["p_5x2_F"] < 0.05
        hits["corrected t"] += _folds_p(learners, X, y, rng) < 0.05
    return {name: count / seeds for name, count in hits.items()}


def _folds_p(learners, X, y, rng, k=5):
    parts = np.array_split(rng.permutation(len(y)), k)
    scores = {name: [] for name in learners}
    for part in parts:
        rest = np.setdiff1d(np.arange(len(y)), part)
        for name, learner in learners.items():
            p = learner.fit(X.iloc[rest], y[rest]).predict_proba(X.iloc[part])[:, 1]
            scores[name].append(float(np.mean((p - y[part]) ** 2)))
    return compare_folds(scores, 1 / (k - 1), "Brier score").pairs["p_corrected_t"].iloc[0]


REFIT_BANDS = {"t": (0.02, 0.055), "F": (0.005, 0.05), "corrected t": (0.01, 0.055)}


def test_equal_learners_are_told_apart_as_rarely_as_promised():
    rates = _refit_rates(100)
    assert all(_within(rates[name], *REFIT_BANDS[name], 100) for name in rates), rates


@pytest.mark.full
def test_equal_learners_are_told_apart_as_rarely_as_promised_in_2000_samples():
    rates = _refit_rates(2000)
    assert all(_within(rates[name], *REFIT_BANDS[name], 2000) for name in rates), rates


# What a comparison holds


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(5)
    y, first, second = _equals(rng, 900)
    return y, {"good": first, "as good": second, "noise": rng.random(900)}


def test_a_comparison_holds_every_test_corrected_over_pairs(scores):
    y, models = scores
    found = compare_scores(models, y, "binary", dict.fromkeys(models, 0.4), 100, np.random.default_rng(1))
    assert len(found.pairs) == 3
    assert len(found.tests) == 12
    for _, table in found.tests.groupby(["measure", "test"]):
        np.testing.assert_allclose(table["p_adjusted"], holm(table["p_value"].to_numpy()))
    best = found.tests[(found.tests["first"] == "good") & (found.tests["second"] == "noise")]
    assert (best["p_value"] < 0.01).all()
    assert (
        found.pairs["p_mcnemar"].tolist()
        == found.tests.loc[found.tests["test"] == "McNemar, exact", "p_value"].tolist()
    )
    assert "DeLong" in found.test_frame()["test"].tolist()
    assert set(found.results()) == {"metric", "values", "pairs", "tests"}


def test_one_seed_gives_one_comparison(scores):
    y, models = scores
    two = {name: models[name][:200] for name in ("good", "noise")}
    first, again = (
        compare_scores(two, y[:200], "binary", dict.fromkeys(two, 0.4), 20, np.random.default_rng(1))
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(first.tests, again.tests)


def test_a_regression_is_compared_by_bootstrap_and_signed_ranks():
    rng = np.random.default_rng(3)
    y = rng.normal(size=500)
    models = {"a": y + rng.normal(0, 1, 500), "b": y + rng.normal(0, 2, 500)}
    found = compare_scores(models, y, "regression", {}, 100, rng)
    assert found.tests["test"].tolist() == ["paired bootstrap", "Wilcoxon signed-rank"]
    assert (found.tests["p_value"] < 1e-6).all()
    assert found.gain("a", "b")[1] > 0


# Ensembles


def test_a_blend_is_taken_apart_and_put_beside_its_parts():
    rng = np.random.default_rng(9)
    X = pd.DataFrame(rng.normal(size=(600, 2)), columns=["a", "b"])
    y = (rng.random(600) < expit(X["a"] + X["b"])).astype(int)
    parts = [("strong", LogisticRegression(C=10.0)), ("weak", LogisticRegression(C=1e-3))]
    blend = LogOddsBlend(parts, [0.7, 0.3])
    model = Model(Pipeline([("model", blend)]).fit(X, y), "binary", ("a", "b"), "blend", 0.4)
    members = member_models(model)
    assert list(members) == ["strong", "weak"]
    logits = {name: np.log(p / (1 - p)) for name, p in ((n, m.predict_score(X)) for n, m in members.items())}
    np.testing.assert_allclose(
        model.predict_score(X), expit(0.7 * logits["strong"] + 0.3 * logits["weak"]), atol=1e-12
    )
    found = compare_with_average({"blend": model, **members}, X, y, 30, average=("strong", "weak"))
    assert list(found.by_model) == ["blend", "strong", "weak", AVERAGE]
    mean = average_scores({name: m.predict_score(X) for name, m in members.items()}, "binary")
    np.testing.assert_allclose(mean, expit((logits["strong"] + logits["weak"]) / 2), atol=1e-12)
    assert member_models(members["weak"]) == {}
    with pytest.raises(ParameterError, match="takes two of blend, strong, weak or more; got strong"):
        compare_with_average({"blend": model, **members}, X, y, average=("strong",))


def test_an_average_of_values_is_their_mean():
    np.testing.assert_allclose(average_scores({"a": np.array([1.0]), "b": np.array([3.0])}, "regression"), 2)


# Bad input


def test_bad_input_of_refits_is_named():
    X, y = pd.DataFrame({"a": np.arange(10.0)}), np.r_[np.zeros(9), 1.0]
    learner = LogisticRegression()
    with pytest.raises(ParameterError, match="two learners or more; got 1"):
        compare_learners({"a": learner}, X, y)
    with pytest.raises(ParameterError, match="recall judges decisions"):
        compare_learners({"a": learner, "b": learner}, X, y, "recall")
    with pytest.raises(DataError, match="two rows of each class or more; the smallest has 1"):
        compare_learners({"a": learner, "b": learner}, X, y)
    with pytest.raises(DataError, match="same two folds or more"):
        compare_folds({"a": [0.1, 0.2], "b": [0.1]}, 0.25, "AUC")
    with pytest.raises(ParameterError, match="two learners or more"):
        compare_folds({"a": [0.1, 0.2]}, 0.25, "AUC")


def test_folds_are_tested_as_nadeau_and_bengio_say():
    a, b = [0.81, 0.84, 0.82, 0.85, 0.83], [0.80, 0.82, 0.83, 0.82, 0.81]
    found = compare_folds({"a": a, "b": b, "c": a}, 0.25, "AUC")
    gaps = np.subtract(a, b)
    t = gaps.mean() / np.sqrt((1 / 5 + 0.25) * gaps.var(ddof=1))
    assert found.pairs["p_corrected_t"].iloc[0] == pytest.approx(2 * stats.t.sf(abs(t), 4))
    assert corrected_t_test(a, b, 0.25) == found.pairs["p_corrected_t"].iloc[0]
    assert found.pairs["p_wilcoxon"].iloc[0] == stats.wilcoxon(gaps).pvalue
    assert (found.pairs["p_corrected_t_holm"] >= found.pairs["p_corrected_t"]).all()
    assert "cannot be below 0.0625" in found.note
    assert "p, corrected t holm" in found.to_frame()
