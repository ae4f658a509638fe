"""Callers that hold a connection and do not get on: cut off for size at once, for slowness in time.

uvicorn reads the head of a request however long it is, waits for it for ever, and reads on while requests
wait in line. One caller without a key could so take every file descriptor, or fill the memory: 50 MB of
headers took 1 GB, 35 MB of requests that were sent at once 2 GB.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from ml_utils.serving.one_write import OneWriteProtocol

MAX_HEAD = 2**16  # bytes of a line and headers, beside the piece in which they begin
MAX_HEADERS = 1_000  # those behind a body counted in
MAX_WAITING = 1_000  # requests that were sent without waiting for the answer to the one before
MAX_REST = 2**24  # bytes of a body that was answered without it
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GuardedProtocol(OneWriteProtocol):
    """The protocol, with a limit on what is read beside bodies."""

    _beside = 0

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is too much."""
        before = self.scope
        super().data_received(data)
        cycle = self.cycle
        in_head = cycle is None or cycle.scope is not self.scope
        if in_head or cycle.response_complete:
            self._beside = self._beside + len(data) if self.scope is before else 0
            if self._beside > (MAX_HEAD if in_head else MAX_REST):
                self._cut_off(_TOO_LARGE if in_head else b"")
        if len(self.headers or ()) > MAX_HEADERS or len(self.pipeline) > MAX_WAITING:
            self._cut_off(b"")

    def _cut_off(self, said: bytes) -> None:
        if said:
            self.transport.write(said)
        self.transport.close()

    def dawdles(self) -> bool:
        """Return whether it is the caller's turn while no timer of uvicorn's waits for it."""
        if self.flow.write_paused or self.transport.is_closing():
            return True  # it does not read what was said
        in_hand = self.cycle is not None and not self.cycle.response_complete
        return not in_hand and self.timeout_keep_alive_task is None


class Patience:
    """Ends connections whose caller's turn it has been for too long.

    Parameters
    ----------
    seconds : float
        How long it may take to send a head, or to read a part of an answer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[GuardedProtocol, tuple[object, int, float]] = {}

    def look(self, connections: Iterable[object]) -> None:
        """Note who dawdles, and end what has taken too long; called about once a second."""
        now = time.monotonic()
        noted: dict[GuardedProtocol, tuple[object, int, float]] = {}
        for connection in list(connections):
            if not isinstance(connection, GuardedProtocol) or not connection.dawdles():
                continue
            transport = connection.transport
            unread = transport.get_write_buffer_size()
            scope, before, since = self._since.get(connection, (connection.scope, unread, now))
            if scope is not connection.scope or unread != before:  # it gets on, if slowly
                since = now
            noted[connection] = (connection.scope, unread, since)
            if now - since > self._seconds:
                (transport.abort if transport.is_closing() else transport.close)()
        self._since = noted
