"""The model changes under load, and no request is lost; the load client counts what fails."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import pytest
from small_model import make_home, registered

from ml_utils.errors import ServiceError
from ml_utils.problem import load_problem
from ml_utils.serving.deployment import ModelDeployment
from ml_utils.serving.load_client import hammer, prepare
from ml_utils.serving.rehearsal import swap_under_load


def test_no_request_is_lost_while_the_model_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_home(tmp_path, monkeypatch)
    deployment = ModelDeployment(workspace, load_problem("small"))
    package = deployment.package(registered(workspace))
    found = swap_under_load(package, deployment.example_rows(20), swaps=3, clients=4, pause=0.1)
    assert (found.swaps, found.failed) == (3, 0)
    assert found.requests > 20
    assert "none of them failed" in found.sentence()


def test_requests_to_a_server_that_hangs_up_count_as_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        server.settimeout(0.5)

        def hang_up() -> None:
            with contextlib.suppress(TimeoutError):
                while True:
                    connection, _ = server.accept()
                    connection.recv(1000)
                    connection.close()

        apart = threading.Thread(target=hang_up)
        apart.start()
        url = f"http://127.0.0.1:{port}"
        answers = asyncio.run(hammer(url, prepare(url, "/predict", [b"{}"], {}), 3, 0.05))
        apart.join()
    assert answers
    assert not any(answer.fine for answer in answers)


def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ServiceError, match="No service answers"):
        asyncio.run(hammer(f"http://127.0.0.1:{port}", [b"x"], 1, 0.1))
