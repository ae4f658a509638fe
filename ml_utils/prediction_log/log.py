"""PredictionLog: append from asyncio, return once committed; one thread commits all that waits at once."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from ml_utils.credentials import expand, is_url, mask
from ml_utils.errors import OctavoError, ParameterError
from ml_utils.prediction_log.entries import Entry, Feedback, LogUnavailable
from ml_utils.prediction_log.store import Store

logger = logging.getLogger(__name__)

CAPACITY = 10_000  # entries that may wait
AT_ONCE = 2_000  # entries in a transaction
SECONDS = 5.0  # that an append waits at most
_SETTLE_SECONDS = 1.0


class _Waiting(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[int]
    entries: tuple[Entry, ...]
    outcomes: tuple[Feedback, ...]


class _Done(NamedTuple):
    future: asyncio.Future[int]
    value: int
    error: OctavoError | None


class PredictionLog:
    """Stores predictions before they are acknowledged.

    Parameters
    ----------
    store : Store
        The database, already connected.
    capacity : int
        Entries that may wait; more are turned away at once.
    seconds : float
        Longest wait of an `append`.
    """

    def __init__(self, store: Store, capacity: int = CAPACITY, seconds: float = SECONDS) -> None:
        self._store = store
        self._capacity = capacity
        self._seconds = seconds
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._size = 0
        self._closed = False
        self._ended = threading.Event()
        self._dirty = threading.Event()
        self._writer = threading.Thread(target=self._write, name="prediction-log", daemon=True)
        self._settler = threading.Thread(target=self._settle, name="prediction-log-settle", daemon=True)
        self._writer.start()
        self._settler.start()

    @property
    def place(self) -> str:
        """Where it is, without credentials."""
        return self._store.place

    @property
    def ended(self) -> bool:
        """Whether it takes nothing any more, and will not again."""
        return self._closed

    @property
    def waiting(self) -> int:
        """Entries that are not committed yet."""
        return self._size

    async def append(self, entries: Sequence[Entry]) -> None:
        """Store entries, all or none of them; return once they are committed.

        Raises
        ------
        LogUnavailable
            If the database is full, locked, read-only or lost, if too many entries wait, or if it took too
            long. Nothing may be acknowledged then. What took too long may yet be stored.
        EntryRefused
            If an id stands for another prediction already, or a value cannot be stored.
        """
        if entries:
            await self._submit(tuple(entries), ())

    async def feedback(self, items: Sequence[Feedback]) -> int:
        """Store true outcomes; return for how many of them the log holds a prediction.

        An outcome without a prediction is not stored. A later outcome of the same prediction replaces an
        earlier one.

        Raises
        ------
        LogUnavailable
            As for `append`.
        """
        return await self._submit((), tuple(items)) if items else 0

    def close(self) -> None:
        """Commit what waits, and give the database up."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._ended.set()
        self._writer.join(2 * self._seconds)
        self._settler.join(2 * self._seconds)
        if not self._writer.is_alive():
            self._store.close()

    async def _submit(self, entries: tuple[Entry, ...], outcomes: tuple[Feedback, ...]) -> int:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._enqueue(_Waiting(loop, future, entries, outcomes))
        try:
            async with asyncio.timeout(self._seconds):
                return await future
        except TimeoutError:
            raise LogUnavailable(
                f"The prediction log ({self.place}) did not answer within {self._seconds:g} s. Nothing was "
                "acknowledged. Check the database and its disk."
            ) from None

    def _enqueue(self, item: _Waiting) -> None:
        size = _size(item)
        with self._lock:
            if self._closed:
                raise LogUnavailable(f"The prediction log ({self.place}) is closed; start the service again.")
            if self._size + size > self._capacity:
                raise LogUnavailable(
                    f"{self._size:,} predictions already wait for the prediction log ({self.place}), and at "
                    f"most {self._capacity:,} may. Send less at a time, or give the log a quicker database."
                )
            self._size += size
            self._queue.put(item)

    def _write(self) -> None:
        """Commit whatever waits until there is nothing more to come."""
        try:
            while (first := self._queue.get()) is not None:
                batch, last = self._take(first)
                self._commit(batch)
                if last:
                    break
        finally:
            with self._lock:
                self._closed = True  # also where a defect of ours ended the thread
            self._ended.set()

    def _take(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch, size = [first], _size(first)
        while size < AT_ONCE:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, True
            batch.append(item)
            size += _size(item)
        return batch, False

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        wanted = [item for item in batch if not item.future.cancelled()]  # nobody waits for those any more
        done = self._append([item for item in wanted if item.entries])
        done += [self._add(item) for item in wanted if item.outcomes]
        with self._lock:
            self._size -= sum(map(_size, batch))
        self._dirty.set()
        loops: dict[asyncio.AbstractEventLoop, list[_Done]] = {item.loop: [] for item in wanted}
        homes = {id(item.future): item.loop for item in wanted}
        for one in done:
            loops[homes[id(one.future)]].append(one)
        for loop, answers in loops.items():
            try:
                loop.call_soon_threadsafe(_resolve, answers)
            except RuntimeError:  # the loop was closed; whoever waited in it is gone
                logger.debug("an event loop ended before %d entries were acknowledged", len(answers))

    def _append(self, items: Sequence[_Waiting]) -> list[_Done]:
        if not items:
            return []
        try:
            errors: Sequence[OctavoError | None] = self._store.write([item.entries for item in items])
        except LogUnavailable as error:
            logger.warning("%s", error)
            errors = [LogUnavailable(str(error)) for _ in items]
        return [
            _Done(item.future, len(item.entries), error) for item, error in zip(items, errors, strict=True)
        ]

    def _add(self, item: _Waiting) -> _Done:
        try:
            return _Done(item.future, self._store.add_outcomes(item.outcomes), None)
        except OctavoError as error:
            return _Done(item.future, 0, error)

    def _settle(self) -> None:
        while not self._ended.wait(_SETTLE_SECONDS):
            if self._dirty.is_set():
                self._dirty.clear()
                self._store.settle()


def open_log(url: str | Path, capacity: int = CAPACITY, seconds: float = SECONDS) -> PredictionLog:
    """Open the prediction log, and make its tables where they are missing.

    Parameters
    ----------
    url : str or Path
        A path or sqlite:///path of an SQLite file (with `?synchronous=full` a power cut costs nothing), or
        postgresql://user:${PASSWORD}@host/database.
    capacity : int
        Entries that may wait.
    seconds : float
        Longest wait of an `append`.

    Returns
    -------
    PredictionLog

    Raises
    ------
    ParameterError
        If the URL is of another kind.
    LogUnavailable
        If the database cannot be reached or written.
    """
    store = open_store(url)
    store.connect()
    return PredictionLog(store, capacity, seconds)


def open_store(url: str | Path) -> Store:
    """Return the database that a URL names, not yet connected."""
    text = expand(str(url))
    scheme = text.split(":", 1)[0].lower()
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        from ml_utils.prediction_log.postgres import PostgresStore

        return PostgresStore("postgresql" + text[len(scheme) :])
    if is_url(text) and scheme != "sqlite":
        raise ParameterError(
            f"The prediction log cannot be in {mask(text)!r}. Give a file's path, sqlite:///path or "
            "postgresql://user:${PASSWORD}@host/database."
        )
    return _sqlite(text)


def _sqlite(text: str) -> Store:
    from ml_utils.prediction_log.sqlite import SqliteStore

    path, _, query = text.removeprefix("sqlite:///").partition("?") if is_url(text) else (text, "", "")
    path = "" if path.startswith("sqlite:") else path  # two slashes: that would be a host
    options = parse_qs(query, keep_blank_values=True)
    synchronous = options.pop("synchronous", ["normal"])[-1].lower()
    if not path or path == ":memory:" or options or synchronous not in ("normal", "full"):
        raise ParameterError(
            f"{text!r} names no file for the prediction log. Give a path, or sqlite:///path, if need be with "
            "?synchronous=full (normal is the default)."
        )
    return SqliteStore(Path(unquote(path)).expanduser(), synchronous)  # type: ignore[arg-type]


def _size(item: _Waiting) -> int:
    return len(item.entries) + len(item.outcomes)


def _resolve(answers: Sequence[_Done]) -> None:
    for future, value, error in answers:
        if future.done():  # cancelled meanwhile
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
