"""One request and its answer: the gate, the quick way, and the way on to FastAPI."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from starlette.types import Message, Receive, Scope, Send

from ml_utils.serving import refusals
from ml_utils.serving.admission import NEEDED, Disconnected, Headers, check_type, read_body, request_id
from ml_utils.serving.reading import repeated
from ml_utils.serving.refusals import Refused

if TYPE_CHECKING:
    from ml_utils.serving.app import Service

logger = logging.getLogger(__name__)

_QUIET = ("/health", "/ready", "/metrics")  # asked every few seconds, for ever
_KNOWN = frozenset({path for _, path in NEEDED} | {*_QUIET, "/docs", "/redoc", "/openapi.json"})
_LARGE = 2**16  # bytes from which a body is read in a thread
_JSON = (b"content-type", b"application/json")
_ACT = {True: "true", False: "false", None: "null"}


class Exchange:
    """One request and its answer.

    Parameters
    ----------
    service : Service
    scope, receive, send
        Of ASGI.
    """

    __slots__ = ("arrived", "id", "key", "live", "receive", "scope", "send", "service", "status")

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self.service = service
        self.live = service.live
        self.scope = scope
        self.receive = receive
        self.send = send
        self.key = ""
        self.id = ""
        self.status = 0
        self.arrived = False

    async def run(self) -> None:
        """Answer the request, whatever becomes of it; then count and log it."""
        started = time.perf_counter()
        headers: Headers = dict(self.scope["headers"])
        self.id = request_id(headers.get(b"x-request-id"))
        path, method = self.scope["path"], self.scope["method"]
        deadlines = self.service.deadlines
        task = deadlines.begin()
        try:
            await self._answer(method, path, headers)
        except Refused as error:
            await self._refuse(error)
        except asyncio.CancelledError:
            if not deadlines.was_late(task):
                raise
            await self._refuse(self._late())
        except Disconnected:
            self.status = 499
        except Exception:
            logger.exception("Request %s failed", self.id)
            await self._refuse(Refused(500, "", f"an error of the service; it is in its log under {self.id}"))
        finally:
            deadlines.end(task)
        self._note(method, path, time.perf_counter() - started)

    def _late(self) -> Refused:
        seconds = self.service.settings.timeout
        if self.arrived:
            return Refused(504, "", f"not answered within {seconds:g} s")
        return Refused(408, "body", f"did not arrive within {seconds:g} s")

    async def _answer(self, method: str, path: str, headers: Headers) -> None:
        needed = NEEDED.get((method, path))
        if needed is not None:
            self.key = self.service.admission.admit(needed, headers)
        elif path not in _KNOWN:  # the routes' own patterns also match a path with a line break behind it
            raise Refused(404, "", "Not Found")
        if method != "POST" or needed is None:
            self.arrived = True
            await self._forward(self.receive)
            return
        check_type(headers)
        body = await read_body(headers, self.receive, self.service.settings.max_body)
        self.arrived = True
        if path == "/predict" and await self._one(body):
            return
        if path == "/predict/batch" and await self._many(body):
            return
        await self._screen(body)
        await self._forward(_replay(body, self.receive))

    async def _one(self, body: bytes) -> bool:
        read = self.live.reader.one(body)
        if read is None:
            return False
        scored, unusual = await self.service.one(self.live.deployed, *read, self.id)
        warnings = msgspec.json.encode(unusual).decode() if unusual else "[]"
        version = "null" if scored.version is None else scored.version
        content = (
            f'{{"score":{scored.score!r},"act":{_ACT[scored.act]},"version":{version},'
            f'"variant":"{scored.variant}","request_id":"{self.id}","warnings":{warnings}}}'
        )
        await self._respond(200, content.encode())
        return True

    async def _many(self, body: bytes) -> bool:
        reader = self.live.reader
        read = reader.many(body) if len(body) < _LARGE else await asyncio.to_thread(reader.many, body)
        if read is None:
            return False
        scored, unusual = await self.service.many(self.live.deployed, *read, self.id)
        answer = {"request_id": self.id, "predictions": scored, "warnings": unusual}
        await self._respond(200, msgspec.json.encode(answer))
        return True

    async def _screen(self, body: bytes) -> None:
        """Refuse what the routes would take, or take long to refuse."""
        large = len(body) >= _LARGE
        name = await asyncio.to_thread(repeated, body) if large else repeated(body)
        if name is not None:
            field = f"row.{name}" if name in self.live.deployed.names() else name
            raise Refused(422, field, "given twice in one object; give it once")
        if large and (faults := await asyncio.to_thread(self.live.screen.faults, body)):
            raise Refused(422, *faults[0], more=faults[1:])

    async def _forward(self, receive: Receive) -> None:
        """Let FastAPI answer."""
        self.scope["octavo_id"] = self.id

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                message["headers"] = [*message["headers"], *self._headers()]
            await self.send(message)

        await self.live.app(self.scope, receive, send)

    async def _refuse(self, error: Refused) -> None:
        if self.status:  # an answer has begun; what is wrong now cannot be said any more
            return
        more = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        await self._respond(error.status, refusals.encoded(error.faults), more)

    async def _respond(self, status: int, content: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.status = status
        length = (b"content-length", str(len(content)).encode())
        headers = [_JSON, length, *self._headers(), *more]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": content})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        own = [(b"x-request-id", self.id.encode())]
        if self.service.draining:
            own.append((b"connection", b"close"))  # the caller's next request goes to who takes over
        return own

    def _note(self, method: str, path: str, seconds: float) -> None:
        route = path if path in _KNOWN else "other"  # never the raw path: it is the caller's
        self.service.metrics.answered(route, self.status, seconds)
        if self.service.settings.access_log and route not in _QUIET:
            verb = method if method in ("GET", "POST") else "other"
            self.service.access_log.note(self.id, verb, route, self.status, seconds, self.key)


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
