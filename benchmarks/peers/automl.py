"""One AutoML tool on one table, fold by fold: predictions into a file, seconds as JSON.

    python automl.py flaml table.parquet folds.json out.parquet --seconds 60

Runs in the tool's own environment and imports nothing of Octavo. Columns are given raw, as the tool's manual
shows: each makes its own features, inside the fold.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time

import pandas as pd


def main() -> None:
    """Fit and predict every fold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", choices=["flaml", "autogluon"])
    parser.add_argument("table")
    parser.add_argument("folds")
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--preset", default="medium_quality")
    options = parser.parse_args()
    table = pd.read_parquet(options.table)
    y = table.pop("target__")
    with open(options.folds) as handle:
        folds = json.load(handle)
    scores, seconds = pd.Series(float("nan"), index=table.index), []
    for train, valid in folds:
        started = time.monotonic()
        fit = flaml if options.tool == "flaml" else autogluon
        scores.iloc[valid] = fit(table.iloc[train], y.iloc[train], table.iloc[valid], options)
        seconds.append(time.monotonic() - started)
    scores.to_frame("score").to_parquet(options.out)
    print(json.dumps({"seconds": seconds}))


def flaml(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, options: argparse.Namespace) -> pd.Series:
    """FLAML, ranked by AUC, with its time budget."""
    from flaml import AutoML

    tool = AutoML()
    tool.fit(X, y, task="classification", metric="roc_auc", time_budget=options.seconds, seed=42, verbose=0)
    return tool.predict_proba(new)[:, 1]


def autogluon(X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, options: argparse.Namespace) -> pd.Series:
    """AutoGluon with one of its presets and a time limit."""
    from autogluon.tabular import TabularPredictor

    folder = tempfile.mkdtemp(prefix="autogluon-")
    try:
        tool = TabularPredictor("target__", eval_metric="roc_auc", path=folder, verbosity=0)
        tool.fit(X.assign(target__=y), time_limit=options.seconds, presets=options.preset)
        return tool.predict_proba(new)[1].to_numpy()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
