"""The service over real HTTP: right answers, refusals that name the field, never a 5xx."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_model import FEATURES, fitted, make_home, registered, table

from ml_utils.errors import ServiceError
from ml_utils.files import sha256_bytes
from ml_utils.paths import Workspace
from ml_utils.problem import load_problem
from ml_utils.registry import Registry
from ml_utils.registry.registered import StoredFiles
from ml_utils.serving.app import MAX_BODY
from ml_utils.serving.bodies import MAX_ROWS
from ml_utils.serving.deployment import ModelDeployment
from ml_utils.serving.keys import new_key
from ml_utils.serving.load_client import Answered
from ml_utils.serving.load_test import load_test
from ml_utils.serving.load_test import main as load_main
from ml_utils.serving.parity import json_rows
from ml_utils.serving.probes import probe
from ml_utils.serving.scoring import Scorer
from ml_utils.serving.service import main
from ml_utils.serving.sources import RegistrySource


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_home(tmp_path_factory.mktemp("service"), patch)


@pytest.fixture(scope="module")
def deployment(workspace: Workspace) -> ModelDeployment:
    made = ModelDeployment(workspace, load_problem("small"))
    made.package(registered(workspace))
    return made


@pytest.fixture(scope="module")
def url(deployment: ModelDeployment) -> Iterator[str]:
    with deployment.serve() as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"content-type": "application/json"}, timeout=30) as made:
        yield made


@pytest.fixture(scope="module")
def row(deployment: ModelDeployment) -> dict[str, object]:
    return Scorer.from_package(deployment.folder).schema.example()


def test_one_row_and_many_get_the_pipelines_score(client: httpx.Client) -> None:
    X = table(60, seed=12)[FEATURES]
    expected = fitted().predict_score(X)
    rows = json_rows(X)
    many = client.post("/predict/batch", json={"rows": rows}).json()
    np.testing.assert_allclose([item["score"] for item in many["predictions"]], expected, atol=1e-12)
    assert [item["act"] for item in many["predictions"]] == (expected >= 0.25).tolist()
    one = client.post("/predict", json={"row": rows[0]})
    assert one.status_code == 200
    name = one.headers["x-request-id"]
    assert one.json() == {**many["predictions"][0], "version": 1, "warnings": [], "request_id": name}
    assert one.json()["variant"] == "champion"


def test_it_says_what_it_is(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready", "version": 1}
    model = client.get("/model").json()
    assert (model["name"], model["version"], model["threshold"]) == ("small-quick", 1, 0.25)
    assert [item["name"] for item in model["inputs"]] == FEATURES
    schema = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    assert set(schema["properties"]) == set(schema["required"]) == set(FEATURES)
    assert schema["additionalProperties"] is False
    assert set(schema["examples"][0]) == set(FEATURES)


def test_metrics_count_and_no_value_reaches_the_labels(client: httpx.Client, row: dict[str, object]) -> None:
    client.post("/predict", json={"row": {**row, "plan": "secret plan"}})
    client.get("/customers/K0001")
    text = client.get("/metrics").text
    assert 'octavo_requests_total{path="/predict",status="200"}' in text
    assert 'octavo_requests_total{path="other",status="404"}' in text
    assert 'octavo_unusual_rows_total{check="category"}' in text
    assert "secret" not in text
    assert "K0001" not in text


def test_what_training_never_saw_is_a_warning(client: httpx.Client, row: dict[str, object]) -> None:
    answer = client.post("/predict", json={"row": {**row, "tenure": 900, "spend": None}})
    assert answer.status_code == 200
    assert [(item["column"], item["check"]) for item in answer.json()["warnings"]] == [("tenure", "range")]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenure": "old"}, "row.tenure"),
        ({"tenure": True}, "row.tenure"),
        ({"tenure": 3.5}, "row.tenure"),
        ({"tenure": 10**30}, "row.tenure"),
        ({"tenure": None}, "row.tenure"),
        ({"spend": float("nan")}, "row.spend"),
        ({"spend": float("inf")}, "row.spend"),
        ({"spend": 10**400}, "row.spend"),
        ({"spend": "1"}, "row.spend"),
        ({"plan": 1}, "row.plan"),
        ({"plan": "x" * 2000}, "row.plan"),
        ({"plan": "\ud800"}, "row.plan"),
        ({"plan": {"deep": [[[]]]}}, "row.plan"),
        ({"auto pay": "yes"}, "row.auto pay"),
        ({"since": 20260101}, "row.since"),
        ({"since": "soon"}, "row.since"),
        ({"income": 1}, "row.income"),
    ],
)
def test_a_wrong_field_is_named(
    client: httpx.Client, row: dict[str, object], change: dict[str, object], field: str
) -> None:
    answer = client.post("/predict", content=json.dumps({"row": {**row, **change}}))
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["detail"]] == [field]


def test_a_missing_field_is_named(client: httpx.Client, row: dict[str, object]) -> None:
    short = {name: value for name, value in row.items() if name != "spend"}
    answer = client.post("/predict/batch", json={"rows": [row, short]})
    assert answer.status_code == 422
    assert answer.json()["detail"] == [{"field": "rows.1.spend", "message": "Field required"}]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("", 422),
        ("null", 422),
        ("[]", 422),
        ('{"row": ', 400),
        (b"\xff\xfe\x00", 400),
        ("[" * 100_000, 400),
        ('{"row": {"tenure": ' + "9" * 5000 + "}}", 400),
        ('{"rows": []}', 422),
        ("x" * (MAX_BODY + 1), 413),
    ],
)
def test_a_bad_body_is_the_callers_fault(client: httpx.Client, content: str | bytes, status: int) -> None:
    for path in ("/predict", "/predict/batch"):
        answer = client.post(path, content=content)
        assert answer.status_code == status
        assert answer.json()["detail"][0]["message"]
    assert client.get("/ready").status_code == 200


def test_a_body_of_unknown_length_is_limited_too(client: httpx.Client) -> None:
    parts = (b"x" * 2**16 for _ in range(MAX_BODY // 2**16 + 2))
    assert client.post("/predict", content=parts).status_code == 413


def test_a_batch_has_a_limit_and_a_long_refusal_is_cut(client: httpx.Client) -> None:
    answer = client.post("/predict/batch", json={"rows": [{}] * (MAX_ROWS + 1)})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["field"] == "rows"
    faults = client.post("/predict/batch", json={"rows": [{}] * 100}).json()["detail"]
    assert len(faults) == 21
    assert faults[-1]["message"] == "and 480 more"


def test_wrong_paths_and_methods(client: httpx.Client) -> None:
    assert client.get("/predict").status_code == 405
    assert client.get("/nothing").json() == {"detail": [{"field": "", "message": "Not Found"}]}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(st.sampled_from([*FEATURES, "more"]), _JSON, max_size=3), whole=st.none() | _JSON
)
def test_nothing_that_is_sent_is_a_server_error(
    client: httpx.Client, row: dict[str, object], changes: dict[str, object], whole: object
) -> None:
    body = {"row": {**row, **changes}} if whole is None else whole
    assert client.post("/predict", content=json.dumps(body)).status_code in (200, 400, 422)


def test_probes_and_load(url: str, deployment: ModelDeployment) -> None:
    probes = probe(url, Scorer.from_package(deployment.folder).schema)
    assert probes.refused == probes.faulty == 10
    assert all(item.passed for item in probes.items)
    load = load_test(url, deployment.example_rows(20), seconds=0.3, clients=[1, 4])
    assert load.errors == 0
    assert load.to_frame()["clients"].tolist() == [1, 4]
    assert all(0 < level.p50 <= level.p95 <= level.p99 for level in load.levels)
    assert "no errors" in load.sentence()


def test_load_needs_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ServiceError, match="No service answers"):
        load_test("http://127.0.0.1:9", [{}], seconds=0.1, clients=[1])
    assert load_main(["--url", "http://127.0.0.1:9"]) == 1
    assert "Start one with `make serve`" in capsys.readouterr().err


def test_latencies_are_those_of_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [Answered(0.001, False)] * 9 + [Answered(0.5, True)]
    monkeypatch.setattr("ml_utils.serving.load_test.load", lambda *_: answers)
    (level,) = load_test("http://service", [{}], seconds=0.1, clients=[1]).levels
    assert (level.p50, level.p99, level.errors, level.requests) == (500, 500, 9, 10)


def test_a_service_that_refuses_is_not_measured(
    deployment: ModelDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    key, kept = new_key("reader", ["read"])
    with deployment.serve(keys=[kept]) as url:
        for given, why in (([], "401"), (["--key", key], "may not predict")):
            assert load_main(["--url", f"{url}/", "--seconds", "0.1", "--clients", "1", *given]) == 1
            told = capsys.readouterr()
            assert (why in told.err, told.out) == (True, "")


def test_no_champion_and_a_taken_port_end_with_a_message(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--problem", "small", "--profile", "other", "--port", "0"]) == 1
    assert "make report" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--problem", "small", "--profile", "quick", "--port", str(port)]) == 1
        assert f"Port {port} on 127.0.0.1 cannot be used" in capsys.readouterr().err
    assert main(["--problem", "none", "--port", "0"]) == 1
    assert main(["--port", "99999"]) == 1


def test_the_registrys_champion_is_followed(deployment: ModelDeployment) -> None:
    source = RegistrySource("small", "quick")
    assert source.stamp() == 1
    deployed = source.load()
    assert (deployed.champion.version, deployed.champion.compiled) == (1, True)
    assert RegistrySource("small", "other").stamp() is None


def test_the_registrys_champion_is_served_without_unpickling(
    deployment: ModelDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpickles(*_: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr("ml_utils.registry.unpickling.TrustedUnpickler.load", unpickles)
    deployed = RegistrySource("small", "quick").load()
    assert 0 <= deployed.champion.one(deployed.champion.example())[0] <= 1


def test_a_champion_that_is_not_compiled_is_served_only_where_that_is_allowed(
    deployment: ModelDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(deployment.workspace)
    whole = registry.files("champion")
    plain = {name: content for name, content in whole.files.items() if name != "compiled.json"}
    manifest = json.loads(plain["manifest.json"])
    manifest["files"].pop("compiled.json")
    manifest |= {"compiled": False, "not_compiled": "a reason"}
    plain["manifest.json"] = json.dumps(manifest).encode()
    stored = StoredFiles(plain, sha256_bytes(plain["manifest.json"]), whole.version)
    monkeypatch.setattr(Registry, "files", lambda self, which: stored)
    with pytest.raises(ServiceError, match=r"version 1 holds a model that is not compiled \(a reason\)"):
        RegistrySource("small", "quick").load()
    allowed = RegistrySource("small", "quick", allow_pipeline=True).load()
    assert (allowed.champion.compiled, allowed.champion.version) == (False, 1)


def test_a_service_that_cannot_start_says_why(deployment: ModelDeployment, tmp_path: Path) -> None:
    empty = ModelDeployment(Workspace("empty", "full", tmp_path), deployment.problem)
    with (
        pytest.raises(ServiceError, match=r"(?s)ended with status 1.*holds no packaged model"),
        empty.serve(),
    ):
        pass
