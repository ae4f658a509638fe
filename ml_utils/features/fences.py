"""What holds numbers within bounds, and what stands for a missing one: from one pass over a column."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ml_utils.errors import ParameterError

OUTLIERS = ("iqr", "winsor")
_CENTRE = (0.005, 0.995)  # fences never cut into what lies between
_WINSOR = (0.01, 0.99)
_USED = (*_CENTRE, *_WINSOR, 0.25, 0.5, 0.75)


def check_outliers(rule: float | str | None) -> None:
    """Raise a ParameterError where a rule for outliers is not known."""
    if rule is None or rule in OUTLIERS:
        return
    if isinstance(rule, (str, bool)) or not rule >= 0:
        raise ParameterError(
            f"outliers is {rule!r}. Give 0 or more interquartile ranges, 'iqr', 'winsor', or None."
        )


class Ordered:
    """A column's finite values, in order where quantiles are asked for.

    Parameters
    ----------
    values : ndarray of shape (n,), n ≥ 1
        Finite; rearranged in place.
    """

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        last = len(values) - 1
        places = {math.floor(share * last) + step for share in _USED for step in (0, 1)}
        values.partition(sorted(min(place, last) for place in places))

    def quantile(self, share: float) -> float:
        """Return the quantile, linear between the values beside it, as numpy's."""
        at = share * (len(self._values) - 1)
        low, weight = self._at(math.floor(at)), at - math.floor(at)
        high = self._at(math.floor(at) + 1)
        if low == high:
            return low
        # numpy's _lerp: from the nearer end
        return high - (high - low) * (1 - weight) if weight >= 0.5 else low + (high - low) * weight

    def inner(self, shares: Sequence[float]) -> tuple[float, float]:
        """Return the first value at or above one share, and the last at or below the other."""
        last = len(self._values) - 1
        return self._at(math.ceil(shares[0] * last)), self._at(math.floor(shares[1] * last))

    def median(self) -> float:
        """Return the middle value."""
        middle = self.quantile(0.5)
        return middle if math.isfinite(middle) else self._at((len(self._values) - 1) // 2)

    def _at(self, place: int) -> float:
        return float(self._values[min(place, len(self._values) - 1)])


def fences(values: Ordered, rule: float | str | None) -> tuple[float, float]:
    """Say what a column's values are held within.

    Parameters
    ----------
    values : Ordered
    rule : float, "iqr", "winsor" or None
        A number of interquartile ranges beyond the quartiles, without cutting into the central 99 % (Tukey
        1977 calls 3 "far out"); "iqr", Tukey's inner fences: 1.5 ranges, whatever lies beyond; "winsor", the
        values at 1 % and 99 %; None, nothing.

    Returns
    -------
    (lower, upper) : float
        Infinite where nothing is held back: also where the quartiles coincide, or one value would be left.
    """
    if rule is None:
        return -math.inf, math.inf
    if rule == "winsor":
        low, high = values.inner(_WINSOR)
        return (low, high) if high > low else (-math.inf, math.inf)
    first, third = values.quantile(0.25), values.quantile(0.75)
    if not third > first:
        return -math.inf, math.inf
    if rule == "iqr":
        width = 1.5 * (third - first)
        return first - width, third + width
    low, high = values.inner(_CENTRE)
    width = float(rule) * (third - first)
    return min(low, first - width), max(high, third + width)
