"""Scaled features: the operations of `features.scaling`, in its order, on one row or many."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

_LARGEST = sys.float_info.max


class Affine:
    """(x − minus) / by × times + plus; what leaves the range of a float stays at its end.

    Parameters
    ----------
    spec : mapping
        minus, by, times, plus: lists of numbers, or None.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.parts = {key: spec.get(key) for key in ("minus", "by", "times", "plus")}
        self.width = len(next(part for part in self.parts.values() if part is not None))
        self.arrays = {
            key: None if part is None else np.array(part, dtype=float).reshape(-1, 1)
            for key, part in self.parts.items()
        }

    def one(self, values: list[float], start: int) -> None:
        """Scale the values from `start` on, in place."""
        part = values[start : start + self.width]
        minus, by, times, plus = self.parts.values()
        if minus is not None:
            part = [value - less for value, less in zip(part, minus, strict=True)]
        if by is not None:
            part = [value / scale for value, scale in zip(part, by, strict=True)]
        if times is not None:
            part = [value * scale for value, scale in zip(part, times, strict=True)]
        if plus is not None:
            part = [value + more for value, more in zip(part, plus, strict=True)]
        values[start : start + self.width] = [_kept(value) for value in part]

    def many(self, rows: np.ndarray) -> None:
        """Scale features that stand in rows, in place."""
        part = rows[: self.width]
        minus, by, times, plus = self.arrays.values()
        with np.errstate(over="ignore"):
            if minus is not None:
                part -= minus
            if by is not None:
                part /= by
            if times is not None:
                part *= times
            if plus is not None:
                part += plus
        if not np.isfinite(part).all():
            np.nan_to_num(part, copy=False)


def _kept(value: float) -> float:
    if -_LARGEST <= value <= _LARGEST:
        return value
    return 0.0 if math.isnan(value) else math.copysign(_LARGEST, value)
