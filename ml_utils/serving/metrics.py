"""What Prometheus is told. Children of labels are looked up once: that search costs more than counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from ml_utils.serving.served import Unusual

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """All figures of one service; one registry each, so that two in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("octavo_requests", "Requests", "path", "status")
        self.seconds = Histogram(
            "octavo_request_seconds", "Time to answer", ["path"], buckets=_SECONDS, registry=self.registry
        )
        self.predictions = self._counter("octavo_predictions", "Rows scored and answered")
        self.by_variant = self._counter("octavo_variant_predictions", "Rows answered by a variant", "variant")
        self.scores = Histogram(
            "octavo_score", "Scores", buckets=[i / 10 for i in range(1, 11)], registry=self.registry
        )
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
        self._answered: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._champion = self.by_variant.labels("champion")
        self._challenger = self.by_variant.labels("challenger")

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        found = self._answered.get((path, status))
        if found is None:
            found = self.requests.labels(path, status), self.seconds.labels(path)
            self._answered[path, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def scored(self, variant: str, score: float) -> None:
        """Count a row that was scored and answered."""
        self.predictions.inc()
        (self._champion if variant == "champion" else self._challenger).inc()
        self.scores.observe(score)

    def warned(self, unusual: list[Unusual]) -> None:
        """Count what training never saw."""
        for item in unusual:
            self.unusual.labels(item.check).inc(item.rows)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)
