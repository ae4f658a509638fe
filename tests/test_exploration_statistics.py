"""Effect sizes, choice of tests and series: published numbers, other libraries, simulated rates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml_utils.errors import ParameterError
from ml_utils.exploration.associations import q_values
from ml_utils.exploration.comparing import categories, compare, numbers, several_groups, two_groups
from ml_utils.exploration.effects import (
    Effect,
    correlation,
    cramers_v,
    epsilon_squared,
    eta_squared_of_ranks,
    hedges_g,
    magnitude,
    on_scale,
    rank_biserial,
    shape_size,
)
from ml_utils.exploration.redundancy import cluster, standardised, variance_inflation
from ml_utils.exploration.series import joint_reading, read_series, stationarity
from ml_utils.exploration.variables import Variable

RNG = np.random.default_rng(0)

# R: mtcars$mpg by am; wilcox.test gives W = 42, effectsize::rank_biserial 0.66 with [0.36, 0.84]
MPG_AUTOMATIC = [21.4, 18.7, 18.1, 14.3, 24.4, 22.8, 19.2, 17.8, 16.4, 17.3, 15.2, 10.4, 10.4, 14.7]
MPG_AUTOMATIC += [21.5, 15.5, 15.2, 13.3, 19.2]
MPG_MANUAL = [21.0, 21.0, 22.8, 32.4, 30.4, 33.9, 27.3, 26.0, 30.4, 15.8, 19.7, 15.0, 21.4]
# scipy.stats.f_oneway's documentation: shell measurements of mussels from five places
MUSSELS = [
    [0.0571, 0.0813, 0.0831, 0.0976, 0.0817, 0.0859, 0.0735, 0.0659, 0.0923, 0.0836],
    [0.0873, 0.0662, 0.0672, 0.0819, 0.0749, 0.0649, 0.0835, 0.0725],
    [0.0974, 0.1352, 0.0817, 0.1016, 0.0968, 0.1064, 0.105],
    [0.1033, 0.0915, 0.0781, 0.0685, 0.0677, 0.0697, 0.0764, 0.0689],
    [0.0703, 0.1026, 0.0956, 0.0973, 0.1039, 0.1045],
]


def _category(codes: np.ndarray, n: int) -> Variable:
    return Variable("c", "category", codes.astype(np.int64), tuple(map(str, range(n))))


def test_welch_on_student_s_sleep_data() -> None:
    """R: t.test(extra ~ group, data = sleep): t = -1.8608, p-value = 0.07939."""
    first = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    second = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    found = two_groups(first, second, shape=True)
    assert found.test == "Welch's t"
    assert found.statistic == pytest.approx(1.8608, abs=5e-5)
    assert found.p_value == pytest.approx(0.07939, abs=5e-6)
    assert found.ks == pytest.approx(stats.ks_2samp(first, second).statistic)
    assert found.ks_p_value == pytest.approx(stats.ks_2samp(first, second).pvalue, abs=1e-9)


def test_mann_whitney_where_a_small_group_is_not_normal() -> None:
    """scipy.stats.mannwhitneyu's documentation: U = 17, p = 0.1111 for ages at diagnosis."""
    males, females = np.array([19.0, 22, 16, 29, 24]), np.array([20.0, 11, 17, 12])
    found = stats.mannwhitneyu(males, females)
    assert rank_biserial(float(found.statistic), 4, 5).value == pytest.approx(0.7)
    spiky = np.array([0.0, 0, 0, 0, 0, 0, 0, 50])
    chosen = two_groups(spiky, spiky[:5] + 1)
    assert chosen.test == "Mann–Whitney"
    assert chosen.p_value == pytest.approx(stats.mannwhitneyu(spiky[:5] + 1, spiky).pvalue)


def test_rank_biserial_as_in_r() -> None:
    u = float(stats.mannwhitneyu(MPG_MANUAL, MPG_AUTOMATIC).statistic)
    assert u == 13 * 19 - 42
    effect = rank_biserial(u, 19, 13)
    assert [round(x, 2) for x in (effect.value, effect.low, effect.high)] == [0.66, 0.36, 0.84]


