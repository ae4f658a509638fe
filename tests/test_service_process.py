"""The service as a real process: swapped and stopped under load, damaged files, keys, slow callers."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from running_service import Running, service, write_package
from small_model import fitted, table

from ml_utils.client import Client, ServiceRefused
from ml_utils.errors import IntegrityError, MissingInputError, ServiceError
from ml_utils.prediction_log import read
from ml_utils.serving import keys
from ml_utils.serving.parity import json_rows
from ml_utils.serving.pointer import (
    POINTER,
    Pointer,
    Ref,
    Weights,
    install,
    locate,
    read_pointer,
    write_pointer,
)

ROW: dict[str, object] = {
    "tenure": 10, "spend": 50.5, "plan": "basic", "auto pay": True, "since": "2023-05-01T00:00:00"
}  # fmt: skip


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two versions of a model, packaged."""
    home = tmp_path_factory.mktemp("packages")
    for version in (1, 2):
        write_package(home / str(version), seed=6 + version, version=version)
    return [home / "1", home / "2"]


@pytest.fixture
def deploy(tmp_path: Path, packages: list[Path]) -> Path:
    """A deployment folder that serves version 1."""
    root = tmp_path / "deploy"
    refs = [install(root, package) for package in packages]
    write_pointer(root, Pointer(champion=refs[0]))
    return root


def refs(root: Path) -> list[Ref]:
    found = sorted((root / "packages").iterdir())
    return [install(root, folder) for folder in found]


def wait_for(what: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)


class Load:
    """Callers that send one request after another and note each answer, or that there was none."""

    def __init__(self, running: Running, callers: int) -> None:
        self.running = running
        self.statuses: Counter[str] = Counter()
        self.versions: Counter[int] = Counter()
        self.answered: set[str] = set()
        self.stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        body = json.dumps({"row": ROW}).encode()
        head = (
            "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        while not self.stop.is_set():
            try:
                connection = socket.create_connection(("127.0.0.1", self.running.port), timeout=10)
            except ConnectionRefusedError:
                self.statuses["gone"] += 1  # nothing was sent
                return
            with connection:
                self._talk(connection, head.encode() + body)

    def _talk(self, connection: socket.socket, request: bytes) -> None:
        fresh = True
        while not self.stop.is_set():
            try:
                connection.sendall(request)
                answer = _receive(connection)
            except OSError as error:
                # nobody had accepted it when the listening socket was closed: nothing was taken
                self.statuses["never taken" if fresh else type(error).__name__] += 1
                return
            if not answer:
                self.statuses["cut off"] += 1
                return
            head, _, body = answer.partition(b"\r\n\r\n")
            self.statuses[head.split()[1].decode()] += 1
            answered = json.loads(body)
            self.versions[answered.get("version")] += 1
            self.answered.add(answered["request_id"])
            fresh = False
            if b"connection: close" in head.lower():
                return


def _receive(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(65536):
        answer += part
        head, found, body = answer.partition(b"\r\n\r\n")
        if found:
            (length,) = [
                int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            ]
            if len(body) >= length:
                return answer
    return answer and b""


def test_the_service_loads_neither_pandas_nor_a_pickle(packages: list[Path]) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import ml_utils.serving.service as service\n"
        "options = ['--package', sys.argv[1], '--log', sys.argv[2]]\n"
        "made = service._make(service._parser().parse_args(options))\n"
        "assert made.live.deployed.champion.compiled\n"
        "heavy = 'pandas sklearn scipy mlflow lightgbm xgboost sqlalchemy psycopg shap'.split()\n"
        "heavy.append('ml_utils.registry.package')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "made.predictor.log.close()\n"
    )
    log = packages[0].parent / "unused.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", code, packages[0], log], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_swap_under_load_loses_nothing(deploy: Path) -> None:
    first, second = refs(deploy)
    with service("--deploy", deploy, "--no-log", "--poll", 0.05) as running:
        with Load(running, 8) as load:
            for ref in [second, first] * 3:
                before = load.versions.copy()
                write_pointer(deploy, Pointer(champion=ref))
                version = int(ref.package.partition("/")[2].partition("-")[0])
                wait_for(lambda: load.versions[version] > before[version] + 5)  # noqa: B023
        assert set(load.statuses) == {"200"}
        assert set(load.versions) == {1, 2}
        assert sum(load.statuses.values()) > 100


