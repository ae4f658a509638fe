"""The client: one connection pool, requests with an id of their own, so that a retry is the same request."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

from ml_utils.client.answers import Answer, Explanation, ServiceRefused, faults_of, warnings_of
from ml_utils.client.sending import base_url, key_header, plain, plain_row, plain_rows
from ml_utils.errors import ParameterError, ServiceError

_LATER = (429, 503)  # come back later: Retry-After says when
_LONGEST = 5.0  # seconds between two attempts

Row = Mapping[str, object]
Customer = str | int | None


class Client:
    """Calls a prediction service.

    Parameters
    ----------
    url : str
        Like http://127.0.0.1:8000.
    key : str, optional
        API key.
    timeout : float
        Seconds an attempt may take.
    retries : int
        Further attempts when the service cannot be reached, or says to come back later. They carry the same
        request id, so a prediction is stored once.

    Raises
    ------
    ParameterError
        If the address or the key cannot be one.
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 10.0, retries: int = 2) -> None:
        self.url = base_url(url)
        self.retries = retries
        self._http = httpx.Client(base_url=self.url, headers=key_header(key), timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, row: Row, customer: Customer = None, request_id: str | None = None) -> Answer:
        """Score a row.

        Parameters
        ----------
        row : mapping
            Every raw column; None, NaN or NA where a value is unknown, dates as they are or as ISO text.
        customer : str or int, optional
            Who it is about: the same customer gets the same variant, and can be purged from the log.
        request_id : str, optional
            By default a new one.

        Raises
        ------
        ParameterError
            If a value has no form in JSON.
        ServiceRefused
            With the fields that are wrong.
        ServiceError
            If no service answers.
        """
        body = self._post("/predict", _one(row, customer), request_id)
        warnings = warnings_of(body)
        return Answer(**{**body, "warnings": warnings})

    def predict_batch(self, rows: Sequence[Row], customers: Sequence[Customer] | None = None) -> list[Answer]:
        """Score rows; see `predict`. The answers are in the order of the rows."""
        sent = plain_rows(rows)
        content: dict[str, object] = {"rows": sent}
        if customers is not None:
            if len(customers) != len(sent):
                raise ParameterError(
                    f"There are {len(sent)} rows and {len(customers)} customers; give one a row, or None."
                )
            pairs = zip(sent, customers, strict=True)
            content = {"requests": [{"row": row} | _known("customer", one) for row, one in pairs]}
        body = self._post("/predict/batch", content)
        name, warnings = body["request_id"], warnings_of(body)
        return [
            Answer(**item, request_id=name, row=i, warnings=warnings)
            for i, item in enumerate(body["predictions"])
        ]

    def explain(self, row: Row, customer: Customer = None) -> Explanation:
        """Say what made a row's score."""
        body = self._post("/explain", _one(row, customer))
        parts = {item["column"]: item["contribution"] for item in body["contributions"]}
        return Explanation(body["score"], body["base"], body["scale"], parts)

    def feedback(
        self,
        outcome: float | bool,
        request_id: str | None = None,
        customer: Customer = None,
        row: int = 0,
        time: str | None = None,
    ) -> bool:
        """Say what came true; return whether the log had the prediction.

        Parameters
        ----------
        outcome : float or bool
        request_id : str, optional
            Of the answer, with its `row`; or instead
        customer : str or int, optional
            whose latest prediction it was.
        row : int
        time : str, optional
            When, as ISO text; by default now.
        """
        item: dict[str, object] = {"outcome": outcome, "row": row}
        item |= _known("request_id", request_id) | _known("customer", customer) | _known("time", time)
        return self.feedback_batch([item]) == 1

    def feedback_batch(self, items: Iterable[Mapping[str, object]]) -> int:
        """Send outcomes as they stand in /feedback; return how many predictions the log had."""
        return int(self._post("/feedback", {"items": plain_rows(list(items), "item")})["stored"])

    def model(self) -> dict[str, Any]:
        """Return the served model: version, card, schema."""
        return self._call("GET", "/model")

    def ready(self) -> bool:
        """Return whether the service takes requests."""
        try:
            return self._http.get("/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def _post(
        self, path: str, content: Mapping[str, object], request_id: str | None = None
    ) -> dict[str, Any]:
        return self._call("POST", path, content, request_id or uuid.uuid4().hex)

    def _call(
        self, method: str, path: str, content: Mapping[str, object] | None = None, name: str | None = None
    ) -> dict[str, Any]:
        headers = {} if name is None else {"X-Request-ID": name}
        for attempt in range(self.retries + 1):
            last = attempt == self.retries
            try:
                answer = self._http.request(method, path, json=content, headers=headers)
            except httpx.TransportError as error:
                if last:
                    raise ServiceError(f"No service answers at {self.url}: {error!r}.") from error
                time.sleep(min(_LONGEST, 0.1 * 2**attempt))
                continue
            if answer.status_code not in _LATER or last:
                return _read(answer)
            time.sleep(_pause(answer, attempt))
        raise AssertionError("the last attempt returns or raises")


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.status_code == 200 and isinstance(body, dict):
        return body
    raise ServiceRefused(answer.status_code, faults_of(body), answer.headers.get("x-request-id"))


def _pause(answer: httpx.Response, attempt: int) -> float:
    given = answer.headers.get("retry-after", "")
    wanted = float(given) if given.isdigit() else 0.1 * 2**attempt
    return min(_LONGEST, wanted)


def _one(row: Row, customer: Customer) -> dict[str, object]:
    return {"row": plain_row(row)} | _known("customer", customer)


def _known(name: str, value: object) -> dict[str, object]:
    return {} if value is None else {name: plain(value, name)}
