"""How large a relation is: effect sizes with 95 % intervals, and one scale on which all can be ranked.

With many rows every difference is significant, so columns are ranked by the size of their effect. Effects of
different kinds are put on one scale: for a target of two classes the standardised difference d, which doesn't
shrink where one class is rare; else the correlation r.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.intervals import Z95

Array = npt.NDArray[np.float64]
Scale = Literal["d", "r"]

LARGEST_D = 5.0  # a standardised difference past this separates two classes all but perfectly
# Cohen (1988), "Statistical Power Analysis for the Behavioral Sciences": small, medium, large.
THRESHOLDS: dict[Scale, tuple[float, float, float]] = {"d": (0.2, 0.5, 0.8), "r": (0.1, 0.3, 0.5)}


@dataclass(frozen=True)
class Effect:
    """An effect size with its 95 % interval; NaN where there is none.

    Parameters
    ----------
    name : str
        Hedges' g, rank-biserial r, Cramér's V, epsilon², eta² of ranks, Pearson's r or Spearman's rho.
    value, low, high : float
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan


NO_EFFECT = Effect("none", math.nan)


def hedges_g(first: Array, second: Array) -> Effect:
    """Standardised difference of two means, second less first, corrected for small samples.

    Hedges (1981), with the exact correction; its large-sample variance from Hedges & Olkin (1985, p. 86).

    Examples
    --------
    >>> round(hedges_g(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])).value, 4)
    0.7979
    """
    n, m = len(first), len(second)
    freedom = n + m - 2
    pooled = ((n - 1) * first.var(ddof=1) + (m - 1) * second.var(ddof=1)) / freedom
    if pooled <= 0:
        return Effect("Hedges' g", math.nan)
    correction = math.exp(
        math.lgamma(freedom / 2) - math.log(math.sqrt(freedom / 2)) - math.lgamma((freedom - 1) / 2)
    )
    g = correction * float(second.mean() - first.mean()) / math.sqrt(pooled)
    error = math.sqrt(1 / n + 1 / m + g**2 / (2 * (n + m)))
    return Effect("Hedges' g", g, g - Z95 * error, g + Z95 * error)


def rank_biserial(u: float, n_first: int, n_second: int) -> Effect:
    """How much oftener the second group's value is the greater: 1 always, −1 never (2 AUC − 1).

    Parameters
    ----------
    u : float
        Mann and Whitney's U of the second group.
    n_first, n_second : int

    Notes
    -----
    Interval by Fisher's z with the error (n + m + 1) / (3 n m), as in R's `effectsize::rank_biserial`.
    """
    r = 2 * u / (n_first * n_second) - 1
    error = math.sqrt((n_first + n_second + 1) / (3 * n_first * n_second))
    return Effect("rank-biserial r", r, *_fisher_z(r, error))


def correlation(r: float, n: int, ranks: bool) -> Effect:
    """Pearson's r or Spearman's rho, with its interval by Fisher's z.

    Parameters
    ----------
    r : float
    n : int
        Rows.
    ranks : bool
        Spearman: the error of Bonett & Wright (2000, Psychometrika 65, eq. 3) is a little wider.
    """
    error = math.sqrt((1 + r**2 / 2 if ranks else 1) / (n - 3)) if n > 3 else math.inf
    return Effect("Spearman's rho" if ranks else "Pearson's r", r, *_fisher_z(r, error))


def cramers_v(chi2: float, shape: tuple[int, int], n: int) -> Effect:
    """Cramér's V without its upward bias (Bergsma 2013, J. Korean Statistical Society 42, eqs. 6 to 8).

    The interval inverts the noncentral chi-square distribution (Smithson 2003).

    Parameters
    ----------
    chi2 : float
        Pearson's chi-square without continuity correction.
    shape : tuple of int
        Rows and columns of the table.
    n : int
        Observations.
    """
    from scipy.special import chndtr, chndtrinc

    freedom = (shape[0] - 1) * (shape[1] - 1)
    smaller = min(k - (k - 1) ** 2 / (n - 1) for k in shape) - 1
    if smaller <= 0:
        return Effect("Cramér's V", math.nan)

    def v(noncentrality: float) -> float:
        return min(math.sqrt(max(noncentrality, 0.0) / n / smaller), 1.0)

    low = float(chndtrinc(chi2, freedom, 0.975)) if chndtr(chi2, freedom, 0.0) > 0.975 else 0.0
    high = float(chndtrinc(chi2, freedom, 0.025)) if chndtr(chi2, freedom, 0.0) > 0.025 else 0.0
    return Effect("Cramér's V", v(chi2 - freedom * n / (n - 1)), v(low), v(high))


