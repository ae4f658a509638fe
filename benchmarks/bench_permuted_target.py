"""No leak of our own: cross-validated AUC on permuted targets, and three leaks that the check must find.

    python benchmarks/bench_permuted_target.py [seeds]

`permuted_target.py` says what the interval is, and what is accepted.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy as np
from common import record, report_table
from permuted_target import (
    LEAKS,
    Reading,
    Searched,
    Table,
    Verdict,
    churn,
    coverage,
    cross_validate,
    judge_all,
    leak,
    noise,
    search,
    telco,
)

SEEDS, ROWS = 20, 2500


@cache
def tables() -> tuple[Table, ...]:
    """The tables, made once a process."""
    made = (churn(ROWS), churn(ROWS, whole=True), telco(ROWS), noise(2000))
    return tuple(table for table in made if table is not None)


def work(task: tuple[str, int, int]) -> tuple[list[Reading], list[Reading], Searched | None]:
    """One seed of one table, or of the leaks: what was cross-validated, what leaks, what a search finds."""
    kind, number, seed = task
    if kind == "table":
        table = tables()[number]
        return cross_validate(table, seed), [], search(table, seed)
    whole, noisy = tables()[1], tables()[-1]
    leaks = [reading for name in LEAKS for reading in leak(name, noisy, seed)]
    torn = cross_validate(whole, seed, models=["lightgbm"], grouped=False)
    leaks += [Reading("customers torn apart by the folds", r.model, r.seed, r.auc, r.error) for r in torn]
    return [], leaks, None


def row(verdict: Verdict) -> tuple[str, str, str]:
    """One line of the table."""
    said = f"mean {verdict.mean:.3f}; {verdict.outside} of {verdict.n} outside"
    wanted = f"mean {verdict.lower:.3f} to {verdict.upper:.3f}; at most {verdict.allowed} outside"
    return f"{verdict.table}: {verdict.model}", said, wanted


def optimism(searches: Sequence[Searched]) -> tuple[str, str, str]:
    """What the best of a search claims on a permuted target, against untouched rows."""
    claimed = np.mean([item.claimed for item in searches]) - 0.5
    honest = np.mean([item.untouched.auc for item in searches]) - 0.5
    said = f"cross-validation of the best {claimed:+.3f}, untouched rows {honest:+.3f}"
    return f"{searches[0].untouched.table}: AUC above 0.5 after a search", said, ""


def main() -> int:
    """Print the table; 1 where something leaks, or a leak is not found."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    tasks = [("table", i, seed) for i in range(len(tables())) for seed in range(n)]
    tasks += [("leaks", 0, seed) for seed in range(n)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        done = list(pool.map(work, tasks))
    searches = [item for _, _, item in done if item is not None]
    honest = [reading for part, _, _ in done for reading in part] + [item.untouched for item in searches]
    verdicts = judge_all(honest)
    found = judge_all([reading for _, part, _ in done for reading in part], checks=len(verdicts))
    overlap, alone = coverage(2000)
    names = dict.fromkeys(item.untouched.table for item in searches)
    lines = [row(verdict) for verdict in verdicts]
    lines += [(f"leak: {row(v)[0]}", row(v)[1], "not accepted: " + row(v)[2]) for v in found]
    lines += [optimism([s for s in searches if s.untouched.table == name]) for name in names]
    lines.append(
        (
            "the 95 % interval holds, ridge regression, 2,000 permutations",
            f"{overlap:.1%}; with folds taken as independent {alone:.1%}",
            "93 % to 98 %",
        )
    )
    text = (
        f"Cross-validated AUC at fixed parameters, and that of a search's best model on untouched rows, {n} "
        "permutations of the target; features with target means and a selection inside the folds."
    )
    record("A target permuted at random", f"{text}\n\n{report_table(lines)}")
    good = all(v.accepted for v in verdicts) and not any(v.accepted for v in found)
    return 0 if good and 0.93 <= overlap <= 0.98 else 1


if __name__ == "__main__":
    sys.exit(main())
