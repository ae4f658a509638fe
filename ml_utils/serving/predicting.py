"""A prediction from row to acknowledgement: who answers, the score, the log, the figures."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from ml_utils.errors import DataError
from ml_utils.prediction_log.entries import Entry
from ml_utils.serving.deployed import Deployed
from ml_utils.serving.routing import Variant
from ml_utils.serving.served import Row, Served, Unusual
from ml_utils.serving.shadow import Shadow, Shadowed

if TYPE_CHECKING:
    from ml_utils.prediction_log.log import PredictionLog
    from ml_utils.serving.metrics import Metrics

_encode = msgspec.json.encode


class Scored(msgspec.Struct, frozen=True, gc=False):
    """A row's score and who gave it; as JSON what /predict/batch answers for a row."""

    score: float
    act: bool | None
    version: int | None
    variant: Variant


class Predictor:
    """Scores rows, stores what it scored, and only then lets it be answered.

    Parameters
    ----------
    log : PredictionLog or None
        None keeps no log.
    metrics : Metrics
    """

    def __init__(self, log: PredictionLog | None, metrics: Metrics) -> None:
        self.log = log
        self.metrics = metrics
        self.shadow = Shadow(log, metrics)
        # a thread of their own for pipelines, in the order they came, while the loop goes on to answer probes
        self._in_turn = ThreadPoolExecutor(1, thread_name_prefix="predict")
        # in another, so that single rows do not wait for them
        self._batches = ThreadPoolExecutor(1, thread_name_prefix="batch")

    async def one(
        self, deployed: Deployed, row: Row, customer: str | None, request_id: str
    ) -> tuple[Scored, list[Unusual]]:
        """Score a row.

        Raises
        ------
        DataError
            If the model has no finite score for it.
        LogUnavailable
            If it could not be stored; then it must not be answered.
        """
        variant = deployed.choose(customer or request_id)
        served = deployed.served(variant)
        if served.compiled:  # microseconds: quicker here than the way to a thread and back
            score, unusual = served.one(row)
        else:
            loop = asyncio.get_running_loop()
            score, unusual = await loop.run_in_executor(self._in_turn, served.one, row)
        if not math.isfinite(score):
            raise DataError(
                f"The model has no finite score for this row (it gives {score}); check its values."
            )
        act = served.act(score)
        if self.log is not None:
            version = served.version or 0
            entry = Entry(request_id, time.time(), customer, version, variant, score, act, _encode(row))
            await self.log.append((entry,))
        self.metrics.scored(variant, score)
        if unusual:
            self.metrics.warned(unusual)
        if deployed.shadow and variant == "champion" and deployed.challenger is not None:
            self.shadow.add(Shadowed(deployed.challenger, request_id, 0, customer, row))
        return Scored(score, act, served.version, variant), unusual

    async def many(
        self, deployed: Deployed, rows: Sequence[Row], customers: Sequence[str | None], request_id: str
    ) -> tuple[list[Scored], list[Unusual]]:
        """Score rows; all are stored or none.

        Raises
        ------
        DataError, LogUnavailable
            As for `one`.
        """
        variants = [deployed.choose(customer or request_id) for customer in customers]
        found: list[Scored | None] = [None] * len(rows)
        unusual: list[Unusual] = []
        loop = asyncio.get_running_loop()
        for variant in sorted(set(variants)):
            own = [i for i, chosen in enumerate(variants) if chosen == variant]
            served = deployed.served(variant)
            scores, said = await loop.run_in_executor(self._batches, served.many, [rows[i] for i in own])
            unusual += said
            for i, score in zip(own, scores, strict=True):
                if not math.isfinite(score):
                    raise DataError(f"The model has no finite score for row {i} (it gives {score}).")
                found[i] = Scored(score, served.act(score), served.version, variant)
        scored = [item for item in found if item is not None]
        await self._store(rows, customers, scored, request_id)
        for item in scored:
            self.metrics.scored(item.variant, item.score)
        self.metrics.warned(unusual)
        self._shadow(deployed, rows, customers, scored, request_id)
        return scored, unusual

    async def explain(self, served: Served, row: Row) -> tuple[float, float, dict[str, float]]:
        """Return score, base and contributions of a row."""

        def work() -> tuple[float, float, dict[str, float]]:
            base, contributions = served.scorer.explain_rows([row])
            return served.scorer.score_one(row), base, contributions[0]

        return await asyncio.get_running_loop().run_in_executor(self._batches, work)

    async def close(self) -> None:
        """Finish what waits, and give the log up."""
        await self.shadow.close()
        self._in_turn.shutdown(wait=False)
        self._batches.shutdown(wait=False)
        if self.log is not None:
            await asyncio.to_thread(self.log.close)

    async def _store(
        self, rows: Sequence[Row], customers: Sequence[str | None], scored: Sequence[Scored], request_id: str
    ) -> None:
        if self.log is None:
            return
        now = time.time()

        def work() -> list[Entry]:
            return [
                Entry(
                    request_id, now, customer, item.version or 0, item.variant, item.score, item.act,
                    _encode(row), row=i,
                )
                for i, (row, customer, item) in enumerate(zip(rows, customers, scored, strict=True))
            ]  # fmt: skip

        await self.log.append(await asyncio.get_running_loop().run_in_executor(self._batches, work))

    def _shadow(
        self,
        deployed: Deployed,
        rows: Sequence[Row],
        customers: Sequence[str | None],
        scored: Sequence[Scored],
        request_id: str,
    ) -> None:
        if not deployed.shadow or deployed.challenger is None:
            return
        for i, item in enumerate(scored):
            if item.variant == "champion":
                self.shadow.add(Shadowed(deployed.challenger, request_id, i, customers[i], rows[i]))
