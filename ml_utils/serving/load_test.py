"""How fast a service answers, at several numbers of clients: requests a second and latencies."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from ml_utils.client import Client
from ml_utils.client.sending import base_url, key_header
from ml_utils.errors import OctavoError, ParameterError, ServiceError
from ml_utils.serving.load_client import load, prepare
from ml_utils.wording import count, times


@dataclass(frozen=True)
class LoadLevel:
    """One number of clients, each sending its next request when the last was answered.

    Latencies are in milliseconds, as a client sees them, of what was answered with 200; NaN if nothing was.
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
                "requests/s": count(level.throughput),
                "p50 ms": milliseconds(level.p50),
                "p95 ms": milliseconds(level.p95),
                "p99 ms": milliseconds(level.p99),
                "requests": count(level.requests),
                "errors": count(level.errors),
            }
            for level in self.levels
        ]
        return pd.DataFrame(rows)

    def sentence(self) -> str:
        """Say how fast the service was in this run."""
        first, best = self.levels[0], self.best
        return (
            f"Measured here with {times(first.clients, 'client')}: half the answers within "
            f"{milliseconds(first.p50)} ms, 99 % within {milliseconds(first.p99)} ms. At most "
            f"{count(best.throughput)} requests a second (with {times(best.clients, 'client')}), "
            f"{times(self.errors, 'error')} in {times(self.requests, 'request')}."
        )

    def to_json(self) -> list[dict[str, float]]:
        """Return plain values, for what a notebook records."""
        return [{**asdict(level), "throughput": level.throughput} for level in self.levels]

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


def milliseconds(value: float) -> str:
    """Format a latency; a quick service's needs digits behind the point.

    >>> milliseconds(0.284), milliseconds(4.06), milliseconds(153.2)
    ('0.28', '4.1', '153')
    """
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def load_test(
    url: str,
    rows: Sequence[Mapping[str, object]],
    seconds: float = 2.0,
    clients: Sequence[int] = (1, 8, 50),
    headers: Mapping[str, str] | None = None,
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
    headers : mapping, optional
        Sent with each request, like an API key.

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
    if not url.startswith("http://"):
        raise ParameterError(f"The load test speaks to http://host:port; got {url!r}.")
    bodies = [json.dumps({"row": row}).encode() for row in rows]
    with ThreadPoolExecutor(1) as apart:  # a notebook's own event loop is already running
        levels = apart.submit(load_levels, url, "/predict", bodies, seconds, clients, headers or {}).result()
    return LoadTest(tuple(levels))


def load_levels(
    url: str,
    path: str,
    bodies: Sequence[bytes],
    seconds: float,
    clients: Sequence[int],
    headers: Mapping[str, str],
) -> list[LoadLevel]:
    """Load any path that takes JSON, at each number of clients; see `load_test`."""
    requests = prepare(url, path, bodies, headers)
    return [_level(url, requests, seconds, number) for number in clients]


def _level(url: str, requests: Sequence[bytes], seconds: float, clients: int) -> LoadLevel:
    started = time.perf_counter()
    answers = load(url, requests, clients, seconds)
    elapsed = time.perf_counter() - started
    # a refusal is quick and tells nothing of how fast rows are scored
    latency = np.array([answer.seconds for answer in answers if answer.fine] or [np.nan])
    p50, p95, p99 = (float(value) for value in 1000 * np.quantile(latency, [0.5, 0.95, 0.99]))
    failed = sum(not answer.fine for answer in answers)
    return LoadLevel(clients, len(answers), failed, elapsed, p50, p95, p99)


def main(arguments: Sequence[str] | None = None) -> int:
    """Load a running service and print what it did; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ml_utils.serving.load_test",
        description="Load POST /predict of a running service, whose prediction log, if on, stores it all.",
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where it is (http://127.0.0.1:8000)")
    parser.add_argument("--key", help="API key")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each level lasts (5)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 50], help="at a time (1 8 50)")
    options = parser.parse_args(arguments)
    try:
        url, headers = base_url(options.url), key_header(options.key or None)
        rows = _examples(url, headers)
        with Client(url, options.key or None, retries=0) as client:
            client.predict(rows[0])  # a refusal is told, not measured
        found = load_test(url, rows, options.seconds, options.clients, headers)
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{found.to_frame().to_string(index=False)}\n{found.sentence()}\n")
    return 0


def _examples(url: str, headers: Mapping[str, str]) -> list[dict[str, object]]:
    """Return the row that the service itself gives as an example."""
    import httpx

    try:
        described = httpx.get(f"{url}/openapi.json", headers=dict(headers), timeout=10).json()
        return list(described["components"]["schemas"]["Row"]["examples"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise ServiceError(
            f"No service describes itself at {url}/openapi.json: {error!r}. Start one with `make serve`, or "
            "say where it is: --url (URL=… of the make target)."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
