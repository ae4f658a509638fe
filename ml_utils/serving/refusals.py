"""Refusals: a status, and what is wrong with which field. No value that was sent is repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

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
    """

    def __init__(
        self, status: int, field: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.faults = [(field, message)]
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
    if any(item["type"] == "json_invalid" for item in found):
        return respond(400, [("body", f"is not JSON: {found[0].get('ctx', {}).get('error', 'unreadable')}")])
    # the input is not repeated: it is personal data, and NaN in it could not be written as JSON
    faults = [(_place(item["loc"]), item["msg"]) for item in found[:MAX_FAULTS]]
    if len(found) > MAX_FAULTS:
        faults.append(("body", f"and {len(found) - MAX_FAULTS:,} more"))
    return respond(422, faults)


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """Answer a `Refused`."""
    assert isinstance(error, Refused)
    return respond(error.status, error.faults, error.headers)


async def refuse_http(request: Request, error: Exception) -> JSONResponse:
    """Answer what Starlette refuses: a wrong path or method, or a body nested too deeply to be read."""
    assert isinstance(error, HTTPException)
    field = "body" if error.status_code == 400 else ""
    return respond(error.status_code, [(field, str(error.detail))], error.headers)


def _clean(text: str) -> str:
    """Make text that any JSON writer takes: half a surrogate pair in a field's name would break it."""
    return text.encode("utf-8", "replace").decode()[:MAX_WORDS]


def _place(location: Sequence[object]) -> str:
    # the branches of a union are no part of the caller's body
    parts = [str(part) for part in location[1:] if part not in _BRANCHES and "[" not in str(part)]
    return ".".join(parts) or "body"


_BRANCHES = ("constrained-str", "function-before", "float", "bool")
