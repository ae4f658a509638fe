"""Values of one raw column, brought to the type that the training table had; what cannot be is refused."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Hashable
from datetime import date
from typing import cast

import numpy as np
import pandas as pd

from ml_utils.data.schema import as_text
from ml_utils.errors import DataError
from ml_utils.registry.describing import texts
from ml_utils.registry.input_columns import InputColumn
from ml_utils.wording import times

_WHOLE = 2.0**53  # beyond it float64 no longer tells whole numbers apart
_NAMES = {
    "number": "numbers",
    "integer": "whole numbers",
    "boolean": "true or false",
    "text": "text",
    "time": "dates",
}


def typed(values: list[object], column: InputColumn) -> np.ndarray | pd.Series:
    """Give values that are all of the right type that type at once; leave others for `_coerce` to judge."""
    kinds = {type(value) for value in values}
    if kinds <= {float, int, type(None)} and column.kind in ("number", "integer"):
        with contextlib.suppress(OverflowError):
            return np.array([math.nan if value is None else value for value in values], dtype=float)
    if kinds == {str} and column.kind == "text":
        return pd.Series(values, dtype="str")
    return pd.Series(values, dtype="object")


def coerce(values: pd.Series, column: InputColumn) -> pd.Series:
    """Give values the type that the column had in training.

    Raises
    ------
    DataError
        If a value is of another kind; the message names the column and the value.
    """
    if values.dtype == "float64" and column.kind in ("number", "integer"):
        return pd.Series(_numbers(values.to_numpy(), column), index=values.index, copy=False)
    if values.dtype == "object":
        nested = values.map(lambda value: isinstance(value, tuple) or not isinstance(value, Hashable))
        _refuse(values[nested.astype(bool)], column)
    if column.kind == "text":
        return texts(values)
    if column.kind == "time":
        return _as_times(values, column)
    if column.kind == "boolean":
        return _as_booleans(values, column)
    return _as_numbers(values, column)


def _as_numbers(values: pd.Series, column: InputColumn) -> pd.Series:
    given = values
    if not pd.api.types.is_numeric_dtype(values):
        blank = values.map(lambda value: isinstance(value, str) and not value.strip()).astype(bool)
        given = values.mask(blank)
    try:
        numbers = pd.to_numeric(given, errors="coerce").astype("float64")
    except (OverflowError, TypeError):  # integers beyond float64, or pandas' own missing sign in an object
        numbers = given.map(_one_number).astype("float64")
    _refuse(given[numbers.isna() & given.notna()], column)
    return pd.Series(_numbers(numbers.to_numpy(), column), index=values.index)


def _numbers(values: np.ndarray, column: InputColumn) -> np.ndarray:
    """Infinities become missing; whole numbers become integers where training had integers."""
    finite = np.isfinite(values)
    if column.kind == "integer" and finite.all() and (np.abs(values) < _WHOLE).all():
        whole = values.astype("int64")
        return whole if (whole == values).all() else values
    return values if finite.all() else np.where(finite, values, math.nan)


def _one_number(value: object) -> float:
    try:
        return float(cast("float", value))
    except (TypeError, ValueError):
        return math.nan
    except OverflowError:
        return math.inf


def _as_times(values: pd.Series, column: InputColumn) -> pd.Series:
    zone = pd.Timestamp(column.maximum).tzinfo if isinstance(column.maximum, str) else None
    if zone is not None and isinstance(values.dtype, pd.DatetimeTZDtype):
        return values
    given = values
    if not pd.api.types.is_datetime64_any_dtype(values):  # a bare number is no date
        given = values.map(lambda value: value if isinstance(value, str | date) else None).astype("object")
    moments = pd.to_datetime(given, errors="coerce", utc=True, format="ISO8601")
    _refuse(values[moments.isna() & values.notna()], column)
    return moments.dt.tz_localize(None) if zone is None else moments.dt.tz_convert(zone)


def _as_booleans(values: pd.Series, column: InputColumn) -> pd.Series:
    if pd.api.types.is_bool_dtype(values) and not values.isna().any():
        return values.astype(bool)
    known = {"true": True, "false": False, "1": True, "0": False}
    text = as_text(values).str.lower()
    _refuse(values[values.notna() & ~text.isin(list(known))], column)
    mapped = text.map(known)
    return mapped.astype(bool) if not mapped.isna().any() else mapped.astype("object")


def _refuse(wrong: pd.Series, column: InputColumn) -> None:
    if wrong.empty:
        return
    raise DataError(
        f"Column {column.name!r} takes {_NAMES[column.kind]}; got {str(wrong.iloc[0])!r:.60} "
        f"({times(len(wrong), 'row')})."
    )
