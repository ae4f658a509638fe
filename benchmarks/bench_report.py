"""Time the report, its rebuilds and the notebooks' tests; weigh the pages; hold two runs side by side.

    python benchmarks/bench_report.py

In a fresh copy of the project, with the environment in place. Telco is measured where OCTAVO_PUBLIC_DATA
names a folder with telco.csv.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

from common import copy_of_project, record, report_table, timed
from project_copy import MAKE

PYTHON = ".venv/bin/python"


def main() -> int:
    """Measure, print and record."""
    rows: list[tuple[str, str, str]] = []
    with copy_of_project() as first, copy_of_project() as second:
        seconds, _ = timed([*MAKE, "report"], first)
        rows.append(("`make report`, churn", f"{seconds:.0f} s", "≤ 300 s"))
        seconds, _ = timed([*MAKE, "report"], first)
        rows.append(("nothing changed", f"{seconds:.1f} s", "≤ 2 s"))
        seconds, said = timed([*MAKE, "report", "PARAMS=-p alpha 0.01"], first)
        rows.append(
            ("one A/B parameter changed", f"{seconds:.0f} s: {built(said)}", "only what depends on it")
        )
        timed([*MAKE, "report", "JOBS=1"], second)
        timed([*MAKE, "report", "PARAMS=-p alpha 0.05"], first)
        rows.append(("two runs, results JSON", compare(first, second), "byte-identical"))
        rows.append(("heaviest page", f"{heaviest(first):.2f} MB", "≤ 6 MB"))
        if os.environ.get("OCTAVO_PUBLIC_DATA"):
            seconds, _ = timed([*MAKE, "report", "PROBLEM=tests/problems/telco.yaml"], first)
            rows.append(("`make report`, telco", f"{seconds:.0f} s", "≤ 180 s"))
        command = [PYTHON, "-m", "pytest", "-q", "--nbmake", "--nbmake-timeout=300", "notebooks"]
        seconds, _ = timed(command, first)
        rows.append(("nbmake over notebooks/", f"{seconds:.0f} s", "≤ 180 s"))
        imports = [timed([PYTHON, "-c", "import ml_utils"], first)[0] for _ in range(5)]
        bare = [timed([PYTHON, "-c", "pass"], first)[0] for _ in range(5)]
        cost = statistics.median(imports) - statistics.median(bare)
        rows.append(("`import ml_utils`", f"{cost:.2f} s above Python's own start", "≤ 0.5 s"))
    record("The report", report_table(rows))
    return 0


def built(said: str) -> str:
    """Name the pages that make rebuilt."""
    names = [line.split()[1][:2] for line in said.splitlines() if line.startswith("==> ") and " on " in line]
    return f"{' and '.join(sorted(names)) or 'none'} rebuilt"


def compare(first: Path, second: Path) -> str:
    """Hold the results of two runs of churn against each other."""
    folder = Path("data") / "results" / "churn"
    names = [path.name for path in sorted((first / folder).glob("0?-*.json")) if ".run." not in path.name]
    differing = [n for n in names if (first / folder / n).read_bytes() != (second / folder / n).read_bytes()]
    return f"{len(names) - len(differing)} of {len(names)} equal" + (
        f"; not {differing}" if differing else ""
    )


def heaviest(folder: Path) -> float:
    """Return the size of the largest page, in MB."""
    return max(path.stat().st_size for path in (folder / "reports" / "churn").glob("*.html")) / 1e6


if __name__ == "__main__":
    sys.exit(main())