def epsilon_squared(f: float, k: int, n: int) -> Effect:
    """Share of variance between groups, without its upward bias (Kelley 1935), from an analysis of variance.

    Parameters
    ----------
    f : float
        The classical F.
    k, n : int
        Groups and rows.

    Notes
    -----
    The interval inverts the noncentral F distribution, as `statsmodels` does for eta².
    """
    from scipy.special import ncfdtr, ncfdtrinc

    a, b = k - 1, n - k
    value = a * (f - 1) / (a * f + b)
    low = float(ncfdtrinc(a, b, 0.975, f)) if ncfdtr(a, b, 0.0, f) > 0.975 else 0.0
    high = float(ncfdtrinc(a, b, 0.025, f)) if ncfdtr(a, b, 0.0, f) > 0.025 else 0.0
    return Effect("epsilon²", max(value, 0.0), low / (low + n), high / (high + n))


def eta_squared_of_ranks(h: float, k: int, n: int) -> Effect:
    """Share of the ranks' variance between groups, from Kruskal and Wallis' H (Tomczak & Tomczak 2014).

    The interval inverts the noncentral chi-square distribution of H.
    """
    from scipy.special import chndtr, chndtrinc

    below = chndtr(h, k - 1, 0.0)
    low = float(chndtrinc(h, k - 1, 0.975)) if below > 0.975 else 0.0
    high = float(chndtrinc(h, k - 1, 0.025)) if below > 0.025 else 0.0
    value = (h - k + 1) / (n - k)
    return Effect("eta² of ranks", max(value, 0.0), min(low / (n - k), 1.0), min(high / (n - k), 1.0))


def on_scale(effect: Effect, scale: Scale, share: float = 0.5) -> tuple[float, float, float]:
    """Put an effect, without its sign, on the scale of d or r.

    Parameters
    ----------
    effect : Effect
    scale : {"d", "r"}
    share : float
        Share of rows in the smaller of the two classes, where there are two.

    Returns
    -------
    size, low, high : float
        An interval that crosses 0 starts at 0.

    Examples
    --------
    >>> [round(x, 3) for x in on_scale(Effect("rank-biserial r", 0.5, 0.4, 0.6), "d")]
    [0.954, 0.742, 1.19]
    """
    if not math.isfinite(effect.value):
        return math.nan, math.nan, math.nan
    ends = [abs(_convert(end, effect.name, scale, share)) for end in (effect.low, effect.high)]
    size = abs(_convert(effect.value, effect.name, scale, share))
    if not all(map(math.isfinite, ends)):
        return size, math.nan, math.nan
    crosses = effect.low < 0 < effect.high
    return size, 0.0 if crosses else min(ends), max(ends)


def shape_size(ks: float, n_first: int, n_second: int) -> float:
    """Turn Kolmogorov and Smirnov's D into a standardised difference, its mean under no difference taken off.

    Two normal distributions a distance d apart have D = 2 Φ(d / 2) − 1; the mean of D under no difference is
    0.8687 √(1/n + 1/m).
    """
    from scipy.special import ndtri

    beyond = ks - 0.8687 * math.sqrt(1 / n_first + 1 / n_second)
    return min(2 * float(ndtri((1 + max(beyond, 0.0)) / 2)), LARGEST_D)


def magnitude(size: float, scale: Scale) -> str:
    """Say a size in a word, after Cohen (1988).

    >>> magnitude(0.1, "d"), magnitude(0.1, "r")
    ('negligible', 'small')
    """
    if not math.isfinite(size):
        return "not defined"
    return ("negligible", "small", "medium", "large")[sum(size >= limit for limit in THRESHOLDS[scale])]


def _fisher_z(r: float, error: float) -> tuple[float, float]:
    if abs(r) >= 1 or not math.isfinite(error):
        return (r, r) if math.isfinite(error) else (-1.0, 1.0)
    return math.tanh(math.atanh(r) - Z95 * error), math.tanh(math.atanh(r) + Z95 * error)


def _convert(value: float, name: str, scale: Scale, share: float) -> float:
    """Convert one value: d from AUC is √2 Φ⁻¹(AUC) (Ruscio 2008), d from r after Borenstein (2009)."""
    from scipy.special import ndtri

    spread = share * (1 - share)
    if name == "rank-biserial r" and scale == "d":
        d = math.sqrt(2) * float(ndtri(np.clip((1 + value) / 2, 1e-9, 1 - 1e-9)))
        return float(np.clip(d, -LARGEST_D, LARGEST_D))
    if name == "rank-biserial r":  # the correlation of the ranks with belonging to the second group
        return value * math.sqrt(3 * spread)
    if name == "Hedges' g":
        held = float(np.clip(value, -LARGEST_D, LARGEST_D))
        return held if scale == "d" else value / math.sqrt(value**2 + 1 / spread)
    r = math.sqrt(value) if name in ("epsilon²", "eta² of ranks") else value
    if scale == "r":
        return r
    d = r / math.sqrt(max(1 - r**2, 1e-12) * spread)
    return float(np.clip(d, -LARGEST_D, LARGEST_D))
