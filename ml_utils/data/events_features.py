"""The columns that are made of one event table, and what each means."""

from __future__ import annotations

import numpy as np

from ml_utils.data.events_log import DAY, EventLog
from ml_utils.data.events_windows import Floats, Ints, Windows, first_not_before
from ml_utils.errors import DataError
from ml_utils.problem import Events

_STATISTICS = {
    "sum": "sum of",
    "mean": "mean",
    "std": "spread (standard deviation) of",
    "min": "smallest",
    "max": "largest",
}


def features_of(
    log: EventLog, name: str, events: Events, at: Ints
) -> tuple[dict[str, Floats | Ints], list[dict[str, object]]]:
    """Compute the columns of one event table, each with its description.

    Parameters
    ----------
    log : EventLog
    name : str
        What the problem file calls the events; the columns' names begin with it.
    events : Events
    at : ndarray of int, shape (n_rows,)
        Time of each row, in microseconds.

    Returns
    -------
    columns : dict of str to ndarray, shape (n_rows,)
    described : list of dict
        column, meaning, formula, table, window.
    """
    delay = round(events.known_after_days * DAY)
    # A row without a key looks at no events: its stretch is empty.
    key = np.maximum(log.row_key, 0)
    begin = log.start[key]
    end = np.where(log.row_key >= 0, log.start[np.minimum(key + 1, len(log.start) - 1)], begin)
    known = first_not_before(log.time, begin, end, at - delay)
    since = {days: first_not_before(log.time, begin, end, at - days * DAY) for days in events.windows}
    before = {days: first_not_before(log.time, begin, end, at - 2 * days * DAY) for days in events.windows}
    first = np.concatenate([np.minimum(since[days], known) for days in events.windows])
    rows, n_windows = len(at), len(events.windows)
    windows = Windows(log.start, np.tile(key, n_windows), first, np.tile(known, n_windows))
    moments = {column: windows.moments(values) for column, values in log.numbers.items()}
    distinct = {column: windows.distinct(log.key, first, codes) for column, codes in log.codes.items()}
    made = _Made(name, events)
    for i, days in enumerate(events.windows):
        here = slice(i * rows, (i + 1) * rows)
        recent = known - first[here]
        made.count(days, recent)
        for column in events.numeric:
            made.numeric(days, column, *(part[here] for part in moments[column]))
        for column in events.categorical:
            made.distinct(days, column, distinct[column][here])
        made.trend(days, recent, np.maximum(since[days] - before[days], 0))
    some = known > begin
    gap = at - log.time[np.where(some, known - 1, 0)] if len(log.time) else np.zeros(rows)
    made.recency(np.where(some, gap / DAY, np.nan))
    return made.columns, made.described


class _Made:
    """The columns of one event table, with what they mean."""

    def __init__(self, table: str, events: Events) -> None:
        self.table, self.events = table, events
        self.columns: dict[str, Floats | Ints] = {}
        self.described: list[dict[str, object]] = []

    def count(self, days: int, count: Ints) -> None:
        self._add(
            f"count_{days}d", count, f"number of {self.table} {self._in(days)}", "count of events", days
        )

    def numeric(
        self, days: int, column: str, n: Floats, total: Floats, squares: Floats,
        least: Floats, most: Floats,
    ) -> None:  # fmt: skip
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {
                "sum": total,
                "mean": np.where(n > 0, total / n, np.nan),
                "std": np.where(n > 1, np.sqrt(squares / (n - 1)), np.nan),
                "min": np.where(n > 0, least, np.nan),
                "max": np.where(n > 0, most, np.nan),
            }
        for statistic, words in _STATISTICS.items():
            values = np.where(np.isfinite(found[statistic]), found[statistic], np.nan)
            meaning = f"{words} {column} of {self.table} {self._in(days)}"
            self._add(f"{column}_{statistic}_{days}d", values, meaning, f"{statistic}({column})", days)

    def distinct(self, days: int, column: str, found: Ints) -> None:
        meaning = f"number of different {column} among {self.table} {self._in(days)}"
        self._add(f"{column}_distinct_{days}d", found, meaning, f"count of distinct {column}", days)

    def trend(self, days: int, recent: Ints, earlier: Ints) -> None:
        """Compare the window's rate with that of as many days before it: −1 … 1, missing if both are 0."""
        now, then = recent / (days - self.events.known_after_days), earlier / days
        total = now + then
        values = np.where(total > 0, (now - then) / np.where(total > 0, total, 1.0), np.nan)
        meaning = (
            f"how the rate of {self.table} in the last {days} days compares with the {days} days before: "
            "1 all of it is new, 0 as before, -1 it has ended"
        )
        self._add(f"trend_{days}d", values, meaning, "(rate − rate before) / (rate + rate before)", days)

    def recency(self, values: Floats) -> None:
        meaning = f"days since the last of {self.table} that was known"
        self._add("days_since_last", values, meaning, "time − time of the last event", None)

    def _in(self, days: int) -> str:
        return f"in the last {days} days"

    def _add(self, name: str, values: Floats | Ints, meaning: str, what: str, days: int | None) -> None:
        column = f"{self.table}_{name}"
        if column in self.columns:
            raise DataError(
                f"events.{self.table} would make the column {column!r} twice. Rename one of the "
                "event table's columns."
            )
        late = f" + {self.events.known_after_days:g} d" if self.events.known_after_days else ""
        since = f"time − {days} d ≤ {self.events.time}, " if days is not None else ""
        self.columns[column] = values
        self.described.append(
            {
                "column": column,
                "meaning": meaning,
                "formula": f"{what} where {since}{self.events.time}{late} < time",
                "table": self.table,
                "window": days,
            }
        )
