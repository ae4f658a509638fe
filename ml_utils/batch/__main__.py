"""Batch scoring from the command line: `python -m ml_utils.batch SOURCE OUTPUT`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_utils.errors import OctavoError, ParameterError
from ml_utils.wording import count

if TYPE_CHECKING:
    from ml_utils.compiled.package import PackagedModel
    from ml_utils.registry.registry import RegisteredModel


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a table with a problem's champion; return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; by default the process's own.
    """
    options = _parser().parse_args(arguments)
    try:
        sys.stderr.write(f"{_run(options)}\n")
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. Run the same command again to go on where it stopped.\n")
        return 130
    return 0


def _run(options: argparse.Namespace) -> str:
    from ml_utils.batch.run import CHUNK, batch_score
    from ml_utils.batch.scoring import packaged
    from ml_utils.problem import FileSource, load_problem

    if not (options.source and options.output):
        raise ParameterError(
            "Say what to score and where the scores go: `make score INPUT=rows.csv OUTPUT=scores.csv`."
        )
    problem = load_problem(options.problem)
    scorer = packaged(options.package) if options.package else _champion(problem.name, options.profile)
    done = batch_score(
        scorer,
        options.source,
        options.output,
        keys=[name for name in (problem.id, problem.time) if name],
        chunk=options.chunk or CHUNK,
        csv=problem.source if isinstance(problem.source, FileSource) else None,
        query=options.query,
        workers=options.workers,
        replace=options.replace,
        progress=True,
        problem=problem,
    )
    rate = (done.rows - done.resumed) / done.seconds
    before = f", {count(done.resumed)} of them before" if done.resumed else ""
    return (
        f"{done.output}: {count(done.rows)} rows{before}, {done.seconds:.1f} s, {count(rate)} rows a second"
    )


def _champion(name: str, profile: str) -> PackagedModel | RegisteredModel:
    """Return the champion: its compiled form, for which nothing is unpickled, or else its pipeline."""
    from ml_utils.compiled.files import COMPILED
    from ml_utils.compiled.package import PackagedModel
    from ml_utils.paths import Workspace, project_root
    from ml_utils.registry.registry import CHAMPION, Registry

    registry = Registry(Workspace(name, profile, project_root()))
    stored = registry.files(CHAMPION)
    if COMPILED in stored.files:
        return PackagedModel.read(stored.files, stored.sha256)
    return registry.load(stored.version)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml_utils.batch", description="Score a table with a problem's champion."
    )
    parser.add_argument(
        "source",
        help="rows to score: a .parquet or .csv file (.csv.gz too), a folder of Parquet files, also at s3:// "
        "or https://, or a table: postgresql://user:${PASSWORD}@host/database#table",
    )
    parser.add_argument("output", help="scores: a .parquet, .csv or .csv.gz file, a folder, or a table")
    parser.add_argument("--query", help="what to read from the database, in place of a table")
    parser.add_argument("--problem", default="churn", help="name or path of the problem (churn)")
    parser.add_argument("--profile", default="full", help="set of outputs (full)")
    parser.add_argument("--package", help="score with this packaged folder instead of the champion")
    parser.add_argument("--workers", type=int, default=_cores(), help="processes (the cores)")
    parser.add_argument("--chunk", type=int, help="rows of a part (50,000)")
    parser.add_argument(
        "--replace", action="store_true", help="take the place of a table's rows, or of a folder"
    )
    return parser


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