def test_a_changed_byte_is_refused_and_the_old_model_goes_on(deploy: Path) -> None:
    _, second = refs(deploy)
    target = locate(deploy, second) / "compiled.json"
    sound = target.read_bytes()
    target.write_bytes(sound[:-2] + bytes([sound[-2] ^ 1]) + sound[-1:])
    with service("--deploy", deploy, "--no-log", "--poll", 0.05) as running, Client(running.url) as client:
        with Load(running, 2) as load:
            write_pointer(deploy, Pointer(champion=second))
            wait_for(lambda: "refused" in httpx.get(f"{running.url}/ready").json())
            said = httpx.get(f"{running.url}/ready").json()
            assert "compiled.json was changed" in said["refused"]
            assert (said["status"], said["version"]) == ("ready", 1)
            assert client.predict(ROW).version == 1
            metrics = httpx.get(f"{running.url}/metrics").text
            assert "octavo_swap_refused 1.0" in metrics
            assert 'octavo_swaps_total{result="refused"}' in metrics
            (deploy / POINTER).write_text("{")
            wait_for(lambda: "malformed" in httpx.get(f"{running.url}/ready").json()["refused"])
            target.write_bytes(sound)
            write_pointer(deploy, Pointer(champion=second))
            os.kill(running.pid, signal.SIGHUP)
            wait_for(lambda: httpx.get(f"{running.url}/ready").json() == {"status": "ready", "version": 2})
        assert set(load.statuses) == {"200"}
        errors = [line["message"] for line in running.log() if line["level"] == "error"]
        assert any("was refused" in str(message) for message in errors)


@pytest.mark.full
def test_a_package_that_is_replaced_is_served(tmp_path: Path, packages: list[Path]) -> None:
    folder = tmp_path / "package"
    folder.symlink_to(packages[0])
    with service("--package", folder, "--no-log", "--poll", 0.05) as running:
        aside = tmp_path / "aside"
        aside.symlink_to(packages[1])
        os.replace(aside, folder)
        wait_for(lambda: httpx.get(f"{running.url}/ready").json()["version"] == 2)


def test_it_stops_under_load_and_answers_what_it_took(deploy: Path) -> None:
    with service("--deploy", deploy, "--log", deploy / "log.sqlite") as running:
        with Load(running, 8) as load:
            wait_for(lambda: load.statuses["200"] > 200)
            os.kill(running.pid, signal.SIGTERM)
            wait_for(lambda: load.statuses["gone"] == 8)
        assert set(load.statuses) - {"never taken"} == {"200", "gone"}
    assert len(read(str(deploy / "log.sqlite"))) == load.statuses["200"]


@pytest.mark.full
@pytest.mark.parametrize("round_", range(20))
def test_what_was_answered_is_in_the_log_after_a_kill(deploy: Path, round_: int) -> None:
    log = deploy / "log.sqlite"
    with service("--deploy", deploy, "--log", log) as running, Load(running, 8) as load:
        wait_for(lambda: load.statuses["200"] > 50 * (1 + round_ % 4))
        os.kill(running.pid, signal.SIGKILL)
        wait_for(lambda: sum(load.statuses.values()) > load.statuses["200"])
    stored = set(read(str(log))["request_id"])
    assert load.answered
    assert load.answered <= stored


@pytest.mark.full
def test_champion_and_challenger_over_http(deploy: Path, tmp_path: Path) -> None:
    first, second = refs(deploy)
    write_pointer(
        deploy,
        Pointer(champion=first, challenger=second, weights=Weights(champion=1, challenger=1), salt="s"),
    )
    log = tmp_path / "log.sqlite"
    X = table(40, seed=5)
    rows = json_rows(X[list(ROW)])
    with service("--deploy", deploy, "--log", log) as running, Client(running.url) as client:
        one = [client.predict(row, f"K{i}") for i, row in enumerate(rows)]
        many = client.predict_batch(rows, [f"K{i}" for i in range(len(rows))])
        assert [item.variant for item in one] == [item.variant for item in many]
        expected = {1: fitted(7).predict_score(X[list(ROW)]), 2: fitted(8).predict_score(X[list(ROW)])}
        for i, item in enumerate(many):
            assert item.version in (1, 2)
            assert abs(item.score - expected[item.version][i]) < 1e-6
        assert client.feedback(True, request_id=many[3].request_id, row=3)
        assert not client.feedback(1, customer="nobody")
        model = client.model()
        assert (model["challenger"]["version"], model["challenger"]["share"]) == (2, 0.5)
        assert client.ready()
    stored = read(str(log))
    assert len(stored) == 80
    assert stored["outcome"].notna().sum() == 1


