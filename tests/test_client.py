"""What the client sends, before a service is asked."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import numpy as np
import pandas as pd
import pytest

from ml_utils.client import Client
from ml_utils.client.sending import key_header, plain_row
from ml_utils.errors import ParameterError


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Bodies that were sent; each is answered with one stored outcome and a batch of no rows."""
    bodies: list[object] = []

    def answer(self: httpx.Client, method: str, path: str, **options: object) -> httpx.Response:
        bodies.append(json.loads(json.dumps(options["json"], allow_nan=False)))
        return httpx.Response(200, json={"stored": 1, "request_id": "r", "predictions": [], "warnings": []})

    monkeypatch.setattr(httpx.Client, "request", answer)
    return bodies


def test_rows_of_a_table_go_as_they_are(sent: list[object]) -> None:
    frame = pd.DataFrame(
        {
            "age": pd.array([40, None], dtype="Int64"),
            "spend": [1.5, np.nan],
            "since": pd.to_datetime(["2026-01-31", None]),
            "vip": [np.True_, np.False_],
        }
    )
    with Client("http://service") as client:
        client.predict_batch(frame.to_dict("records"), [np.int64(7), None])  # type: ignore[list-item]
    known = {"age": 40, "spend": 1.5, "since": "2026-01-31T00:00:00", "vip": True}
    unknown = {"age": None, "spend": None, "since": None, "vip": False}
    assert sent == [{"requests": [{"row": known, "customer": 7}, {"row": unknown}]}]


def test_values_that_json_lacks_are_turned_into_ones_it_has() -> None:
    row = {"a": np.float32(0.5), "b": Decimal("1.5"), "c": date(2026, 1, 31), "d": np.array(3)}
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert plain_row({**row, "e": moment}) == {
        "a": 0.5,
        "b": 1.5,
        "c": "2026-01-31",
        "d": 3,
        "e": "2026-01-31T12:00:00+00:00",
    }


def test_an_outcome_from_a_table_is_sent(sent: list[object]) -> None:
    with Client("http://service") as client:
        assert client.feedback(np.int64(1), customer=np.int64(7))  # type: ignore[arg-type]
    assert sent == [{"items": [{"outcome": 1, "row": 0, "customer": 7}]}]


def test_what_cannot_be_sent_is_named(sent: list[object]) -> None:
    with Client("http://service") as client:
        with pytest.raises(ParameterError, match="row: spend is infinite; send None"):
            client.predict({"spend": float("inf")})
        with pytest.raises(ParameterError, match="row 1: tags is a list; send text, a number"):
            client.predict_batch([{"tags": "a"}, {"tags": ["a"]}])
        with pytest.raises(ParameterError, match=r"got str\. A DataFrame is sent as frame\.to_dict"):
            client.predict_batch(pd.DataFrame({"a": [1]}))
        with pytest.raises(ParameterError, match="There are 2 rows and 1 customers"):
            client.predict_batch([{"a": 1}, {"a": 2}], ["K1"])
    assert sent == []


def test_a_key_from_a_file_keeps_no_line_end() -> None:
    assert key_header("octavo_1_x\n") == {"X-API-Key": "octavo_1_x"}
    assert key_header(None) == {}
    for wrong in ("octavo_ü", "", "a\nb"):
        with pytest.raises(ParameterError, match="one line of ASCII text") as refused:
            Client("http://service", key=wrong)
        assert wrong == "" or wrong not in str(refused.value)


def test_an_address_without_http_is_refused() -> None:
    with pytest.raises(ParameterError, match="begins with http:// or https://; got"):
        Client("127.0.0.1:8000")