def test_hedges_g_agrees_with_statsmodels() -> None:
    from statsmodels.stats.meta_analysis import effectsize_smd

    a, b = np.array(MPG_AUTOMATIC), np.array(MPG_MANUAL)
    g, variance = effectsize_smd(b.mean(), b.std(ddof=1), 13, a.mean(), a.std(ddof=1), 19)
    mine = hedges_g(a, b)
    assert mine.value == pytest.approx(float(g), rel=2e-4)  # statsmodels approximates the correction
    assert (mine.high - mine.low) / 2 == pytest.approx(1.96 * math.sqrt(float(variance)), rel=0.02)


def test_anova_on_mussels_and_welch_s() -> None:
    """scipy.stats.f_oneway's documentation: F = 7.121019471642447, p = 0.0002812242314534544."""
    from statsmodels.stats.oneway import anova_oneway, confint_effectsize_oneway

    found = several_groups([np.array(group) for group in MUSSELS])
    assert found.test == "ANOVA"
    assert found.statistic == pytest.approx(7.121019471642447, rel=1e-9)
    assert found.p_value == pytest.approx(0.0002812242314534544, rel=1e-9)
    interval = confint_effectsize_oneway(found.statistic, (4, 34)).eta2
    assert [found.effect.low, found.effect.high] == pytest.approx(list(interval), abs=1e-4)
    rng = np.random.default_rng(1)
    groups = [rng.normal(mean, spread, 80) for mean, spread in ((0, 1), (0.2, 3), (0.1, 1))]
    welch = several_groups(groups)
    assert welch.test == "Welch's ANOVA"
    expected = anova_oneway(groups, use_var="unequal", welch_correction=True)
    assert welch.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_kruskal_where_a_group_does_not_vary() -> None:
    """scipy.stats.kruskal's documentation: H = 7.0, p = 0.0301973834223185."""
    found = several_groups([np.array([1.0, 1, 1]), np.array([2.0, 2, 2]), np.array([2.0, 2])])
    assert found.test == "Kruskal–Wallis"
    assert (found.statistic, found.p_value) == pytest.approx((7.0, 0.0301973834223185), rel=1e-9)


def test_tables_of_counts() -> None:
    """scipy's documentation: chi2_contingency without correction, and fisher_exact."""
    large = [np.repeat([0, 1], [40, 60]), np.repeat([0, 1, 2, 0, 1, 2], [10, 10, 20, 20, 20, 20])]
    found = categories(large[0], large[1], RNG)
    assert found.test == "chi-square"
    assert (found.statistic, found.p_value) == pytest.approx((2.7777777777777777, 0.24935220877729622))
    small = categories(np.repeat([0, 1], [10, 6]), np.repeat([0, 1, 0, 1], [8, 2, 1, 5]), RNG)
    assert small.test == "Fisher's exact"
    assert (small.statistic, small.p_value) == pytest.approx((20.0, 0.034965034965034975))


def test_monte_carlo_p_value_is_near_the_exact_one() -> None:
    x, y = np.repeat([0, 1, 2], [4, 5, 3]), np.array([0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1])
    found = categories(x, y, np.random.default_rng(3))
    assert found.test == "chi-square, Monte Carlo"
    table = pd.crosstab(x, y).to_numpy()
    assert abs(found.p_value - stats.fisher_exact(table).pvalue) < 0.05
    assert categories(x, y, np.random.default_rng(3)).p_value == found.p_value


def test_correlation_choice() -> None:
    """scipy.stats.pearsonr's documentation: r = -0.828503883588428, p = 0.021280260007523286."""
    found = numbers(np.arange(1.0, 8), np.array([10, 9, 2.5, 6, 4, 3, 2]))
    assert found.test == "Pearson"
    assert (found.statistic, found.p_value) == pytest.approx((-0.828503883588428, 0.021280260007523286))
    x = np.random.default_rng(1).lognormal(0, 1.5, 200)
    ranked = numbers(x, np.log(x) + np.random.default_rng(2).normal(size=200))
    assert ranked.test == "Spearman"


def test_cramers_v_without_bias() -> None:
    """Bergsma (2013, eqs. 6 to 8), by hand for chi2 = 20 on 2 × 2 with 80 rows."""
    effect = cramers_v(20.0, (2, 2), 80)
    phi2, side = 0.25 - 1 / 79, 2 - 1 / 79
    assert effect.value == pytest.approx(math.sqrt(phi2 / (side - 1)))
    assert effect.low < effect.value < effect.high
    assert cramers_v(0.5, (3, 3), 100).value == 0.0


