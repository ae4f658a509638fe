"""The service's log, one JSON object a line: id, route, status and time of a request, no value of a row."""

from __future__ import annotations

import collections
import json
import logging
import sys
import threading
import time
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
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class AccessLog:
    """Notes requests at once and writes them soon: a thread writes ten times a second.

    Lines are made where the request ends: a thread that made hundreds of them in one go would hold up the
    requests that come meanwhile.

    Parameters
    ----------
    stream : text file, optional
        By default standard error.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self._lines: collections.deque[str] = collections.deque()
        self._stop = threading.Event()
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
        if len(self._lines) >= _MOST:
            self._lines.popleft()
            self.lost += 1
        # every part is ours or was held against a pattern, so there is nothing to escape
        self._lines.append(
            f'{{"time": "{self._prefix}{int(1000 * (now - second)):03d}Z", "level": "info", '
            f'"request": "{request}", "method": "{method}", "path": "{path}", "status": {status}, '
            f'"ms": {1000 * seconds:.3f}, "key": "{key}"}}\n'
        )

    def close(self) -> None:
        """Write what is left and stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)
        self._flush()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            self._flush()

    def _flush(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if lines:
            stream = self._stream or sys.stderr
            stream.write("".join(lines))
            stream.flush()


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
