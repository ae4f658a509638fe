"""What bench_serving compares with: FastAPI as it is usually written, Octavo's own app with one answer.

python benchmarks/serving_peers.py [unread] --package FOLDER --port 8000    the second; the service's options
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd
from fastapi import FastAPI


def _pipeline_app() -> FastAPI:
    from serving_model import trained

    model, _ = trained()
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/predict")
    async def predict(body: dict[str, Any]) -> dict[str, float]:
        frame = pd.DataFrame([body["row"]])
        return {"score": float(model.pipeline.predict_proba(frame)[0, 1])}

    return app


def constant(arguments: Sequence[str]) -> int:
    """Run Octavo's service, its /predict checking the body and answering the same bytes to any.

    With `unread` as the first argument it does not even look at the body.
    """
    from ml_utils.serving import service
    from ml_utils.serving.exchange import Exchange

    answer = b'{"score":0.123456789,"act":false,"version":1,"variant":"champion","warnings":[]}'
    unread = arguments[0] == "unread"

    async def one(exchange: Any, body: bytes) -> bool:
        if not unread and exchange.live.reader.one(body) is None:
            return False
        await exchange._respond(200, answer)
        return True

    Exchange._one = one  # type: ignore[method-assign]
    return service.main(arguments[1:] if unread else arguments)


def __getattr__(name: str) -> FastAPI:
    if name == "pipeline":  # made when uvicorn asks for it
        return _pipeline_app()
    raise AttributeError(name)


if __name__ == "__main__":
    sys.exit(constant(sys.argv[1:]))
