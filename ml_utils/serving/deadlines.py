"""Requests that take too long are cancelled: one look ten times a second, not a timer for each request."""

from __future__ import annotations

import asyncio
import time
from typing import Any

_EVERY = 0.1  # seconds between two looks, at most

Task = asyncio.Task[Any]


class Deadlines:
    """Knows since when each request has been running.

    Parameters
    ----------
    seconds : float
        How long one may take; it is cancelled then, or a tenth of a second later.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[Task, float] = {}  # in the order they began, so the first is the oldest
        self._late: set[Task] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> Task:
        """Note the running task; return it for `end`."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = time.monotonic()
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.get_running_loop()
            self._later()
        return task

    def end(self, task: Task) -> None:
        """Forget a task."""
        self._open.pop(task, None)
        self._late.discard(task)

    def was_late(self, task: Task) -> bool:
        """Return whether it was this that cancelled a task."""
        if task not in self._late:
            return False
        task.uncancel()
        return True

    def _later(self) -> None:
        assert self._loop is not None
        self._loop.call_later(min(_EVERY, self._seconds / 4), self._look)

    def _look(self) -> None:
        oldest = time.monotonic() - self._seconds
        for task, began in list(self._open.items()):
            if began > oldest:
                break
            del self._open[task]
            self._late.add(task)
            task.cancel()
        if self._open:
            self._later()
        else:
            self._loop = None  # nothing to look at: the next request begins it anew
