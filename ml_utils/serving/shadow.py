"""Shadow mode: the challenger scores what the champion answered, afterwards and aside.

Its scores are logged and never answered. Whatever goes wrong with it is counted and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ml_utils.serving.served import Row, Served

if TYPE_CHECKING:
    from ml_utils.prediction_log.log import PredictionLog
    from ml_utils.serving.metrics import Metrics

logger = logging.getLogger(__name__)

_MOST = 1_000  # rows that may wait; beyond it rows are dropped, and counted
_AT_ONCE = 64


class Shadowed(NamedTuple):
    """A row that the challenger is to score."""

    served: Served
    request_id: str
    number: int
    customer: str | None
    row: Row


class Shadow:
    """Scores rows in a thread of its own, a few at a time.

    Parameters
    ----------
    log : PredictionLog or None
    metrics : Metrics
    """

    def __init__(self, log: PredictionLog | None, metrics: Metrics) -> None:
        self._log = log
        self._waiting: asyncio.Queue[Shadowed] = asyncio.Queue(_MOST)
        self._apart = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._task: asyncio.Task[None] | None = None
        self._scored = metrics.shadow.labels("scored")
        self._failed = metrics.shadow.labels("failed")
        self._dropped = metrics.shadow.labels("dropped")

    def add(self, item: Shadowed) -> None:
        """Note a row; it never waits."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            self._waiting.put_nowait(item)
        except asyncio.QueueFull:
            self._dropped.inc()

    async def close(self, seconds: float = 5.0) -> None:
        """Score what waits, as far as the time allows, and stop."""
        if self._task is not None:
            try:
                await asyncio.wait_for(self._waiting.join(), seconds)
            except TimeoutError:
                logger.warning("%d rows for the shadow were left unscored", self._waiting.qsize())
            self._task.cancel()
        self._apart.shutdown(wait=False)

    async def _run(self) -> None:
        while True:
            items = [await self._waiting.get()]
            while len(items) < _AT_ONCE and not self._waiting.empty():
                items.append(self._waiting.get_nowait())
            try:
                await self._score(items)
                self._scored.inc(len(items))
            except Exception:
                self._failed.inc(len(items))
                logger.warning("The shadow failed on %d rows", len(items), exc_info=True)
            finally:
                for _ in items:
                    self._waiting.task_done()

    async def _score(self, items: list[Shadowed]) -> None:
        from ml_utils.prediction_log.entries import Entry

        loop = asyncio.get_running_loop()
        for served in {id(item.served): item.served for item in items}.values():
            own = [item for item in items if item.served is served]
            scores = await loop.run_in_executor(
                self._apart, served.scorer.score_rows, [item.row for item in own]
            )
            if self._log is None:
                continue
            now = time.time()
            entries = [
                Entry(
                    item.request_id, now, item.customer, served.version or 0, "challenger", score,
                    served.act(score), msgspec.json.encode(item.row), shadow=True, row=item.number,
                )
                for item, score in zip(own, scores.tolist(), strict=True)
            ]  # fmt: skip
            await self._log.append(entries)
