"""Batch scoring: a file in, a file out, a part at a time: `python -m ml_utils.serving.batch INPUT OUTPUT`."""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml_utils.errors import DataError, OctavoError
from ml_utils.files import write_whole
from ml_utils.problem import FileSource
from ml_utils.serving.scoring import Scorer
from ml_utils.wording import count

logger = logging.getLogger(__name__)

CHUNK = 50_000  # rows


@dataclass(frozen=True)
class BatchScore:
    """What a batch run did.

    Parameters
    ----------
    output : Path
    rows : int
    acted : int or None
        Rows whose score reaches the threshold; None for a regression.
    mean_score : float
    unusual : dict of str to int
        Column to rows with a value that training never saw.
    seconds : float
    """

    output: Path
    rows: int
    acted: int | None
    mean_score: float
    unusual: dict[str, int]
    seconds: float

    def to_frame(self) -> pd.DataFrame:
        """Return the figures, one a row."""
        rows: dict[str, str] = {"rows scored": count(self.rows), "mean score": f"{self.mean_score:.4f}"}
        if self.acted is not None:
            rows["rows to act on"] = f"{count(self.acted)} ({100 * self.acted / self.rows:.1f} %)"
        rows["columns with values training never saw"] = count(len(self.unusual))
        return pd.DataFrame({"figure": list(rows), "value": list(rows.values())})


def batch_score(
    scorer: Scorer,
    source: str | Path,
    output: str | Path,
    keys: Sequence[str] = (),
    chunk: int = CHUNK,
    csv: FileSource | None = None,
) -> BatchScore:
    """Score a CSV or Parquet file into another, written whole or not at all.

    Parameters
    ----------
    scorer : Scorer
    source, output : str or Path
        Files named .csv or .parquet.
    keys : sequence of str
        Columns that say which row it is, carried over where the source has them; without any, the row's
        number is.
    chunk : int
        Rows held in memory at a time.
    csv : FileSource, optional
        How a CSV file is written (separator, marks of a missing value), as in a problem file.

    Returns
    -------
    BatchScore

    Raises
    ------
    DataError
        If the source is missing, empty, or lacks what the model needs.
    """
    started = time.perf_counter()
    source, output = Path(source), Path(output)
    _check_kind(output)
    parts = _first_read(_read(source, chunk, keys, csv), source)
    totals = _Totals()

    def write(aside: Path) -> None:
        scored = (_score_part(scorer, part, start, keys, totals) for start, part in _numbered(parts))
        (_write_parquet if output.suffix == ".parquet" else _write_csv)(aside, scored)

    write_whole(output, write)
    acted = totals.acted if scorer.model.threshold is not None else None
    mean, seconds = totals.score / totals.rows, time.perf_counter() - started
    return BatchScore(output, totals.rows, acted, mean, dict(totals.unusual), seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a file with a problem's champion; return the exit status."""
    from ml_utils.problem import load_problem
    from ml_utils.serving.service import champion

    parser = argparse.ArgumentParser(prog="python -m ml_utils.serving.batch", description=main.__doc__)
    parser.add_argument("source", help="rows to score: .csv or .parquet")
    parser.add_argument("output", help="scores: .csv or .parquet")
    parser.add_argument("--problem", default="churn", help="name or path of the problem (churn)")
    parser.add_argument("--profile", default="full", help="set of outputs (full)")
    options = parser.parse_args(arguments)
    try:
        problem = load_problem(options.problem)
        keys = [name for name in (problem.id, problem.time) if name]
        csv = problem.source if isinstance(problem.source, FileSource) else None
        scorer = champion(options.problem, options.profile)
        done = batch_score(scorer, options.source, options.output, keys, csv=csv)
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"{done.output}: {count(done.rows)} rows in {done.seconds:.1f} s\n")
    return 0


class _Totals:
    def __init__(self) -> None:
        self.rows, self.acted, self.score = 0, 0, 0.0
        self.unusual: Counter[str] = Counter()


def _score_part(
    scorer: Scorer, part: pd.DataFrame, start: int, keys: Sequence[str], totals: _Totals
) -> pd.DataFrame:
    try:
        scored = scorer.check(part)
    except DataError as error:
        raise DataError(f"In rows {count(start + 1)} to {count(start + len(part))}: {error}") from error
    totals.rows += len(part)
    totals.score += float(scored.scores.sum())
    totals.acted += 0 if scored.act is None else int(scored.act.sum())
    for warning in scored.warnings:
        totals.unusual[warning.column] += warning.rows
    carried = part[[key for key in keys if key in part.columns]].reset_index(drop=True)
    if carried.empty:
        carried = pd.DataFrame({"row": np.arange(start + 1, start + 1 + len(part))})
    return pd.concat([carried, scored.to_frame()], axis=1)


def _numbered(parts: Iterator[pd.DataFrame]) -> Iterator[tuple[int, pd.DataFrame]]:
    start = 0
    for part in parts:
        if len(part):
            yield start, part
        start += len(part)


def _read(source: Path, chunk: int, keys: Sequence[str], csv: FileSource | None) -> Iterator[pd.DataFrame]:
    _check_kind(source)
    if not source.is_file():
        raise DataError(f"There is no file {source} to score.")
    try:
        if source.suffix == ".parquet":
            for batch in pq.ParquetFile(source).iter_batches(chunk):
                yield batch.to_pandas()
            return
        options = {"sep": csv.separator, "na_values": ["", *csv.missing_values]} if csv else {}
        text = dict.fromkeys(keys, "str")  # an id's leading zeros are part of it
        with pd.read_csv(source, chunksize=chunk, skipinitialspace=True, dtype=text, **options) as parts:
            yield from parts
    except (ValueError, OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{source} cannot be read: {error}. It must be the kind its name says.") from error


def _first_read(parts: Iterator[pd.DataFrame], source: Path) -> Iterator[pd.DataFrame]:
    """Read the first part now, so that a bad file is told before anything is written."""
    first = next(parts, None)
    if first is None or first.empty:
        raise DataError(f"{source} has no rows to score.")
    return itertools.chain([first], parts)


def _check_kind(path: Path) -> None:
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path} is neither .csv nor .parquet, which is what batch scoring reads and writes.")


def _write_csv(path: Path, parts: Iterator[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        for number, part in enumerate(parts):
            part.to_csv(handle, index=False, header=number == 0)


def _write_parquet(path: Path, parts: Iterator[pd.DataFrame]) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for part in parts:
            table = pa.Table.from_pandas(part, schema=writer.schema if writer else None, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


if __name__ == "__main__":
    sys.exit(main())
