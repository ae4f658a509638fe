"""Parts of dates by numpy's own calendar: the same for one date and a million, in microseconds for one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np

_DAY = np.timedelta64(1, "D")


def _month(dates: np.ndarray) -> np.ndarray:
    return dates.astype("M8[M]").astype("int64") % 12 + 1


def _day_of_week(dates: np.ndarray) -> np.ndarray:
    return (dates.astype("M8[D]").astype("int64") + 3) % 7


def _week(dates: np.ndarray) -> np.ndarray:
    """Return the week by ISO 8601: that of the year which the week's Thursday lies in."""
    thursday = dates.astype("M8[D]") + (3 - _day_of_week(dates)).astype("m8[D]")
    return (thursday - thursday.astype("M8[Y]")).astype("int64") // 7 + 1


def _ends(unit: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda dates: (dates.astype("M8[D]") + _DAY).astype(unit) != dates.astype("M8[D]").astype(unit)


def _quarter(dates: np.ndarray) -> np.ndarray:
    return (_month(dates) + 2) // 3


PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "year": lambda dates: dates.astype("M8[Y]").astype("int64") + 1970,
    "quarter": _quarter,
    "month": _month,
    "week": _week,
    "day": lambda dates: (dates.astype("M8[D]") - dates.astype("M8[M]")).astype("int64") + 1,
    "day_of_year": lambda dates: (dates.astype("M8[D]") - dates.astype("M8[Y]")).astype("int64") + 1,
    "day_of_week": _day_of_week,
    "hour": lambda dates: dates.astype("M8[h]").astype("int64") % 24,
    "minute": lambda dates: dates.astype("M8[m]").astype("int64") % 60,
    "is_weekend": lambda dates: _day_of_week(dates) >= 5,
    "is_month_start": lambda dates: dates.astype("M8[D]") == dates.astype("M8[M]"),
    "is_month_end": _ends("M8[M]"),
    "is_quarter_end": lambda dates: _ends("M8[M]")(dates) & (_month(dates) % 3 == 0),
    "is_year_end": _ends("M8[Y]"),
}
# the parts that a formula can ask for, of one date
ONE: dict[str, Callable[[datetime], int]] = {
    "year": lambda date: date.year,
    "quarter": lambda date: (date.month + 2) // 3,
    "month": lambda date: date.month,
    "day": lambda date: date.day,
    "day_of_week": lambda date: date.weekday(),
    "day_of_year": lambda date: date.timetuple().tm_yday,
    "hour": lambda date: date.hour,
    "minute": lambda date: date.minute,
}


def date_part(part: str, dates: np.ndarray) -> np.ndarray:
    """Return a part of each date.

    Parameters
    ----------
    part : str
        A key of `PARTS`; Monday is day_of_week 0, weeks are those of ISO 8601, what holds or not is 1 or 0.
    dates : ndarray of shape (n,), datetime64[us]

    Returns
    -------
    ndarray of shape (n,), float64
        NaN for NaT.

    Examples
    --------
    >>> date_part("week", np.array(["2024-12-30", "NaT"], dtype="datetime64[us]"))
    array([ 1., nan])
    """
    return np.where(np.isnat(dates), np.nan, PARTS[part](dates).astype(float))
