"""ModelTrainer beside other tools: AUC, log loss and seconds on the same folds of the same tables.

    python benchmarks/bench_training.py [--tables telco,churn] [--tools ours,ours4,flaml60] [--quick]
                                        [--keep FOLDER]

Everything that a tool learns, it learns inside the fold: its features, its search, its choice of a model.
FLAML and AutoGluon run in environments of their own. `--keep` holds what each tool predicted, so that a tool
which takes an hour need not run again as long as the table and its folds stay the same.

Octavo and the plain models run on one thread: processor seconds are what they take on an idle core, seconds
what they took beside whatever else ran. Only a time budget is held against the clock.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from common import record
from peers.environments import PeerError
from training_report import Row, judge, section
from training_tables import TABLES, BenchTable, read
from training_tools import TOOLS, hand_over, kept_or_run

INTRO = (
    "Means over five folds, shuffled with seed 42; everything is learnt inside the fold. Peers' time "
    "limits are by the clock, goals of Octavo's are in processor seconds but for the budget of 4 s: on "
    "a busy machine that favours Octavo. The default models and the settings they start from were picked "
    "by their scores on these folds, of all seven tables, so that Octavo's figures flatter it a little. Of "
    "four tables looked at beside them (car loans, Hillstrom's visits, Expedia's bookings, Fair's affairs) "
    "LightGBM with larger trees is better than the small one on the first and worse on the others; the "
    "blend's weights choose."
)


def measure(name: str, tools: Sequence[str], folder: Path, quick: bool) -> tuple[str, bool]:
    """Compare tools on one table: the section of the page, and whether every goal was met."""
    table = read(name)
    if quick:
        table = BenchTable(table.name, table.X, table.y, table.groups, table.folds[:1], table.truth)
    hand_over(table, folder)
    rows, met = [], True
    for key in tools:
        tool = TOOLS[key]
        if tool.only and name not in tool.only:
            continue
        try:
            found = kept_or_run(key, table, folder)
        except PeerError as error:
            rows.append(Row(tool.label, verdict=str(error)[:60]))
            continue
        rows.append(judge(found, table, key))
        met &= rows[-1].met
        print(f"{name}: {rows[-1].label}: {', '.join(rows[-1].figures())}", flush=True)
    return section(table, rows), met


def main() -> int:
    """Compare, print and record; 1 where a goal is missed, which one fold alone cannot tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--quick", action="store_true", help="one fold, no peers, nothing recorded")
    parser.add_argument("--keep", type=Path, help="folder where predictions are kept and looked for")
    parser.add_argument("--note", default="", help="what a reader must know of this run, put above it")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # the peers' and the boosters' own
    tools = [key for key in options.tools.split(",") if not (options.quick and TOOLS[key].peer)]
    sections, met = [], True
    with tempfile.TemporaryDirectory(prefix="octavo-bench-") as aside:
        folder = Path(aside) if options.quick or options.keep is None else options.keep
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.tables.split(","):
            text, fine = measure(name, tools, folder, options.quick)
            sections.append(text)
            met &= fine
    if options.quick:
        print("\n\n".join(sections))
    else:
        record("Training", "\n\n".join([INTRO, *filter(None, [options.note]), *sections]))
    return 0 if met or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
