"""Reading dates: each value by itself, so that one row is read as it would be in a million."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

import numpy as np
import pandas as pd

from ml_utils.features.values import coded

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?")
_WHOLE_SECONDS = re.compile(r"(?!0000)\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?")
_DAY_MONTH = re.compile(r"(\d{1,2})[./ -](\d{1,2})[./ -](?:\d{4}|\d{2})\b")
_OFFSET = re.compile(r"\d{2}:\d{2}.*(?:Z|[+-]\d{2}:?\d{2})$")
_PLAUSIBLE = re.compile(r"\d{1,4}\D+\w{1,9}\D+\d|\d{8}|[^\W\d]{3,}\D*\d{1,2}\D+\d{4}")
_MICROSECONDS_A_DAY = 86_400_000_000.0
FEW = 16  # texts that are read one by one
LOOKED_AT = 20_000  # distinct values that say how a column's dates are written


@dataclass(frozen=True)
class Reading:
    """How a column's dates are read: which of day and month stands first, and whose clock they show."""

    day_first: bool = False
    zone: tzinfo | None = None


def learn_reading(column: pd.Series) -> Reading:
    """Tell from the training rows how dates are written.

    Dates like 13/02/2024 put the day first where some first number exceeds 12 and no second one does. The
    clock is that of the column's time zone, where it has one.
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return Reading(zone=column.dtype.tz)
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return Reading()
    distinct = column.dropna().unique()[:LOOKED_AT]
    matches = [_DAY_MONTH.match(str(value).strip()) for value in distinct]
    found = [(int(match[1]), int(match[2])) for match in matches if match]
    return Reading(day_first=any(a > 12 for a, _ in found) and not any(b > 12 for _, b in found))


def dates(column: pd.Series, reading: Reading) -> np.ndarray:
    """Read a column as datetime64[us], NaT where a value is missing or no date.

    Times with an offset are brought to the zone of `reading`, UTC where it has none; others are taken as they
    stand.

    Parameters
    ----------
    column : Series of n_rows
        Dates, or text.
    reading : Reading

    Returns
    -------
    ndarray of shape (n_rows,), datetime64[us]
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return _wall_clock(column, reading)
    if pd.api.types.is_numeric_dtype(column):
        return np.full(len(column), "NaT", dtype="datetime64[us]")
    told = coded(column)
    read = _parse(told.distinct, reading)
    return np.append(read, np.datetime64("NaT", "us"))[
        np.asarray(told.codes, dtype=np.intp)
    ]  # code -1, missing, is the last


def days(values: np.ndarray) -> np.ndarray:
    """Turn datetime64[us] into days since 1970, float64, NaN for NaT.

    >>> days(np.array(["1970-01-02T12:00", "NaT"], dtype="datetime64[us]"))
    array([1.5, nan])
    """
    counts = values.astype("int64") / _MICROSECONDS_A_DAY
    return np.where(np.isnat(values), np.nan, counts)


def one_day(value: object, reading: Reading) -> float:
    """Read one value as days since 1970, as `dates` and `days` would; NaN where it is no date.

    >>> one_day("1970-01-02T12:00", Reading())
    1.5
    """
    if isinstance(value, str) and _WHOLE_SECONDS.fullmatch(value):
        date = _iso(value)
        return float("nan") if np.isnat(date) else float(date.astype("int64")) / _MICROSECONDS_A_DAY
    if isinstance(value, datetime | np.datetime64):
        stamp = pd.Timestamp(value)
        if stamp.tzinfo is not None:
            stamp = stamp.tz_convert(reading.zone or "UTC").tz_localize(None)
        micro = stamp.to_datetime64().astype("datetime64[us]")
        return float("nan") if np.isnat(micro) else float(micro.astype("int64")) / _MICROSECONDS_A_DAY
    return float(days(dates(pd.Series([value], dtype=object), reading))[0])


def _iso(text: str) -> np.datetime64:
    try:
        return np.datetime64(text.replace(" ", "T"), "us")
    except ValueError:  # 2024-02-30
        return np.datetime64("NaT", "us")


def _wall_clock(column: pd.Series, reading: Reading) -> np.ndarray:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert(reading.zone or "UTC").dt.tz_localize(None)
    return column.to_numpy(dtype="datetime64[us]")


def _parse(values: Sequence[object], reading: Reading) -> np.ndarray:
    """Read distinct values, each kind of writing on its own: `dayfirst` would turn ISO dates round, too."""
    found = np.full(len(values), "NaT", dtype="datetime64[us]")
    if len(values) <= FEW and all(isinstance(one, str) and _WHOLE_SECONDS.fullmatch(one) for one in values):
        return np.array(
            [_iso(str(one)) for one in values], dtype="datetime64[us]"
        )  # pandas takes a millisecond
    kinds = np.array(_kinds(values, reading), dtype=object)
    for kind in set(kinds) - {"none"}:
        chosen = np.flatnonzero(kinds == kind)
        read = pd.to_datetime(
            pd.Series([_text_or_time(values[int(i)]) for i in chosen], dtype=object),
            format="mixed",
            errors="coerce",
            utc=True,
            dayfirst=kind == "day first",
        )
        if kind == "offset" and reading.zone is not None:
            read = read.dt.tz_convert(reading.zone)
        found[chosen] = read.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    return found


def _kinds(values: Sequence[object], reading: Reading) -> list[str]:
    if len(values) > 1000 and all(isinstance(value, str) for value in values):
        iso = pd.Series(values, dtype="str").str.fullmatch(_ISO.pattern)
        if iso.all():
            return ["plain"] * len(values)
    return [_kind(value, reading) for value in values]


def _kind(value: object, reading: Reading) -> str:
    if isinstance(value, str):
        text = value.strip()
        if _ISO.fullmatch(text):
            return "plain"
        if not _PLAUSIBLE.search(text):
            return "none"  # "now", "5" and the like, which pandas would read as this very day
        if _OFFSET.search(text):
            return "offset"
        return "day first" if reading.day_first and _DAY_MONTH.match(text) else "plain"
    if hasattr(value, "year"):
        return "offset" if getattr(value, "tzinfo", None) is not None else "plain"
    return "plain" if isinstance(value, np.datetime64) else "none"


def _text_or_time(value: object) -> object:
    return value.strip() if isinstance(value, str) else value
