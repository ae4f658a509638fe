"""The log in PostgreSQL: a commit waits until the server has it on its disk; a lost connection is renewed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from ml_utils.credentials import mask, secrets_in
from ml_utils.prediction_log.entries import Entry, EntryRefused, LogUnavailable
from ml_utils.prediction_log.store import Store, insert_into, values_of
from ml_utils.prediction_log.tables import COLUMNS

CONNECT_SECONDS = 2  # the least that libpq takes
LOCK_SECONDS = 1.5
STATEMENT_SECONDS = 4
_KINDS = {
    "request_id": "text",
    "time": "float8",
    "customer": "text",
    "version": "int4",
    "variant": "text",
    "score": "float8",
    "act": "bool",
    "inputs": "text",
    "shadow": "bool",
    "row_no": "int4",
}
# What PostgreSQL's codes mean, for the cure: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CURES = {
    "28": "Check user and password.",
    "3D": "Check the database's name.",
    "25006": "It is a standby or read only: name the primary.",
    "42501": "Grant INSERT, SELECT and UPDATE on the log's tables, or CREATE for the first time.",
    "53100": "Make room on the server's disk.",
    "55P03": "Something else holds a lock on it; end that, or wait.",
    "57014": "It took too long: look what else the server does.",
}
_ONE_PROCESS = 5_726_341_180  # a number of our own for the advisory lock


class PostgresStore(Store):
    """A PostgreSQL database.

    Parameters
    ----------
    url : str
        postgresql://user:password@host:port/database
    """

    serial = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    refused = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)
    lost = (psycopg.Error,)

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self._was_lost = False

    @property
    def place(self) -> str:
        return mask(self.url, secrets_in(self.url))

    def write(self, groups: Sequence[Sequence[Entry]]) -> list[EntryRefused | None]:
        """As `Store.write`; a connection that was lost since the last time is renewed once.

        What was committed just before it was lost is met again unchanged, and so passed over.
        """
        self._was_lost = False
        try:
            return super().write(groups)
        except LogUnavailable:
            if not self._was_lost:
                raise
            return super().write(groups)

    def _give_up(self) -> None:
        self._was_lost = self._connection is not None and self._connection.broken
        super()._give_up()

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            client_encoding="utf8",
            application_name="octavo-prediction-log",
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=2,
            tcp_user_timeout=1000 * STATEMENT_SECONDS,
        )
        # after connecting, not as options: a pooler in between would refuse those
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
        connection.execute("SET synchronous_commit = on")
        return connection

    def _begin_to_migrate(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("BEGIN")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ONE_PROCESS,))

    def _tables(self, connection: psycopg.Connection[Any]) -> set[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))"
        return {name for (name,) in connection.execute(query)}

    def _insert(self, connection: psycopg.Connection[Any], entries: Sequence[Entry], known: bool) -> int:
        columns = [list(values) for values in zip(*map(values_of, entries), strict=True)]
        return connection.execute(_PASSING_OVER if known else _INSERT, columns).rowcount

    def _rows(
        self, connection: psycopg.Connection[Any], query: str, values: Sequence[object], at_once: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        connection.execute("SET statement_timeout = 0")
        with connection.transaction(), connection.cursor(name="octavo_log") as cursor:
            cursor.itersize = at_once
            cursor.execute(query.encode(), values)
            while rows := cursor.fetchmany(at_once):
                yield rows

    def _overwrite(self, connection: psycopg.Connection[Any], rewrite: bool) -> None:
        connection.execute("SET statement_timeout = 0")
        for table in ("predictions", "prediction_outcomes"):
            connection.execute(f"VACUUM {'(FULL) ' if rewrite else ''}{table}".encode())

    def _sql(self, statement: str) -> str:
        return statement.replace("?", "%s")

    def _what_happened(self, error: Exception) -> str:
        said = mask(" ".join(str(error).split()), secrets_in(self.url))
        state = getattr(error, "sqlstate", None) or ""
        cure = _CURES.get(state, _CURES.get(state[:2], "Check that it runs and can be reached."))
        return f"cannot be written: {said}. {cure} Nothing was acknowledged."


# One array a column: one statement, whatever the number of rows, so it is prepared once.
_ARRAYS = ", ".join(f"%s::{_KINDS[name]}[]" for name in COLUMNS)
_INSERT = f"{insert_into()} SELECT * FROM unnest({_ARRAYS})"
_PASSING_OVER = f"{_INSERT} ON CONFLICT DO NOTHING"
