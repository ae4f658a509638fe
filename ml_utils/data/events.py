"""Event tables become features of a row, as they were known at the row's time and never later.

For a row with key k and time t, an event counts in a window of W days where it is of k and

    t − W days ≤ time of the event   and   time of the event + known_after_days < t

so an event at the very time of the row does not count. Where times are dates without a clock, the events of
the row's own day do not: whether they came before or after is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.data.events_features import features_of
from ml_utils.data.events_log import DAY, NEVER, EventLog, microseconds, sort_events
from ml_utils.data.events_windows import Ints
from ml_utils.data.sources.reading import read_other
from ml_utils.errors import DataError, list_known
from ml_utils.problem import Events, Problem
from ml_utils.wording import listing


@dataclass(frozen=True)
class EventsJoined:
    """A table with its event features, what they are, and which events could not be used.

    Attributes
    ----------
    frame : DataFrame
        The rows that were given, in their order, with the new columns at the end.
    described : DataFrame
        A row a new column: column, meaning, formula, table, window (days; missing for the recency).
    tables : DataFrame
        A row an event table: events, used (of a key in the table), unknown_key, missing_key, missing_time,
        later (after every row's time, so never used), not_finite (numbers left out), rows_without (rows whose
        key has no known event), too_early (rows whose longest window begins before the first event), first,
        last.
    """

    frame: pd.DataFrame
    described: pd.DataFrame
    tables: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return what the new columns are."""
        return self.described

    def sentences(self) -> list[str]:
        """Say for each event table what was made of it, and what could not be used."""
        return [_sentence(row, self.described) for row in self.tables.to_dict(orient="records")]

    def _repr_html_(self) -> str:
        return self.described.to_html(index=False, na_rep="")


def join_events(
    frame: pd.DataFrame, problem: Problem, n_customers: int = 10_000, seed: int = 42
) -> EventsJoined:
    """Read the event tables that a problem names, and join them as of each row's time.

    Parameters
    ----------
    frame : DataFrame
        Rows with the problem's time and the keys of the events.
    problem : Problem
    n_customers, seed : int
        Of the built-in retailer; other sources leave them aside.

    Returns
    -------
    EventsJoined

    Raises
    ------
    DataError
        If a table cannot be read, or lacks a column that the problem file names.
    """
    tables = {
        name: read_other(events.source, problem, n_customers, seed) for name, events in problem.events.items()
    }
    return join_tables(frame, problem, tables)


def join_tables(frame: pd.DataFrame, problem: Problem, tables: Mapping[str, pd.DataFrame]) -> EventsJoined:
    """Join event tables that are at hand; see `join_events`.

    Parameters
    ----------
    frame : DataFrame
    problem : Problem
    tables : mapping of str to DataFrame
        By the names that the problem file gives them.

    Returns
    -------
    EventsJoined
    """
    if problem.time is None or problem.time not in frame:
        raise DataError(
            f"{problem.name}.yaml: events are joined as of a row's time, but the table has no column "
            f"{problem.time!r}. {list_known(str(problem.time), map(str, frame.columns))}"
        )
    at = microseconds(frame[problem.time], f"{problem.name}.yaml: time")
    if (at == NEVER).any():
        raise DataError(
            f"{problem.time!r} is empty in {int((at == NEVER).sum()):,} rows; every row needs its time."
        )
    made: dict[str, np.ndarray] = {}
    described: list[dict[str, object]] = []
    counted = []
    for name, events in problem.events.items():
        log = sort_events(tables[name], name, events, frame, problem)
        columns, about = features_of(log, name, events, at)
        clash = [column for column in columns if column in made or column in frame.columns]
        if clash:
            raise DataError(
                f"events.{name} would make columns that are there already: {listing(clash[:5])}. Give these "
                "events another name in the problem file."
            )
        made |= columns
        described += about
        counted.append({"table": name, **log.counted, **_row_counts(log, at, events)})
    joined = pd.concat([frame, pd.DataFrame(made, index=frame.index)], axis=1)
    about = pd.DataFrame(described).astype({"window": "Int64"})
    return EventsJoined(joined, about, pd.DataFrame(counted))


def _row_counts(log: EventLog, at: Ints, events: Events) -> dict[str, int]:
    """Count the rows that events say little about, and the events that say nothing about any row."""
    delay = round(events.known_after_days * DAY)
    has = np.zeros(len(at), dtype=bool)
    some = log.row_key >= 0
    first = np.full(len(log.start) - 1, np.iinfo(np.int64).max)
    filled = np.flatnonzero(np.diff(log.start) > 0)
    first[filled] = log.time[log.start[filled]]
    has[some] = first[log.row_key[some]] < at[some] - delay
    earliest = log.time.min() if len(log.time) else np.iinfo(np.int64).max
    return {
        "later": int((log.time + delay >= at.max(initial=NEVER + DAY)).sum()),
        "rows_without": int((~has).sum()),
        "too_early": int((at - max(events.windows) * DAY < earliest).sum()),
    }


def _sentence(row: Mapping[str, object], described: pd.DataFrame) -> str:
    n = int((described["table"] == row["table"]).sum())
    said = f"{row['events']:,} events of {row['table']} became {n} columns, as known at each row's time"
    left = {
        "of a key that no row has": row["unknown_key"],
        "without a key": row["missing_key"],
        "without a time": row["missing_time"],
        "after the last row": row["later"],
    }
    lost = [f"{count:,} {what}" for what, count in left.items() if count]
    return f"{said}; not used: {listing(lost)}." if lost else f"{said}."
