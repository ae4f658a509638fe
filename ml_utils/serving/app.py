"""The prediction service: what is plainly right is answered at once, all else goes the careful way.

One ASGI application. Each request passes the same gate (key, rate, size, time, log, figures). A body of
/predict or /predict/batch that msgspec finds right is scored there and then; any other is handed to the
FastAPI routes, which judge it by the documented models and name what is wrong.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from ml_utils.errors import DataError
from ml_utils.prediction_log.entries import EntryRefused, LogUnavailable
from ml_utils.serving import routes
from ml_utils.serving.access_log import AccessLog
from ml_utils.serving.admission import Admission
from ml_utils.serving.deadlines import Deadlines
from ml_utils.serving.deployed import Deployed
from ml_utils.serving.exchange import Exchange
from ml_utils.serving.limits import RateLimits
from ml_utils.serving.metrics import Metrics
from ml_utils.serving.predicting import Predictor, Scored
from ml_utils.serving.reading import Reader
from ml_utils.serving.refusals import Refused
from ml_utils.serving.screening import Screen
from ml_utils.serving.served import Row, Unusual, from_scorer
from ml_utils.serving.settings import MAX_BODY, Settings

if TYPE_CHECKING:
    from ml_utils.prediction_log.log import PredictionLog
    from ml_utils.serving.keys import KeyRing
    from ml_utils.serving.scoring import Scorer
    from ml_utils.serving.swapping import Swapper

__all__ = ["MAX_BODY", "Service", "create_app"]

logger = logging.getLogger(__name__)
T = TypeVar("T")
_LOST = "the prediction could not be stored, so it is not given"


class Live(NamedTuple):
    """What serves now and all that is made from it; a request keeps the one that it began with."""

    deployed: Deployed
    reader: Reader
    screen: Screen
    app: FastAPI


class Service:
    """The ASGI application.

    Parameters
    ----------
    deployed : Deployed
        What it serves first.
    settings : Settings
    log : PredictionLog, optional
        Where predictions are stored before they are answered; None stores none.

    Raises
    ------
    ParameterError
        If the key file cannot be read.
    """

    def __init__(
        self, deployed: Deployed, settings: Settings | None = None, log: PredictionLog | None = None
    ) -> None:
        self.settings = settings or Settings()
        self.metrics = Metrics()
        self.limits = RateLimits(self.settings.rate, self.settings.burst)
        self.admission = Admission(self.settings.key_file, self.limits, self.metrics)
        self.predictor = Predictor(log, self.metrics)
        self.access_log = AccessLog()
        self.deadlines = Deadlines(self.settings.timeout)
        self.swapper: Swapper | None = None
        self.draining = False
        self.live = self.prepare(deployed)
        self.put_in_place(self.live)

    @property
    def keys(self) -> KeyRing | None:
        """Keys that are accepted; None accepts anyone."""
        return self.admission.keys

    @property
    def routes(self) -> Sequence[object]:
        """The documented routes."""
        return self.live.app.routes

    @property
    def refused_swap(self) -> str | None:
        """Why a newer model does not serve, if one was refused."""
        return None if self.swapper is None else self.swapper.refused

    def prepare(self, deployed: Deployed) -> Live:
        """Make all that a model needs to serve, aside; it has scored once then."""
        deployed.warm()
        scorer = deployed.champion.scorer
        return Live(deployed, Reader(scorer.columns), Screen(scorer), routes.build(deployed, self))

    def put_in_place(self, live: Live) -> None:
        """Let it serve from the next request on."""
        self.live = live
        self.metrics.version.clear()
        for variant, version in live.deployed.versions().items():
            self.metrics.version.labels(variant).set(version or 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._live_and_die(receive, send)
        elif scope["type"] == "http":
            await Exchange(self, scope, receive, send).run()
        else:
            await self.live.app(scope, receive, send)

    async def one(
        self, deployed: Deployed, row: Row, customer: str | None, name: str
    ) -> tuple[Scored, list[Unusual]]:
        """Score a row; see `Predictor.one`."""
        return await self.guarded(self.predictor.one(deployed, row, customer, name))

    async def many(
        self, deployed: Deployed, rows: Sequence[Row], customers: Sequence[str | None], name: str
    ) -> tuple[list[Scored], list[Unusual]]:
        """Score rows; see `Predictor.many`."""
        return await self.guarded(self.predictor.many(deployed, rows, customers, name))

    async def guarded(self, work: Awaitable[T], lost: str = _LOST) -> T:
        """Turn what may go wrong with a prediction into refusals; `lost` is said if it was not stored."""
        try:
            return await work
        except LogUnavailable as error:
            self.metrics.log_failures.inc()
            logger.error("%s", error)
            raise Refused(503, "", f"{lost}; try again", {"Retry-After": "1"}) from None
        except EntryRefused:
            said = "this X-Request-ID stands for another prediction; give each request its own"
            raise Refused(409, "X-Request-ID", said) from None
        except DataError as error:
            raise Refused(422, "body", str(error)) from None

    async def _live_and_die(self, receive: Receive, send: Send) -> None:
        await receive()
        self.access_log.start()
        if self.swapper is not None:
            self.swapper.start()
        gc.collect()
        gc.freeze()  # what is there for good need not be searched for garbage, again and again
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self.swapper is not None:
            await self.swapper.stop()
        await self.predictor.close()
        self.access_log.close()
        await send({"type": "lifespan.shutdown.complete"})


def create_app(scorer: Scorer, settings: Settings | None = None) -> Service:
    """Make a service, without a log, for a model that is loaded as its pipeline.

    Parameters
    ----------
    scorer : Scorer
    settings : Settings, optional
    """
    return Service(Deployed(from_scorer(scorer)), settings)
