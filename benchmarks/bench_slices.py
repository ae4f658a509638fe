"""Planted slices found, false findings on right models, seconds; beside a loop over pandas' groupby.

python benchmarks/bench_slices.py [seeds]
"""

from __future__ import annotations

import re
import sys
import time
from itertools import combinations

import numpy as np
import pandas as pd
from common import record, report_table
from planted_slices import FAULTS, Table, agreement, make

from ml_utils.evaluation.failures import find_slices

SEEDS = 400
MAX_SECONDS = 10.0
BIG = {"n": 100_000, "n_columns": 29}


def false_findings(task: str, seeds: int, **options: object) -> tuple[str, str, str]:
    """Share of right models in which anything is found."""
    found = sum(bool(_search(make(seed, task, **options), task).found) for seed in range(seeds))
    wanted = f"≤ {5 + 2 * 100 * np.sqrt(0.05 * 0.95 / seeds):.1f} % (5 % and two standard errors)"
    said = ", ".join(f"{key} {value}" for key, value in options.items())
    return f"{task}, model right ({said})", f"found something in {found / seeds:.1%} of {seeds}", wanted


def power(task: str, fault: str, effect: float, seeds: int, wanted: str = "") -> tuple[str, str, str]:
    """Share of tables in which the planted slice is the first that is returned."""
    first = 0
    for seed in range(seeds):
        table = make(seed, task, fault, effect)
        found = _search(table, task).found
        first += bool(found) and agreement(found[0].mask(table.X), table.wrong) >= 0.5
    unit = "in log-odds" if task == "binary" else "sd of the errors"
    said = "" if fault == "mixed" else f" by {effect:g} {unit}"
    return f"{task}, slice of 3 % {fault}{said}", f"first in {first / seeds:.1%} of {seeds}", wanted


def naive(table: Table, minimum: int) -> pd.DataFrame:
    """Mean log loss of every pair of columns by pandas' groupby, as one would write it."""
    p = np.clip(table.score, 1e-12, 1 - 1e-12)
    loss = -np.where(table.y > 0, np.log(p), np.log1p(-p))
    cut = pd.DataFrame(
        {
            name: pd.qcut(values, 5, duplicates="drop") if pd.api.types.is_numeric_dtype(values) else values
            for name, values in table.X.items()
        }
    ).astype("str")
    rows = []
    for first, second in combinations(cut.columns, 2):
        grouped = pd.Series(loss).groupby([cut[first], cut[second]]).agg(["size", "mean", "std"])
        rows.append(grouped[grouped["size"] >= minimum].assign(columns=f"{first} and {second}"))
    every = pd.concat(rows)
    every["t"] = (every["mean"] - loss.mean()) / (every["std"] / np.sqrt(every["size"]))
    return every.sort_values("t", ascending=False)


def seconds() -> list[tuple[str, str, str]]:
    """Processor seconds on 100,000 rows × 30 columns, and of the loop that tests nothing."""
    rows = []
    for task in ("binary", "regression"):
        table = make(0, task, **BIG)
        start = time.process_time()
        searched = _search(table, task).n_searched
        taken = time.process_time() - start
        what = f"{task}, 100,000 rows × {table.X.shape[1]} columns, {searched:,} slices"
        rows.append((what, f"{taken:.1f} s", f"≤ {MAX_SECONDS:g} s"))
    table = make(0, "binary", **BIG)
    start = time.process_time()
    loop = naive(table, 1000)
    taken = time.process_time() - start
    false = int((loop["t"] > 1.959964).sum())
    said = f"{taken:.1f} s; {false:,} of {len(loop):,} slices 'worse' at 5 % though the model is right"
    return [*rows, ("loop over groupby, mean log loss and a t test, same table", said, "")]


def _search(table: Table, task: str):  # type: ignore[no-untyped-def]
    return find_slices(table.X, table.y, table.score, task)


def main() -> int:
    """Print the table; 1 where a target is missed."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    rows = seconds()
    rows += [false_findings("binary", seeds, n=4000, rate=rate) for rate in (0.27, 0.05)]
    rows += [false_findings("regression", seeds, n=4000, noise=noise) for noise in ("normal", "t3", "skewed")]
    fewer = max(seeds // 4, 10)
    stated = {"binary": 1.5, "regression": 1.0}
    for task, faults in FAULTS.items():
        rows += [power(task, fault, stated[task], fewer, "≥ 95 %") for fault in faults]
        weaker = (0.5, 1.0) if task == "binary" else (0.25, 0.5)
        rows += [power(task, "too low", effect, fewer) for effect in weaker]
    note = "Tables of 10,000 rows × 13 columns (false findings: 4,000 rows), 199 drawn tables, alpha 5 %.\n\n"
    record("The slice finder", note + report_table(rows))
    return 1 if any(_missed(row) for row in rows) else 0


def _missed(row: tuple[str, str, str]) -> bool:
    if not row[2]:
        return False
    number = float(re.findall(r"[\d.]+", row[1])[0])
    limit = float(row[2].split(" ")[1])
    return number < limit if row[2].startswith("≥") else number > limit


if __name__ == "__main__":
    sys.exit(main())
