"""What SQLite and PostgreSQL share: one transaction for all that waits, idempotent, bounded in time."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any

from ml_utils.errors import OctavoError
from ml_utils.prediction_log.changes import add_outcome, remove_some
from ml_utils.prediction_log.entries import Entry, EntryRefused, Feedback, LogUnavailable
from ml_utils.prediction_log.tables import COLUMNS, VERSION, migrate, version

_SAME = ("customer", "version", "variant", "score", "act", "inputs")  # a retry has another time
_PAUSE = 0.01  # seconds in between, in which others get the lock


class Store(ABC):
    """A database that holds the log; used by one thread at a time.

    After any error the connection is given up, and the next call makes a new one: so what was wrong (a full
    disk, a lock, a restarted server) is forgotten as soon as it is gone.
    """

    serial: str  # the dialect's way to number rows
    refused: tuple[type[Exception], ...]  # errors that are a value's fault
    lost: tuple[type[Exception], ...]  # errors that are the database's

    def __init__(self) -> None:
        self._connection: Any = None

    @property
    @abstractmethod
    def place(self) -> str:
        """Name the database without credentials."""

    @abstractmethod
    def _connect(self) -> Any:
        """Open a connection in autocommit mode."""

    @abstractmethod
    def _begin_to_migrate(self, connection: Any) -> None:
        """Begin a transaction that only one process is in."""

    @abstractmethod
    def _tables(self, connection: Any) -> set[str]:
        """Name the log's tables that are there."""

    @abstractmethod
    def _insert(self, connection: Any, entries: Sequence[Entry], known: bool) -> int:
        """Insert all in one transaction; `known` ones are passed over instead of refused."""

    @abstractmethod
    def _sql(self, statement: str) -> str:
        """Put the dialect's marks of a parameter in the place of ?."""

    def settle(self) -> None:  # noqa: B027  (not every database has to)
        """Do now what would make a later write slow; called about once a second, from one other thread."""

    def connect(self) -> None:
        """Connect, and bring the tables to the newest version.

        Raises
        ------
        LogUnavailable
            If the database cannot be reached or written, or is newer than this code.
        """
        with self._said_plainly():
            self._connected()

    def write(self, groups: Sequence[Sequence[Entry]]) -> list[EntryRefused | None]:
        """Store groups of entries: each wholly or not at all, all in one transaction.

        Returns
        -------
        list of EntryRefused or None
            What was wrong with each group; None where it is stored.

        Raises
        ------
        LogUnavailable
            If nothing was stored.
        """
        entries = list(chain.from_iterable(groups))
        with self._said_plainly():
            connection = self._connected()
            try:
                self._insert(connection, entries, known=False)
            except self.refused:
                return self._write_one_by_one(self._connected(), groups)
        return [None] * len(groups)

    def add_outcomes(self, items: Sequence[Feedback]) -> int:
        """Store true outcomes in one transaction; return for how many of them there is a prediction.

        Raises
        ------
        EntryRefused
            If a value cannot be stored; then none is.
        LogUnavailable
            As for `write`.
        """
        with self._said_plainly():
            connection = self._connected()
            try:
                with self.transaction(connection):
                    return sum(add_outcome(connection, self._sql, item) for item in items)
            except self.refused as error:
                said = " ".join(str(error).split())
                raise EntryRefused(f"The outcome cannot be stored: {said}.") from None

    def rows(self, query: str, values: Sequence[object], at_once: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield what a query returns, some rows at a time.

        Raises
        ------
        LogUnavailable
            If there is no log, or it cannot be read.
        """
        with self._said_plainly():
            self._check_there()
            try:
                yield from self._rows(self._connected(), self._sql(query), values, at_once)
            finally:
                self.close()

    def remove(self, condition: str, values: Sequence[object], rewrite: bool) -> int:
        """Remove predictions and their outcomes, some at a time, so that nobody waits long for the lock.

        Parameters
        ----------
        condition : str
            On `predictions`, with a ? for each of `values`.
        values : sequence of object
        rewrite : bool
            Whether to write the file anew in the end, so that no byte of them is left in it.

        Returns
        -------
        int
            Predictions removed.

        Raises
        ------
        LogUnavailable
            If there is no log, or it cannot be written.
        """
        with self._said_plainly():
            self._check_there()
            try:
                removed = 0
                while found := self._remove_some(condition, values):
                    removed += found
                    time.sleep(_PAUSE)
                self._overwrite(self._connected(), rewrite)
                return removed
            finally:
                self.close()

    def close(self) -> None:
        """Give the connection up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def transaction(self, connection: Any) -> Iterator[None]:
        """Commit what is done inside, or nothing of it."""
        connection.execute("BEGIN")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back(connection, "ROLLBACK")
            raise

    def _check_there(self) -> None:  # noqa: B027  (a server says so itself)
        """Raise where reading would make an empty log."""

    @abstractmethod
    def _rows(
        self, connection: Any, query: str, values: Sequence[object], at_once: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Run a query without holding all that it returns."""

    @abstractmethod
    def _overwrite(self, connection: Any, rewrite: bool) -> None:
        """See to it that what was removed is gone."""

    def _remove_some(self, condition: str, values: Sequence[object]) -> int:
        connection = self._connected()
        with self.transaction(connection):
            return remove_some(connection, self._sql, condition, values)

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        try:
            yield
        except self._unavailable() as error:
            self._give_up()
            raise LogUnavailable(f"The prediction log ({self.place}) {self._what_happened(error)}") from None
        except OctavoError:
            self._give_up()
            raise

    def _unavailable(self) -> tuple[type[Exception], ...]:
        return (*self.lost, OSError)

    def _what_happened(self, error: Exception) -> str:
        return f"cannot be written: {' '.join(str(error).split())}. Nothing was acknowledged."

    def _connected(self) -> Any:
        if self._connection is None:
            connection = self._connect()
            try:
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*self.lost):  # it was broken: that is why
                connection.close()

    def _migrate(self, connection: Any) -> None:
        if version(connection, self._tables(connection), self.place) == VERSION:
            return
        self._begin_to_migrate(connection)
        try:
            # another process may just have done it
            found = version(connection, self._tables(connection), self.place)
            migrate(connection, found, self.serial)
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back(connection, "ROLLBACK")
            raise

    def _write_one_by_one(
        self, connection: Any, groups: Sequence[Sequence[Entry]]
    ) -> list[EntryRefused | None]:
        """Find out which group it is that cannot be stored; the others are."""
        with self.transaction(connection):
            return [self._write_group(connection, group) for group in groups]

    def _write_group(self, connection: Any, group: Sequence[Entry]) -> EntryRefused | None:
        connection.execute("SAVEPOINT one")
        refusal = None
        try:
            if self._insert(connection, group, known=True) < len(group):
                refusal = self._differing(connection, group)
        except self.refused as error:
            refusal = EntryRefused(f"The prediction cannot be stored: {' '.join(str(error).split())}.")
        if refusal is not None:
            connection.execute("ROLLBACK TO SAVEPOINT one")
        connection.execute("RELEASE SAVEPOINT one")
        return refusal

    def _differing(self, connection: Any, group: Sequence[Entry]) -> EntryRefused | None:
        query = self._sql(
            f"SELECT {', '.join(_SAME)} FROM predictions WHERE request_id = ? AND row_no = ? AND shadow = ?"
        )
        for entry in group:
            found = connection.execute(query, (entry.request_id, entry.row, entry.shadow)).fetchone()
            own = (entry.customer, entry.version, entry.variant, entry.score, entry.act)
            if tuple(found) != (*own, entry.inputs.decode()):
                return EntryRefused(
                    f"The request id {entry.request_id!r:.80} already stands for another prediction in the "
                    "log. Give each request an id of its own; the same may be sent again only unchanged."
                )
        return None

    def _roll_back(self, connection: Any, statement: str) -> None:
        try:
            connection.execute(statement)
        except (*self.lost, *self.refused):
            pass  # the database did so itself, or the connection is gone


def insert_into(columns: Sequence[str] = COLUMNS) -> str:
    """Begin the statement that stores entries."""
    return f"INSERT INTO predictions ({', '.join(columns)}) "


def values_of(entry: Entry) -> tuple[object, ...]:
    """Return an entry's values in the order of the columns, its JSON as text.

    Raises
    ------
    UnicodeDecodeError
        If the JSON is not UTF-8.
    """
    return (*entry[:7], entry.inputs.decode(), *entry[8:])
