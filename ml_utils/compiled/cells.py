"""Raw values as the features read them: one JSON value, or a column of them.

A number is a float, NaN where it is missing or infinite; a truth value is True, False or None; text is str or
None; a time is whole microseconds since 1970 in UTC, or None. What cannot be read as its column asks is
refused with a message that names the column, as `registry.input_values` does for tables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, NamedTuple, NoReturn
from zoneinfo import ZoneInfo

import numpy as np

from ml_utils.errors import DataError
from ml_utils.registry.input_columns import Kind
from ml_utils.words import word

_NAMES = {
    "number": "numbers",
    "integer": "whole numbers",
    "boolean": "true or false",
    "text": "text",
    "time": "dates",
}
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_FIRST, _LAST = ((moment - _EPOCH) // _MICROSECOND for moment in (datetime.min, datetime.max))
# ISO 8601 as applications write it; the forms that only Python or only pandas reads are refused
_ISO = re.compile(
    r"(?!0000)\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
NOT_A_TIME = np.iinfo(np.int64).min


class Coded(NamedTuple):
    """A column as places in a list of its distinct values, −1 where one is missing."""

    codes: np.ndarray
    values: Sequence[Any]


def refuse(name: str, kind: str, value: object, rows: int = 1) -> NoReturn:
    """Raise the error for a value of another kind than the column's."""
    counted = "1 row" if rows == 1 else f"{rows:,} rows"
    raise DataError(f"Column {name!r} takes {_NAMES[kind]}; got {str(value)!r:.60} ({counted}).")


def is_missing(value: object) -> bool:
    """Tell whether a value is not there: None, NaN or not a time."""
    return value is None or value != value


def number(value: Any, name: str, kind: str = "number") -> float:
    """Read one number.

    >>> number(3, "age"), number("1.5", "age"), number(None, "age"), number(float("inf"), "age")
    (3.0, 1.5, nan, nan)
    """
    if isinstance(value, str):
        value = _from_text(value, name, kind)
    elif is_missing(value):
        return math.nan
    try:
        found = float(value)
    except OverflowError:
        return math.nan
    except (TypeError, ValueError):
        refuse(name, kind, value)
    return found if math.isfinite(found) else math.nan


def _from_text(text: str, name: str, kind: str) -> float:
    if not text.strip():
        return math.nan
    try:
        if "_" in text:  # Python's way to group digits is nobody else's
            raise ValueError
        return float(text)
    except ValueError:
        refuse(name, kind, text)


def truth(value: Any, name: str) -> bool | None:
    """Read one truth value."""
    if value is True or value is False:
        return bool(value)
    if is_missing(value):
        return None
    found = _TRUTHS.get(word(value).lower())
    return refuse(name, "boolean", value) if found is None else found


