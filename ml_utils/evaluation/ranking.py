"""Intervals of figures about ranking: AUC, average precision, Kolmogorov–Smirnov distance, gain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.intervals import (
    LEVEL,
    NOT_DEFINED,
    Interval,
    difference_of_proportions,
    logit_interval,
    pooled_df,
    proportion_intervals,
    t_quantile,
)
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.scores import Array
from ml_utils.evaluation.smooth_rate import smooth_rate


def auc_interval(ranked: Ranked, level: float = LEVEL) -> Interval:
    """Interval of the AUC: DeLong's variance, on the log-odds, with Student's t.

    Where a class has few rows its part of the variance is itself uncertain: degrees of freedom as in Welch's
    test. Where every pair is ordered rightly (or wrongly) the variance says nothing, and Newcombe's score
    interval takes over.
    """
    m, n = ranked.n_positive, ranked.n_negative
    if min(m, n) < 2:
        return NOT_DEFINED
    if len(ranked.scores) == 1:
        return 0.5, 0.5
    up, down = ranked.positives, ranked.negatives
    beats = (n - np.cumsum(down) + down / 2) / n  # share of negatives below each positive
    beaten = (np.cumsum(up) - up / 2) / m  # share of positives above each negative
    auc = float(up @ beats / m)
    if auc in (0.0, 1.0):
        return _newcombe(auc, m, n, level)
    parts = np.array(
        [up @ (beats - auc) ** 2 / (m - 1) / m, down @ (beaten - auc) ** 2 / (n - 1) / n], dtype=float
    )
    df = pooled_df(parts, np.array([m - 1, n - 1]))
    return logit_interval(auc, float(np.sqrt(parts.sum())), df, level)


def _newcombe(auc: float, m: int, n: int, level: float) -> Interval:
    """Solve |auc − θ| = z · se(θ) for θ: method 5 of Newcombe (2006), Statistics in Medicine 25:559."""
    from scipy.optimize import brentq

    z, pooled = t_quantile(level=level), (m + n) / 2

    def excess(theta: float) -> float:
        inner = (pooled - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(auc - theta) - z * float(np.sqrt(theta * (1 - theta) * (1 + inner) / (m * n)))

    edge = 1e-12
    if auc == 1.0:
        return float(brentq(excess, edge, 1 - edge)), 1.0
    return 0.0, float(brentq(excess, edge, 1 - edge))


def average_precision_interval(ranked: Ranked, level: float = LEVEL) -> Interval:
    """Interval of the average precision: jackknife for bias and variance, on the log-odds.

    The plain figure is too high in small samples (each positive counts in its own precision). What the curve
    becomes without each row follows from running sums, so that all n jackknife values cost one pass.
    """
    m, n = ranked.n_positive, ranked.n_negative
    if m < 2 or n < 1:
        return NOT_DEFINED
    value, no_positive, no_negative = _left_out(ranked)
    up, down, rows = ranked.positives, ranked.negatives, m + n
    mean = float(up @ no_positive + down @ no_negative) / rows
    centre = value - (rows - 1) * (mean - value)
    scale = (rows - 1) / rows
    parts = np.array([up @ (no_positive - mean) ** 2, down @ (no_negative - mean) ** 2]) * scale
    if not 0 < centre < 1:
        centre = value
    df = pooled_df(parts, np.array([m - 1.0, max(n - 1.0, 1.0)]))
    return logit_interval(centre, float(np.sqrt(parts.sum())), df, level)


def _left_out(ranked: Ranked) -> tuple[float, Array, Array]:
    """Average precision, and what it becomes without one positive or one negative of each run."""
    up, down = ranked.positives, ranked.negatives
    tp, acted = np.cumsum(up), np.cumsum(up + down)
    m = float(tp[-1])
    fewer = np.maximum(acted - 1, 1)
    gained = np.cumsum(up * tp / acted)
    above = gained - up * tp / acted
    after = _from_here(up * tp / fewer)
    no_negative = (above + after) / m
    below = np.append(_from_here(up * (tp - 1) / fewer)[1:], 0.0)
    no_positive = (above + (up - 1) * (tp - 1) / fewer + below) / max(m - 1, 1)
    return float(gained[-1] / m), no_positive, no_negative


def _from_here(values: Array) -> Array:
    return np.cumsum(values[::-1])[::-1]


def ks_interval(ranked: Ranked, level: float = LEVEL) -> Interval:
    """Interval of the Kolmogorov–Smirnov distance, measured at a smoothed place of the maximum.

    The largest of many noisy gaps lies above the true one, and the search for its place makes the bootstrap
    fail (it holds 86 to 91 %). The gap is largest where the rate of positives crosses its mean; found on a
    smooth rate, that place hardly depends on single rows, and the gap there is a difference of two
    proportions. Where the distance itself is no more than chance (Kolmogorov–Smirnov test at 1 − level), the
    interval starts at 0.
    """
    m, n = ranked.n_positive, ranked.n_negative
    if min(m, n) < 2:
        return NOT_DEFINED
    if len(ranked.scores) == 1:
        return 0.0, 0.0
    rate = smooth_rate(ranked)
    rows = ranked.positives + ranked.negatives
    place = int(np.abs(np.cumsum(rows * rate) / m - np.cumsum(rows * (1 - rate)) / n).argmax())
    hits = float(np.cumsum(ranked.positives)[place]), float(np.cumsum(ranked.negatives)[place])
    low, high = difference_of_proportions(hits, (m, n), level)
    if hits[0] / m < hits[1] / n:
        low, high = -high, -low
    if _by_chance(float(np.abs(ranked.gap()).max()), m, n, level):
        low = 0.0
    return max(low, 0.0), min(high, 1.0)


def _by_chance(distance: float, m: int, n: int, level: float) -> bool:
    from scipy.special import kolmogorov

    return float(kolmogorov(distance * np.sqrt(m * n / (m + n)))) > 1 - level


def gain_at(ranked: Ranked, shares: npt.ArrayLike) -> Array:
    """Share of positives among the given shares of rows with the highest scores.

    Rows of one score stand in no order: where a share ends among them, its part of their positives counts.
    """
    rows = np.concatenate([[0.0], np.cumsum(ranked.positives + ranked.negatives)])
    found = np.concatenate([[0.0], np.cumsum(ranked.positives)])
    if found[-1] == 0:
        return np.full(np.shape(shares), np.nan)
    return np.interp(np.asarray(shares, dtype=float) * rows[-1], rows, found) / found[-1]


def gain_intervals(ranked: Ranked, shares: npt.ArrayLike, level: float = LEVEL) -> list[Interval]:
    """Intervals of the gain at each share: mid-P, with the number of positives it is worth.

    The cut is a quantile of the sample, which makes the gain surer than a plain share of the positives: a
    positive more above the cut pushes another row below it. With r the rate at the cut, the influence of a
    row is (1{above} (y − r) + r q) / π − gain · y / π.
    """
    q, gain = np.asarray(shares, dtype=float), gain_at(ranked, shares)
    m, total = ranked.n_positive, ranked.n_positive + ranked.n_negative
    if m < 2 or ranked.n_negative < 1:
        return [NOT_DEFINED] * len(q)
    spread, variance = gain * (1 - gain), _gain_variance(q, gain, _rate_at(ranked, q), m / total) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = np.where((spread > 1e-12) & (variance > 0), spread / variance, float(m))
    low, high = proportion_intervals(gain * worth, worth, level)
    ends = zip(np.where(q < 1, low, 1.0), np.where(q < 1, high, 1.0), strict=True)
    return [(float(first), float(last)) for first, last in ends]


def _gain_variance(q: Array, gain: Array, r: Array, rate: float) -> Array:
    """Variance of one row's influence: positives and negatives, above and below the cut."""
    above_up = gain * rate
    above_down, below_up = np.maximum(q - above_up, 0), rate - above_up
    below_down = np.maximum(1 - q - below_up, 0)
    total = above_up * (1 - r + r * q - gain) ** 2 + below_up * (r * q - gain) ** 2
    total += above_down * (r * q - r) ** 2 + below_down * (r * q) ** 2
    return np.asarray(total / rate**2)


def _rate_at(ranked: Ranked, shares: Array, width: float = 0.05) -> Array:
    """Rate of positives among the rows around each share of the list."""
    rows = np.concatenate([[0.0], np.cumsum(ranked.positives + ranked.negatives)])
    found = np.concatenate([[0.0], np.cumsum(ranked.positives)])
    total = rows[-1]
    low, high = np.clip(shares - width, 0, 1) * total, np.clip(shares + width, 0, 1) * total
    return (np.interp(high, rows, found) - np.interp(low, rows, found)) / (high - low)
