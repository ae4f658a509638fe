"""Callers that are wrong, rude or broken: none gets in without a key, none takes the service from others."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from running_service import Running, service, stand_in, write_package
from test_service_rules import ROW, Remembering, ask, calling, made

from ml_utils.prediction_log import open_log
from ml_utils.serving import keys
from ml_utils.serving.access_log import AccessLog, JsonFormatter
from ml_utils.serving.deployed import Deployed
from ml_utils.serving.process import launch, stop
from ml_utils.serving.screening import Screen
from ml_utils.serving.swapping import Swapper


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "1"
    write_package(folder)
    return folder


def faults(answer: httpx.Response) -> dict[str, str]:
    return {item["field"]: item["message"] for item in answer.json()["detail"]}


# keys


def test_no_other_spelling_of_a_path_gets_past_the_key(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(keys.new_key("shop")[1].line())
    guarded = made(Remembering(), keys=str(tmp_path / "keys"))
    for path in ("/predict", "/predict/batch", "/feedback", "/explain"):
        assert ask(guarded, path=path).status_code == 401
        for end in ("%0A", "%0a%0a", "/", "%00", ";a", "%20"):
            assert ask(guarded, path=path + end).status_code == 404


def test_a_model_is_not_shown_under_another_spelling(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(keys.new_key("shop")[1].line())

    async def go() -> list[int]:
        async with calling(made(keys=str(tmp_path / "keys"))) as client:
            return [(await client.get(path)).status_code for path in ("/model", "/model%0A", "/model/")]

    assert asyncio.run(go()) == [401, 404, 404]


def test_a_key_file_that_could_not_be_read_is_read_once_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys"
    old, new = keys.new_key("old"), keys.new_key("new")
    path.write_text(old[1].line())
    guarded = made(keys=str(path))
    stamp = path.stat()
    path.write_text("half a line")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 10**9))
    for _ in range(3):
        guarded.admission.refresh()
    assert ask(guarded, headers={"x-api-key": old[0]}).status_code == 200
    assert sum("stay as they were" in record.message for record in caplog.records) == 1
    path.write_text(new[1].line())
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 10**9))  # as if it had been there all the time
    guarded.admission.refresh()
    assert ask(guarded, headers={"x-api-key": old[0]}).status_code == 401
    assert ask(guarded, headers={"x-api-key": new[0]}).status_code == 200


def test_a_revoked_key_is_refused_while_a_registry_does_not_answer(tmp_path: Path) -> None:
    class Silent:
        def stamp(self) -> object:
            time.sleep(0.5)
            return None

        def load(self) -> Deployed:
            raise AssertionError

    text, key = keys.new_key("shop")
    path = tmp_path / "keys"
    path.write_text(key.line())
    guarded = made(keys=str(path), poll=0.01)
    headers = {"x-api-key": text}

    async def go() -> list[int]:
        swapper = Swapper(guarded, Silent(), None, 0.01)
        swapper.start()
        async with calling(guarded, headers=headers) as client:
            before = await client.post("/predict", json={"row": ROW})
            await asyncio.sleep(0.1)  # it is asking the registry now
            path.write_text("")
            await asyncio.sleep(0.1)
            after = await client.post("/predict", json={"row": ROW})
        await swapper.stop()
        return [before.status_code, after.status_code]

    assert asyncio.run(go()) == [200, 401]


def test_a_key_file_in_no_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["new", "shop"], ["list"]):
        where = tmp_path / "none" / "keys" if command[0] == "new" else tmp_path
        assert keys.main([*command, "--file", str(where)]) == 1
        assert f"The key file {where} cannot be" in capsys.readouterr().err


# bodies


def test_a_packed_body_is_refused_by_name() -> None:
    packed = gzip.compress(json.dumps({"row": ROW}).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}

    async def go() -> httpx.Response:
        async with calling(made()) as client:
            return await client.post("/predict", content=packed, headers=headers)

    answer = asyncio.run(go())
    assert answer.status_code == 415
    assert "Content-Encoding" in faults(answer)


@pytest.mark.parametrize(("outcome", "status"), [(1, 200), (0.0, 200), (True, 200), (0.5, 422), (-1, 422)])
def test_an_outcome_of_two_classes_is_one_of_them(outcome: float, status: int) -> None:
    items = [{"customer": "K1", "outcome": 1}, {"customer": "K2", "outcome": outcome}]
    answer = ask(made(Remembering()), {"items": items}, "/feedback")
    assert answer.status_code == status
    assert status == 200 or list(faults(answer)) == ["items.1.outcome"]


def test_an_outcome_of_a_quantity_is_any_number() -> None:
    served = made(Remembering(), Deployed(stand_in(task="regression")))
    answer = ask(served, {"items": [{"customer": "K1", "outcome": 17.5}]}, "/feedback")
    assert answer.json() == {"stored": 1}


def test_a_field_is_named_once_and_how_to_mend_it() -> None:
    wrong = ask(made(Remembering()), {"items": [{"customer": "K1", "outcome": "ja"}]}, "/feedback")
    assert faults(wrong) == {"items.0.outcome": "Input should be a valid number, or a valid boolean"}
    both = ask(made(Remembering()), {"items": [{"outcome": 1}]}, "/feedback")
    assert faults(both) == {"items.0": "give one of request_id and customer, and not both"}
    nobody = ask(made(), {"row": ROW, "customer": ""})
    assert faults(nobody) == {"customer": "String should have at least 1 character"}
    missing = ask(made(), {"row": {**ROW, "x": None}})
    assert "null is not allowed" in faults(missing)["row.x"]
    assert "null" not in faults(ask(made(), {"rows": [None]}, "/predict/batch"))["rows.0"]

    async def cut_off() -> httpx.Response:
        headers = {"content-type": "application/json"}
        async with calling(made()) as client:
            return await client.post("/predict", content='{"row": {"x": 1, "pl', headers=headers)

    assert faults(asyncio.run(cut_off())) == {
        "body": "is not JSON: Unterminated string starting at character 18"
    }


def test_a_large_body_is_judged_as_far_as_its_first_faults() -> None:
    unknown = {f"field {i}": 1 for i in range(24)}
    many = {"rows": [ROW] * 3 + [{**ROW, **unknown}] * 3_000}
    answer = ask(made(), many, "/predict/batch")
    assert answer.status_code == 422
    assert len(answer.json()["detail"]) == 21
    assert answer.json()["detail"][0]["field"] == "rows.3.field 0"
    assert "row 3 is the last looked at" in answer.json()["detail"][-1]["message"]
    wide = {str(i): 1 for i in range(20_000)}
    for body, path, field in [
        (wide, "/predict", "body"),
        ({"row": {**ROW, **wide}}, "/explain", "row"),
        ({"requests": [{"row": ROW}, {"row": wide}]}, "/predict/batch", "requests.1.row"),
        ({"rows": [{}] * 20_000}, "/predict/batch", "rows"),
        ({"items": [{"customer": "K" * 80, "outcome": 2}] * 999 + [{}]}, "/feedback", "items.999.outcome"),
    ]:
        answer = ask(made(Remembering()), body, path)
        assert answer.status_code == 422
        assert field in faults(answer)


def test_a_large_body_that_is_right_has_no_faults() -> None:
    screen = Screen(stand_in().scorer)
    rows = [ROW] * 1_000
    assert screen.faults(json.dumps({"rows": rows}).encode()) == []
    assert (
        screen.faults(json.dumps({"requests": [{"row": row, "customer": 7} for row in rows]}).encode()) == []
    )
    assert screen.faults(b"[" * 100_000) == []
    assert screen.faults(b'"text"') == []
    spaced = {"rows": [{**ROW, "plan": "\u00e9"}] * 2_000}  # escapes: not plainly right, and large
    assert len(ask(made(), spaced, "/predict/batch").json()["predictions"]) == 2_000


# logs


def test_a_traceback_repeats_no_value(caplog: pytest.LogCaptureFixture) -> None:
    def fail(row: Any) -> float:
        try:
            return float(row["plan"])
        except ValueError as error:
            raise RuntimeError(f"no number: {row['plan']}") from error

    served = stand_in()
    served.scorer.score_one = fail  # type: ignore[method-assign]
    failing = made()
    failing.live.deployed.champion.scorer.score_one = fail  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        assert ask(failing, {"row": {**ROW, "plan": "Jane Doe"}}).status_code == 500
    (record,) = [record for record in caplog.records if record.exc_info]
    line = JsonFormatter().format(record)
    told = json.loads(line)["traceback"]
    assert "RuntimeError" in told
    assert "ValueError" in told
    assert "in fail" in told
    assert "Jane" not in line


class Full(io.StringIO):
    """A stream on a disk that is full at first."""

    full = True

    def write(self, text: str) -> int:
        """Write, where there is room."""
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_the_access_log_outlives_a_full_disk() -> None:
    stream = Full()
    log = AccessLog(stream)
    log.start()
    log.note("r0", "POST", "/predict", 200, 0.001, "")
    log.note("r1", "POST", "/predict", 200, 0.001, "")
    time.sleep(0.3)
    stream.full = False
    log.note("r2", "POST", "/predict", 200, 0.001, "")
    log.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("request") for line in lines] == ["r2", None]
    assert lines[-1]["message"] == "2 lines were lost"
    assert log.lost == 0


def test_a_look_that_fails_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    class Source:
        looks = 0

        def stamp(self) -> object:
            self.looks += 1
            raise RuntimeError("the source is out of order")

        def load(self) -> Deployed:
            raise AssertionError

    source = Source()

    async def go() -> None:
        swapper = Swapper(made(), source, None, 0.01)
        swapper.start()
        await asyncio.sleep(0.3)
        await swapper.stop()

    asyncio.run(go())
    assert source.looks > 2
    assert any("the next comes" in record.message for record in caplog.records)


# connections


def rest_of(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def open_to(running: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=10)


def send_until_cut_off(running: Running, first: bytes, piece: bytes, most: int = 50_000_000) -> int:
    """Send pieces until the service hangs up; return the bytes that went out."""
    sent = 0
    with open_to(running) as connection:
        connection.sendall(first)
        while sent < most:
            try:
                connection.sendall(piece)
            except OSError:
                return sent
            sent += len(piece)
    raise AssertionError("it goes on reading")


def memory(running: Running) -> int:
    """Return the bytes of memory that the service holds."""
    pages = int(Path(f"/proc/{running.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_callers_that_do_not_get_on_are_cut_off(package: Path) -> None:
    with service("--package", package, "--no-log", "--timeout", 0.5) as running:
        before = memory(running)
        with open_to(running) as idle, open_to(running) as slow, open_to(running) as used:
            used.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            started = time.monotonic()
            slow.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
            with contextlib.suppress(OSError):
                while time.monotonic() - started < 8:
                    slow.sendall(b"a")
                    time.sleep(0.1)
            assert rest_of(idle) == b""
            assert time.monotonic() - started < 8
            assert rest_of(used).startswith(b"HTTP/1.1 200")
        head = b"GET /health HTTP/1.1\r\nHost: x\r\n"
        send_until_cut_off(running, head, b"X: y\r\n" * 10_000)
        send_until_cut_off(running, head + b"X: ", b"x" * 60_000)
        send_until_cut_off(running, b"GET /", b"x" * 60_000)
        send_until_cut_off(running, b"", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 2_000)
        chunked = head.replace(b"GET /health", b"POST /predict") + b"Content-Type: application/json\r\n"
        chunked += b"Transfer-Encoding: chunked\r\n\r\n"
        send_until_cut_off(running, chunked, b"%x\r\n%s\r\n" % (60_000, b" " * 60_000))
        send_until_cut_off(running, chunked + b"0\r\n", b"X: y\r\n" * 10_000)
        with open_to(running) as large:
            large.sendall(head + b"X: " + b"x" * 40_000 + b"\r\nConnection: close\r\n\r\n")
            assert rest_of(large).startswith(b"HTTP/1.1 200")
        assert memory(running) - before < 100_000_000
        assert httpx.get(f"{running.url}/ready").status_code == 200


def holds(running: Running, connection: socket.socket) -> bool:
    """Tell whether the service's end of a connection is open."""
    wanted = (running.port, connection.getsockname()[1], "01")
    ends = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return wanted in [(int(own[-4:], 16), int(other[-4:], 16), state) for own, other, state in ends]


