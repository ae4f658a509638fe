"""Request bodies read at once where they are plainly right; anything else is left to the careful way.

msgspec decodes and checks a row in a few microseconds, but it takes the last of two equal keys and leaves
unknown ones aside. Both put more colons into the text than a right body has, so counting them finds both;
where the count does not settle it (escapes, for one) the text is parsed again, slowly and exactly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypedDict, TypeVar

import msgspec

if TYPE_CHECKING:
    from ml_utils.registry.input_columns import InputColumn

MAX_ROWS = 5_000
MAX_TEXT = 1_000
MAX_ID = 200  # characters of a customer's id
LARGEST = 2**53  # beyond it float64 no longer tells whole numbers apart
CUSTOMER_PATTERN = (
    r"^[^\x00-\x1f\x7f]+$"  # control characters have no place in an id, nor in PostgreSQL's text
)

_DAY = (
    r"(?:[1-9]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))"
    r"|(?:[1-9]\d(?:0[48]|[2468][048]|[13579][26])|(?:[13579][26]|[2468][048])00)-02-29)"
)
_CLOCK = r"[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)?"
TIME_PATTERN = f"^{_DAY}(?:{_CLOCK})?$"  # exact to the leap year, so that the documented schema is true
_TIME = re.compile(TIME_PATTERN, re.ASCII)

Row = dict[str, Any]
T = TypeVar("T")


def is_time(text: str) -> bool:
    """Tell whether text is a date or a moment in ISO form, from the year 1000 on.

    Examples
    --------
    >>> is_time("2025-06-30"), is_time("2025-06-30T12:00:00Z"), is_time("2025-02-30"), is_time("20250630")
    (True, True, False, False)
    """
    return _TIME.fullmatch(text) is not None


def repeated(body: bytes) -> str | None:
    """Return a key that an object in the body has twice, if any; None also where it is not JSON."""
    try:
        json.loads(body, object_pairs_hook=_single)
    except _Repeated as error:
        return error.name
    except (ValueError, RecursionError):
        return None
    return None


class One(msgspec.Struct, Generic[T], forbid_unknown_fields=True, gc=False):
    """Body of /predict."""

    row: T
    customer: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)] | int | None = None


class Many(msgspec.Struct, Generic[T], forbid_unknown_fields=True, gc=False):
    """Body of /predict/batch: rows, or requests as /predict takes them."""

    rows: Annotated[list[T], msgspec.Meta(min_length=1, max_length=MAX_ROWS)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    requests: Annotated[list[One[T]], msgspec.Meta(min_length=1, max_length=MAX_ROWS)] | msgspec.UnsetType = (
        msgspec.UNSET
    )


class Reader:
    """Reads bodies for one model's columns.

    Parameters
    ----------
    columns : sequence of InputColumn
    """

    def __init__(self, columns: Sequence[InputColumn]) -> None:
        row: Any = TypedDict("Row", {column.name: _type(column) for column in columns})  # type: ignore[misc]
        self._one: Any = msgspec.json.Decoder(One[row])
        self._many: Any = msgspec.json.Decoder(Many[row])
        self._width = len(columns)
        self._per_row = len(columns) + sum(column.name.count(":") for column in columns)
        self._texts = [column.name for column in columns if column.kind in ("text", "time")]
        self._times = [column.name for column in columns if column.kind == "time"]
        # as JSON the name may need an escape, and then the count settles nothing
        self._plain = all(
            json.dumps(column.name, ensure_ascii=False) == f'"{column.name}"' for column in columns
        )

    def one(self, body: bytes) -> tuple[Row, str | None] | None:
        """Return row and customer, or None where the body is not plainly right."""
        try:
            read = self._one.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        row, customer = read.row, read.customer
        for name in self._times:
            value = row[name]
            if value is not None and not is_time(value):
                return None
        customer = _customer(customer)
        if customer == "":
            return None
        odd = b"\\" in body or body.count(b":") != self._colons(row, read.customer)
        if odd and not self._exact(body, 1):
            return None
        return row, customer

    def many(self, body: bytes) -> tuple[list[Row], list[str | None]] | None:
        """Return rows and customers, or None where the body is not plainly right."""
        try:
            read = self._many.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        alone = read.requests is msgspec.UNSET
        if alone == (read.rows is msgspec.UNSET):  # neither, or both
            return None
        rows = read.rows if alone else [item.row for item in read.requests]
        given = [None] * len(rows) if alone else [item.customer for item in read.requests]
        customers = [_customer(one) for one in given]
        times_right = all(row[name] is None or is_time(row[name]) for name in self._times for row in rows)
        if "" in customers or not times_right or not self._exact(body, len(rows)):
            return None
        return rows, customers

    def _colons(self, row: Row, customer: object) -> int:
        expected = self._per_row + 1 if self._plain else -1
        for name in self._texts:
            value = row[name]
            if value is not None:
                expected += value.count(":")
        if customer is not None:
            expected += 1 + (customer.count(":") if isinstance(customer, str) else 0)
        return expected

    def _exact(self, body: bytes, n: int) -> bool:
        try:
            parsed = json.loads(body, object_pairs_hook=_single)
        except (_Repeated, ValueError, RecursionError):
            return False
        if "row" in parsed:
            rows = [parsed["row"]]
        else:
            rows = parsed.get("rows") or [item["row"] for item in parsed["requests"]]
        return len(rows) == n and all(len(row) == self._width for row in rows)


def _customer(given: str | int | None) -> str | None:
    """Return a customer's id as text, "" where it is not plainly right."""
    if given is None:
        return None
    if isinstance(given, int):
        return str(given) if -LARGEST <= given <= LARGEST else ""
    return given if given.isprintable() else ""


class _Repeated(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _single(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Repeated(name)
            seen.add(name)
    return made


def _type(column: InputColumn) -> Any:
    meta = msgspec.Meta
    kinds: dict[str, Any] = {
        "number": float,
        "integer": Annotated[int, meta(ge=-LARGEST, le=LARGEST)],
        "boolean": bool,
        "text": Annotated[str, meta(max_length=MAX_TEXT)],
        "time": Annotated[str, meta(max_length=MAX_TEXT)],
    }
    kind = kinds[column.kind]
    return kind | None if column.nullable else kind
