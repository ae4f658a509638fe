"""What the sentinel finds by a leak's strength, how often it is wrong about honest tables, how long it takes.

    OCTAVO_PUBLIC_DATA=folder python benchmarks/bench_leakage.py

With the public tables where they are there; without them the retailer's alone.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import planted_leaks as planted
from common import ROOT, record, report_table

from ml_utils import data
from ml_utils.data.sources import read_source
from ml_utils.leakage import LeakSentinel
from ml_utils.problem import Problem, load_problem

PUBLIC = {name: ROOT / "tests" / "problems" / f"{name}.yaml" for name in ("telco", "online_shoppers")}
SEEDS = (1, 2, 3)
NOISE = (0.35, 0.5, 0.8, 1.2, 1.8, 2.5)
MAX_SECONDS = {"churn": 6.0, "conversion": 12.0}
Frame = pd.DataFrame


def tables() -> Iterator[tuple[str, Problem, Frame]]:
    """The retailer's churn and, where they are there, two public tables: name, problem, honest rows."""
    names = {"churn": "churn", **({k: str(v) for k, v in PUBLIC.items()} if _public() else {})}
    for name, where in names.items():
        problem = load_problem(where)
        yield name, problem, data.check_table(read_source(problem, 2000).frame, problem)


def rate(spoil: Callable[[Frame, np.ndarray, np.random.Generator], Frame]) -> tuple[float, float, float]:
    """Share of tables and seeds in which the planted column is found at all, is a sure leak, and its AUC."""
    found, sure, strength = [], [], []
    for _, problem, frame in tables():
        y = data.features_and_target(frame, problem)[1].to_numpy(float)
        for seed in SEEDS:
            spoilt = spoil(frame, y, np.random.default_rng(seed))
            report = LeakSentinel(problem, seed=seed).check(data.split_frame(spoilt, problem, seed))
            said = [f for f in report.of("leak", "suspect") if f.column == planted.PLANTED]
            found.append(bool(said))
            sure.append(any(f.certainty == "leak" for f in said))
            strength.append(_auc(spoilt[planted.PLANTED], y))
    return float(np.mean(found)), float(np.mean(sure)), float(np.mean(strength))


def by_strength() -> list[tuple[str, str, str]]:
    """Noisy copies, counts without their honest part, and columns filled for a part of the events."""
    rows = []
    for noise in NOISE:
        found, sure, auc = rate(lambda f, y, r, s=noise: planted.noisy_copy(f, y, r, s))
        what = f"copy of the target, noise {noise:g} (AUC {auc:.2f})"
        rows.append((what, f"found {found:.0%}, sure {sure:.0%}", "100 % found" if noise <= 0.5 else ""))
    for more in (0.5, 1.0, 2.0, 4.0):
        found, sure, auc = rate(lambda f, y, r, m=more: _count_alone(f, y, r, m))
        what = f"count of 3 in the mean and {more:g} more with the event, no honest count (AUC {auc:.2f})"
        rows.append((what, f"found {found:.0%}, sure {sure:.0%}", ""))
    for share in (0.02, 0.1, 0.3, 0.6):
        found, sure, _ = rate(lambda f, y, r, s=share: planted.filled_afterwards(f, y, r, s))
        what = f"column filled only after {share:.0%} of the events"
        rows.append((what, f"found {found:.0%}, sure {sure:.0%}", "100 % found" if share >= 0.3 else ""))
    return rows


def repeated_rows() -> list[tuple[str, str, str]]:
    """Training rows put into the test split, by their share of it."""
    rows = []
    for share in (0.002, 0.005, 0.01, 0.05):
        found = []
        for _, problem, frame in tables():
            for seed in SEEDS:
                splits = data.split_frame(frame, problem, seed)
                key = None if problem.time else problem.id
                spoilt = planted.repeat_train_rows(splits, np.random.default_rng(seed), share, key)
                findings = LeakSentinel(problem, seed=seed).check(spoilt).findings
                found.append(any(f.column == "rows of test" for f in findings))
        what = f"{share:.1%} of the test rows repeat training rows"
        rows.append((what, f"found {np.mean(found):.0%}", "100 %" if share >= 0.05 else ""))
    return rows


def honest_tables() -> list[tuple[str, str, str]]:
    """Findings on honest tables: leaks and suspects, over seeds."""
    rows = []
    for name, problem, frame in tables():
        wrong = 0
        for seed in range(1, 11):
            report = LeakSentinel(problem, seed=seed).check(data.split_frame(frame, problem, seed))
            wrong += len(report.of("leak", "suspect"))
        rows.append((f"honest table: {name}, 10 splits", f"{wrong} false findings", "0"))
    return rows


def seconds() -> list[tuple[str, str, str]]:
    """Processor seconds of one look at the retailer's tables, default size."""
    rows = []
    for name, most in MAX_SECONDS.items():
        problem = load_problem(name)
        splits = data.split_frame(data.check_table(read_source(problem).frame, problem), problem)
        start = time.process_time()
        LeakSentinel(problem).check(splits)
        taken, n = time.process_time() - start, sum(map(len, splits.values()))
        rows.append((f"one look at {name}, {n:,} rows", f"{taken:.1f} s", f"≤ {most:g} s"))
    return rows


def _count_alone(frame: Frame, y: np.ndarray, rng: np.random.Generator, more: float) -> Frame:
    return frame.assign(**{planted.PLANTED: rng.poisson(3.0, len(y)) + rng.poisson(more * (y > 0))})


def _auc(x: pd.Series, y: np.ndarray) -> float:
    from ml_utils.leakage.strength import auc

    return auc(x.to_numpy(float), y)[0] if pd.api.types.is_numeric_dtype(x) else float("nan")


def _public() -> bool:
    return bool(os.environ.get("OCTAVO_PUBLIC_DATA"))


def main() -> int:
    """Print the table; 1 where a target is missed."""
    logging.disable(logging.WARNING)
    rows = [*seconds(), *honest_tables(), *by_strength(), *repeated_rows()]
    which = "churn" + (", telco and online_shoppers" if _public() else "")
    note = f"Detection over {which}, {len(SEEDS)} seeds each; noise in units of the target's 0 to 1.\n\n"
    record("The leak sentinel", note + report_table(rows))
    missed = [row for row in rows if row[2].startswith("100 %") and "100%" not in row[1].split(",")[0]]
    return 1 if missed or any(row[2] == "0" and not row[1].startswith("0 ") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
