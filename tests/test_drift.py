from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml_utils.errors import DataError
from ml_utils.monitoring import drift
from ml_utils.monitoring.cells import cut_categorical, cut_numeric

COUNTS = st.lists(st.integers(0, 500), min_size=4, max_size=4).map(np.array)


def test_psi_is_the_textbook_sum():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.3, 0.4])
    by_hand = 0.1 * np.log(0.3 / 0.2) + 0 + (-0.1) * np.log(0.4 / 0.5)
    assert drift.psi(p * 1e7, q * 1e7) == pytest.approx(by_hand, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(COUNTS, COUNTS)
def test_psi_is_never_negative_and_is_symmetric(a, b):
    assert drift.psi(a, b) >= 0
    assert drift.psi(a, b) == pytest.approx(drift.psi(b, a))
    distance = drift.jensen_shannon(a, b)
    assert np.isnan(distance) if not a.sum() or not b.sum() else 0 <= distance <= 1 + 1e-12


def test_a_normal_mean_moved_by_a_seventh_of_its_deviation_has_an_index_of_002():
    rng = np.random.default_rng(1)
    before, now = rng.normal(size=400_000), rng.normal(1 / 7, 1, 400_000)
    cells = cut_numeric(before)
    assert drift.psi(cells.count(before), cells.count(now)) == pytest.approx(0.02, abs=0.002)


def test_noise_of_the_index_is_what_resampling_gives():
    rng = np.random.default_rng(2)
    n, m, shares = 2000, 700, np.full(10, 0.1)
    drawn = [drift.psi(rng.multinomial(n, shares), rng.multinomial(m, shares)) for _ in range(4000)]
    for quantile in (0.9, 0.99):
        expected = drift.psi_noise(quantile, 10, n, m)
        assert np.quantile(drawn, quantile) == pytest.approx(expected, rel=0.08)


def test_ks_agrees_with_scipy():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=900), rng.normal(0.15, 1, 700)
    expected = stats.ks_2samp(a, b, method="asymp")
    statistic, p_value = drift.ks_test(np.append(a, np.nan), b)
    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, rel=0.1)


def test_ks_without_rows_is_not_defined():
    statistic, p_value = drift.ks_test(np.array([np.nan]), np.array([1.0]))
    assert np.isnan(statistic)
    assert p_value == 1


def test_infinities_are_values():
    a = np.r_[np.arange(100.0), np.inf]
    assert drift.ks_test(a, a)[0] == 0
    assert cut_numeric(a).count(a).sum() == 101


def test_chi_square_agrees_with_scipy():
    a, b = np.array([120, 80, 40]), np.array([90, 95, 61])
    expected = stats.chi2_contingency(np.vstack([a, b]), correction=False)
    assert drift.chi_square(a, b) == pytest.approx((expected.statistic, expected.pvalue))


def test_a_level_seen_once_is_no_finding_and_one_that_takes_over_is():
    reference = np.array([500, 500, 0])
    assert drift.chi_square(reference, np.array([250, 249, 1]))[1] > 0.5
    assert drift.chi_square(reference, np.array([230, 230, 40]))[1] < 1e-6


def test_repeated_rows_count_less():
    a, b = np.array([300, 100]), np.array([280, 120])
    assert drift.chi_square(a, b, n_reference=100)[1] > drift.chi_square(a, b)[1]
    x, y = np.arange(400.0), np.arange(400.0) + 40
    assert drift.ks_test(x, y, 100)[1] > drift.ks_test(x, y)[1]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True)), min_size=1, max_size=60))
def test_every_number_falls_into_one_cell(values):
    column = pd.Series(values, dtype=float)
    cells = cut_numeric(column)
    counts = cells.count(column)
    assert counts.sum() == len(column)
    assert counts[-1] == column.isna().sum()
    assert len(cells.labels) == len(counts)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=40),
    st.lists(st.sampled_from(["a", "b", "new", None]), min_size=1, max_size=40),
)
def test_every_level_falls_into_one_cell(reference, current):
    cells = cut_categorical(pd.Series(reference, dtype="str"), most=2)
    counts = cells.count(pd.Series(current, dtype="str"))
    assert counts.sum() == len(current)
    assert counts[-1] == sum(value is None for value in current)
    assert counts[-2] >= current.count("new")
    assert len(cells.labels) == len(counts)


def test_zero_inflated_column_keeps_its_zeros_apart():
    values = np.r_[np.zeros(600), np.random.default_rng(0).gamma(2, 10, 400)]
    cells = cut_numeric(values)
    assert cells.count(values)[0] == 600
    assert cells.count(values + 1)[0] == 0


def test_counts_of_different_cells_are_refused():
    with pytest.raises(DataError, match="same cells"):
        drift.psi(np.array([1, 2]), np.array([1, 2, 3]))
    with pytest.raises(DataError, match="below 0"):
        drift.jensen_shannon(np.array([1, -2]), np.array([1, 2]))


def test_correction_agrees_with_a_published_example():
    # Benjamini & Hochberg (1995), 15 p-values of a myocardial infarction trial: four stay below 0.05
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p_values += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert (drift.adjust(np.array(p_values)) < 0.05).sum() == 4
    assert drift.adjust(np.empty(0)).size == 0
