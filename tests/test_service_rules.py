"""Keys, limits, routing, shadow, log: the service's rules, in process with a stand-in for the model."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running_service import StandIn, stand_in
from scipy import stats

from ml_utils.errors import DataError, ParameterError, ServiceError
from ml_utils.prediction_log.entries import Entry, EntryRefused, Feedback, LogUnavailable
from ml_utils.prediction_log.log import open_log
from ml_utils.serving import keys
from ml_utils.serving.access_log import AccessLog
from ml_utils.serving.app import Service
from ml_utils.serving.bodies import accepts
from ml_utils.serving.deployed import Deployed
from ml_utils.serving.limits import RateLimits
from ml_utils.serving.reading import Reader, is_time, repeated
from ml_utils.serving.routing import Router
from ml_utils.serving.settings import Settings, read_settings

ROW = {"x": 0.5, "plan": "a", "when: it": "2024-05-01"}


class Remembering:
    """A log that remembers, or fails as told."""

    place = "memory"
    ended = False

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.entries: list[Entry] = []

    async def append(self, entries: Sequence[Entry]) -> None:
        """Keep entries."""
        if self.error is not None:
            raise self.error
        self.entries += entries

    async def feedback(self, items: Sequence[Feedback]) -> int:
        """Count items."""
        return len(items)

    def close(self) -> None:
        """Do nothing."""


@contextlib.asynccontextmanager
async def calling(service: Service, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", **options) as client:
        yield client


def ask(service: Service, body: object = None, path: str = "/predict", **options: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        async with calling(service) as client:
            return await client.post(path, json={"row": ROW} if body is None else body, **options)

    return asyncio.run(go())


def made(log: object = None, deployed: Deployed | None = None, **how: Any) -> Service:
    return Service(deployed or Deployed(stand_in()), Settings(**how), log)  # type: ignore[arg-type]


# reading


@pytest.mark.parametrize("text", ["2024-02-29", "2000-02-29", "2024-05-01T10:00", "9999-12-31 23:59:59.123Z"])
def test_dates(text: str) -> None:
    assert is_time(text)


@pytest.mark.parametrize(
    "text", ["2023-02-29", "1900-02-29", "2024-13-01", "20240501", "2024-05-01\n", "now", ""]
)
def test_no_dates(text: str) -> None:
    assert not is_time(text)


_PARTS = st.sampled_from(
    ['"x":0.5', '"x":1', '"x":1e400', '"x":true', '"x":NaN', '"plan":"a"', '"plan":null', '"plan":"a:b"',
     '"plan":"\\u003a"', '"plan":"\\ud800"', '"when: it":"2024-05-01T10:00"', '"when: it":null',
     '"when: it":"soon"', '"more":1', '"more":":"']
)  # fmt: skip


@settings(max_examples=300)
@given(
    st.lists(_PARTS, max_size=5),
    st.sampled_from(["", ',"customer":"a:b"', ',"customer":7', ',"customer":""']),
)
def test_what_is_read_at_once_is_what_the_models_take(parts: list[str], customer: str) -> None:
    """The quick way never takes what the careful way refuses, nor takes it for something else."""
    body = ('{"row":{' + ",".join(parts) + "}" + customer + "}").encode()
    read = Reader(StandIn.columns).one(body)
    if read is not None:
        assert repeated(body) is None
        parsed = json.loads(body)
        assert read[0] == parsed["row"]
        assert accepts(StandIn(), parsed["row"])
        assert read[1] == (str(parsed["customer"]) if "customer" in parsed else None)


def test_a_plain_row_is_read_at_once() -> None:
    reader = Reader(StandIn.columns)
    assert reader.one(json.dumps({"row": ROW, "customer": 12}).encode()) == (ROW, "12")
    assert reader.one(json.dumps({"row": {**ROW, "plan": "é:"}}).encode()) == ({**ROW, "plan": "é:"}, None)
    assert reader.many(json.dumps({"rows": [ROW, ROW]}).encode()) == ([ROW, ROW], [None, None])
    pair = {"requests": [{"row": ROW, "customer": 1}, {"row": ROW}]}
    assert reader.many(json.dumps(pair).encode()) == ([ROW, ROW], ["1", None])
    assert reader.many(json.dumps({**pair, "rows": [ROW]}).encode()) is None


# answers


def test_an_answer_and_its_warning() -> None:
    answer = ask(made(), {"row": {**ROW, "x": 2}, "customer": "K1"}, headers={"X-Request-ID": "mine-1"})
    assert answer.json() == {
        "score": 2.0,
        "act": True,
        "version": 1,
        "variant": "champion",
        "request_id": "mine-1",
        "warnings": [{"column": "x", "check": "range", "rows": 1, "message": "x: outside"}],
    }
    odd = ask(made(), headers={"X-Request-ID": "a@b c"}).headers["x-request-id"]
    assert len(odd) == 32


def test_both_ways_answer_the_same() -> None:
    quick = ask(made(), headers={"X-Request-ID": "r"})
    slow = ask(
        made(), {"row": ROW, "customer": 12.0}, headers={"X-Request-ID": "r"}
    )  # 12.0 is not plainly right
    assert quick.json() == slow.json()
    many = ask(made(), {"requests": [{"row": ROW, "customer": 12.0}]}, "/predict/batch").json()
    assert many["predictions"] == [{"score": 0.5, "act": True, "version": 1, "variant": "champion"}]


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        ('{"row":{"x":1,"x":2,"plan":"a","when: it":null}}', 422, "row.x"),
        ('{"row":{"x":1,"plan":"a","when: it":null},"row":{}}', 422, "row"),
        ('{"row":{"x":1,"plan":"a","when: it":null},"customer":""}', 422, "customer"),
        ('{"row":{"x":1,"plan":"a","when: it":null},"customer":"\\ud800"}', 422, "customer"),
        ('{"row":{"x":1,"plan":"a","when: it":null},"customer":"a\\u0000"}', 422, "customer"),
        ('{"row":{"x":1,"plan":"a","when: it":null},"customer":' + "9" * 30 + "}", 422, "customer"),
        ('{"row":{"x":1,"plan":"a","when: it":"2023-02-29"}}', 422, "row.when: it"),
        ('{"row":{"x":1e400,"plan":"a","when: it":null}}', 422, "row.x"),
    ],
)
def test_a_wrong_field_is_named(content: str, status: int, field: str) -> None:
    async def go() -> httpx.Response:
        async with calling(made()) as client:
            return await client.post(
                "/predict", content=content, headers={"content-type": "application/json"}
            )

    answer = asyncio.run(go())
    assert answer.status_code == status
    assert {fault["field"] for fault in answer.json()["detail"]} == {field}


def test_only_json_is_read() -> None:
    async def go() -> list[int]:
        async with calling(made()) as client:
            kinds = ["text/plain", "application/json; charset=utf-8", "application/vnd.a+json", ""]
            body = json.dumps({"row": ROW})
            return [
                (await client.post("/predict", content=body, headers={"content-type": kind})).status_code
                for kind in kinds
            ]

    assert asyncio.run(go()) == [415, 200, 200, 415]


def test_a_batch_is_rows_or_requests() -> None:
    for body in ({"rows": [ROW], "requests": [{"row": ROW}]}, {}, {"rows": None}):
        answer = ask(made(), body, "/predict/batch")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["message"]


def test_a_score_that_is_no_number_is_refused() -> None:
    service = made()
    service.live.deployed.champion.scorer.shift = float("inf")  # type: ignore[attr-defined]
    assert ask(service).status_code == 422
    assert ask(service, {"rows": [ROW]}, "/predict/batch").status_code == 422


def test_a_failing_model_is_said_without_its_inside() -> None:
    service = made()
    service.live.deployed.champion.scorer.fails = True  # type: ignore[attr-defined]
    answer = ask(service)
    assert answer.status_code == 500
    assert "stand-in" not in answer.text


def test_an_explanation_sums_to_the_score() -> None:
    body = ask(made(), None, "/explain").json()
    assert body["contributions"] == [
        {"column": "x", "contribution": 0.25},
        {"column": "plan", "contribution": 0.0},
    ]
    assert body["base"] + sum(item["contribution"] for item in body["contributions"]) == body["score"]
    silent = ask(made(deployed=Deployed(stand_in(explains=False))), None, "/explain")
    assert silent.status_code == 404
    assert "explains nothing" in silent.text


# the log


def test_a_prediction_is_stored_before_it_is_answered() -> None:
    log = Remembering()
    answer = ask(made(log), {"row": ROW, "customer": 7}, headers={"X-Request-ID": "r1"})
    (entry,) = log.entries
    assert (entry.request_id, entry.customer, entry.version, entry.variant) == ("r1", "7", 1, "champion")
    assert (entry.score, entry.act) == (answer.json()["score"], True)
    assert json.loads(entry.inputs) == ROW
    ask(made(log), {"requests": [{"row": ROW, "customer": "a"}, {"row": ROW}]}, "/predict/batch")
    assert [(entry.row, entry.customer) for entry in log.entries[1:]] == [(0, "a"), (1, None)]


@pytest.mark.parametrize(
    ("error", "status"), [(LogUnavailable("disk full"), 503), (EntryRefused("twice"), 409)]
)
def test_what_is_not_stored_is_not_answered(error: Exception, status: int) -> None:
    for body, path in (
        ({"row": ROW}, "/predict"),
        ({"row": ROW, "customer": 1.0}, "/predict"),
        ({"rows": [ROW]}, "/predict/batch"),
    ):
        service = made(Remembering(error))
        answer = ask(service, body, path)
        assert answer.status_code == status
        assert "score" not in answer.json()
        assert (answer.headers.get("retry-after") == "1") == (status == 503)


def test_feedback_needs_a_log_and_one_of_two_names() -> None:
    assert ask(made(), {"items": [{"customer": "a", "outcome": 1}]}, "/feedback").status_code == 404
    service = made(Remembering())
    assert ask(service, {"items": [{"customer": "a", "outcome": True}]}, "/feedback").json() == {"stored": 1}
    for item in ({"outcome": 1}, {"outcome": 1, "customer": "a", "request_id": "b"}):
        answer = ask(service, {"items": [item]}, "/feedback")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["field"] == "items.0"


def test_from_prediction_to_outcome(tmp_path: Path) -> None:
    from ml_utils.prediction_log import read

    async def go() -> int:
        service = made(open_log(tmp_path / "log.sqlite"))
        async with calling(service) as client:
            answer = await client.post("/predict", json={"row": ROW, "customer": "K1"})
            item = {"request_id": answer.json()["request_id"], "outcome": 1}
            stored = (await client.post("/feedback", json={"items": [item]})).json()["stored"]
        await service.predictor.close()
        return int(stored)

    assert asyncio.run(go()) == 1
    frame = read(str(tmp_path / "log.sqlite"))
    assert frame["outcome"].tolist() == [1.0]
    assert frame["score"].tolist() == [0.5]


# keys and limits


def test_a_key_is_kept_as_a_hash() -> None:
    text, kept = keys.new_key("shop", ["predict"])
    assert text.rpartition("_")[2] not in kept.line()
    ring = keys.KeyRing.from_text(f"# keys\n\n{kept.line()}\n", "here")
    assert ring.find(text) == kept
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert [ring.find(odd) for odd in (wrong, text + "x", "", "octavo__", "octavo_é_é")] == [None] * 5
    with pytest.raises(ParameterError, match="here, line 1 is not a key"):
        keys.KeyRing.from_text("shop:plain", "here")
    with pytest.raises(ParameterError, match="may hold letters"):
        keys.new_key("Jane Doe")


def test_the_command_shows_a_key_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys"
    assert keys.main(["new", "shop", "--file", str(path)]) == 0
    text = capsys.readouterr().out.strip()
    assert path.stat().st_mode & 0o077 == 0
    ring = keys.read_keys(path)
    assert ring is not None
    assert ring.find(text) is not None
    assert keys.main(["list", "--file", str(path)]) == 0
    assert capsys.readouterr().out.startswith("shop\t")
    assert keys.main(["revoke", "shop", "--file", str(path)]) == 0
    assert keys.main(["revoke", "shop", "--file", str(path)]) == 1
    assert "has no key of 'shop'" in capsys.readouterr().err
    assert keys.main(["new", "shop", "--scopes", "all"]) == 1


def test_keys_guard_what_they_should(tmp_path: Path) -> None:
    text, key = keys.new_key("shop", ["predict"])
    path = tmp_path / "keys"
    path.write_text(key.line())
    service = made(keys=str(path))
    none, wrong = ask(service), ask(service, headers={"X-API-Key": text[:-1]})
    assert (none.status_code, wrong.status_code) == (401, 401)
    assert none.headers["www-authenticate"] == "Bearer"
    assert ask(service, headers={"X-API-Key": text}).status_code == 200
    assert ask(service, headers={"Authorization": f"Bearer {text}"}).status_code == 200
    assert ask(service, {"items": []}, "/feedback", headers={"X-API-Key": text}).status_code == 403

    async def states() -> list[int]:
        async with calling(service) as client:
            paths = ["/health", "/ready", "/metrics", "/model", "/openapi.json"]
            return [(await client.get(path)).status_code for path in paths]

    assert asyncio.run(states()) == [200, 200, 200, 401, 200]
    path.write_text("")
    service.admission.refresh()
    assert ask(service, headers={"X-API-Key": text}).status_code == 401
    path.write_text("nonsense\n")
    service.admission.refresh()  # says so in the log; nobody is let in by it
    assert ask(service, headers={"X-API-Key": text}).status_code == 401


def test_a_key_that_asks_too_often_waits() -> None:
    service = made(rate=0.5, burst=2)
    answers = [ask(service) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "2"


def test_each_key_has_its_own_bucket() -> None:
    limits = RateLimits(10.0, 5.0)
    assert [limits.take("a", 0.0) for _ in range(6)].count(0.0) == 5
    assert limits.take("b", 0.0) == 0.0
    assert sum(limits.take("a", 1 + i / 1000) == 0.0 for i in range(1000)) == 14  # five saved, ten a second


def test_settings_name_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    path.write_text("rate: 5\ntimeout: 3\n")
    assert read_settings(path, {"timeout": 4.0, "burst": None}) == Settings(rate=5, timeout=4.0)
    path.write_text("rat: 5\n")
    with pytest.raises(ParameterError, match="Did you mean 'rate'"):
        read_settings(path, {})
    with pytest.raises(ParameterError, match="rate = -1"):
        Settings(rate=-1)


def test_an_answer_that_takes_too_long_is_refused() -> None:
    class Stuck(Remembering):
        async def append(self, entries: Sequence[Entry]) -> None:
            await asyncio.sleep(5)

    started = time.perf_counter()
    assert ask(made(Stuck(), timeout=0.05)).status_code == 504
    assert time.perf_counter() - started < 2


# routing and shadow


def test_shares_are_those_of_the_weights() -> None:
    """Twenty salts and three shares, each by chi-square over the customers; all p-values taken together."""
    customers = [f"K{i:05d}" for i in range(20_000)]
    values = []
    for share in (0.01, 0.1, 0.5):
        for salt in range(20):
            dealt = Counter(Router(share, f"salt-{salt}").choose(customer) for customer in customers)
            n = len(customers)
            seen, wanted = [dealt["challenger"], dealt["champion"]], [n * share, n * (1 - share)]
            values.append(stats.chisquare(seen, wanted).pvalue)
    assert min(values) > 0.05 / len(values)
    assert stats.kstest(values, "uniform").pvalue > 0.001


def test_dealing_is_stable_and_salted() -> None:
    customers = [f"K{i}" for i in range(4000)]
    small, large = Router(0.1, "spring"), Router(0.3, "spring")
    kept = {c for c in customers if small.choose(c) == "challenger"}
    assert kept < {c for c in customers if large.choose(c) == "challenger"}
    other = np.array([Router(0.5, "autumn").choose(c) == "challenger" for c in customers])
    own = np.array([Router(0.5, "spring").choose(c) == "challenger" for c in customers])
    pairs = [[np.sum(a & b) for b in (other, ~other)] for a in (own, ~own)]
    assert stats.chi2_contingency(pairs).pvalue > 0.001  # another salt deals anew
    with pytest.raises(ParameterError, match="one of them above 0"):
        Router.from_weights(0, 0, "")


def test_a_customer_keeps_its_variant() -> None:
    service = made(deployed=Deployed(stand_in(1), stand_in(2, shift=0.1), Router(0.5, "s")))
    seen = [ask(service, {"row": ROW, "customer": f"K{i % 8}"}).json() for i in range(16)]
    assert [item["variant"] for item in seen[:8]] == [item["variant"] for item in seen[8:]]
    assert {(item["variant"], item["version"], item["score"]) for item in seen} == {
        ("champion", 1, 0.5),
        ("challenger", 2, 0.6),
    }
    requests = [{"row": ROW, "customer": f"K{i}"} for i in range(8)]
    many = ask(service, {"requests": requests}, "/predict/batch").json()
    assert [item["variant"] for item in many["predictions"]] == [item["variant"] for item in seen[:8]]


def test_the_shadow_is_logged_and_never_answers() -> None:
    log = Remembering()
    deployed = Deployed(stand_in(1), stand_in(2, shift=0.1), Router(), shadow=True)

    async def go() -> list[str]:
        service = made(log, deployed)
        async with calling(service) as client:
            answers = [await client.post("/predict", json={"row": ROW}) for _ in range(5)]
            await client.post("/predict/batch", json={"rows": [ROW, ROW]})
        await service.predictor.close()
        return [answer.json()["variant"] for answer in answers]

    assert asyncio.run(go()) == ["champion"] * 5
    shadows = [entry for entry in log.entries if entry.shadow]
    assert len(shadows) == 7
    assert {(entry.variant, entry.version, entry.score) for entry in shadows} == {("challenger", 2, 0.6)}
    assert {entry.request_id for entry in shadows} == {e.request_id for e in log.entries if not e.shadow}


def test_a_shadow_that_fails_or_is_slow_is_not_noticed() -> None:
    class Slow(StandIn):
        def score_rows(self, rows: Sequence[Any]) -> np.ndarray:
            time.sleep(0.5)
            return super().score_rows(rows)

    slow = stand_in(2)
    object.__setattr__(slow, "scorer", Slow())
    failing = stand_in(3)

    async def go(challenger: Any) -> tuple[float, str]:
        service = made(None, Deployed(stand_in(1), challenger, Router(), shadow=True))
        challenger.scorer.fails = challenger is failing
        async with calling(service) as client:
            started = time.perf_counter()
            for _ in range(20):
                assert (await client.post("/predict", json={"row": ROW})).status_code == 200
            taken = time.perf_counter() - started
        await service.predictor.close()
        return taken, service.metrics.text().decode()

    taken, _ = asyncio.run(go(slow))
    assert taken < 0.45
    _, text = asyncio.run(go(failing))
    assert 'octavo_shadow_total{result="failed"} 20.0' in text


def test_a_challenger_with_other_columns_is_refused() -> None:
    other = stand_in(2, columns=(StandIn.columns[0], StandIn.columns[1].__class__("new", "number", False)))
    with pytest.raises(ServiceError, match="takes new, which the champion does not"):
        Deployed(stand_in(1), other)
    with pytest.raises(ServiceError, match="needs a challenger"):
        Deployed(stand_in(1), None, Router(0.1, ""))


# the log of requests


def test_the_access_log_is_json_and_bounded() -> None:
    stream = io.StringIO()
    log = AccessLog(stream)
    for i in range(3):
        log.note(f"r{i}", "POST", "/predict", 200, 0.00125, "shop")
    log.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["request"] for line in lines] == ["r0", "r1", "r2"]
    assert {(line["path"], line["status"], line["ms"], line["key"]) for line in lines} == {
        ("/predict", 200, 1.25, "shop")
    }


def test_data_errors_are_the_callers() -> None:
    class Strict(StandIn):
        def score_one(self, row: Any) -> float:
            if row["plan"] == "odd":
                raise DataError("Column 'plan' takes no odd ones.")
            return 0.5

    served = stand_in()
    object.__setattr__(served, "scorer", Strict())
    answer = ask(made(deployed=Deployed(served)), {"row": {**ROW, "plan": "odd"}})
    assert answer.status_code == 422
    assert "takes no odd ones" in answer.text
