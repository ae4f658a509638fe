"""Parts of dates that stand as days since 1970."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ml_utils.features.creation.date_parts import ONE, date_part

DATE_PARTS = tuple(ONE)
_START = datetime(1970, 1, 1)
_MICROSECONDS_A_DAY = 86_400_000_000.0


def part_of_many(part: str, days: Any) -> Any:
    """Return a part of each date, NaN where there is none.

    Parameters
    ----------
    part : str
        One of `DATE_PARTS`; Monday is day_of_week 0.
    days : float or array
        Days since 1970.
    """
    values = np.asarray(days, dtype=float)
    known = np.abs(values) < 1e8  # farther off than a quarter of a million years there is no date
    micro = np.rint(np.where(known, values, 0.0) * _MICROSECONDS_A_DAY).astype("int64")
    return np.where(known, date_part(part, micro.astype("datetime64[us]")), np.nan)


def part_of_one(part: str, days: float) -> float:
    """Return a part of one date, as `part_of_many` does.

    >>> part_of_one("month", 31.0)
    2.0
    """
    if days != days:
        return math.nan
    try:
        date = _START + timedelta(microseconds=round(days * _MICROSECONDS_A_DAY))
    except OverflowError:  # before the year 1 or after 9999
        return float(part_of_many(part, days))
    return float(ONE[part](date))