def test_shares_of_variance() -> None:
    groups = [np.array(group) for group in MUSSELS]
    every = np.concatenate(groups)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / 34
    total = ((every - every.mean()) ** 2).sum()
    f = float(stats.f_oneway(*groups).statistic)
    expected = (total - 34 * within - 4 * within) / total
    assert epsilon_squared(f, 5, 39).value == pytest.approx(expected)
    assert eta_squared_of_ranks(40.669, 3, 60).value == pytest.approx(38.669 / 57)


def test_scales_agree_with_one_another() -> None:
    """A shift of half a standard deviation has the same size however it is measured."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(0, 1, 60_000), rng.normal(0.5, 1, 20_000)
    u = float(stats.mannwhitneyu(b, a).statistic)
    assert on_scale(hedges_g(a, b), "d")[0] == pytest.approx(0.5, abs=0.03)
    assert on_scale(rank_biserial(u, len(a), len(b)), "d")[0] == pytest.approx(0.5, abs=0.03)
    assert shape_size(stats.ks_2samp(a, b).statistic, len(a), len(b)) == pytest.approx(0.5, abs=0.03)
    both, flag = np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])
    r = float(np.corrcoef(both, flag)[0, 1])
    assert on_scale(correlation(r, len(both), ranks=False), "d", 0.25)[0] == pytest.approx(0.5, abs=0.03)
    assert on_scale(hedges_g(a, b), "r", 0.25)[0] == pytest.approx(r, abs=0.005)
    rho = float(stats.spearmanr(both, flag).statistic)
    assert on_scale(rank_biserial(u, len(a), len(b)), "r", 0.25)[0] == pytest.approx(rho, abs=0.005)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=40), st.integers(2, 4))
def test_any_numbers_give_an_answer(values: list[float], n: int) -> None:
    codes = np.arange(len(values)) % n
    found = compare(Variable("x", "number", np.array(values)), _category(codes, n), RNG, shape=True)
    assert math.isnan(found.p_value) or 0 <= found.p_value <= 1
    size, low, high = on_scale(found.effect, "d", found.share)
    assert math.isnan(low) or low - 1e-9 <= size <= high + 1e-9


def test_q_values() -> None:
    """scipy.stats.false_discovery_control's documentation (Benjamini & Hochberg 1995, section 3.2)."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719]
    p += [0.6528, 0.7590, 1.000]
    q = q_values([*p, math.nan])
    assert q[:9] == pytest.approx(
        [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.06385714, 0.06385714, 0.0645, 0.0765], abs=1e-8
    )
    assert math.isnan(q[-1])
    assert (q_values(p, "by") >= q[:-1]).all()
    with pytest.raises(ParameterError, match="'bh' or 'by'"):
        q_values(p, "bonferroni")  # type: ignore[arg-type]


def test_magnitudes_in_words() -> None:
    assert [magnitude(x, "d") for x in (0.1, 0.2, 0.5, 0.8)] == ["negligible", "small", "medium", "large"]
    assert magnitude(math.nan, "r") == "not defined"
    assert on_scale(Effect("Hedges' g", -0.3, -0.5, 0.1), "d") == (0.3, 0.0, 0.5)


def test_variance_inflation_is_the_inverse_correlation_and_finds_the_set() -> None:
    rng = np.random.default_rng(2)
    a, b, c = rng.normal(size=(3, 400))
    columns = {"a": a, "b": b, "c": c, "sum": a + b + 0.05 * rng.normal(size=400)}
    table = variance_inflation(columns, rng).set_index("column")
    inverse = np.diag(np.linalg.inv(np.corrcoef(list(columns.values()))))
    assert table.loc[list(columns), "vif"].to_numpy() == pytest.approx(inverse, rel=1e-6)
    assert table.loc["sum", "partners"] == "a, b"
    assert table.loc["c", "partners"] == ""
    exact = variance_inflation({"a": a, "copy": 2 * a, "c": c}, rng).set_index("column")
    assert np.isinf(exact.loc["copy", "vif"])
    assert exact.loc["copy", "partners"] == "a"


