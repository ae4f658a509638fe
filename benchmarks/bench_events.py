"""Time the join of event tables as of each row's time, beside the same features in plain pandas.

    python benchmarks/bench_events.py

A million events of ten thousand keys over two years, a hundred thousand rows, windows of 7, 30 and 90 days,
two numeric columns and one category; then the same of a hundred keys, whose windows hold a hundred times as
many events. Plain pandas is what one writes by hand: merge on the key, keep what lies in the window, group.
It does without the trend, and is given the first tables only. Imports are not counted; each figure is the
best of two runs in this process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import record, report_table

from ml_utils.data.events import join_tables
from ml_utils.problem import Problem

WINDOWS = [7, 30, 90]
NUMERIC = ["amount", "items"]
REPEATS = 2
# Targets: a few seconds at full size, and quicker than plain pandas where that is done at all.
MAX_SECONDS, MIN_RATIO = 6.0, 1.0


def make_tables(n_events: int, n_rows: int, n_keys: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw rows and events, evenly over keys and two years."""
    rng = np.random.default_rng(42)
    start, minutes = pd.Timestamp("2024-01-01"), 730 * 1440

    def moments(n: int) -> Any:
        return start + pd.to_timedelta(rng.integers(0, minutes, n), unit="min")

    names = pd.array([f"C{i:06d}" for i in range(n_keys)], "str")
    rows = pd.DataFrame({"who": names[rng.integers(0, n_keys, n_rows)], "when": moments(n_rows)})
    events = pd.DataFrame(
        {
            "who": names[rng.integers(0, n_keys, n_events)],
            "at": moments(n_events),
            "amount": rng.gamma(2.0, 20.0, n_events).round(2),
            "items": rng.integers(1, 9, n_events),
            "kind": pd.array(list("abcdefgh"), "str")[rng.integers(0, 8, n_events)],
        }
    )
    return rows, events


def make_problem() -> Problem:
    """Describe the tables."""
    events = {
        "source": {"kind": "csv", "path": "events.csv"},
        "time": "at",
        "numeric": NUMERIC,
        "categorical": ["kind"],
        "windows": WINDOWS,
    }
    content: dict[str, Any] = {"name": "bench", "folder": Path(), "title": "bench", "task": "regression"}
    content |= {"source": {"kind": "csv", "path": "rows.csv"}, "target": "y", "id": "who", "time": "when"}
    return Problem(**content, events={"e": events})


def by_pandas(rows: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """The features as one writes them by hand: merge, keep what lies in the window, group."""
    numbered = rows.reset_index(names="row")
    pairs = numbered.merge(events, on="who")
    pairs = pairs[pairs["at"] < pairs["when"]]
    found = {}
    last = pairs.groupby("row")["at"].max().reindex(rows.index)
    for days in WINDOWS:
        inside = pairs[pairs["at"] >= pairs["when"] - pd.Timedelta(days=days)]
        groups = inside.groupby("row")
        found[f"e_count_{days}d"] = groups.size().reindex(rows.index, fill_value=0)
        for column in NUMERIC:
            told = groups[column].agg(["sum", "mean", "std", "min", "max"]).reindex(rows.index)
            for name in told:
                found[f"e_{column}_{name}_{days}d"] = told[name].fillna(0) if name == "sum" else told[name]
        found[f"e_kind_distinct_{days}d"] = groups["kind"].nunique().reindex(rows.index, fill_value=0)
    found["e_days_since_last"] = (rows["when"] - last) / pd.Timedelta(days=1)
    return pd.DataFrame(found)


def best(work: Callable[[], pd.DataFrame], repeats: int = REPEATS) -> tuple[float, pd.DataFrame]:
    """Processor seconds of the quickest run, and what it gave."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        result = work()
        seconds.append(time.process_time() - started)
    return min(seconds), result


def measure(n_events: int, n_rows: int, n_keys: int, peer: bool) -> tuple[float, float | None]:
    """Seconds of ours, and of plain pandas where asked for; raises where the two differ."""
    rows, events = make_tables(n_events, n_rows, n_keys)
    problem = make_problem()
    ours, joined = best(lambda: join_tables(rows, problem, {"e": events}).frame)
    if not peer:
        return ours, None
    theirs, wanted = best(lambda: by_pandas(rows, events), 1)
    pd.testing.assert_frame_equal(joined[wanted.columns], wanted, check_dtype=False, rtol=1e-9)
    return ours, theirs


def main() -> int:
    """Print the table; 1 where a target is missed."""
    lines, met = [], True
    for n_events, n_rows, n_keys, peer in (
        (1_000_000, 100_000, 10_000, True),
        (1_000_000, 100_000, 100, False),
        (1_000_000, 100_000, 1, False),
        (10_000_000, 1_000_000, 100_000, False),
    ):
        ours, theirs = measure(n_events, n_rows, n_keys, peer)
        what = f"{n_events:,} events of {n_keys:,} keys, {n_rows:,} rows"
        said = f"{ours:.2f} s" + (
            f"; plain pandas {theirs:.1f} s, {theirs / ours:.1f} times" if theirs else ""
        )
        lines.append((what, said, f"≤ {MAX_SECONDS:g} s, the same features" if peer else ""))
        met &= not peer or (ours <= MAX_SECONDS and bool(theirs) and theirs / ours >= MIN_RATIO)
    about = "Processor seconds on one core; windows of 7, 30 and 90 days, two numbers, one category.\n\n"
    record("Events as of each row's time", about + report_table(lines))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
