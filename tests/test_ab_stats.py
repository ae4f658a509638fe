"""The statistics of experiments, against R, published tables and other libraries."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_utils.errors import DataError, ParameterError
from ml_utils.experiments.checks import adjust_p_values, check_share, heterogeneity, sample_ratio
from ml_utils.experiments.power import (
    effect_for_means,
    effect_for_proportions,
    power_for_means,
    power_for_proportions,
    size_for_means,
    size_for_proportions,
)
from ml_utils.experiments.sequential import always_valid
from ml_utils.experiments.stats import Covaried, Mean, Proportion, cuped, two_means, two_proportions

# p-values of Benjamini & Hochberg 1995, sec. 4; corrected ones from R 4.2.2 p.adjust
BH1995 = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459),
    *(0.324, 0.4262, 0.5719, 0.6528, 0.759, 1.0),
]
BH1995_HOLM = [0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213, 1, 1, 1, 1, 1, 1]
BH1995_BH = [
    *(0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.06385714, 0.06385714, 0.0645, 0.0765),
    *(0.486, 0.58118182, 0.714875, 0.75323077, 0.81321429, 1),
]

Y_CONTROL, X_CONTROL = [10, 12, 9, 11, 14, 8, 13, 10], [9, 11, 8, 10, 12, 8, 12, 9]
Y_TREATMENT, X_TREATMENT = [12, 14, 10, 13, 15, 10, 14, 13], [10, 12, 8, 11, 12, 9, 11, 11]


def from_sums(total: float, squares: float, n: int) -> Mean:
    return Mean(n, total / n, (squares - total**2 / n) / (n - 1))


def covaried() -> tuple[Covaried, Covaried]:
    return (
        Covaried.of(np.array(Y_CONTROL, float), np.array(X_CONTROL, float)),
        Covaried.of(np.array(Y_TREATMENT, float), np.array(X_TREATMENT, float)),
    )


# --- sizes and power -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "treatment", "power", "per_arm"),
    [(0.05, 0.06, 0.8, 8157.731448), (0.10, 0.12, 0.8, 3840.847482), (0.5, 0.75, 0.9, 76.70693)],
)
def test_size_for_proportions_is_r_power_prop_test(
    control: float, treatment: float, power: float, per_arm: float
) -> None:
    # R 4.2.2 power.prop.test
    assert size_for_proportions(control, treatment, power=power) / 2 == pytest.approx(per_arm, abs=0.001)


def test_power_for_proportions_is_r_power_prop_test() -> None:
    # R 4.2.2 power.prop.test; the second is its help page's example
    assert power_for_proportions(0.20, 0.25, n=2000) == pytest.approx(0.76384419, abs=1e-7)
    assert power_for_proportions(0.5, 0.75, n=100) == pytest.approx(0.740166, abs=1e-6)


def test_means_are_r_power_t_test() -> None:
    # R power.t.test; the first two are its help page's examples
    assert power_for_means(1, 1, n=40) == pytest.approx(0.868953, abs=1e-6)
    assert size_for_means(1, 1, power=0.9, sides=1) / 2 == pytest.approx(17.847126, abs=1e-4)
    assert size_for_means(0.1, 1) / 2 == pytest.approx(1570.736888, abs=1e-3)


@pytest.mark.parametrize("difference", [0.001, 0.3, 10.0])
def test_size_for_means_reaches_its_power_from_tiny_to_huge_effects(difference: float) -> None:
    n = size_for_means(difference, 1.0)
    assert power_for_means(difference, 1.0, n) >= 0.8 - 1e-9


@settings(max_examples=25, deadline=None)
@given(
    control=st.floats(0.02, 0.9), change=st.floats(0.01, 0.08), share=st.floats(0.1, 0.9), rise=st.booleans()
)
def test_size_power_and_detectable_effect_agree(
    control: float, change: float, share: float, rise: bool
) -> None:
    treatment = control + change if rise else control - min(change, control * 0.9)
    n = size_for_proportions(control, treatment, share=share)
    assert power_for_proportions(control, treatment, n, share=share) == pytest.approx(0.8, abs=1e-9)
    found = effect_for_proportions(control, n, share=share, rise=treatment > control)
    assert found == pytest.approx(abs(treatment - control), rel=1e-5)


def test_detectable_effects() -> None:
    assert effect_for_means(2.0, 2 * 1570.736888) == pytest.approx(0.2, abs=1e-6)
    assert math.isnan(effect_for_proportions(0.001, 20, rise=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: size_for_proportions(0.1, 0.1), "must differ"),
        (lambda: size_for_proportions(0.1, 1.2), "treatment lies strictly between 0 and 1; got 1.2"),
        (lambda: size_for_proportions(0.1, 0.2, alpha=0), "alpha lies strictly between 0 and 1; got 0"),
        (lambda: size_for_proportions(0.1, 0.2, sides=3), "sides is 1 or 2; got 3"),
        (lambda: size_for_means(0, 1), "must not be 0"),
        (lambda: size_for_means(1, -1), "sd, the outcome's standard deviation"),
        (lambda: power_for_means(1, 1, 100, share=1.0), "share lies strictly between 0 and 1"),
        (lambda: always_valid(0.1, 0.1, 10, planned=0), "planned, a number of rows"),
        (lambda: check_share("alpha", True), "got True"),
    ],
)
def test_bad_parameters_are_named(call: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()  # type: ignore[operator]


# --- two arms --------------------------------------------------------------------------------------------


def test_two_proportions_is_r_prop_test() -> None:
    # R 4.2.2 prop.test(c(200, 250), c(1000, 1000), correct = FALSE)
    effect = two_proportions(Proportion(250, 1000), Proportion(200, 1000), interval="wald")
    assert effect.p_value == pytest.approx(0.007419649261, abs=1e-12)
    assert (effect.low, effect.high) == pytest.approx((-0.08653638, -0.01346362), abs=1e-8)


def test_newcombe_interval() -> None:
    # Newcombe 1998, Statistics in Medicine 17:873-890, Table II (a), method 10: 56/70 - 48/80
    effect = two_proportions(Proportion(48, 80), Proportion(56, 70))
    assert (effect.low, effect.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_two_proportions_where_nothing_happened() -> None:
    effect = two_proportions(Proportion(0, 10), Proportion(0, 10))
    assert effect.p_value == 1.0
    assert effect.low < 0 < effect.high
    assert math.isnan(effect.lift)


def test_two_means_is_growthbook_two_sided_t() -> None:
    # growthbook packages/stats/tests/frequentist/test_tests.py: absolute difference
    effect = two_means(from_sums(1396.87, 52377.9767, 3407), from_sums(2422.7, 134698.29, 3461))
    assert effect.difference == pytest.approx(0.29, abs=1.1e-5)
    assert (effect.low, effect.high) == pytest.approx((0.04538, 0.53462), abs=1.1e-5)
    assert effect.p_value == pytest.approx(0.02016, abs=1.1e-5)
    assert effect.standard_error == pytest.approx(0.12478, abs=1.1e-5)


def test_cuped_with_the_pooled_slope() -> None:
    # Deng et al. 2013, eq. 2; gbstats 0.8.0 and tea-tasting 2.0.0
    result = cuped(*covaried())
    assert result.theta == pytest.approx(1.299455535, abs=1e-9)
    assert result.effect.difference == pytest.approx(0.93784029, abs=1e-8)
    assert (result.effect.low, result.effect.high) == pytest.approx((0.412320041, 1.46336054), abs=1e-8)
    assert result.effect.p_value == pytest.approx(0.001935953077, abs=1e-11)


def test_cuped_with_the_slope_within_the_arms() -> None:
    # slope of y ~ arm + x (analysis of covariance)
    result = cuped(*covaried(), theta="within")
    assert result.theta == pytest.approx(1.228136882, abs=1e-9)
    assert result.effect.difference == pytest.approx(0.982414449, abs=1e-8)


def test_cuped_with_a_covariate_that_says_nothing_changes_nothing() -> None:
    y, flat = np.array(Y_CONTROL, float), np.ones(8)
    z = np.array(Y_TREATMENT, float)
    result = cuped(Covaried.of(y, flat), Covaried.of(z, flat))
    assert result.effect.difference == pytest.approx(z.mean() - y.mean())
    assert result.variance_reduction == pytest.approx(0.0)


@settings(max_examples=25, deadline=None)
@given(a=st.integers(0, 60), b=st.integers(0, 60), alpha=st.floats(0.01, 0.3))
def test_swapping_the_arms_turns_the_effect_round(a: int, b: int, alpha: float) -> None:
    one = two_proportions(Proportion(a, 60), Proportion(b, 60), alpha)
    other = two_proportions(Proportion(b, 60), Proportion(a, 60), alpha)
    assert one.difference == pytest.approx(-other.difference)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.low - 1e-12 <= one.difference <= one.high + 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Proportion(3, 2), "got 3 of 2"),
        (lambda: Proportion(0, 0), "n ≥ 1"),
        (lambda: Mean.of([1.0]), "at least 2 rows"),
        (lambda: Mean.of([1.0, math.nan]), "finite mean"),
        (lambda: two_means(Mean.of([1.0, 1.0]), Mean.of([2.0, 2.0])), "needs some variation"),
    ],
)
def test_arms_that_cannot_be_compared(call: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()  # type: ignore[operator]


def test_unknown_choices_list_the_known() -> None:
    arm = Proportion(1, 2)
    with pytest.raises(ParameterError, match="Known: newcombe, wald"):
        two_proportions(arm, arm, interval="wlad")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="Known: pooled, within"):
        cuped(*covaried(), theta="both")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="Known: bh, holm"):
        adjust_p_values([0.1], method="bonferoni")  # type: ignore[arg-type]


# --- checks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("observed", "chi_square", "p_value"),
    [
        ([821588, 815482], 22.774369, 1.82179e-06),  # Kohavi, Tang & Xu 2020, ch. 21; R chisq.test
        ([50432, 49568], 7.46496, 0.0062911429),  # R chisq.test
    ],
)
def test_sample_ratio_is_r_chisq_test(observed: list[int], chi_square: float, p_value: float) -> None:
    check = sample_ratio(observed, [0.5, 0.5])
    assert check.chi_square == pytest.approx(chi_square, abs=1e-5)
    assert check.p_value == pytest.approx(p_value, rel=1e-5)


def test_sample_ratio_takes_any_scale_and_refuses_nonsense() -> None:
    assert sample_ratio([900, 100], [9, 1]).p_value == pytest.approx(1.0)
    with pytest.raises(ParameterError, match="positive shares"):
        sample_ratio([1, 2], [0.5, -0.5])
    with pytest.raises(ParameterError, match="2 arms"):
        sample_ratio([1, 2], [1.0])


def test_corrections_are_r_p_adjust() -> None:
    assert adjust_p_values(BH1995, "holm") == pytest.approx(BH1995_HOLM, abs=1e-7)
    assert adjust_p_values(BH1995, "bh") == pytest.approx(BH1995_BH, abs=1e-7)
    assert adjust_p_values([]).size == 0
    with pytest.raises(ParameterError, match="between 0 and 1"):
        adjust_p_values([1.5])


def test_heterogeneity_of_six_studies() -> None:
    # six-study layout of Borenstein et al. 2009
    q, p = heterogeneity([0.1, 0.3, 0.35, 0.65, 0.45, 0.15], [0.03, 0.03, 0.05, 0.01, 0.05, 0.02])
    assert q == pytest.approx(12.805628, abs=1e-6)
    assert p == pytest.approx(0.02526995, abs=1e-8)
    assert heterogeneity([0.1], [0.1]) == (0.0, 1.0)


# --- sequences -------------------------------------------------------------------------------------------


def test_always_valid_is_growthbook_sequential_test() -> None:
    # gbstats 0.8.0 SequentialTwoSidedTTest: 500 and 600 of 5,000, absolute, tuning 5,000
    error = math.sqrt(0.1 * 0.9 / 5000 + 0.12 * 0.88 / 5000)
    low, high, p = always_valid(0.02, error, 10_000, planned=5_000)
    assert (float(low), float(high)) == pytest.approx((0.0008516898, 0.0391483102), abs=1e-9)
    assert float(p) == pytest.approx(0.0334860017, abs=1e-9)


def test_always_valid_of_a_lift() -> None:
    # growthbook packages/stats/tests/frequentist/test_tests.py, TestSequentialTTest: relative, tuning 1,000
    effect = two_means(from_sums(1396.87, 52377.9767, 3000), from_sums(2422.7, 134698.29, 3461))
    low, high, p = always_valid(effect.lift, effect.lift_error, 3000 + 3461, planned=1_000)
    assert effect.lift == pytest.approx(0.50336, abs=1.1e-5)
    assert (float(low), float(high)) == pytest.approx((-0.55844, 1.56516), abs=1.1e-5)
    assert float(p) == 1.0


@settings(max_examples=25, deadline=None)
@given(d=st.floats(-1, 1), error=st.floats(0.01, 1), n=st.integers(10, 10_000), alpha=st.floats(0.01, 0.3))
def test_a_sequence_is_wider_than_one_look_and_agrees_with_its_p_value(
    d: float, error: float, n: int, alpha: float
) -> None:
    low, high, p = always_valid(d, error, n, planned=1_000, alpha=alpha)
    assert high - low > 2 * NormalDist().inv_cdf(1 - alpha / 2) * error
    if abs(float(p) - alpha) > 1e-9:
        assert (float(p) < alpha) == (float(low) > 0 or float(high) < 0)
