"""A small world for the monitor's tests: a table by month, and a model that knows its outcome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ml_utils.model import Model
from ml_utils.problem import FileSource, Problem

COLUMNS = ("income", "visits", "plan", "flag")


class Oracle:
    """Scores by the true relation of `world`."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        p = probability(X)
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return X["income"].fillna(50).to_numpy(float) / 10 + 2 * X["visits"].to_numpy(float)

    def __getitem__(self, name: str) -> Oracle:
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        return X[["income", "visits"]].fillna(50).to_numpy(float)


def probability(X: pd.DataFrame, strength: float = 1.0, base: float = -2.2) -> np.ndarray:
    line = base + strength * (0.04 * (X["income"].fillna(50) - 50) + 0.5 * (X["visits"] - 2))
    line = line + np.where(X["plan"] == "a", 0.6, 0.0)
    return (1 / (1 + np.exp(-line))).to_numpy(float)


def columns(n: int, rng: np.random.Generator) -> pd.DataFrame:
    income = rng.normal(50, 12, n)
    income[rng.random(n) < 0.03] = np.nan
    plan = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    return pd.DataFrame(
        {"income": income, "visits": rng.poisson(2, n), "plan": plan, "flag": rng.random(n) < 0.1}
    )


def world(
    months: list[str], n: int, seed: int, strength: float = 1.0, base: float = -2.2, task: str = "binary"
) -> pd.DataFrame:
    """Make `n` rows a month with the outcome of a binary problem, or of a regression."""
    rng = np.random.default_rng(seed)
    parts = []
    for month in months:
        part = columns(n, rng)
        if task == "binary":
            part["left"] = np.where(rng.random(n) < probability(part, strength, base), "yes", "no")
        else:
            part["left"] = Oracle().predict(part) + rng.normal(0, 3, n)
        part.insert(0, "month", pd.Timestamp(month))
        part.insert(0, "id", [f"K{i:05d}" for i in range(n)])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def problem(task: str = "binary", time: str | None = "month", unit: str | None = "id") -> Problem:
    return Problem(
        name="world",
        folder=Path(),
        title="World",
        task=task,
        source=FileSource(kind="csv", path="none.csv"),
        target="left",
        positive="yes" if task == "binary" else None,
        id=unit,
        time=time,
    )


def oracle(task: str = "binary") -> Model:
    return Model(Oracle(), task, COLUMNS, "oracle", 0.3 if task == "binary" else None)


REFERENCE = ["2024-01-31", "2024-02-29"]
LATER = ["2024-03-31", "2024-04-30", "2024-05-31", "2024-06-30"]
