"""What a client sends: values of Python, numpy and pandas as JSON has them, and a key that fits a header."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from ml_utils.errors import ParameterError

_MISSING = ("<NA>", "NaT")  # pandas' other two; this module does without pandas


def plain_row(row: object, where: str = "row") -> dict[str, object]:
    """Return a raw row with JSON values: null for NaN, NA and NaT, ISO text for dates.

    Parameters
    ----------
    row : mapping of str to object
    where : str
        What to call it in messages.

    Raises
    ------
    ParameterError
        If it is not a mapping, or a value is infinite or none that JSON has.

    Examples
    --------
    >>> plain_row({"tenure": 3, "spend": float("nan"), "since": date(2026, 1, 31)})
    {'tenure': 3, 'spend': None, 'since': '2026-01-31'}
    """
    if not isinstance(row, Mapping):
        raise ParameterError(
            f"{where} maps columns to values; got {type(row).__name__}. A DataFrame is sent as "
            "frame.to_dict('records')."
        )
    return {str(name): plain(value, f"{where}: {name}") for name, value in row.items()}


def plain_rows(rows: Sequence[object], noun: str = "row") -> list[dict[str, object]]:
    """Return raw rows with JSON values; see `plain_row`."""
    return [plain_row(row, f"{noun} {number}") for number, row in enumerate(rows)]


def plain(value: object, where: str) -> object:
    """Return a value as JSON has it; see `plain_row`."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, date):  # datetimes and pandas' Timestamps too; NaT is one
        return None if str(value) in _MISSING else value.isoformat()
    if isinstance(value, float | Decimal):
        if math.isinf(value):
            raise ParameterError(f"{where} is infinite; send None where a value is unknown.")
        return None if math.isnan(value) else float(value)
    if str(value) in _MISSING:
        return None
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        return plain(value.item(), where)  # numpy's numbers
    raise ParameterError(
        f"{where} is a {type(value).__name__}; send text, a number, a truth value, a date, or None."
    )


def key_header(key: str | None) -> dict[str, str]:
    """Return the header that carries a key; the line's end that a file's key comes with is taken off.

    Raises
    ------
    ParameterError
        If no key looks like it; the message never repeats it.
    """
    if key is None:
        return {}
    text = key.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ParameterError("The key is not one line of ASCII text; give it as `keys new` printed it.")
    return {"X-API-Key": text}


def base_url(url: str) -> str:
    """Return the service's address without its last slash.

    Raises
    ------
    ParameterError
        If it is none of HTTP.
    """
    if not url.startswith(("http://", "https://")):
        raise ParameterError(f"A service's address begins with http:// or https://; got {url!r}.")
    return url.rstrip("/")
