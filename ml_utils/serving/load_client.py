"""A client that costs little beside a fast service: prepared requests over connections that are kept."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from ml_utils.errors import ServiceError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Answered(NamedTuple):
    """One request's seconds, and whether the answer was 200."""

    seconds: float
    fine: bool


def prepare(url: str, path: str, bodies: Sequence[bytes], headers: Mapping[str, str]) -> list[bytes]:
    """Write whole requests, as they go over the wire.

    Parameters
    ----------
    url : str
        http://host:port.
    path : str
    bodies : sequence of bytes
        JSON.
    headers : mapping
        Further ones, like an API key's.
    """
    further = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\ncontent-type: application/json\r\n{further}"
    )
    return [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


def load(
    url: str, requests: Sequence[bytes], clients: int, seconds: float, stopped: Event | None = None
) -> list[Answered]:
    """Run `hammer` in a loop of its own: uvloop's where it is, so that the client is not what is measured."""
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with contextlib.suppress(ImportError):  # not on Windows
        import uvloop

        loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(hammer(url, requests, clients, seconds, stopped))


async def hammer(
    url: str, requests: Sequence[bytes], clients: int, seconds: float, stopped: Event | None = None
) -> list[Answered]:
    """Let each client send its next request when its last was answered, for some time.

    Parameters
    ----------
    url : str
        http://host:port.
    requests : sequence of bytes
        From `prepare`; sent in turn.
    clients : int
        Connections.
    seconds : float
        At most.
    stopped : Event, optional
        Ends it before.

    Returns
    -------
    list of Answered

    Raises
    ------
    ServiceError
        If nothing listens there.
    """
    until = time.perf_counter() + seconds

    def goes_on() -> bool:
        return time.perf_counter() < until and not (stopped is not None and stopped.is_set())

    starts = [number % len(requests) for number in range(clients)]  # not all begin with the same row
    work = (_client(url, [*requests[start:], *requests[:start]], goes_on) for start in starts)
    try:
        found = await asyncio.gather(*work)
    except OSError as error:
        raise ServiceError(f"No service answers at {url}: {error}. Start it first.") from error
    return list(itertools.chain.from_iterable(found))


async def _client(url: str, requests: Sequence[bytes], goes_on: Callable[[], bool]) -> list[Answered]:
    where, turn = urlsplit(url), itertools.cycle(requests)
    answers: list[Answered] = []
    while goes_on():  # a connection that the service closes is opened again
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(turn, goes_on), where.hostname or "127.0.0.1", where.port or 80
        )
        await connection.done
        answers += connection.answers
    return answers


class _Connection(asyncio.Protocol):
    """Sends, waits for the whole answer, sends again."""

    def __init__(self, requests: Iterator[bytes], goes_on: Callable[[], bool]) -> None:
        self.requests, self.goes_on = requests, goes_on
        self.answers: list[Answered] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = b""
        self.started = 0.0
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.send()

    def send(self) -> None:
        self.received, self.started, self.waiting = b"", time.perf_counter(), True
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.received = self.received + data if self.received else data
        received = self.received
        end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, end) if end > 0 else None
        if end < 0 or (length is not None and len(received) < end + 4 + int(length[1])):
            return
        now, self.waiting = time.perf_counter(), False
        self.answers.append(Answered(now - self.started, received.startswith(b"HTTP/1.1 200")))
        if self.goes_on() and _CLOSE.search(received, 0, end) is None:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting:
            self.answers.append(Answered(time.perf_counter() - self.started, False))
        if not self.done.done():
            self.done.set_result(None)
