"""Time the synthetic retailer: seconds at the default size, and how they grow with ten times the customers.

    python benchmarks/bench_synthetic.py

Each figure is the best of some fresh processes, so that neither size profits from memory that an earlier
run has left behind; imports are not counted.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from common import record, report_table

DEFAULT = 10_000
REPEATS = 3
WORK = ("generate", "churn", "spend", "conversion")
# Targets: the default size within 5 s on one core; ten times the customers within 12 times the time.
MAX_SECONDS, MAX_RATIO = 5.0, 12.0


def measure(work: str, n_customers: int) -> tuple[float, float]:
    """Processor seconds of one piece of work, and the process's peak memory in GiB."""
    from ml_utils.synthetic import generate, read_view

    generate(200)  # what is imported on first use
    start = time.process_time()
    if work == "generate":
        generate(n_customers)
    else:
        read_view(work, n_customers, 42)
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def best(work: str, n_customers: int) -> tuple[float, float]:
    """The quickest of some runs, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        return min(pool.map(measure, [work] * REPEATS, [n_customers] * REPEATS))


def main() -> int:
    """Print the table; 1 where a target is missed."""
    rows = []
    for work in WORK:
        (once, _), (tenfold, memory) = best(work, DEFAULT), best(work, 10 * DEFAULT)
        rows.append(
            (work if work == "generate" else f"read_view {work}", once, tenfold, tenfold / once, memory)
        )
    lines = []
    for work, once, tenfold, ratio, memory in rows:
        wanted = f"≤ {MAX_SECONDS:g} s and ≤ {MAX_RATIO:g} times" if work == "generate" else ""
        said = f"{once:.2f} s; ten times the customers {tenfold:.1f} s, {ratio:.1f} times, {memory:.1f} GiB"
        lines.append((f"{work}, {DEFAULT:,} customers", said, wanted))
    record("The synthetic retailer", "Processor seconds on one core.\n\n" + report_table(lines))
    met = rows[0][1] <= MAX_SECONDS and rows[0][3] <= MAX_RATIO
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
