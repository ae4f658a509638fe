"""How far probabilities are off: intervals of the calibration error, the parts of the Brier score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.intervals import LEVEL, NOT_DEFINED, Interval, mean_interval, t_quantile
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.scores import Array, calibration_bins
from ml_utils.evaluation.smooth_rate import smooth_rate

DRAWS, GRID = 1000, 40
FEWEST = 2  # rows of each class


@dataclass(frozen=True)
class Binned:
    """Bins of about equal numbers of rows, as `scores.calibration_bins` makes them.

    Parameters
    ----------
    bins : ndarray of int of shape (n_rows,)
        Each row's bin.
    rows, score, rate : ndarray of shape (n_bins,)
        Number of rows, their mean score, their rate of positives.
    """

    bins: npt.NDArray[np.intp]
    rows: Array
    score: Array
    rate: Array

    @classmethod
    def of(cls, y: Array, score: Array) -> Binned:
        """Bin rows; every bin holds some."""
        _, bins = np.unique(calibration_bins(score), return_inverse=True)
        rows = np.bincount(bins).astype(float)
        return cls(bins, rows, np.bincount(bins, weights=score) / rows, np.bincount(bins, weights=y) / rows)

    @property
    def weights(self) -> Array:
        """Share of the rows in each bin."""
        return self.rows / self.rows.sum()

    def mean(self, values: Array) -> Array:
        """Mean over each bin of one value a row."""
        return np.bincount(self.bins, weights=values) / self.rows


@dataclass(frozen=True)
class BrierParts:
    """The Brier score taken apart; reliability − resolution + uncertainty + within_bins gives it exactly.

    Murphy (1973) without the last part holds only for scores that are constant in a bin; the last part is the
    variance of the scores inside the bins less twice their covariance with the outcome (Stephenson, Coelho &
    Jolliffe 2008, "Two extra components in the Brier score decomposition", eq. 8).
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float

    @classmethod
    def of(cls, y: Array, score: Array, binned: Binned | None = None) -> BrierParts:
        """Take the Brier score of rows apart.

        Examples
        --------
        >>> y, score = np.array([0.0, 1, 0, 1]), np.array([0.1, 0.3, 0.3, 0.8])
        >>> parts = BrierParts.of(y, score)
        >>> round(parts.total - float(np.mean((score - y) ** 2)), 12)
        0.0
        """
        found = binned or Binned.of(y, score)
        weights, overall = found.weights, float(y.mean())
        inside = score - found.score[found.bins]
        return cls(
            float(weights @ (found.score - found.rate) ** 2),
            float(weights @ (found.rate - overall) ** 2),
            overall * (1 - overall),
            float(np.mean(inside**2 - 2 * inside * (y - found.rate[found.bins]))),
        )

    @property
    def total(self) -> float:
        """The Brier score."""
        return self.reliability - self.resolution + self.uncertainty + self.within_bins


def calibration_intervals(
    y: Array, score: Array, rng: np.random.Generator, level: float = LEVEL
) -> dict[str, Interval]:
    """Intervals of the expected calibration error and of the parts of the Brier score.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    rng : Generator
    level : float

    Returns
    -------
    dict
        ece, reliability, resolution, uncertainty, within_bins; NaN with fewer than two rows of a class.

    Notes
    -----
    What is estimated is the same figure over bins at the deciles of the population's scores.

    Error and reliability add up distances from zero, which noise can only enlarge; for a well-calibrated
    model the truth is 0, and the percentile bootstrap misses it always. Their intervals invert a test: the
    true gaps are taken to be c times a smooth estimate of them, sampling noise is drawn on top, and those c
    are kept under which the observed figure is no surprise. Towards c = 0 the lower tail hands its part to
    the upper one (4 of the 5 %), as nothing lies below 0 (the idea of Feldman & Cousins 1998).
    """
    names = ("ece", "reliability", "resolution", "uncertainty", "within_bins")
    if min(y.sum(), len(y) - y.sum()) < FEWEST:
        return dict.fromkeys(names, NOT_DEFINED)
    binned = Binned.of(y, score)
    rate = smooth_rates(y, score)
    noise = _noise(score, rate, binned, rng)
    gaps, smooth = binned.score - binned.rate, binned.score - binned.mean(rate)
    weights = binned.weights
    return {
        "ece": _invert(gaps, np.abs, 1.0, smooth, noise, weights, level),
        "reliability": _invert(gaps, np.square, 2.0, smooth, noise, weights, level),
        "resolution": _resolution(y, binned, level),
        "uncertainty": _uncertainty(y, level),
        "within_bins": _within(y, score, rate, binned, level),
    }


