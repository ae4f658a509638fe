"""The routes as FastAPI knows them: they document the service and judge each body that is not plainly right.

A missing value is null, where training had missing values in that column. NaN and infinities are refused.
What training never saw (a new category, a value out of range) is scored, with a warning in the answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import APIKeyHeader
from msgspec.structs import asdict as asdict_of
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from ml_utils.prediction_log.entries import Feedback
from ml_utils.serving import refusals
from ml_utils.serving.bodies import (
    BatchResponse,
    ExplainResponse,
    FeedbackRequest,
    FeedbackResponse,
    Prediction,
    PredictResponse,
    Refusal,
    Unusual,
    request_models,
)
from ml_utils.serving.refusals import Refused
from ml_utils.serving.served import Unusual as Said

if TYPE_CHECKING:
    from ml_utils.serving.app import Service
    from ml_utils.serving.deployed import Deployed

_WHY = {
    400: "not JSON",
    401: "no key, or one that is not known",
    403: "the key is not for this",
    404: "this service does not do that",
    408: "the body did not arrive in time",
    409: "the request's id stands for another prediction",
    413: "body too large",
    415: "not sent as application/json",
    422: "a field is wrong",
    429: "too many requests with this key; Retry-After says when to come back",
    503: "it could not be stored, so nothing is acknowledged; try again",
    504: "not answered in time",
}
Responses = dict[int | str, dict[str, Any]]


def build(deployed: Deployed, service: Service) -> FastAPI:
    """Make the routes for what is deployed now.

    Parameters
    ----------
    deployed : Deployed
        Its champion's columns are those of the documented bodies.
    service : Service
        Which they belong to.
    """
    champion = deployed.champion
    about = f"Scores with {champion.model}, version {champion.version} ({champion.scorer.name})."
    app = FastAPI(title="Octavo", version=champion.code, description=f"{about}\n\n{__doc__}")
    _add_predictions(app, deployed, service)
    _add_feedback(app, service, champion.scorer.task)
    _add_state(app, deployed, service)
    app.add_exception_handler(RequestValidationError, refusals.refuse_body)
    app.add_exception_handler(Refused, refusals.refuse)
    app.add_exception_handler(HTTPException, refusals.refuse_http)
    app.openapi()  # made here, aside, and not while the first reader waits
    return app


def _options(service: Service, *more: int) -> dict[str, Any]:
    keyed = service.keys is not None
    codes = (400, 408, 413, 415, 422, 504, *more, *((401, 403, 429) if keyed else (429,)))
    responses: Responses = {
        code: {"model": Refusal, "description": _WHY[code]}
        for code in sorted(codes)
        if code != 429 or service.limits.rate is not None
    }
    return {"responses": responses, "dependencies": _guard(service)}


def _guard(service: Service) -> list[Any]:
    """Document the key; it was checked before FastAPI is asked."""
    if service.keys is None:
        return []
    return [
        Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="or Authorization: Bearer"))
    ]


def _add_predictions(app: FastAPI, deployed: Deployed, service: Service) -> None:
    one, many = request_models(deployed.champion.scorer)

    async def predict(body: Any, request: Request) -> PredictResponse:
        name = request.scope["octavo_id"]
        row, customer = body.row.model_dump(by_alias=True), _text(body.customer)
        scored, unusual = await service.one(deployed, row, customer, name)
        return PredictResponse(**asdict_of(scored), request_id=name, warnings=_warnings(unusual))

    async def predict_batch(body: Any, request: Request) -> BatchResponse:
        name = request.scope["octavo_id"]
        given = body.requests or [None] * len(body.rows)
        customers = [None if item is None else _text(item.customer) for item in given]
        rows = [row.model_dump(by_alias=True) for row in body.rows or [item.row for item in given]]
        scored, unusual = await service.many(deployed, rows, customers, name)
        predictions = [Prediction(**asdict_of(item)) for item in scored]
        return BatchResponse(request_id=name, predictions=predictions, warnings=_warnings(unusual))

    async def explain(body: Any, request: Request) -> ExplainResponse:
        variant = deployed.choose(_text(body.customer) or request.scope["octavo_id"])
        served = deployed.served(variant)
        if not served.scorer.explains:
            raise Refused(
                404,
                "",
                "this service explains nothing: the model is not compiled, or the library of its trees "
                "(lightgbm, xgboost) is not installed here",
            )
        row = body.row.model_dump(by_alias=True)
        score, base, contributions = await service.predictor.explain(served, row)
        ordered = sorted(contributions.items(), key=lambda item: -abs(item[1]))
        scale = "log-odds" if served.scorer.task == "binary" else "the target's unit"
        return ExplainResponse.model_validate(
            {
                "score": score, "base": base, "scale": scale, "version": served.version, "variant": variant,
                "contributions": [{"column": name, "contribution": value} for name, value in ordered],
            }
        )  # fmt: skip

    predict.__annotations__ = {"body": one, "request": Request, "return": PredictResponse}
    predict_batch.__annotations__ = {"body": many, "request": Request, "return": BatchResponse}
    explain.__annotations__ = {"body": one, "request": Request, "return": ExplainResponse}
    stored = (409, 503) if service.predictor.log is not None else ()
    app.post("/predict", summary="Score one row", **_options(service, *stored))(predict)
    app.post("/predict/batch", summary="Score many rows", **_options(service, *stored))(predict_batch)
    app.post("/explain", summary="Say what made a row's score", **_options(service, 404))(explain)


def _add_feedback(app: FastAPI, service: Service, task: str) -> None:
    @app.post("/feedback", summary="Say what came true", **_options(service, 404, 503))
    async def feedback(body: FeedbackRequest) -> FeedbackResponse:
        log = service.predictor.log
        if log is None:
            raise Refused(404, "", "this service keeps no prediction log, so there is nothing to answer to")
        now, items = time.time(), []
        for i, item in enumerate(body.items):
            if task == "binary" and item.outcome not in (0, 1):
                raise Refused(422, f"items.{i}.outcome", "1 or true for the positive class, 0 or false else")
            at = now if item.time is None else _seconds(item.time)
            items.append(Feedback(float(item.outcome), at, item.request_id, _text(item.customer), item.row))
        stored = service.guarded(log.feedback(items), "the outcomes could not be stored")
        return FeedbackResponse(stored=await stored)


def _add_state(app: FastAPI, deployed: Deployed, service: Service) -> None:
    @app.get("/health", summary="The process is alive")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    unready: Responses = {
        503: {"model": Refusal, "description": "about to stop, or without its prediction log"}
    }

    @app.get("/ready", summary="The model is loaded and has scored", responses=unready)
    async def ready() -> Response:
        if service.draining:
            return refusals.respond(503, [("", "about to stop; send no more")])
        log = service.predictor.log
        if log is not None and log.ended:
            return refusals.respond(503, [("", "the prediction log has ended; start the service again")])
        champion = deployed.champion
        answer: dict[str, object] = {"status": "ready", "version": champion.version}
        if deployed.challenger is not None:
            answer["challenger"] = deployed.challenger.version
        if service.refused_swap:
            answer["refused"] = service.refused_swap
        return JSONResponse(answer)

    keyed = (401, 403) if service.keys is not None else ()
    closed: Responses = {code: {"model": Refusal, "description": _WHY[code]} for code in keyed}

    @app.get(
        "/model",
        summary="Which model this is and what it expects",
        responses=closed,
        dependencies=_guard(service),
    )
    async def model() -> dict[str, object]:
        return describe(deployed)

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def figures() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def describe(deployed: Deployed) -> dict[str, object]:
    """Return what /model answers."""
    champion, challenger = deployed.champion, deployed.challenger
    scorer = champion.scorer
    return {
        "name": champion.model,
        "version": champion.version,
        "candidate": scorer.name,
        "task": scorer.task,
        "threshold": scorer.threshold,
        "compiled": champion.compiled,
        "explains": scorer.explains,
        "manifest_sha256": champion.sha256,
        "manifest": champion.manifest,
        "inputs": champion.inputs,
        "card": champion.card,
        "challenger": None
        if challenger is None
        else {
            "version": challenger.version,
            "candidate": challenger.scorer.name,
            "threshold": challenger.scorer.threshold,
            "manifest_sha256": challenger.sha256,
            "share": deployed.router.challenger,
            "shadow": deployed.shadow,
        },
    }


def _text(customer: str | int | None) -> str | None:
    return None if customer is None else str(customer)


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _warnings(unusual: Sequence[Said]) -> list[Unusual]:
    return [Unusual(**asdict(item)) for item in unusual]
