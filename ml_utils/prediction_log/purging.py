"""Taking predictions out of the log: by age, or by customer."""

from __future__ import annotations

import time
from pathlib import Path

from ml_utils.errors import ParameterError
from ml_utils.prediction_log.log import open_store

_DAY = 86_400.0


def purge(url: str | Path, *customers: str, rewrite: bool = True) -> int:
    """Remove all that is known of customers: predictions with their inputs, and outcomes.

    Parameters
    ----------
    url : str or Path
        As for `open_log`; the service may go on meanwhile.
    *customers : str
    rewrite : bool
        Write the tables anew in the end, so that no byte of the customers is left in SQLite's file and its
        write-ahead log, or in PostgreSQL's tables. Nothing can be logged while that lasts (measured: 6 s for
        115 MB on a busy machine), so a service with a large log answers 503 meanwhile: purge many customers
        at once, in a quiet hour. Without it deleted rows are overwritten just the same, but copies of ids may
        stay in pages that were split earlier, until somebody does rewrite.
        Backups, PostgreSQL's archived logs, and blocks that a file system freed are beyond it.

    Returns
    -------
    int
        Predictions removed.

    Raises
    ------
    LogUnavailable
        If the log cannot be written, or a reader keeps the bytes alive: run it again then.
    """
    marks = ", ".join("?" * len(customers))
    return open_store(url).remove(f"customer IN ({marks})", customers, rewrite) if customers else 0


def retain(url: str | Path, days: float, rewrite: bool = False) -> int:
    """Remove predictions that are older than some days, with their outcomes.

    Parameters
    ----------
    url : str or Path
    days : float
    rewrite : bool
        As for `purge`; it also makes the file smaller. Otherwise the room is used for what comes.

    Returns
    -------
    int
        Predictions removed.

    Raises
    ------
    ParameterError
        If `days` is negative.
    LogUnavailable
        As for `purge`.
    """
    if not days >= 0:
        raise ParameterError(f"The log keeps predictions for a number of days; got {days!r}.")
    return open_store(url).remove("time < ?", [time.time() - days * _DAY], rewrite)
