"""The log's tables, and how one version of them becomes the next."""

from __future__ import annotations

from collections.abc import Set
from itertools import chain
from typing import Any

from ml_utils.prediction_log.entries import LogUnavailable

COLUMNS = (
    "request_id",
    "time",
    "customer",
    "version",
    "variant",
    "score",
    "act",
    "inputs",
    "shadow",
    "row_no",
)

# {serial} is the dialect's own way to number rows; all else both databases read alike.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE predictions (seq {serial}, request_id TEXT NOT NULL, time DOUBLE PRECISION NOT NULL, "
        "customer TEXT, version INTEGER NOT NULL, variant TEXT NOT NULL, score DOUBLE PRECISION NOT NULL, "
        "act BOOLEAN, inputs TEXT NOT NULL, shadow BOOLEAN NOT NULL, row_no INTEGER NOT NULL, "
        "UNIQUE (request_id, row_no, shadow))",
        "CREATE INDEX predictions_time ON predictions (time)",
        "CREATE INDEX predictions_customer ON predictions (customer, time) WHERE customer IS NOT NULL",
        "CREATE TABLE prediction_outcomes (request_id TEXT NOT NULL, row_no INTEGER NOT NULL, "
        "outcome DOUBLE PRECISION NOT NULL, time DOUBLE PRECISION NOT NULL, "
        "PRIMARY KEY (request_id, row_no))",
    ),
)
VERSION = len(MIGRATIONS)
VERSION_TABLE = "prediction_log_version"


def version(connection: Any, tables: Set[str], place: str) -> int:
    """Return the version of the tables that are there; 0 where there are none.

    Parameters
    ----------
    connection : sqlite3.Connection or psycopg.Connection
    tables : set of str
        Names of all tables.
    place : str
        What messages call the database.

    Raises
    ------
    LogUnavailable
        If they are not this log's, or newer than this code.
    """
    if VERSION_TABLE not in tables:
        if "predictions" in tables:
            raise LogUnavailable(
                f"{place} has a table `predictions` that is not this log's. Name another database."
            )
        return 0
    (found,) = connection.execute(f"SELECT max(version) FROM {VERSION_TABLE}").fetchone()
    if found is None or found > VERSION:
        raise LogUnavailable(
            f"{place} holds a log of version {found}; this code knows versions to {VERSION}. Update the "
            "service, or name another database."
        )
    return int(found)


def migrate(connection: Any, found: int, serial: str) -> None:
    """Bring the tables from a version to the newest; the caller commits."""
    for step in chain.from_iterable(MIGRATIONS[found:]):
        connection.execute(step.format(serial=serial))
    connection.execute(f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (version INTEGER NOT NULL)")
    connection.execute(f"DELETE FROM {VERSION_TABLE}")
    connection.execute(f"INSERT INTO {VERSION_TABLE} VALUES ({VERSION})")