def smooth_rates(y: Array, score: Array) -> Array:
    """Return `smooth_rate` at each row, in the order of the rows."""
    order = np.argsort(-score, kind="stable")
    ranked = Ranked.of_sorted(y[order], score[order])
    rates = np.empty(len(score))
    rates[order] = np.repeat(smooth_rate(ranked), np.rint(ranked.positives + ranked.negatives).astype(int))
    return rates


def _noise(score: Array, rate: Array, binned: Binned, rng: np.random.Generator) -> Array:
    """Draw what chance does to each bin's gap, shape (DRAWS, n_bins).

    Counts are binomial, not normal: a bin with few positives is skewed. They are stretched to the variance
    that the gap has when the scores of the rows are drawn too.
    """
    mean = binned.mean(rate)
    off = score - rate
    spread = binned.mean(rate * (1 - rate)) + binned.mean(off**2) - binned.mean(off) ** 2
    whole = np.maximum(mean * (1 - mean), 1e-300)
    counts = rng.binomial(np.rint(binned.rows).astype(int), mean, size=(DRAWS, len(mean)))
    return np.asarray((mean - counts / binned.rows) * np.sqrt(spread / whole))


def _invert(
    gaps: Array,
    shape: np.ufunc,
    degree: float,
    smooth: Array,
    noise: Array,
    weights: Array,
    level: float,
) -> Interval:
    observed, at_one = float(shape(gaps) @ weights), float(shape(smooth) @ weights)
    at_zero = shape(noise) @ weights
    if at_one == 0:
        smooth = np.sqrt(np.mean(noise**2, axis=0))
        at_one = float(shape(smooth) @ weights)
    if at_one == 0:
        return observed, observed
    farthest = max(2.2 * max(observed, float(np.quantile(at_zero, (1 + level) / 2))), at_one)
    scale = np.linspace(0, 1, GRID) * (farthest / at_one) ** (1 / degree)
    truth = at_one * scale**degree
    below = np.array([np.mean(shape(c * smooth + noise) @ weights < observed) for c in scale])
    tail = (1 - level) / 2
    near = np.clip(truth / max(float(np.median(at_zero)), 1e-300), 0, 1)
    lower_tail = tail * (0.4 + 0.6 * near)  # 1 % of 2.5 % at 0
    low = _first_below(below - (lower_tail + level), truth) if below[0] > lower_tail[0] + level else 0.0
    return low, max(low, _first_below(below - lower_tail, truth))


def _first_below(curve: Array, at: Array) -> float:
    """Where a falling curve crosses 0, by straight lines between its points."""
    negative = np.flatnonzero(curve < 0)
    if not len(negative):
        return float(at[-1])
    j = int(negative[0])
    if j == 0:
        return float(at[0])
    return float(at[j - 1] + (at[j] - at[j - 1]) * curve[j - 1] / (curve[j - 1] - curve[j]))


def _resolution(y: Array, binned: Binned, level: float) -> Interval:
    """Interval from the influence of each row, its upward bias (one variance a bin) taken off."""
    share = binned.rate * (1 - binned.rate)
    bias = float(np.sum(binned.weights * (1 - binned.weights) * share / np.maximum(binned.rows - 1, 1)))
    centred = (binned.rate - y.mean())[binned.bins]
    low, high = mean_interval(centred**2 + 2 * centred * (y - binned.rate[binned.bins]), level)
    return max(low - bias, 0.0), max(high - bias, 0.0)


def _uncertainty(y: Array, level: float) -> Interval:
    from ml_utils.evaluation.intervals import proportion_interval

    low, high = proportion_interval(float(y.sum()), len(y), level)
    ends = low * (1 - low), high * (1 - high)
    return min(ends), 0.25 if low <= 0.5 <= high else max(ends)


def _within(y: Array, score: Array, rate: Array, binned: Binned, level: float) -> Interval:
    inside = score - binned.score[binned.bins]
    unbiased = (binned.rows / np.maximum(binned.rows - 1, 1))[binned.bins]
    value = float(np.mean(unbiased * (inside**2 - 2 * inside * (y - binned.rate[binned.bins]))))
    expected = inside**2 - 2 * inside * (rate - binned.mean(rate)[binned.bins])
    variance = float(np.var(expected) + np.mean(4 * inside**2 * rate * (1 - rate)))
    fewer = min(y.sum(), len(y) - y.sum())
    half = t_quantile(fewer - 1, level) * float(np.sqrt(variance / len(y)))
    return value - half, value + half
