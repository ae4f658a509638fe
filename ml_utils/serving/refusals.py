"""Refusals: a status, and what is wrong with which field. No value that was sent is repeated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MAX_FAULTS = 20  # listed in one refusal
MAX_WORDS = 500  # characters of a field's name or a message


class Refused(Exception):
    """A request is refused.

    Parameters
    ----------
    status : int
    field : str
        What it is about; "" where it is no field.
    message : str
    headers : mapping, optional
    more : sequence of tuple
        What else is wrong: fields and messages.
    """

    def __init__(
        self,
        status: int,
        field: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        more: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.faults = [(field, message), *more]
        self.headers = dict(headers or {})


def content(faults: Sequence[tuple[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Return a refusal's body."""
    return {"detail": [{"field": _clean(field), "message": _clean(message)} for field, message in faults]}


def encoded(faults: Sequence[tuple[str, str]]) -> bytes:
    """Return a refusal's body as JSON."""
    return json.dumps(content(faults), ensure_ascii=False).encode()


def respond(
    status: int, faults: Sequence[tuple[str, str]], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return a refusal as a response."""
    return JSONResponse(content(faults), status, dict(headers or {}))


async def refuse_body(request: Request, error: Exception) -> JSONResponse:
    """Name the fields that pydantic found wrong."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        return respond(400, [("body", f"is not JSON: {_unread(found[0])}")])
    faults = faults_of(found[:MAX_FAULTS])
    if len(found) > MAX_FAULTS:
        faults.append(("body", f"and {len(found) - MAX_FAULTS:,} more"))
    return respond(422, faults)


def faults_of(found: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return what pydantic found wrong: fields and messages, one a field.

    The input is not repeated: it is personal data, and NaN in it could not be written as JSON.
    """
    faults: dict[str, str] = {}
    for item in found:
        place, said = _place(item["loc"]), str(item["msg"]).removeprefix("Value error, ")
        if item.get("input") is None and _VALUE.match(place):
            said = "null is not allowed: training had no missing value in this column"
        before = faults.get(place, "")  # of another type that the field may have
        if before.startswith("Input should be a valid"):
            said = f"{before}, or {said.removeprefix('Input should be ')}"
        elif before:
            said = before
        faults[place] = said
    return list(faults.items())


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """Answer a `Refused`."""
    assert isinstance(error, Refused)
    return respond(error.status, error.faults, error.headers)


async def refuse_http(request: Request, error: Exception) -> JSONResponse:
    """Answer what Starlette refuses: a wrong path or method, or a body nested too deeply to be read."""
    assert isinstance(error, HTTPException)
    fault = ("", str(error.detail))
    if error.status_code == 400:
        fault = ("body", "cannot be read: JSON in UTF-8, not nested deeply, no number of thousands of digits")
    return respond(error.status_code, [fault], error.headers)


def _clean(text: str) -> str:
    """Make text that any JSON writer takes: half a surrogate pair in a field's name would break it."""
    return text.encode("utf-8", "replace").decode()[:MAX_WORDS]


def _place(location: Sequence[object]) -> str:
    # the branches of a union are no part of the caller's body
    parts = [str(part) for part in location[1:] if part not in _BRANCHES and "[" not in str(part)]
    return ".".join(parts) or "body"


def _unread(item: Mapping[str, Any]) -> str:
    said = str(item.get("ctx", {}).get("error", "unreadable")).removesuffix(" at")
    return f"{said} at character {item['loc'][-1] + 1:,}"


_VALUE = re.compile(r"(row|rows\.\d+|requests\.\d+\.row)\.")
_BRANCHES = ("constrained-str", "function-before", "float", "bool")
