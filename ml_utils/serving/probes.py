"""Faulty requests, made from the model's own schema, and how a running service answers them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ml_utils.registry.inputs import InputSchema

_DEEP, _LARGE = 10_000, 10_000_000


@dataclass(frozen=True)
class Probe:
    """One request and its answer. `wanted` is the first digit of the status that is right."""

    request: str
    wanted: int
    status: int
    message: str

    @property
    def passed(self) -> bool:
        """Whether the status is of the right kind."""
        return self.status // 100 == self.wanted


@dataclass(frozen=True)
class Probes:
    """All requests of one round."""

    items: tuple[Probe, ...]

    @property
    def scored(self) -> int:
        """Requests that were answered with a score."""
        return sum(item.status == 200 for item in self.items)

    @property
    def faulty(self) -> int:
        """Requests that should be refused."""
        return sum(item.wanted == 4 for item in self.items)

    @property
    def refused(self) -> int:
        """Faulty requests that were refused as the caller's fault, with a message."""
        return sum(item.wanted == 4 and item.passed and bool(item.message) for item in self.items)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a request."""
        rows = [
            {"request": item.request, "status": item.status, "the service says": item.message}
            for item in self.items
        ]
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


def probe(url: str, schema: InputSchema, key: str | None = None) -> Probes:
    """Send a typical row in faulty forms, and in odd ones that are no fault.

    Parameters
    ----------
    url : str
        Where the service is.
    schema : InputSchema
        The model's.
    key : str, optional
        API key of a service that asks for one; then requests without it, and with a wrong one, are sent too.

    Returns
    -------
    Probes
    """
    import httpx

    right = {} if key is None else {"x-api-key": key}
    cases = [(request, wanted, body, right) for request, wanted, body in _cases(schema)]
    if key is not None:
        body = _body(schema.example())
        cases += [("no API key", 4, body, {}), ("a wrong API key", 4, body, {"x-api-key": key[:-1]})]
    with httpx.Client(base_url=url, timeout=30, headers={"content-type": "application/json"}) as client:
        done = []
        for request, wanted, body, headers in cases:
            answer = client.post("/predict", content=body, headers=headers)
            done.append(Probe(request, wanted, answer.status_code, _message(answer.json())))
    return Probes(tuple(done))


def _cases(schema: InputSchema) -> list[tuple[str, int, str]]:
    row = schema.example()
    first = schema.columns[0].name
    without = {name: value for name, value in row.items() if name != first}
    cases = [
        (f"{first} left out", 4, _body(without)),
        (f"{first} is a list", 4, _body({**row, first: [1]})),
        ("a field that the model does not know", 4, _body({**row, "no_such_field": 1})),
    ]
    number = next((column for column in schema.columns if column.kind in ("number", "integer")), None)
    if number is not None:
        cases += [
            (f"{number.name} is text", 4, _body({**row, number.name: "many"})),
            (f"{number.name} is NaN", 4, _body({**row, number.name: float("nan")})),
            (f"{number.name} is infinite", 4, _body({**row, number.name: float("inf")})),
        ]
    cases += [
        ("cut off in the middle", 4, _body(row)[:-10]),
        ("empty", 4, ""),
        ("lists within lists, 10,000 deep", 4, "[" * _DEEP + "]" * _DEEP),
        ("10 MB", 4, _body({**row, "filler": "x" * _LARGE})),
    ]
    if number is not None and isinstance(number.maximum, float):
        beyond = int(abs(number.maximum)) * 10 + 10
        cases.append((f"{number.name} is {beyond}", 2, _body({**row, number.name: beyond})))
    text = next((column for column in schema.columns if column.categories), None)
    if text is not None:
        cases.append((f"{text.name} is 'something new'", 2, _body({**row, text.name: "something new"})))
    return cases


def _body(row: Mapping[str, object]) -> str:
    return json.dumps({"row": row})


def _message(answer: Mapping[str, object]) -> str:
    faults = answer.get("detail")
    if isinstance(faults, list):
        return "; ".join(": ".join(filter(None, (fault["field"], fault["message"]))) for fault in faults)
    warnings = answer.get("warnings")
    said = "; ".join(item["message"] for item in warnings) if isinstance(warnings, list) else ""
    return f"scored, with a warning: {said}" if said else "scored"
