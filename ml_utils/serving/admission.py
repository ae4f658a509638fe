"""Who may ask, how often, and with what body: decided before anything of the body is looked at."""

from __future__ import annotations

import logging
import math
import random
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import Receive

from ml_utils.errors import ParameterError
from ml_utils.serving.keys import KeyRing, read_keys
from ml_utils.serving.limits import RateLimits
from ml_utils.serving.refusals import Refused

if TYPE_CHECKING:
    from ml_utils.serving.metrics import Metrics

logger = logging.getLogger(__name__)

Headers = Mapping[bytes, bytes]
NEEDED = {
    ("POST", "/predict"): "predict",
    ("POST", "/predict/batch"): "predict",
    ("POST", "/explain"): "predict",
    ("POST", "/feedback"): "feedback",
    ("GET", "/model"): "read",
}
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# seeded by the system; asking it anew for each request would be a system call each
_ids = random.Random()
_HOW = "send the key as X-API-Key, or as Authorization: Bearer"


class Disconnected(Exception):
    """The caller went away before the whole body was here."""


class Admission:
    """Checks keys and counts requests.

    Parameters
    ----------
    path : Path or None
        Key file.
    limits : RateLimits
    metrics : Metrics

    Raises
    ------
    ParameterError
        If the key file cannot be read.
    """

    def __init__(self, path: Path | None, limits: RateLimits, metrics: Metrics) -> None:
        self._path = path
        self._metrics = metrics
        self._stamp = _stamp(path)
        self._said = ""
        self.limits = limits
        self.keys: KeyRing | None = read_keys(path)

    def admit(self, needed: str, headers: Headers) -> str:
        """Return the name of the key that a request came with; "" where none is needed.

        Raises
        ------
        Refused
            401 without a known key, 403 if it is not for this, 429 if it asks too often.
        """
        name = "" if self.keys is None else self._check(self.keys, needed, headers)
        wait = self.limits.take(name, time.monotonic())
        if wait > 0:
            retry = {"Retry-After": str(math.ceil(wait))}
            raise Refused(
                429, "", f"more than {self.limits.rate:g} requests a second; wait {wait:.2g} s", retry
            )
        return name

    def refresh(self) -> None:
        """Read the key file again if it changed; what cannot be read changes nothing, until it can."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            self.keys = read_keys(self._path)
        except ParameterError as error:
            if str(error) != self._said:  # said once, not at every look
                logger.error("The keys stay as they were: %s", error)
            self._said = str(error)
            return
        self._stamp, self._said = stamp, ""
        logger.info("The key file was read again")

    def _check(self, keys: KeyRing, needed: str, headers: Headers) -> str:
        given = headers.get(b"x-api-key")
        if given is None:
            scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
            given = rest.strip() if scheme.lower() == b"bearer" else None
        key = None if given is None else keys.find(given.decode("latin-1"))
        if key is None:
            reason = "missing" if given is None else "unknown"
            self._metrics.refused_keys.labels(reason).inc()
            message = f"no API key; {_HOW}" if given is None else "this API key is not known here"
            raise Refused(401, "X-API-Key", message, {"WWW-Authenticate": "Bearer"})
        if needed not in key.scopes:
            self._metrics.refused_keys.labels("scope").inc()
            raise Refused(403, "X-API-Key", f"this key may not {needed}; make one with that scope")
        return key.name


def request_id(given: bytes | None) -> str:
    """Return the caller's own request id where it is a sane one, else a new one."""
    if given is not None and _ID.fullmatch(given):
        return given.decode()
    return f"{_ids.getrandbits(128):032x}"


def check_type(headers: Headers) -> None:
    """Refuse a body that is not said to be JSON, or is said to be packed.

    Raises
    ------
    Refused
        415.
    """
    packed = headers.get(b"content-encoding")
    if packed is not None and packed.lower() != b"identity":
        raise Refused(415, "Content-Encoding", "the body is sent as it is, not packed (gzip, br, ...)")
    given = headers.get(b"content-type", b"")
    if given == b"application/json":
        return
    kind = given.partition(b";")[0].strip().lower()
    if kind != b"application/json" and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        said = kind.decode("latin-1")[:80] or "nothing"
        raise Refused(415, "Content-Type", f"the body is JSON, sent as application/json; got {said}")


async def read_body(headers: Headers, receive: Receive, most: int) -> bytes:
    """Return the body; give up as soon as it is larger than allowed.

    Raises
    ------
    Refused
        413.
    Disconnected
        If the caller went away.
    """
    declared = headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared[:20]) > most:
        raise _too_large(most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        parts = bytearray(body)
        while message.get("more_body", False):
            message = await receive()
            parts += message.get("body", b"")
            if len(parts) > most:
                raise _too_large(most)
        body = bytes(parts)
    if message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > most:
        raise _too_large(most)
    return body


def _too_large(most: int) -> Refused:
    return Refused(413, "body", f"the body is larger than {most:,} bytes; send fewer rows")


def _stamp(path: Path | None) -> tuple[int, int] | None:
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ino)
