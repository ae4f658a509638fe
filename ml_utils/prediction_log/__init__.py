"""The prediction log: stored before it is acknowledged; `read` gives it back, outcomes beside it.

What the writing side needs is sqlite3 or psycopg and the standard library; pandas is imported by `read` only.
"""

from __future__ import annotations

from ml_utils.prediction_log.entries import Entry, EntryRefused, Feedback, LogUnavailable
from ml_utils.prediction_log.log import PredictionLog, open_log
from ml_utils.prediction_log.purging import purge, retain
from ml_utils.prediction_log.reading import read

__all__ = [
    "Entry",
    "EntryRefused",
    "Feedback",
    "LogUnavailable",
    "PredictionLog",
    "open_log",
    "purge",
    "read",
    "retain",
]
