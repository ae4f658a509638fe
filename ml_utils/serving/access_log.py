"""The service's log, one JSON object a line: id, route, status and time of a request, no value of a row."""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from typing import IO

_EVERY = 0.1  # seconds between two writes
_MOST = 100_000  # lines held while the log's reader is stuck; then the oldest go, and that is said


class JsonFormatter(logging.Formatter):
    """Log records as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        entry = {
            "time": _stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = _where(record.exc_info[1])
        return json.dumps(entry)


class AccessLog:
    """Notes requests at once and writes them soon: a thread writes ten times a second.

    Lines are made where the request ends: a thread that made hundreds of them in one go would hold up the
    requests that come meanwhile. What else is logged goes the same way (`handler`), so that nothing waits
    for whoever reads the log.

    Parameters
    ----------
    stream : text file, optional
        By default standard error.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self._lines: collections.deque[str] = collections.deque()
        self._soon = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._second, self._prefix = 0, ""
        self.lost = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def note(self, request: str, method: str, path: str, status: int, seconds: float, key: str) -> None:
        """Note an answered request; `path` is a route, never what the caller sent."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._prefix = second, _stamp(second)[:20]
        # every part is ours or was held against a pattern, so there is nothing to escape
        self._add(
            f'{{"time": "{self._prefix}{int(1000 * (now - second)):03d}Z", "level": "info", '
            f'"request": "{request}", "method": "{method}", "path": "{path}", "status": {status}, '
            f'"ms": {1000 * seconds:.3f}, "key": "{key}"}}\n'
        )

    def close(self) -> None:
        """Write what is left and stop."""
        self._stopped = True
        self._soon.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
        self._write_out()

    def handler(self) -> logging.Handler:
        """Return what writes the records of `logging` through this."""
        return _Handler(self)

    def say(self, line: str) -> None:
        """Note a line that is not to wait for others."""
        self._add(line)
        self._soon.set()
        if self._thread is None or self._stopped:
            self._write_out()

    def _add(self, line: str) -> None:
        if len(self._lines) >= _MOST:
            self._lines.popleft()
            self.lost += 1
        self._lines.append(line)

    def _write_out(self) -> None:
        """Write in the caller's own thread, unless the other one is stuck in it."""
        if self._thread is None or not self._thread.is_alive():
            self._flush()

    def _run(self) -> None:
        while not self._stopped:
            self._soon.wait(_EVERY)
            self._soon.clear()
            self._flush()

    def _flush(self) -> None:
        lines: list[str] = []
        with contextlib.suppress(IndexError):  # whoever adds to what is full takes some away
            lines.extend(self._lines.popleft() for _ in range(len(self._lines)))
        if not lines:
            return
        stream, lost = self._stream or sys.stderr, self.lost
        if lost:
            said = {"time": _stamp(time.time()), "level": "warning", "message": f"{lost} lines were lost"}
            lines.append(f"{json.dumps(said)}\n")
        try:
            stream.write("".join(lines))
            stream.flush()
            self.lost -= lost
        except OSError:  # a full disk, or nobody reads it any more: the service goes on, and so does this
            self.lost += len(lines) - bool(lost)


class _Handler(logging.Handler):
    def __init__(self, log: AccessLog) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on."""
        self._log.say(f"{self.format(record)}\n")


def _where(error: BaseException | None) -> str:
    """Say where errors came up and of which kind they are; their messages may repeat a value of a row."""
    told = []
    while error is not None:
        told.append("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nbecause of\n\n".join(told)


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
