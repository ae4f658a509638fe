"""The registered version as an MLflow model: raw columns in, the pipeline's scores out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from small_model import FEATURES, fitted, make_home, registered, table

from ml_utils.errors import IntegrityError, RegistryError
from ml_utils.paths import Workspace
from ml_utils.registry import Registry
from ml_utils.serving.parity import json_rows
from ml_utils.sockets import bind


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        home = make_home(tmp_path_factory.mktemp("pyfunc"), patch)
        registered(home)
        yield home


@pytest.fixture
def folder(workspace: Workspace, tmp_path: Path) -> Path:
    """The champion's files in a folder of their own."""
    for name, content in Registry(workspace).load("champion").files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_mlflow_loads_the_champion_by_its_alias(workspace: Workspace) -> None:
    import mlflow

    registry = Registry(workspace)
    mlflow.set_tracking_uri(registry.tracking_uri)
    rows = table(50, seed=3)[FEATURES]
    try:
        answers = mlflow.pyfunc.load_model(f"models:/{registry.name}@champion").predict(rows)
    finally:
        mlflow.set_tracking_uri(None)
    model = fitted()
    np.testing.assert_array_equal(answers["score"], model.predict_score(rows))
    np.testing.assert_array_equal(answers["act"], model.decide(rows))


def test_a_changed_file_is_refused_by_mlflow_too(folder: Path) -> None:
    from mlflow.pyfunc import load_model

    path = folder / "model.json"
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.99"))
    with pytest.raises(IntegrityError, match=r"model\.json was changed"):
        load_model(str(folder))


def test_without_the_manifests_hash_nothing_is_loaded(folder: Path) -> None:
    from ml_utils.registry.pyfunc import _load_pyfunc

    (folder / "MLmodel").write_text("flavors: {}\n")
    with pytest.raises(RegistryError, match="names the hash of its manifest"):
        _load_pyfunc(str(folder))


@pytest.mark.full
def test_mlflow_models_serve_answers_with_the_pipelines_scores(folder: Path) -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder), "-p", str(port)]
    root = str(Path(__file__).resolve().parents[1])
    # the command starts its own workers; a session of their own so that all of them are stopped
    server = subprocess.Popen(
        [*command, "-h", "127.0.0.1", "--env-manager", "local", "--workers", "1"],
        env={**os.environ, "PYTHONPATH": root, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/ping")
        rows = table(20, seed=3)[FEATURES]
        answer = httpx.post(
            f"http://127.0.0.1:{port}/invocations", json={"dataframe_records": json_rows(rows)}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        scores = pd.DataFrame(json.loads(answer.text)["predictions"])["score"]
        np.testing.assert_allclose(scores, fitted().predict_score(rows), atol=1e-12)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=20)


def _wait(url: str) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise AssertionError(f"nothing answers at {url}")
