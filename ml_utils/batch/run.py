"""Batch scoring: a table in, a table out, a part at a time."""

from __future__ import annotations

import errno
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_utils.batch import fetching
from ml_utils.batch.fetching import Place
from ml_utils.batch.inputs import MISSING, Rows, open_rows
from ml_utils.batch.journal import Journal, Part
from ml_utils.batch.progress import Progress
from ml_utils.batch.result import BatchScore
from ml_utils.batch.scoring import Recipe
from ml_utils.batch.targets import Target, target_of
from ml_utils.batch.workers import Task, Unscored, score_all
from ml_utils.errors import DataError
from ml_utils.problem import FileSource, Problem
from ml_utils.wording import listing, times

if TYPE_CHECKING:
    from ml_utils.compiled.package import PackagedModel
    from ml_utils.registry.registry import RegisteredModel
    from ml_utils.serving.scoring import Scorer

CHUNK = 50_000  # rows


def batch_score(
    scorer: Scorer | PackagedModel | RegisteredModel,
    source: str | Path,
    output: str | Path,
    keys: Sequence[str] = (),
    chunk: int = CHUNK,
    csv: FileSource | None = None,
    *,
    query: str | None = None,
    workers: int = 1,
    replace: bool = False,
    progress: bool = False,
    problem: Problem | None = None,
) -> BatchScore:
    """Score a table into another, which is put in place whole or not at all.

    A run that was killed goes on where it stopped when it is started again with the same source, model and
    options: its parts wait in a folder beside the output (`.NAME.parts`; for a database's table in
    data/scoring/), which is removed in the end.

    Parameters
    ----------
    scorer : Scorer, PackagedModel or RegisteredModel
        Scores by the compiled model where there is one, else by the pipeline.
    source : str or Path
        A .parquet or .csv file (also packed, .csv.gz), a folder of Parquet files, such a file at s3:// or
        http(s)://, or a database's table: postgresql://user:${PASSWORD}@host/database#schema.table,
        sqlite:///file.db#table.
    output : str or Path
        A .parquet, .csv or .csv.gz file; a folder, which gets a Parquet file a part; or a database's table.
    keys : sequence of str
        Columns that say which row it is, carried over where the source has them; without any, the row's
        number is.
    chunk : int
        Rows held in memory at a time, by each worker.
    csv : FileSource, optional
        How a CSV file is written (separator, marks of a missing value), as in a problem file.
    query : str, optional
        What to read from the database, in place of a table.
    workers : int
        Processes that score.
    replace : bool
        Whether a table or folder that is there may be replaced. A file always is.
    progress : bool
        Whether to show a bar with the rate and the time left.
    problem : Problem, optional
        Where relative paths of a database's file start.

    Returns
    -------
    BatchScore

    Raises
    ------
    DataError
        If the source is missing, empty, or lacks what the model needs; if the output cannot be written.
    ServiceError
        If a worker process ended before its time.
    """
    started = time.perf_counter()
    recipe = Recipe.of(scorer)
    place = Place(str(source), query)
    target = target_of(Place(str(output)), replace, place)
    journal = Journal(target.folder(), target.suffix)
    try:
        journal.open({**_identity(recipe, place, csv), "keys": list(keys), "chunk": chunk})
        resumed = sum(part.rows for part in journal.done.values())
        rows, carried = _open(recipe, place, journal.folder, (tuple(keys), chunk, csv), problem)
        names = [*(carried or ["row"]), "score", *([] if recipe.threshold is None else ["act"])]
        target.check(names)
        with Progress(progress, rows.total, resumed) as bar:
            _score(Task(recipe, carried), rows, journal, workers, bar)
        target.finish(journal.parts(), names)
        parts = list(journal.done.values())
        journal.drop()
    except OSError as error:
        raise DataError(_not_written(error, target, journal)) from error
    finally:
        journal.close()
    return _result(target, recipe, parts, resumed, time.perf_counter() - started)


