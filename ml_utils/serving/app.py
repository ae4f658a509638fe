"""The prediction service's routes: one model, JSON in and out, every refusal names the field.

A missing value is null, where training had missing values in that column. NaN and infinities are refused.
What training never saw (a new category, a value out of range) is scored, with a warning in the answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_utils.errors import DataError
from ml_utils.registry.inputs import InputWarning
from ml_utils.serving.bodies import (
    BatchResponse,
    Prediction,
    PredictResponse,
    Refusal,
    Unusual,
    request_models,
)
from ml_utils.serving.scoring import Scorer

logger = logging.getLogger(__name__)

MAX_BODY = 4 * 2**20  # bytes
MAX_FAULTS = 20  # listed in one refusal
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """What Prometheus is told; one registry an app, so that two apps in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("octavo_requests", "Requests", ["path", "status"], registry=self.registry)
        self.seconds = Histogram(
            "octavo_request_seconds", "Time to answer", ["path"], buckets=_SECONDS, registry=self.registry
        )
        self.predictions = Counter("octavo_predictions", "Rows scored", registry=self.registry)
        self.scores = Histogram(
            "octavo_score", "Scores", buckets=[i / 10 for i in range(1, 11)], registry=self.registry
        )
        self.unusual = Counter(
            "octavo_unusual_rows", "Rows with a value training never saw", ["check"], registry=self.registry
        )


def create_app(scorer: Scorer) -> FastAPI:
    """Make the service for one model.

    Parameters
    ----------
    scorer : Scorer

    Returns
    -------
    FastAPI
        Routes /predict, /predict/batch, /health, /ready, /model, /metrics, and /docs.
    """
    about = f"Scores with {scorer.manifest.model}, version {scorer.version} ({scorer.model.name})."
    app = FastAPI(title="Octavo", version=scorer.manifest.code, description=f"{about}\n\n{__doc__}")
    metrics = Metrics()
    scorer.check([scorer.schema.example()])  # the first call is slow; let it not be a customer's
    _add_predictions(app, scorer, metrics)
    _add_state(app, scorer, metrics)
    app.add_exception_handler(RequestValidationError, _refuse_body)
    app.add_exception_handler(DataError, _refuse_data)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_middleware(_Gate, metrics=metrics)
    return app


def _add_predictions(app: FastAPI, scorer: Scorer, metrics: Metrics) -> None:
    one, many = request_models(scorer.schema)
    refusals: dict[int | str, dict[str, Any]] = {
        code: {"model": Refusal, "description": what}
        for code, what in ((400, "not JSON"), (413, "body too large"), (422, "a field is wrong"))
    }

    # one thread of their own: in the order they came, while the loop goes on to answer probes
    in_turn = ThreadPoolExecutor(1, thread_name_prefix="predict")

    async def predict(body: Any) -> PredictResponse:
        loop = asyncio.get_running_loop()
        scores, unusual = await loop.run_in_executor(in_turn, _score, scorer, metrics, [body.row])
        return PredictResponse(**scores[0].model_dump(), version=scorer.version, warnings=unusual)

    async def predict_batch(body: Any) -> BatchResponse:
        # in another, so that single rows do not wait for it
        scores, unusual = await anyio.to_thread.run_sync(_score, scorer, metrics, body.rows)
        return BatchResponse(version=scorer.version, predictions=scores, warnings=unusual)

    predict.__annotations__ = {"body": one, "return": PredictResponse}
    predict_batch.__annotations__ = {"body": many, "return": BatchResponse}
    app.post("/predict", summary="Score one row", responses=refusals)(predict)
    app.post("/predict/batch", summary="Score many rows", responses=refusals)(predict_batch)


def _score(
    scorer: Scorer, metrics: Metrics, rows: Sequence[BaseModel]
) -> tuple[list[Prediction], list[Unusual]]:
    scored = scorer.check([row.model_dump(by_alias=True) for row in rows])
    metrics.predictions.inc(len(rows))
    for warning in scored.warnings:
        metrics.unusual.labels(warning.check).inc(warning.rows)
    act: Sequence[bool | None] = [None] * len(rows) if scored.act is None else scored.act.tolist()
    predictions = []
    for score, decided in zip(scored.scores.tolist(), act, strict=True):
        metrics.scores.observe(score)
        predictions.append(Prediction(score=score, act=decided))
    return predictions, [_unusual(warning) for warning in scored.warnings]


def _unusual(warning: InputWarning) -> Unusual:
    return Unusual(**asdict(warning))


def _add_state(app: FastAPI, scorer: Scorer, metrics: Metrics) -> None:
    @app.get("/health", summary="The process is alive")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", summary="The model is loaded and has scored")
    async def ready() -> dict[str, object]:
        return {"status": "ready", "version": scorer.version}

    @app.get("/model", summary="Which model this is and what it expects")
    async def model() -> dict[str, object]:
        return {
            "name": scorer.manifest.model,
            "version": scorer.version,
            "candidate": scorer.model.name,
            "task": scorer.model.task,
            "threshold": scorer.model.threshold,
            "manifest_sha256": scorer.sha256,
            "manifest": asdict(scorer.manifest),
            "inputs": scorer.schema.to_json(),
        }

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def figures() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _refuse_body(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return _refusal(400, [("body", f"is not JSON: {found[0].get('ctx', {}).get('error', 'unreadable')}")])
    # the input is not repeated: it is personal data, and NaN in it could not be written as JSON
    faults = [(_place(item["loc"]), item["msg"]) for item in found[:MAX_FAULTS]]
    if len(found) > MAX_FAULTS:
        faults.append(("body", f"and {len(found) - MAX_FAULTS:,} more"))
    return _refusal(422, faults)


async def _refuse_data(request: Request, error: Exception) -> JSONResponse:
    return _refusal(422, [("body", str(error))])


async def _refuse_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _refusal(error.status_code, [("", str(error.detail))], dict(error.headers or {}))


def _refusal(
    status: int, faults: Sequence[tuple[str, str]], headers: dict[str, str] | None = None
) -> JSONResponse:
    detail = [{"field": _clean(field), "message": _clean(message)} for field, message in faults]
    return JSONResponse({"detail": detail}, status, headers)


def _clean(text: str) -> str:
    """Make text that any JSON writer takes: half a surrogate pair in a field's name would break it."""
    return text.encode("utf-8", "replace").decode()[:500]


def _place(location: Sequence[object]) -> str:
    return ".".join(str(part) for part in location[1:]) or "body"


class _Gate:
    """Limits the body, numbers the request, counts and logs it; no value of a row reaches the log."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, request_id = time.perf_counter(), uuid.uuid4().hex
        status = 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            body = await _read_body(scope, receive)
            if body is None:
                limit = f"the body is larger than {MAX_BODY:,} bytes; send fewer rows"
                await _refusal(413, [("body", limit)])(scope, receive, send_named)
            else:
                await self.app(scope, _replay(body, receive), send_named)
        finally:
            self._note(scope, status, time.perf_counter() - started, request_id)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        path = getattr(scope.get("route"), "path", "other")  # never the raw path: it is the caller's
        self.metrics.requests.labels(path, status).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        if path not in ("/health", "/ready", "/metrics"):
            entry = {"request": request_id, "path": path, "status": status, "ms": round(1000 * seconds, 2)}
            logger.info(json.dumps(entry))


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """Return the body, or None as soon as it is larger than allowed."""
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > MAX_BODY:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
