"""What several tests need: a project of their own, small tables, problem files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import settings
from real_servers import S3, NotInstalled, PostgreSQL, postgresql, s3

from ml_utils.paths import Workspace
from ml_utils.problem import Problem, load_problem
from ml_utils.registry import store, tracking

ROOT = Path(__file__).resolve().parents[1]

# the same examples in every run
settings.register_profile("octavo", derandomize=True, deadline=None)
settings.load_profile("octavo")


@pytest.fixture(scope="session", autouse=True)
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow's empty database is made once and copied from then on: its migrations take seconds."""
    made = tmp_path_factory.mktemp("mlflow") / "mlflow.db"

    def copied(path: Path) -> None:
        if not path.exists():
            store.make_store(made)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "make_store", copied)
        yield


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL for the tests of one file, which are skipped where it is not installed."""
    try:
        with postgresql() as running:
            yield running
    except NotInstalled as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3]:
    """An S3 server, likewise."""
    try:
        with s3() as running:
            yield running
    except NotInstalled as error:
        pytest.skip(str(error))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project of its own: what a test writes never meets the real data folder."""
    shutil.copytree(ROOT / "data" / "problems", tmp_path / "data" / "problems")
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.setenv("OCTAVO_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def workspace(project: Path) -> Workspace:
    return Workspace("mine", "test", project)


@pytest.fixture
def customers() -> pd.DataFrame:
    """600 customers with an id, mixed columns, some missing values, and a target that tenure drives."""
    rng = np.random.default_rng(7)
    n = 600
    tenure = rng.integers(0, 60, n).astype(float)
    plan = rng.choice(["basic", "plus", "gold"], n, p=[0.5, 0.3, 0.2])
    logit = 1.0 - 0.08 * tenure + np.where(plan == "basic", 0.8, 0.0)
    left = rng.random(n) < 1 / (1 + np.exp(-logit))
    frame = pd.DataFrame(
        {
            "customer": [f"K{i:04d}" for i in range(n)],
            "tenure": tenure,
            "plan": plan,
            "charge": rng.gamma(4, 15, n).round(2),
            "joined": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 600, n), unit="D"),
            "left": np.where(left, "yes", "no"),
        }
    )
    frame.loc[::17, "charge"] = np.nan
    return frame


@pytest.fixture
def problem_file(project: Path) -> Callable[..., Path]:
    """Write a problem file for `table.csv` beside it; keywords override or, as None, remove keys."""

    def write(**changes: Any) -> Path:
        content: dict[str, Any] = {
            "title": "Customers who leave",
            "task": "binary",
            "source": {"kind": "csv", "path": "table.csv"},
            "target": "left",
            "positive": "yes",
            "id": "customer",
            **changes,
        }
        path = project / "mine.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
        return path

    return write


@pytest.fixture
def problem(problem_file: Callable[..., Path], customers: pd.DataFrame, project: Path) -> Problem:
    customers.to_csv(project / "table.csv", index=False)
    return load_problem(problem_file())
