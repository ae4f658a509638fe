"""One row and a batch through the compiled scorer, beside the pipeline and a hand-made encoder.

    python benchmarks/bench_scorer.py            # 7,000 rows one by one, batches of 20,000 rows
    python benchmarks/bench_scorer.py --quick    # 500 rows, batches of 10,000

Twenty raw columns: 11 numbers (4 with missing values), 2 truth values, 6 texts of 2 to 12 categories, 1 date.
The peers: a DataFrame of one row and the scikit-learn pipeline; a dictionary encoder, written by hand, with
XGBoost's inplace_predict, which does without fences, dates and other spellings. Times of one row are medians
over the rows, processor seconds of one thread; of batches, from the same DataFrame, the best of five: at
first, and once the scorer has seen so many rows that numba compiled its trees.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", OPENBLAS_NUM_THREADS="1")

import numpy as np
import pandas as pd
from common import record, report_table
from sklearn.pipeline import Pipeline

from ml_utils.compiled.compiling import compile_model
from ml_utils.compiled.frames import columns_of
from ml_utils.compiled.many_trees import HOT
from ml_utils.compiled.scorer import CompiledScorer
from ml_utils.features import FeatureEngineer
from ml_utils.model import Model
from ml_utils.registry.inputs import InputSchema
from ml_utils.serving.parity import json_rows
from ml_utils.training.candidates import CANDIDATES, Setting
from ml_utils.training.ensembles import LogOddsBlend

SIZES = (2, 3, 4, 5, 8, 12)
WANTED_ROW, WANTED_BATCH, TOLERANCE = 100.0, 3.0, 1e-6
DEFAULT = ("spline_logistic", "lightgbm", "xgboost")


def make_table(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Make the twenty columns, and a target that depends on some."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for i in range(8):
        values = rng.normal(size=n).round(4) if i % 2 else rng.gamma(2.0, 30.0, n).round(2)
        columns[f"float_{i}"] = np.where(rng.random(n) < 0.05, np.nan, values) if i < 4 else values
    for i in range(3):
        columns[f"whole_{i}"] = rng.integers(0, 10 ** (i + 1), n)
    for i in range(2):
        columns[f"truth_{i}"] = rng.random(n) < 0.3
    for size in SIZES:
        names = np.array([f"Kind {chr(65 + i)}" for i in range(size)], dtype=object)
        columns[f"text_{size}"] = pd.array(names[rng.integers(0, size, n)], dtype="str")
    days = rng.integers(0, 1500, n).astype("timedelta64[D]")
    columns["since"] = np.datetime64("2020-01-01", "us") + days.astype("timedelta64[us]")
    X = pd.DataFrame(columns)
    risk = 0.8 * X["float_1"].fillna(0) + 0.02 * X["float_4"] - 0.5 * X["float_5"] * X["truth_0"]
    risk = risk + (X["text_4"] == "Kind B") - 1.5
    return X, (rng.random(n) < 1 / (1 + np.exp(-risk))).to_numpy().astype("int8")


def fit(names: tuple[str, ...]) -> tuple[Model, InputSchema]:
    """Fit one candidate, or the blend of several, at the settings that a search starts from."""
    X, y = make_table(20_000, 1)
    setting = Setting("binary")
    members = [(name, CANDIDATES[name].build(dict(CANDIDATES[name].prior), setting)) for name in names]
    last = members[0][1] if len(members) == 1 else LogOddsBlend(members, [1 / len(members)] * len(members))
    pipeline = Pipeline([("features", FeatureEngineer()), ("model", last)]).fit(X, y)
    schema = InputSchema.from_frame(X)
    return Model(pipeline, "binary", tuple(X.columns), "+".join(names)), schema


def dictionary_encoder(model: Model) -> Callable[[Mapping[str, Any]], float]:
    """Write by hand what one would: numbers as they are, a column a category, XGBoost's inplace_predict."""
    features = model.pipeline[0].dictionary_
    place = {name: i for i, name in enumerate(features["feature"])}
    booster = model.pipeline[1].get_booster()
    texts = {name.split("=")[0] for name in place if "=" in name}

    def score(row: Mapping[str, Any]) -> float:
        values = np.zeros((1, len(place)), dtype=np.float32)
        for name, value in row.items():
            if name in texts:
                values[0, place[f"{name}={value}"]] = 1.0
            elif name in place and value is not None:
                values[0, place[name]] = value
        return float(booster.inplace_predict(values, validate_features=False)[0])

    return score


def each(score: Callable[[Any], float], rows: list[Any]) -> tuple[float, np.ndarray]:
    """Score rows one by one; return the median in µs, and the scores."""
    times, scores = [], []
    for row in rows:
        started = time.perf_counter_ns()
        scores.append(score(row))
        times.append(time.perf_counter_ns() - started)
    return statistics.median(times) / 1000, np.array(scores)


def best(score: Callable[[], Any], repeats: int = 5) -> float:
    """Return the least processor seconds of some runs."""
    found = []
    for _ in range(repeats):
        started = time.process_time()
        score()
        found.append(time.process_time() - started)
    return min(found)


def measure(names: tuple[str, ...], n_rows: int, n_batch: int) -> list[tuple[str, str, str]]:
    """Measure one model."""
    model, schema = fit(names)
    scorer = CompiledScorer.from_files(compile_model(model, schema))
    X, _ = make_table(max(n_rows, n_batch), 2)
    few = X.head(n_rows)
    rows, expected = json_rows(few), model.predict_score(few)
    label = "default blend" if len(names) > 1 else f"{names[0]}, 300 trees"
    ours, scores = each(scorer.score_one, rows)
    through = [few.iloc[[i]] for i in range(min(n_rows, 300))]
    pipeline, _ = each(lambda row: float(model.predict_score(pd.DataFrame(row))[0]), through)
    table = [(f"{label}: one row, DataFrame and pipeline", f"{pipeline:,.0f} µs", "")]
    if names == ("xgboost",):
        theirs, _ = each(dictionary_encoder(model), rows)
        table.append((f"{label}: one row, dictionary encoder, inplace_predict", f"{theirs:,.0f} µs", ""))
    table.append((f"{label}: one row, compiled", f"{ours:,.1f} µs", f"≤ {WANTED_ROW:.0f} µs"))
    gap = float(np.abs(scores - expected).max())
    table.append((f"{label}: largest difference, {n_rows:,} rows", f"{gap:.1e}", f"≤ {TOLERANCE:g}"))
    batch = X.head(n_batch)
    slow = best(lambda: model.pipeline.predict_proba(batch))
    columns = model.columns
    for when in ("at first", f"after {HOT:,} rows"):
        quick = best(lambda: scorer.score_columns(columns_of(batch, columns)))
        said = f"{slow / quick:.1f} × ({1e6 * quick / n_batch:.1f} µs a row)"
        wanted = "" if when == "at first" else f"≥ {WANTED_BATCH:.0f} ×"
        table.append((f"{label}: {n_batch:,} rows {when}, pipeline's time over ours", said, wanted))
        for _ in range(HOT // n_batch):
            scorer.score_columns(columns_of(batch, columns))
    return table


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    sizes = (500, 10_000) if quick else (7_000, 20_000)
    table = measure(("xgboost",), *sizes) + measure(DEFAULT, *sizes)
    body = f"In process, one thread, 20 raw columns, all features included.\n\n{report_table(table)}"
    if quick:
        print(body)
    else:
        record("The compiled scorer", body)


if __name__ == "__main__":
    main()
