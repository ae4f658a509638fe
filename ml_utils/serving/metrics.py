"""What Prometheus is told.

What every request counts is kept in plain numbers by `Tally` and handed over when Prometheus asks: the client
library's own counters lock and unlock seven times a request. All of it is counted in the event loop's thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from ml_utils.serving.served import Unusual

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SCORES = tuple(i / 10 for i in range(1, 11))


class _Spread:
    """Values counted by the first bound that they do not exceed."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        family.add_metric(labels, buckets, self._sum)


class Tally(Collector):
    """What every request and every scored row counts."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._seconds: dict[str, _Spread] = {}
        self._variants = {"champion": 0, "challenger": 0}
        self._scores = _Spread(_SCORES)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests[path, status] += 1
        spread = self._seconds.get(path)
        if spread is None:
            spread = self._seconds[path] = _Spread(_SECONDS)
        spread.observe(seconds)

    def scored(self, variant: str, score: float) -> None:
        """Count a row that was scored and answered."""
        self._variants[variant] += 1
        self._scores.observe(score)

    def collect(self) -> Iterator[Metric]:
        """Give the figures as the client library writes them."""
        requests = CounterMetricFamily("octavo_requests", "Requests", labels=("path", "status"))
        for (path, status), count in self._requests.items():
            requests.add_metric((path, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily("octavo_request_seconds", "Time to answer", labels=("path",))
        for path, spread in self._seconds.items():
            spread.add_to(seconds, (path,))
        yield seconds
        total = sum(self._variants.values())
        yield CounterMetricFamily("octavo_predictions", "Rows scored and answered", total)
        variants = CounterMetricFamily(
            "octavo_variant_predictions", "Rows answered by a variant", labels=("variant",)
        )
        for variant, count in self._variants.items():
            variants.add_metric((variant,), count)
        yield variants
        scores = HistogramMetricFamily("octavo_score", "Scores")
        self._scores.add_to(scores, ())
        yield scores


class Metrics:
    """All figures of one service; one registry each, so that two in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.tally = Tally()
        self.registry.register(self.tally)
        self.answered, self.scored = self.tally.answered, self.tally.scored
        self.unusual = self._counter("octavo_unusual_rows", "Rows with a value training never saw", "check")
        self.refused_keys = self._counter("octavo_refused_keys", "Requests refused for their key", "reason")
        self.log_failures = self._counter(
            "octavo_log_failures", "Predictions refused as they were not stored"
        )
        self.shadow = self._counter("octavo_shadow", "Rows for the shadow", "result")
        self.swaps = self._counter("octavo_swaps", "Models put in place of another, or refused", "result")
        self.version = Gauge(
            "octavo_model_version", "Version that serves", ["variant"], registry=self.registry
        )
        self.stale = Gauge(
            "octavo_swap_refused",
            "1 while a newer model was refused and the old one serves",
            registry=self.registry,
        )

    def warned(self, unusual: list[Unusual]) -> None:
        """Count what training never saw."""
        for item in unusual:
            self.unusual.labels(item.check).inc(item.rows)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)
