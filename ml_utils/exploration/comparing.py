"""Two columns compared with the test that fits them: which, why, and how large the effect is."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_utils.exploration.effects import (
    NO_EFFECT,
    Array,
    Effect,
    correlation,
    cramers_v,
    epsilon_squared,
    eta_squared_of_ranks,
    hedges_g,
    rank_biserial,
)
from ml_utils.exploration.variables import Variable, split_by

if TYPE_CHECKING:
    from numpy.random import Generator

DRAWS = 1999  # tables drawn for a Monte Carlo p-value
SMALL = 30  # rows of a group below which normality is tested and not inferred from the skew


@dataclass(frozen=True)
class Comparison:
    """What a test of two columns found.

    Parameters
    ----------
    test : str
    statistic, p_value : float
        NaN where no test could be made.
    effect : Effect
    rows : int
        Rows where both have a value.
    why : str
        Why this test, in words.
    share : float
        Share of rows in the smaller of two classes; 0.5 where there are not two.
    ks, ks_p_value : float
        Kolmogorov and Smirnov's test of the two distributions' shapes; NaN where it does not apply.
    sizes : tuple of int
        Rows of each group, where there are two.
    """

    test: str
    statistic: float
    p_value: float
    effect: Effect
    rows: int
    why: str
    share: float = 0.5
    ks: float = math.nan
    ks_p_value: float = math.nan
    sizes: tuple[int, ...] = ()


def compare(first: Variable, second: Variable, rng: Generator, shape: bool = False) -> Comparison:
    """Test whether two columns have to do with each other, and measure how much.

    Parameters
    ----------
    first, second : Variable
        Rows where either is missing are left out.
    rng : numpy.random.Generator
        For Monte Carlo p-values.
    shape : bool
        For a number in two groups, also compare the shapes of the distributions (Kolmogorov–Smirnov).

    Returns
    -------
    Comparison
    """
    both = ~(first.missing | second.missing)
    a, b = (first, second) if both.all() else (first.take(both), second.take(both))
    n = len(a.cells)
    if n < 5 or np.ptp(a.cells) == 0 or np.ptp(b.cells) == 0:
        return _nothing(n, "too few rows" if n < 5 else "only one value where both are known")
    if a.kind == "number" and b.kind == "number":
        return numbers(a.cells.astype(float), b.cells.astype(float))
    if a.kind == "category" and b.kind == "category":
        return categories(a.cells.astype(int), b.cells.astype(int), rng)
    number, category = (a, b) if a.kind == "number" else (b, a)
    parts = split_by(number.cells.astype(float), category.cells)
    return two_groups(parts[0], parts[1], shape) if len(parts) == 2 else several_groups(parts)


def numbers(x: Array, y: Array) -> Comparison:
    """Correlate two numbers: Pearson where neither is skewed, else Spearman."""
    from scipy import stats

    skewed = max(abs(_skew(x)), abs(_skew(y))) > 1
    # taken from their means, so that large numbers that differ little keep their digits
    found = stats.spearmanr(x, y) if skewed else stats.pearsonr(x - x.mean(), y - y.mean())
    why = "skewed, so ranks are compared" if skewed else "neither is skewed"
    r = float(found.statistic)
    name = "Spearman" if skewed else "Pearson"
    return Comparison(name, r, float(found.pvalue), correlation(r, len(x), skewed), len(x), why)


def two_groups(first: Array, second: Array, shape: bool = False) -> Comparison:
    """Compare a number in two groups: Welch's t where means behave normally, else Mann and Whitney's U."""
    from scipy import stats

    n, m = len(first), len(second)
    if min(n, m) < 2:
        return _nothing(n + m, f"a group with {min(n, m)} row")
    fair, why = means_are_normal([first, second])
    if fair:
        found = stats.ttest_ind(second, first, equal_var=False)
        test, effect = "Welch's t", hedges_g(first, second)
    else:
        found = stats.mannwhitneyu(second, first)
        test, effect = "Mann–Whitney", rank_biserial(float(found.statistic), n, m)
    ks, ks_p = math.nan, math.nan
    if shape:
        with warnings.catch_warnings():  # where the exact p-value cannot be had, it is approximated
            warnings.simplefilter("ignore", RuntimeWarning)
            ks, ks_p = stats.ks_2samp(first, second, method="exact" if n + m <= 200 else "asymp")
    share = min(n, m) / (n + m)
    statistic, p_value = float(found.statistic), float(found.pvalue)
    return Comparison(test, statistic, p_value, effect, n + m, why, share, float(ks), float(ks_p), (n, m))


def several_groups(parts: list[Array]) -> Comparison:
    """Compare a number in three groups or more: variance analysis (Welch's where spreads differ) or ranks."""
    from scipy import stats

    groups = [part for part in parts if len(part) >= 2]
    n, k = sum(map(len, groups)), len(groups)
    if k < 2 or np.ptp(np.concatenate(groups)) == 0:
        return _nothing(n, "groups of one row only")
    fair, why = means_are_normal(groups)
    if not fair:
        found = stats.kruskal(*groups)
        effect = eta_squared_of_ranks(float(found.statistic), k, n)
        return Comparison("Kruskal–Wallis", float(found.statistic), float(found.pvalue), effect, n, why)
    plain = stats.f_oneway(*groups)
    effect = epsilon_squared(float(plain.statistic), k, n)
    if stats.levene(*groups).pvalue >= 0.05:
        return Comparison(
            "ANOVA", float(plain.statistic), float(plain.pvalue), effect, n, f"{why}, equal spread"
        )
    welch = stats.f_oneway(*groups, equal_var=False)
    why = f"{why}, spreads differ"
    return Comparison("Welch's ANOVA", float(welch.statistic), float(welch.pvalue), effect, n, why)


def categories(x: np.ndarray, y: np.ndarray, rng: Generator) -> Comparison:
    """Compare two categories: chi-square, or an exact or simulated test where expected counts are small."""
    from scipy import stats

    table = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(table, (x, y), 1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n = int(table.sum())
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    chi2 = float(((table - expected) ** 2 / expected).sum())
    effect = cramers_v(chi2, (table.shape[0], table.shape[1]), n)
    share = float(table.sum(axis=0).min() / n) if table.shape[1] == 2 else 0.5
    # Cochran (1954): no expected count below 1, at most a fifth of them below 5.
    if expected.min() >= 1 and (expected < 5).mean() <= 0.2:
        freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
        p_value = float(stats.chi2.sf(chi2, freedom))
        return Comparison("chi-square", chi2, p_value, effect, n, "expected counts are large enough", share)
    if table.shape == (2, 2):
        odds, p_value = stats.fisher_exact(table)
        return Comparison(
            "Fisher's exact", float(odds), float(p_value), effect, n, "small expected counts", share
        )
    drawn = stats.random_table(table.sum(axis=1), table.sum(axis=0), seed=rng).rvs(DRAWS)
    as_large = (((drawn - expected) ** 2 / expected).sum(axis=(1, 2)) >= chi2 * (1 - 1e-12)).sum()
    why = f"small expected counts, so {DRAWS:,} tables with the same margins were drawn"
    return Comparison(
        "chi-square, Monte Carlo", chi2, float((1 + as_large) / (1 + DRAWS)), effect, n, why, share
    )


def means_are_normal(groups: list[Array]) -> tuple[bool, str]:
    """Tell whether the groups' means can be taken as normal, and why.

    A group of 30 rows or more needs 25 times its squared skew (Cochran 1977, "Sampling Techniques",
    p. 42); what is left of smaller ones, standardised, must pass Shapiro and Wilk's test.
    """
    from scipy import stats

    if any(np.ptp(group) == 0 for group in groups):
        return False, "a group does not vary"
    if any(len(group) >= SMALL and len(group) < 25 * _skew(group) ** 2 for group in groups):
        return False, "too skewed for its number of rows"
    small = [group for group in groups if len(group) < SMALL]
    if not small:
        return True, "enough rows for its skew"
    if min(map(len, small)) < 4:
        return False, "a group is too small to be judged"
    rest = np.concatenate([(group - group.mean()) / group.std() for group in small])
    if stats.shapiro(rest[:5000]).pvalue < 0.05:
        return False, "a small group that is not normal"
    return True, "small, but nothing speaks against normality"


def _skew(x: Array) -> float:
    centred = x - x.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return float((centred**3).mean()) / spread**3 if spread > 0 else 0.0


def _nothing(rows: int, why: str) -> Comparison:
    return Comparison("none", math.nan, math.nan, NO_EFFECT, rows, why)
