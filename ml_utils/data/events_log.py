"""Events put in order of key and time, those that cannot belong to a row counted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml_utils.data.events_windows import Floats, Ints
from ml_utils.data.schema import as_text
from ml_utils.errors import DataError, list_known
from ml_utils.problem import Events, Problem

logger = logging.getLogger(__name__)

DAY = 86_400_000_000  # microseconds
NEVER = np.iinfo(np.int64).min  # how NumPy writes a missing time
Counted = dict[str, int | pd.Timestamp]


@dataclass(frozen=True, eq=False)
class EventLog:
    """Events of the rows' keys, sorted by key and time.

    Attributes
    ----------
    start : ndarray of int, shape (n_keys + 1,)
        Where each key's events begin, and where the last one's end.
    key, time : ndarray of int, shape (n_events,)
        Number of the key; microseconds.
    numbers : dict of str to ndarray of float, shape (n_events,)
    codes : dict of str to ndarray of int, shape (n_events,)
        Categories numbered, -1 where missing.
    row_key : ndarray of int, shape (n_rows,)
        Each row's key, -1 where it has none.
    counted : dict
        Events in all, and those that could not be used, by cause.
    """

    start: Ints
    key: Ints
    time: Ints
    numbers: dict[str, Floats]
    codes: dict[str, Ints]
    row_key: Ints
    counted: Counted


def sort_events(
    table: pd.DataFrame, name: str, events: Events, frame: pd.DataFrame, problem: Problem
) -> EventLog:
    """Take from a table the events that can belong to a row, in order, and count the others.

    Parameters
    ----------
    table : DataFrame
        Events, one a row.
    name : str
        What the problem file calls them.
    events : Events
    frame : DataFrame
        The rows that they are joined to.
    problem : Problem

    Returns
    -------
    EventLog

    Raises
    ------
    DataError
        If the table lacks a column, or its times or numbers are something else.
    """
    key_column, row_column = _key_columns(table, name, events, frame, problem)
    for column in (events.time, *events.numeric, *events.categorical):
        _check_column(column, table, f"{problem.name}.yaml: events.{name}")
    time = microseconds(table[events.time], f"{problem.name}.yaml: events.{name}.time")
    key, row_key, n_keys = _match(table[key_column], frame[row_column])
    dated, known = time != NEVER, key >= 0
    kept = np.flatnonzero(dated & known)
    values = {c: _numbers(table[c], c, name, problem)[kept] for c in events.numeric}
    order = _order(key[kept], time[kept], values)
    kept, values = kept[order], {c: v[order] for c, v in values.items()}
    codes = {c: pd.factorize(table[c])[0].astype(np.int64)[kept] for c in events.categorical}
    counted = _count(table[key_column], time, known, values)
    _warn(name, counted)
    start = np.searchsorted(key[kept], np.arange(n_keys + 1)).astype(np.int64)
    return EventLog(start, key[kept], time[kept], values, codes, row_key, counted)


def _count(keys: pd.Series, time: Ints, known: NDArray[np.bool_], values: Mapping[str, Floats]) -> Counted:
    dated, missing = time != NEVER, keys.isna().to_numpy()
    ends = pd.to_datetime([time[dated].min(), time[dated].max()] if dated.any() else [None, None], unit="us")
    return {
        "events": len(keys),
        "used": int((dated & known).sum()),
        "unknown_key": int((~known & ~missing).sum()),
        "missing_key": int(missing.sum()),
        "missing_time": int((~dated).sum()),
        "not_finite": int(sum(np.isinf(v).sum() for v in values.values())),
        "first": ends[0],
        "last": ends[1],
    }


def _order(key: Ints, time: Ints, values: Mapping[str, Floats]) -> Ints:
    """Sort by key and time; events of one key at one moment by their values, whatever their order was."""
    order = np.lexsort((time, key))
    tied = np.zeros(len(order), dtype=bool)
    same = (np.diff(key[order]) == 0) & (np.diff(time[order]) == 0)
    tied[1:] |= same
    tied[:-1] |= same
    if tied.any() and values:
        among = order[tied]
        keys = (*(v[among] for v in reversed(list(values.values()))), time[among], key[among])
        order[tied] = among[np.lexsort(keys)]
    return order


def _key_columns(
    table: pd.DataFrame, name: str, events: Events, frame: pd.DataFrame, problem: Problem
) -> tuple[str, str]:
    """Find the column that says whose event it is, and the rows' column that it is matched with."""
    column = events.key or problem.id
    assert column is not None  # the problem file was checked
    _check_column(column, table, f"{problem.name}.yaml: events.{name}.key")
    matched = column if column in frame.columns else problem.id
    if matched is None or matched not in frame.columns:
        raise DataError(
            f"{problem.name}.yaml: events.{name}.key is {column!r}, which the table itself does not have, "
            f"and it has no id to match. {list_known(column, map(str, frame.columns))}"
        )
    return column, matched


def _check_column(column: str, table: pd.DataFrame, where: str) -> None:
    if column not in table.columns:
        raise DataError(
            f"{where} names the column {column!r}, which the event table does not have. "
            f"{list_known(column, map(str, table.columns))}"
        )


def _match(event_keys: pd.Series, row_keys: pd.Series) -> tuple[Ints, Ints, int]:
    """Number the rows' keys, and find each event's number; -1 where it is none of them or missing."""
    if event_keys.dtype != row_keys.dtype or event_keys.dtype == object:
        event_keys, row_keys = as_text(event_keys), as_text(row_keys)  # 7, 7.0 and "7" are one key
    codes, distinct = pd.factorize(row_keys)
    known = pa.array(distinct)
    found = pc.index_in(pa.array(event_keys, from_pandas=True, type=known.type), value_set=known)
    return pc.fill_null(found, -1).to_numpy().astype(np.int64), codes.astype(np.int64), len(distinct)


def microseconds(values: pd.Series, where: str) -> Ints:
    """Return times in microseconds, those with a zone in UTC, `NEVER` where missing; `where` names them."""
    if pd.api.types.is_numeric_dtype(values):
        raise DataError(f"{where} names {values.name!r}, which holds numbers, not dates like 2025-06-30.")
    try:
        times = pd.to_datetime(values, errors="raise")
    except (ValueError, TypeError) as error:
        raise DataError(f"{where} names {values.name!r}, whose values are not dates: {error}.") from error
    if getattr(times.dtype, "tz", None) is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return times.to_numpy().astype("datetime64[us]").astype(np.int64)


def _numbers(values: pd.Series, column: str, name: str, problem: Problem) -> Floats:
    try:
        return pd.to_numeric(values, errors="raise").to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{problem.name}.yaml: events.{name}.numeric names {column!r}, whose values are not numbers: "
            f"{error}. List it under categorical, or mend the values."
        ) from error


def _warn(name: str, counted: Mapping[str, object]) -> None:
    lost = {k: counted[k] for k in ("unknown_key", "missing_key", "missing_time", "not_finite") if counted[k]}
    if lost:
        logger.info("events.%s: of %s events not used: %s", name, counted["events"], lost)
