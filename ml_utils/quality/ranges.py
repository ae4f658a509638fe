"""Which values of a number column are plausible, learnt from a reference that may itself hold wrong ones.

The tail of the bulk is extrapolated twice, as exponential (on the values) and as Pareto (on the logarithms);
what stands apart from the bulk further than both allow is not counted in. The same goes for codes such as -1
or 999, and for values that were recorded in another unit (cents, milliseconds).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ml_utils.quality.values import decimals

MIN_ROWS = 50  # fewer values say nothing about a tail
APART = 12.0  # mean excesses between the bulk and what stands apart: 6e-6 under an exponential tail
CODE_APART = 3.0  # the same for codes and for values of the other sign
MARGIN = 10.0  # mean excesses that later values may lie beyond the seen ones: 5e-5 a table of equal size
LOG_MARGIN = 3.0  # the same on the logarithms, for heavy tails
FIRM = 15  # rows expected one step beyond the last value, were there no bound
CODES = {
    -1.0,
    *(s * float("9" * n) for n in range(1, 10) for s in (1, -1)),
    *(float("8" * n) for n in (3, 4)),
}
UNITS = (1000.0, 100.0, 60.0, 10.0)  # milliseconds, cents, minutes, a lost point


@dataclass(frozen=True)
class Bounds:
    """The plausible range of a column: from `low` to `high`, as seen in the reference from `seen_low` on."""

    low: float
    high: float
    seen_low: float
    seen_high: float


@dataclass(frozen=True)
class _Tail:
    """The upper tail of a bulk: mean excess of the values, and of their logarithms (infinite: none)."""

    start: float
    excess: float
    log_excess: float

    def apart(self, inner: float, outer: float) -> float:
        """Return the gap between two neighbours in mean excesses, on the scale that makes it smaller."""
        gap = (outer - inner) / self.excess
        if inner > 0 and math.isfinite(self.log_excess):
            gap = min(gap, math.log(outer / inner) / self.log_excess)
        return gap


def find_bounds(values: np.ndarray, whole: bool = False, rows_each: float = 1.0) -> Bounds | None:
    """Learn the plausible range of a column.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers; those that are not finite are left out.
    whole : bool
        Whether the column holds whole numbers.
    rows_each : float
        Rows of one entity: one old customer in twelve rows is no bound of an age.

    Returns
    -------
    Bounds or None
        None where nothing is finite. The bounds are the last plausible values plus a margin: ten mean
        excesses of the tail, at least a tenth of the width and half of the tail's length; no margin at a
        value that is so frequent that it is a bound by itself; never across zero; never further than four
        fifths of the way to what stands apart.

    Examples
    --------
    >>> ages = np.r_[np.random.default_rng(0).integers(18, 90, 5000), [999] * 5, [-1] * 5].astype(float)
    >>> find_bounds(ages, whole=True)
    Bounds(low=18, high=89, seen_low=18.0, seen_high=89.0)
    """
    x = np.sort(values[np.isfinite(values)])
    if len(x) == 0:
        return None
    if len(x) < MIN_ROWS:
        width = max(x[-1] - x[0], abs(x[-1]), 1.0)
        low = max(x[0] - width, 0.0) if x[0] >= 0 else x[0] - width
        return Bounds(float(low), float(x[-1] + width), float(x[0]), float(x[-1]))
    top, first_above = _last_plausible(x)
    bottom, first_below = _last_plausible(-x[::-1])
    low, high = float(-bottom), float(top)
    kept = x[(x >= low) & (x <= high)]
    above = _bound(kept, first_above, whole, FIRM * rows_each)
    below = -_bound(-kept[::-1], first_below, whole, FIRM * rows_each)
    if low >= 0:
        below = max(below, 0.0)
    if high <= 0:
        above = min(above, 0.0)
    if whole:
        return Bounds(math.floor(_tidy(below, kept, -1)), math.ceil(_tidy(above, kept, 1)), low, high)
    return Bounds(_tidy(below, kept, -1), _tidy(above, kept, 1), low, high)


def unit_factor(values: np.ndarray, bounds: Bounds) -> float | None:
    """Return the factor (10, 60, 100, 1000) that brings most of `values`, all above a range, back into it.

    >>> unit_factor(np.array([4500.0, 6100.0, 8000.0]), Bounds(0, 130, 10, 120))
    100.0
    """
    fitting = [k for k in UNITS if len(values) >= 3]
    shares = {
        k: float(((values / k >= bounds.seen_low) & (values / k <= bounds.seen_high)).mean()) for k in fitting
    }
    best = max(shares, key=lambda k: shares[k], default=None)
    return best if best is not None and shares[best] > 0.9 else None


def _last_plausible(x: np.ndarray) -> tuple[float, float | None]:
    """Return the last value of the bulk upwards, and the first that stands apart from it (or None)."""
    tail = _tail(x)
    distinct = np.unique(x[x >= tail.start])
    cut = _after_gap(distinct, tail)
    lattice = _after_other_unit(x, distinct, tail)
    places = [place for place in (cut, lattice) if place is not None]
    if not places:
        return float(x[-1]), None
    place = min(places)
    return float(distinct[place - 1]), float(distinct[place])


def _tail(x: np.ndarray) -> _Tail:
    ninety, start = np.quantile(x, [0.90, 0.99])
    excess = (start - ninety) / math.log(10)
    if excess <= 0:  # ninety in a hundred values are one and the same
        inner = x[(x >= np.quantile(x, 0.005)) & (x <= np.quantile(x, 0.995))]
        excess = float(inner.std()) or max(abs(float(start)), 1.0) / 4
        return _Tail(float(start), float(excess), math.inf)
    log_excess = math.log(start / ninety) / math.log(10) if ninety > 0 else math.inf
    return _Tail(float(start), float(excess), log_excess)


def _after_gap(distinct: np.ndarray, tail: _Tail) -> int | None:
    for i in range(1, len(distinct)):
        inner, outer = float(distinct[i - 1]), float(distinct[i])
        apart = tail.apart(inner, outer)
        other_sign = inner <= 0 < outer and abs(outer) >= 1 and outer == distinct[-1]
        code = (outer in CODES or -outer in CODES) and len(distinct) - i <= 2
        if apart > APART or (apart > CODE_APART and (other_sign or code)):
            return i
    return None


def _after_other_unit(x: np.ndarray, distinct: np.ndarray, tail: _Tail) -> int | None:
    """Find values that are all whole multiples of a unit, more of them than the tail explains."""
    if tail.start <= 0 or math.isinf(tail.log_excess):
        return None
    step = 10.0 ** -decimals(x[x < tail.start])
    for unit in UNITS:
        ratio = distinct / (unit * step)
        off = np.flatnonzero(np.abs(ratio - np.round(ratio)) > 1e-6 * np.maximum(ratio, 1))
        place = int(off[-1]) + 1 if len(off) else 0
        n_outside = len(distinct) - place
        if place == 0 or n_outside * math.log(unit) < 20 or distinct[-1] < 10 * distinct[place - 1]:
            continue
        rows = int((x >= distinct[place]).sum())
        expected = 0.01 * len(x) * (distinct[place] / tail.start) ** (-1 / tail.log_excess)
        back = distinct[place:] / unit
        if rows > 5 * expected and ((back >= x[0]) & (back <= distinct[place - 1])).mean() > 0.9:
            return place
    return None


def _bound(kept: np.ndarray, apart: float | None, whole: bool, firm: float) -> float:
    """Return how far up later values may go; `kept` is sorted."""
    last, counts = np.unique(kept[-min(len(kept), 100_000) :], return_counts=True)
    high, n_last = float(last[-1]), int(counts[-1])
    before = int(counts[-2]) if len(counts) > 1 else n_last
    if n_last * min(1.0, n_last / before) >= firm:
        return high
    tail = _tail(kept)
    width = float(kept[-1] - kept[0])
    margin = max(MARGIN * tail.excess, 0.1 * width, 0.5 * (high - tail.start))
    if high > 0 and math.isfinite(tail.log_excess):
        margin = max(margin, high * math.expm1(LOG_MARGIN * tail.log_excess))
    if whole:
        margin = max(margin, 1.0)
    return high + (margin if apart is None else min(margin, 0.8 * (apart - high)))


def _tidy(bound: float, kept: np.ndarray, outwards: int) -> float:
    """Round a bound outwards (1 upwards, -1 downwards) to a number that a person likes to read."""
    width = float(kept[-1] - kept[0])
    if width <= 0 or bound in (kept[0], kept[-1]) or bound == 0:
        return float(bound)
    step = 10.0 ** (math.floor(math.log10(width)) - 2)
    return float(f"{outwards * math.ceil(outwards * bound / step) * step:.12g}")
