"""How fast a service answers: requests a second and latencies at several numbers of clients."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError, ServiceError
from ml_utils.wording import times

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class LoadLevel:
    """One number of clients, each sending its next request when the last was answered.

    Latencies are in milliseconds, as a client sees them.
    """

    clients: int
    requests: int
    errors: int
    seconds: float
    p50: float
    p95: float
    p99: float

    @property
    def throughput(self) -> float:
        """Answered requests a second, errors left out."""
        return (self.requests - self.errors) / self.seconds


@dataclass(frozen=True)
class LoadTest:
    """A load test, one level after another."""

    levels: tuple[LoadLevel, ...]

    @property
    def errors(self) -> int:
        """Requests that failed or were refused, over all levels."""
        return sum(level.errors for level in self.levels)

    @property
    def requests(self) -> int:
        """Requests sent, over all levels."""
        return sum(level.requests for level in self.levels)

    @property
    def best(self) -> LoadLevel:
        """The level with the highest throughput."""
        return max(self.levels, key=lambda level: level.throughput)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a level."""
        rows = [
            {
                "clients": level.clients,
                "requests/s": round(level.throughput, 1),
                "p50 ms": round(level.p50, 1),
                "p95 ms": round(level.p95, 1),
                "p99 ms": round(level.p99, 1),
                "requests": level.requests,
                "errors": level.errors,
            }
            for level in self.levels
        ]
        return pd.DataFrame(rows)

    def sentence(self) -> str:
        """Say how fast the service was in this run."""
        first, best = self.levels[0], self.best
        alone = times(first.clients, "client")
        return (
            f"Measured here: {first.p50:.0f} ms for half the answers with {alone} ({first.p99:.0f} ms for "
            f"99 %), at most {best.throughput:.0f} requests a second (with {times(best.clients, 'client')}), "
            f"{times(self.errors, 'error')} in {times(self.requests, 'request')}."
        )

    def to_json(self) -> list[dict[str, float]]:
        """Return plain values, for what a notebook records."""
        return [{**asdict(level), "throughput": level.throughput} for level in self.levels]

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


def load_test(
    url: str, rows: Sequence[Mapping[str, object]], seconds: float = 2.0, clients: Sequence[int] = (1, 8, 32)
) -> LoadTest:
    """Load POST /predict of a running service.

    Parameters
    ----------
    url : str
        Where the service is, like http://127.0.0.1:8000.
    rows : sequence of mappings
        Raw rows that are sent in turn.
    seconds : float
        How long each level lasts.
    clients : sequence of int
        Numbers of clients at a time.

    Returns
    -------
    LoadTest

    Raises
    ------
    ParameterError
        If there are no rows, no clients or no time.
    ServiceError
        If nothing answers at `url`.
    """
    if not rows or not clients or seconds <= 0 or min(clients) < 1:
        raise ParameterError(
            "A load test needs rows to send, at least one client and more than 0 seconds; got "
            f"{len(rows)} rows, clients {list(clients)}, {seconds} seconds."
        )
    bodies = [json.dumps({"row": row}).encode() for row in rows]
    with ThreadPoolExecutor(1) as apart:  # a notebook's own event loop is already running
        levels = apart.submit(asyncio.run, _levels(url, bodies, seconds, clients)).result()
    return LoadTest(tuple(levels))


async def _levels(
    url: str, bodies: Sequence[bytes], seconds: float, clients: Sequence[int]
) -> list[LoadLevel]:
    import httpx

    limits = httpx.Limits(max_connections=max(clients), max_keepalive_connections=max(clients))
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=url, limits=limits, headers=headers, timeout=30) as client:
        try:
            await client.get("/ready")
        except httpx.HTTPError as error:
            raise ServiceError(f"No service answers at {url}: {error}. Start it first.") from error
        return [await _level(client, bodies, seconds, number) for number in clients]


async def _level(
    client: httpx.AsyncClient, bodies: Sequence[bytes], seconds: float, number: int
) -> LoadLevel:
    await asyncio.gather(*(client.get("/health") for _ in range(number)))  # connected before the clock starts
    started = time.perf_counter()
    work = [_client(client, _from(bodies, i), started + seconds) for i in range(number)]
    done = list(itertools.chain.from_iterable(await asyncio.gather(*work)))
    elapsed = time.perf_counter() - started
    latency = np.array([taken for taken, _ in done])
    p50, p95, p99 = (float(value) for value in 1000 * np.quantile(latency, [0.5, 0.95, 0.99]))
    return LoadLevel(number, len(done), sum(not fine for _, fine in done), elapsed, p50, p95, p99)


def _from(bodies: Sequence[bytes], start: int) -> list[bytes]:
    start %= len(bodies)
    return [*bodies[start:], *bodies[:start]]  # clients do not all send the same row at once


async def _client(
    client: httpx.AsyncClient, bodies: Sequence[bytes], until: float
) -> list[tuple[float, bool]]:
    import httpx

    done = []
    for body in itertools.cycle(bodies):
        started = time.perf_counter()
        try:
            fine = (await client.post("/predict", content=body)).status_code == 200
        except httpx.HTTPError:
            fine = False
        done.append((time.perf_counter() - started, fine))
        if time.perf_counter() >= until:
            break
    return done