def test_an_answer_that_nobody_reads_is_given_up(package: Path) -> None:
    with (
        service("--package", package, "--no-log", "--timeout", 0.5) as running,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", running.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 900)
        wait_until(lambda: holds(running, connection))
        wait_until(lambda: not holds(running, connection))


def test_nobody_waits_for_who_reads_the_log(package: Path) -> None:
    reading, writing = os.pipe()  # nothing reads it: it takes some hundred lines
    with open(writing, "wb") as said:
        process, url = launch(["--package", str(package), "--no-log"], 0, said)
    try:
        with httpx.Client(base_url=url, timeout=5) as client:
            wait_until(lambda: answers(client))
            assert {client.get("/model").status_code for _ in range(1_000)} == {200}
            port = int(url.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"nonsense\r\n\r\n")  # is worth a warning
                assert rest_of(connection).startswith(b"HTTP/1.1 400")
            assert answers(client)
        process.terminate()
        assert process.wait(timeout=10) == -signal.SIGTERM
    finally:
        stop(process)
        os.close(reading)


def test_a_service_whose_log_has_ended_is_not_ready(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log.db")
    served = made(log)

    async def go() -> list[int]:
        async with calling(served) as client:
            before = await client.get("/ready")
            log.close()
            return [before.status_code, (await client.get("/ready")).status_code]

    assert asyncio.run(go()) == [200, 503]
    assert ask(served).status_code == 503


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == 200
    except httpx.HTTPError:
        return False


def wait_until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


def test_one_who_interrupts_it_reads_no_traceback(package: Path) -> None:
    with service("--package", package, "--no-log") as running:
        os.kill(running.pid, signal.SIGINT)
        stat = Path(f"/proc/{running.pid}/stat")
        wait_until(lambda: stat.read_text().split()[2] == "Z")
        assert len(running.log()) == 1  # each line is JSON