def _identity(recipe: Recipe, place: Place, csv: FileSource | None) -> dict[str, Any]:
    """Say what the parts of a run depend on; another run's are not mixed with them."""
    files: list[list[object]] = []
    if not place.is_database and not place.is_remote:
        path = place.path
        if not path.exists():
            raise DataError(f"There is no file {place.shown} to score.")
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        files = [[str(one), one.stat().st_size, one.stat().st_mtime_ns] for one in found]
    return {
        "source": place.text,
        "query": place.query,
        "files": files,
        "state": fetching.state(place),
        "model": recipe.sha256,
        "compiled": recipe.files is not None,
        "threshold": recipe.threshold,
        "csv": [csv.separator, csv.missing_values] if csv else None,
    }


def _open(
    recipe: Recipe,
    place: Place,
    folder: Path,
    how: tuple[tuple[str, ...], int, FileSource | None],
    problem: Problem | None,
) -> tuple[Rows, tuple[str, ...]]:
    """Return the rows, and which of the keys they have."""
    keys, chunk, csv = how
    near = not place.is_database and not place.is_remote
    path = place.path if near else fetching.fetch(place, folder, problem)
    wanted = tuple(dict.fromkeys([*(column.name for column in recipe.columns), *keys]))
    text = [*keys, *(column.name for column in recipe.columns if column.kind == "text")]
    coded = [name for name in text if name not in keys]
    categories = {column.name: column.categories or () for column in recipe.columns if column.kind == "text"}
    meant = dict.fromkeys(keys, MISSING - {""}) | {column.name: () for column in recipe.columns} | categories
    rows = open_rows(path, place.shown, chunk, wanted, text, coded, csv, meant)
    missing = [column.name for column in recipe.columns if column.name not in rows.names]
    if missing:
        raise DataError(
            f"{place.shown} lacks {times(len(missing), 'column')} of the model: {listing(missing)}. "
            f"Add what is missing; leave a value empty where it is unknown.{_separated(rows, csv)}"
        )
    return rows, tuple(key for key in keys if key in rows.names)


def _separated(rows: Rows, csv: FileSource | None) -> str:
    """Return a hint where a CSV file seems to be separated by another sign than was taken."""
    taken = csv.separator if csv else ","
    if len(rows.names) > 1 or not any(sign in rows.names[0] for sign in ",;\t|" if sign != taken):
        return ""
    return (
        f" It was read as separated by {taken!r}; another sign is named by source.separator of a problem "
        "file whose source is a CSV file."
    )


def _score(task: Task, rows: Rows, journal: Journal, workers: int, bar: Progress) -> None:
    try:
        for part in score_all(task, _unscored(rows, journal, bar), workers):
            journal.add(part)
            bar.add(part.rows)
    except DataError:
        journal.drop()  # the rows must be mended, and then they are others
        raise


def _unscored(rows: Rows, journal: Journal, bar: Progress) -> Iterator[Unscored]:
    start = 0
    for number, table in enumerate(rows.tables()):
        bar.read(start + len(table))
        if len(table) and number not in journal.done:
            yield Unscored(number, start, table, journal.path(number))
        start += len(table)


def _not_written(error: OSError, target: Target, journal: Journal) -> str:
    said = f"{target.shown} could not be written: {error.strerror or error}."
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        said += " Make room on the disk."
    if journal.done:
        rows = times(sum(part.rows for part in journal.done.values()), "scored row")
        said += f" {rows} wait in {journal.folder}: run the same again to go on, or delete that folder."
    return said


def _result(
    target: Target, recipe: Recipe, parts: Sequence[Part], resumed: int, seconds: float
) -> BatchScore:
    rows = sum(part.rows for part in parts)
    unusual: Counter[str] = Counter()
    for part in parts:
        unusual.update(part.unusual)
    acted = None if recipe.threshold is None else sum(part.acted for part in parts)
    mean = math.fsum(part.total for part in parts) / rows
    return BatchScore(target.shown, rows, acted, mean, dict(unusual), seconds, resumed)
