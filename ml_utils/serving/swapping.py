"""Hot swap: another model is loaded and verified aside, and serves from one request to the next."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING

from ml_utils.errors import OctavoError

if TYPE_CHECKING:
    from ml_utils.serving.app import Service
    from ml_utils.serving.sources import Source

logger = logging.getLogger(__name__)

_AGAIN = 10  # looks after which what was refused is tried again: its files may have been mended


class Swapper:
    """Looks whether a source has another model, and lets it serve once all of it is verified.

    Parameters
    ----------
    service : Service
    source : Source
    stamp : object
        The source's stamp when the service's first model was loaded.
    seconds : float
        Between two looks.
    """

    def __init__(self, service: Service, source: Source, stamp: object, seconds: float) -> None:
        self._service = service
        self._source = source
        self._stamp = stamp
        self._seconds = seconds
        self._looks = 0
        self._asked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.refused: str | None = None

    def start(self) -> None:
        """Look from now on, and at once on SIGHUP; also whether the keys changed."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # only in a main thread
            loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        self._tasks = [loop.create_task(self._watch()), loop.create_task(self._watch_keys())]

    async def stop(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def look(self, now: bool = False) -> bool:
        """Swap if the source has something else; return whether another model serves.

        Parameters
        ----------
        now : bool
            Whether to load even if nothing seems to have changed.
        """
        stamp = await asyncio.to_thread(self._source.stamp)
        self._looks += 1
        again = self.refused is not None and self._looks % _AGAIN == 0
        if not now and not again and (stamp is None or stamp == self._stamp):
            return False
        self._stamp = stamp
        try:
            live = await asyncio.to_thread(lambda: self._service.prepare(self._source.load()))
        except Exception as error:  # noqa: BLE001  (a model may be wrong in any way; the old one goes on)
            self._refuse(error)
            return False
        self._service.put_in_place(live)
        self.refused = None
        self._service.metrics.stale.set(0)
        self._service.metrics.swaps.labels("swapped").inc()
        logger.info("Now serving %s", dict(live.deployed.versions()))
        return True

    def _refuse(self, error: Exception) -> None:
        said = str(error) if isinstance(error, OctavoError) else f"{type(error).__name__}: {error}"
        if said != self.refused:  # said once, not at every look
            serving = dict(self._service.live.deployed.versions())
            logger.error("Another model was refused; %s goes on serving. %s", serving, said)
        self.refused = said
        self._service.metrics.stale.set(1)
        self._service.metrics.swaps.labels("refused").inc()

    async def _watch(self) -> None:
        while True:
            asked = False
            with contextlib.suppress(TimeoutError):
                asked = await asyncio.wait_for(self._asked.wait(), self._seconds)
            self._asked.clear()
            try:
                await self.look(now=asked)
            except Exception:  # else nobody would look any more
                logger.exception("A look for another model failed; the next comes")

    async def _watch_keys(self) -> None:
        """Look apart from models: a registry is asked less often, and may not answer for a long time."""
        while True:
            await asyncio.sleep(self._service.settings.poll)
            self._service.admission.refresh()