def text(value: Any, name: str) -> str | None:
    """Read one text; a number is written as the training table's were."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict | tuple | set):
        refuse(name, "text", value)
    return None if is_missing(value) else word(value)


def instant(value: Any, name: str) -> int | None:
    """Read one time: microseconds since 1970, UTC; a time without a zone is taken for UTC.

    >>> instant("1970-01-02", "day"), instant("1970-01-01T01:00:00+01:00", "day"), instant(None, "day")
    (86400000000, 0, None)
    """
    if isinstance(value, str):
        if not _ISO.fullmatch(value):
            refuse(name, "time", value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            refuse(name, "time", value)
    elif isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)
    elif isinstance(value, np.datetime64):
        return None if np.isnat(value) else int(value.astype("datetime64[us]").astype("int64"))
    elif is_missing(value):
        return None
    else:
        refuse(name, "time", value)
    offset = moment.utcoffset()
    micro = (moment.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
    if offset is None:
        return micro
    micro -= offset // _MICROSECOND
    return micro if _FIRST <= micro <= _LAST else refuse(name, "time", value)


def read(kind: Kind) -> Callable[[Any, str], Any]:
    """Return what reads one value of a kind of column."""
    if kind in ("number", "integer"):
        return lambda value, name: number(value, name, kind)
    return {"boolean": truth, "text": text, "time": instant}[kind]


def numbers(values: Any, name: str, kind: Kind) -> np.ndarray:
    """Read a column as float64, NaN where a value is missing or infinite."""
    if isinstance(values, Coded):
        each = _each(lambda value: _as_float(value, name, kind), values, name, kind)
        return np.array([*each, math.nan])[values.codes]
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        found = array.astype(np.float64, copy=False)
        good = np.isfinite(found)
        return found if good.all() else np.where(good, found, math.nan)
    return np.fromiter((_as_float(value, name, kind) for value in array.tolist()), float, len(array))


def _as_float(value: Any, name: str, kind: Kind) -> float:
    if kind == "boolean":
        found = truth(value, name)
        return math.nan if found is None else float(found)
    return number(value, name, kind)


def _each(one: Callable[[Any], Any], told: Coded, name: str, kind: Kind) -> list[Any]:
    """Read distinct values; where some are refused, say how many rows have them."""
    try:
        return [one(value) for value in told.values]
    except DataError:
        wrong = [place for place, value in enumerate(told.values) if _is_refused(one, value)]
        refuse(name, kind, told.values[wrong[0]], int(np.isin(told.codes, wrong).sum()))


def _is_refused(one: Callable[[Any], Any], value: Any) -> bool:
    try:
        one(value)
    except DataError:
        return True
    return False


def coded(values: Any, name: str, kind: Kind) -> Coded:
    """Tell the values of a column apart."""
    if isinstance(values, Coded):
        return _normal(values.codes, values.values, name, kind)
    array = np.asarray(values)
    if array.dtype.kind in "fiubU":
        distinct, codes = np.unique(array, return_inverse=True)
        return _normal(codes, distinct.tolist(), name, kind)
    places = _Places()
    try:
        codes = np.fromiter(map(places.__getitem__, array.tolist()), np.intp, len(array))
    except TypeError:  # a list or the like
        bad = next(value for value in array.tolist() if isinstance(value, list | dict | set))
        refuse(name, kind, bad)
    return _normal(codes, list(places), name, kind)


class _Places(dict[Any, int]):
    def __missing__(self, key: Any) -> int:
        place = self[key] = len(self)
        return place


def _normal(codes: np.ndarray, distinct: Iterable[Any], name: str, kind: Kind) -> Coded:
    """Read each distinct value; those that are missing get code −1."""
    one = read(kind)
    told = Coded(codes, list(distinct))
    read_values = _each(lambda value: one(value, name), told, name, kind)
    gone = [value is None or value != value for value in read_values]
    if any(gone):
        moved = np.array([*(-1 if absent else i for i, absent in enumerate(gone)), -1])
        codes = moved[codes]
    return Coded(codes, read_values)


def instants(values: Any, name: str) -> np.ndarray:
    """Read a column as datetime64[us], UTC, NaT where a value is missing."""
    if isinstance(values, Coded):
        each = _each(lambda value: _micro(value, name), values, name, "time")
        return np.array([*each, NOT_A_TIME], dtype=np.int64)[values.codes].view("datetime64[us]")
    array = np.asarray(values)
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]", copy=False)
    if array.dtype.kind in "fiub" and not (array.dtype.kind == "f" and np.isnan(array).all()):
        refuse(name, "time", array[0])
    found = np.fromiter((_micro(value, name) for value in array.tolist()), np.int64, len(array))
    return found.view("datetime64[us]")


def _micro(value: Any, name: str) -> int:
    found = instant(value, name)
    return NOT_A_TIME if found is None else found


def zone_of(written: str | int | None) -> ZoneInfo | timezone | None:
    """Read a time zone as the compiled form writes it: a name, or seconds east of UTC.

    >>> zone_of("UTC"), zone_of(3600)
    (zoneinfo.ZoneInfo(key='UTC'), datetime.timezone(datetime.timedelta(seconds=3600)))
    """
    if written is None:
        return None
    return ZoneInfo(written) if isinstance(written, str) else timezone(timedelta(seconds=written))


def wall_clock(micro: int, zone: ZoneInfo | timezone, name: str) -> int:
    """Return what a zone's clocks show at an instant, as microseconds since 1970.

    Raises
    ------
    DataError
        If that is before the year 1 or after 9999.
    """
    try:
        moment = (_EPOCH + timedelta(microseconds=micro)).replace(tzinfo=UTC).astimezone(zone)
    except OverflowError:
        refuse(name, "time", np.datetime64(micro, "us"))
    return (moment.replace(tzinfo=None) - _EPOCH) // _MICROSECOND


def moment_of(micro: int) -> datetime:
    """Return microseconds since 1970 as a date and time without a zone."""
    return _EPOCH + timedelta(microseconds=micro)
