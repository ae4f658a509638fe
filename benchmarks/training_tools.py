"""The tools that are compared: plain models, AutoML peers in environments of their own, and Octavo's."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from peers.environments import ask
from training_tables import BenchTable

Fit = Callable[[pd.DataFrame, pd.Series, pd.DataFrame, pd.Series | None], np.ndarray]


@dataclass(frozen=True)
class Scored:
    """A tool on a table: out-of-fold scores, what each fold took by the clock, and of a core."""

    score: np.ndarray
    seconds: list[float]
    processor: list[float] = field(default_factory=list)


def xgboost(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, groups: pd.Series | None) -> np.ndarray:
    """XGBoost as it comes, categories left to it."""
    from xgboost import XGBClassifier

    train, rows = _categories(X, new)
    return XGBClassifier(enable_categorical=True, n_jobs=1).fit(train, y).predict_proba(rows)[:, 1]


def lightgbm(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, groups: pd.Series | None) -> np.ndarray:
    """LightGBM as it comes, categories left to it."""
    from lightgbm import LGBMClassifier

    train, rows = _categories(X, new)
    return LGBMClassifier(verbosity=-1, n_jobs=1).fit(train, y).predict_proba(rows)[:, 1]


def logistic(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, groups: pd.Series | None) -> np.ndarray:
    """Logistic regression on scaled numbers and one column a category."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = X.select_dtypes("number").columns
    words = [name for name in X.columns if name not in numbers]
    steps = [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(numbers)),
        ("words", OneHotEncoder(handle_unknown="ignore", min_frequency=10), words),
    ]
    train, rows = (part.astype(dict.fromkeys(words, "str")) for part in (X, new))
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression(max_iter=2000))
    return model.fit(train, y).predict_proba(rows)[:, 1]


def trainer(budget: float | None = None) -> Fit:
    """Return ModelTrainer with its defaults, or with a time budget."""

    def fit(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, groups: pd.Series | None) -> np.ndarray:
        from ml_utils import ModelTrainer

        return ModelTrainer(budget_seconds=budget).fit(X, y, groups).best_.predict_score(new)

    return fit


def _categories(X: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give words and truth values the categories of the training rows."""
    train, rows = X.copy(), new.copy()
    for name in X.columns.difference(X.select_dtypes("number").columns):
        kind = pd.CategoricalDtype(sorted(X[name].dropna().astype("str").unique()))
        train[name], rows[name] = (part[name].astype("str").astype(kind) for part in (X, new))
    return train, rows


@dataclass(frozen=True)
class Tool:
    """A tool of the comparison: a function of this process, or the arguments of a peer's script."""

    label: str
    fit: Fit | None = None
    peer: str = ""
    arguments: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


def _autogluon(label: str, seconds: int, preset: str, only: tuple[str, ...] = ()) -> Tool:
    return Tool(label, None, "autogluon", ("--seconds", str(seconds), "--preset", preset), only)


TOOLS = {
    "xgboost": Tool("XGBoost as it comes", xgboost),
    "lightgbm": Tool("LightGBM as it comes", lightgbm),
    "logistic": Tool("logistic regression", logistic),
    "flaml10": Tool("FLAML, 10 s", None, "flaml", ("--seconds", "10"), ("telco",)),
    "flaml60": Tool("FLAML, 60 s", None, "flaml", ("--seconds", "60")),
    "ag60": _autogluon("AutoGluon medium, 60 s", 60, "medium_quality"),
    "ag90": _autogluon("AutoGluon good, 90 s", 90, "good_quality", ("telco",)),
    "ours4": Tool("**ModelTrainer, budget 4 s**", trainer(4.0), only=("telco",)),
    "ours": Tool("**ModelTrainer**", trainer()),
}


def run(tool: Tool, table: BenchTable, folder: Path) -> Scored:
    """Fit and predict every fold.

    Raises
    ------
    PeerError
        If a peer cannot be installed, or fails.
    """
    if tool.fit is None:
        out = folder / "scores.parquet"
        inputs = [str(folder / f"{table.name}.{kind}") for kind in ("parquet", "json")]
        said = ask(tool.peer, "automl.py", tool.peer, *inputs, str(out), *tool.arguments)
        return Scored(pd.read_parquet(out)["score"].to_numpy(), said["seconds"])
    found = Scored(np.full(len(table.y), np.nan), [])
    for train, valid in table.folds:
        groups = None if table.groups is None else table.groups.iloc[train]
        started, worked = time.monotonic(), time.process_time()
        found.score[valid] = tool.fit(table.X.iloc[train], table.y.iloc[train], table.X.iloc[valid], groups)
        found.seconds.append(time.monotonic() - started)
        found.processor.append(time.process_time() - worked)
    return found


def kept_or_run(name: str, table: BenchTable, folder: Path) -> Scored:
    """Take what a peer predicted before from the folder, or run the tool and leave its scores there."""
    scores, said = (folder / f"{table.name}.{name}.{kind}" for kind in ("parquet", "log"))
    if scores.is_file() and said.is_file():
        took = json.loads(said.read_text().strip().splitlines()[-1])
        return Scored(pd.read_parquet(scores)["score"].to_numpy(), **took)
    found = run(TOOLS[name], table, folder)
    pd.DataFrame({"score": found.score}).to_parquet(scores)
    said.write_text(json.dumps({"seconds": found.seconds, "processor": found.processor}) + "\n")
    return found


def hand_over(table: BenchTable, folder: Path) -> None:
    """Write a table and its folds for the peers.

    Raises
    ------
    SystemExit
        If the folder holds scores of other rows or other folds.
    """
    folds = json.dumps([[train.tolist(), valid.tolist()] for train, valid in table.folds])
    path, rows = folder / f"{table.name}.json", table.X.assign(target__=table.y)
    written = folder / f"{table.name}.parquet"
    if path.is_file() and path.read_text() == folds and pd.read_parquet(written).equals(rows):
        return
    if any(folder.glob(f"{table.name}.*.parquet")):
        sys.exit(f"{folder} keeps scores of another {table.name} (rows or folds); name another folder.")
    rows.to_parquet(written)
    path.write_text(folds)