def test_like_columns_are_grouped_and_stand_side_by_side() -> None:
    names = ["a", "x", "b", "y"]
    strength = pd.DataFrame(np.eye(4), index=names, columns=names)
    for one, other in (("a", "b"), ("x", "y")):
        strength.loc[one, other] = strength.loc[other, one] = 0.9
    groups, sequence = cluster(strength)
    assert groups == [["a", "b"], ["x", "y"]]
    assert abs(sequence.index("a") - sequence.index("b")) == 1
    assert standardised(np.full(3, np.nan)).tolist() == [0, 0, 0]


def test_sunspots_are_read_as_statsmodels_documentation_reads_them() -> None:
    """statsmodels' notebook on stationarity: ADF −2.837781 (p 0.053076), KPSS 0.669866 (p 0.016285)."""
    from statsmodels.datasets import sunspots

    found = stationarity(sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(float))
    assert (found.adf, found.adf_p_value) == pytest.approx((-2.837781, 0.053076), abs=1e-6)
    assert (found.kpss, found.kpss_p_value) == pytest.approx((0.669866, 0.016285), abs=1e-6)
    assert found.reading == "wanders: its past level does not bind it"
    assert joint_reading(0.2, 0.1).startswith("undecided")


def test_a_trend_and_a_season_are_found() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(140)
    week = np.array([0, 0, 0, 0, 1.5, 2, 1])[t % 7]
    found = read_series("y", 0.05 * t + week + rng.normal(0, 0.5, 140), "day")
    assert found.trend.reading == "rises"
    assert found.trend.low < 0.05 < found.trend.high
    assert found.season.reading == "a weekly season"
    assert found.season.strength > 0.6
    assert found.memory.reading.startswith("remembers")
    assert len(found.to_frame()) == 1


def test_a_dozen_months_are_told_to_be_too_short() -> None:
    rising = read_series("y", np.arange(12) + np.random.default_rng(1).normal(0, 0.3, 12), "month")
    assert (rising.trend.test, rising.trend.reading) == ("Mann–Kendall", "rises")
    tau = stats.kendalltau(np.arange(12), rising.points)
    assert rising.trend.p_value == tau.pvalue
    assert (
        rising.season.reading == rising.stationarity.reading == rising.memory.reading == "too short to tell"
    )
    assert read_series("y", np.arange(5.0), "month").trend.reading == "too short to tell"
    assert read_series("y", np.ones(40), "day").trend.reading == "does not change"


def test_a_series_with_gaps_or_of_an_unknown_grain_is_refused() -> None:
    with pytest.raises(ParameterError, match="1 periods have no value"):
        read_series("y", np.array([1, np.nan]), "day")
    with pytest.raises(ParameterError, match="Known: day, month"):
        read_series("y", np.ones(3), "hour")  # type: ignore[arg-type]


def _rates(n_series: int) -> tuple[float, float]:
    """Share of steady but autocorrelated daily series in which a trend and a season are claimed."""
    rng = np.random.default_rng(7)
    trend = season = 0
    for _ in range(n_series):
        x = np.zeros(400)
        for i in range(1, 400):
            x[i] = 0.3 * x[i - 1] + rng.normal()
        found = read_series("y", x[35:], "day")
        trend += found.trend.p_value < 0.05
        season += found.season.p_value < 0.05
    return trend / n_series, season / n_series


@pytest.mark.full
def test_autocorrelation_is_not_taken_for_a_trend_or_a_season() -> None:
    trend, season = _rates(400)
    assert trend < 0.10  # an ordinary regression claims a trend in 15 % of such series, Newey–West in 8 to 11
    assert season < 0.10


@pytest.mark.full
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_intervals_cover(shift: float) -> None:
    """95 % intervals of g and of the rank-biserial r hold the truth in 93 to 97 % of 2,000 samples."""
    rng = np.random.default_rng(11)
    truth_r = 2 * stats.norm.cdf(shift / math.sqrt(2)) - 1
    held = np.zeros(2)
    for _ in range(2000):
        a, b = rng.normal(0, 1, 60), rng.normal(shift, 1, 40)
        g = hedges_g(a, b)
        r = rank_biserial(float(stats.mannwhitneyu(b, a).statistic), 60, 40)
        held += [g.low <= shift <= g.high, r.low <= truth_r <= r.high]
    assert (np.abs(held / 2000 - 0.95) < 0.02).all()