@pytest.mark.full
def test_keys_rate_and_log_over_http(packages: list[Path], tmp_path: Path) -> None:
    text, key = keys.new_key("shop")
    options = ["--package", packages[0], "--no-log", "--rate", 5, "--burst", 20]
    with service(*options, environment={keys.VARIABLE: key.line()}) as running:
        with (
            Client(running.url, key="octavo_00_x") as stranger,
            pytest.raises(ServiceRefused, match="not known here"),
        ):
            stranger.predict(ROW)
        with Client(running.url, key=text, retries=0) as client:
            with pytest.raises(ServiceRefused) as wrong:
                client.predict({**ROW, "tenure": "old", "plan": 3}, customer="K-secret")
            assert wrong.value.fields == ["row.tenure", "row.plan"]
            answer = client.predict(ROW, customer="K-secret", request_id="known-1")
            assert answer.request_id == "known-1"
            with pytest.raises(ServiceRefused, match="requests a second") as flood:
                collections.deque((client.predict(ROW) for _ in range(60)), maxlen=0)
            assert flood.value.status == 429
        wait_for(lambda: any(line.get("request") == "known-1" for line in running.log()))
        (line,) = [line for line in running.log() if line.get("request") == "known-1"]
        assert (line["path"], line["status"], line["key"]) == ("/predict", 200, "shop")
        assert not any(
            "K-secret" in json.dumps(line) or "basic" in json.dumps(line) for line in running.log()
        )


def test_a_body_that_does_not_come_is_not_waited_for(packages: list[Path]) -> None:
    with service("--package", packages[0], "--no-log", "--timeout", 0.3) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            slow.sendall(b"Content-Length: 99\r\n\r\n{")
            assert _receive(slow).startswith(b"HTTP/1.1 408")
        big = httpx.post(
            f"{running.url}/predict", content=b"x" * 10_000_000, headers={"content-type": "application/json"}
        )
        assert big.status_code == 413
        deep = b'{"row": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        for path in ("/predict", "/predict/batch", "/explain", "/feedback"):
            answer = httpx.post(
                f"{running.url}{path}", content=deep, headers={"content-type": "application/json"}
            )
            assert answer.status_code in (400, 422)
        assert httpx.get(f"{running.url}/ready").status_code == 200


@pytest.mark.full
def test_an_explanation_over_http(packages: list[Path]) -> None:
    with service("--package", packages[0], "--no-log") as running, Client(running.url) as client:
        explained = client.explain(ROW)
        total = explained.base + sum(explained.contributions.values())
        assert set(explained.contributions) == set(ROW)
        assert abs(1 / (1 + 2.718281828459045**-total) - explained.score) < 1e-6


def test_pointers_are_checked(deploy: Path, tmp_path: Path) -> None:
    first, _ = refs(deploy)
    with pytest.raises(MissingInputError, match=r"current.json is missing"):
        read_pointer(tmp_path)
    with pytest.raises(IntegrityError, match="outside"):
        write_pointer(deploy, Pointer(champion=Ref(package="../../etc", sha256="0" * 64)))
    with pytest.raises(MissingInputError, match="which is not in"):
        write_pointer(deploy, Pointer(champion=Ref(package="packages/9", sha256="0" * 64)))
    (deploy / POINTER).write_text('{"champion": {"package": "a", "sha256": "short"}}')
    with pytest.raises(ServiceError, match=r"champion\.sha256"):
        read_pointer(deploy)
    assert install(deploy, locate(deploy, first)) == first


def test_the_client_says_when_nothing_answers() -> None:
    with Client("http://127.0.0.1:9", retries=0) as client:
        assert not client.ready()
        with pytest.raises(ServiceError, match="No service answers"):
            client.model()


@contextlib.contextmanager
def _busy() -> Iterator[int]:
    """A server that says 503 once, then answers."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        head = b"connection: close\r\ncontent-length: %d\r\n\r\n%s"
        later, stored = head % (0, b""), head % (12, b'{"stored":1}')
        for content in (b"HTTP/1.1 503 x\r\nretry-after: 0\r\n" + later, b"HTTP/1.1 200 x\r\n" + stored):
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(content)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(5)
    listener.close()
    names = {
        line
        for request in asked
        for line in request.lower().split(b"\r\n")
        if line.startswith(b"x-request-id")
    }
    assert len(asked) == 2
    assert len(names) == 1  # a retry is the same request


def test_the_client_comes_back_with_the_same_id() -> None:
    with _busy() as port, Client(f"http://127.0.0.1:{port}") as client:
        assert client.feedback(1, customer="K1")
