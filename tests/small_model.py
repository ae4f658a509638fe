"""A small fitted model on made-up customers, for the tests of registry, scoring, service and deployment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ml_utils.features.engineer import FeatureEngineer
from ml_utils.files import write_parquet
from ml_utils.model import Model
from ml_utils.paths import Workspace, project_root
from ml_utils.registry import RegisteredModel, Registry

PROBLEM = """
title: Made-up customers
task: binary
source: {kind: csv, path: none.csv}
target: left
positive: "yes"
id: customer
entity: customers
decision: {action: call them, benefit: 30.0, cost: 10.0}
"""


def table(n: int = 400, seed: int = 7) -> pd.DataFrame:
    """Customers with every kind of column; `spend` and `since` have missing values."""
    rng = np.random.default_rng(seed)
    tenure = rng.integers(1, 72, n)
    plan = rng.choice(["basic", "plus", "pro"], n)
    risk = 1 / (1 + np.exp(0.08 * (tenure - 15) - (plan == "basic")))
    spend = rng.gamma(2, 30, n).round(2)
    since = pd.Timestamp("2024-01-31") - pd.to_timedelta(tenure * 30, unit="D")
    frame = pd.DataFrame(
        {
            "customer": [f"K{i:04d}" for i in range(n)],
            "tenure": tenure,
            "spend": np.where(rng.random(n) < 0.1, np.nan, spend),
            "plan": plan,
            "auto pay": rng.random(n) < 0.5,
            "since": since.where(rng.random(n) > 0.05),
            "left": np.where(rng.random(n) < risk, "yes", "no"),
        }
    )
    return frame.astype({"plan": "str", "left": "str", "customer": "str"})


FEATURES = ["tenure", "spend", "plan", "auto pay", "since"]


def fitted(seed: int = 7, threshold: float | None = 0.25) -> Model:
    """A logistic regression on `table`."""
    frame = table(seed=seed)
    steps = [("features", FeatureEngineer(scaling="standard")), ("model", LogisticRegression())]
    pipeline = Pipeline(steps).fit(frame[FEATURES], (frame["left"] == "yes").astype("int8"))
    return Model(pipeline, "binary", tuple(FEATURES), "logistic", threshold)


def make_home(folder: Path, patch: pytest.MonkeyPatch) -> Workspace:
    """A project folder of its own, with splits written as notebook 01 does."""
    problems = folder / "data" / "problems"
    problems.mkdir(parents=True)
    (problems / "small.yaml").write_text(PROBLEM, encoding="utf-8")
    patch.setenv("OCTAVO_HOME", str(folder))
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert project_root() == folder.resolve()
    workspace = Workspace("small", "quick", folder)
    write_parquet(workspace.processed / "test.parquet", table(300, seed=8))
    write_parquet(workspace.processed / "production.parquet", table(500, seed=9))
    return workspace


def registered(workspace: Workspace) -> RegisteredModel:
    """A champion in the workspace's registry."""
    registry = Registry(workspace)
    version = registry.register(
        fitted(), run_id=None, metrics={"roc_auc": 0.8}, snapshot_sha256="ab" * 32, example=table()[FEATURES]
    )
    registry.promote(version, reason="first")
    return registry.load("champion")
