"""Reading a problem's table from where it lives, with an error a person can act on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ml_utils.errors import DataError
from ml_utils.problem import FileSource, Problem, RetailerSource, locate

# How files of other kinds begin, so that a wrong name is told apart from a broken file.
_MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"SQLi": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}
_MISSING = ["", " ", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


@dataclass(frozen=True)
class Table:
    """A table as it came from its source.

    Parameters
    ----------
    frame : DataFrame
        Raw rows.
    origin : str
        Where it came from, for the page.
    truth : DataFrame or None
        Each row's true probability or value, keyed like the rows; the built-in retailer only. For checking,
        never a feature.
    """

    frame: pd.DataFrame
    origin: str
    truth: pd.DataFrame | None = None


def read_source(problem: Problem, n_customers: int = 10_000, seed: int = 42) -> Table:
    """Read the table that a problem file names.

    Parameters
    ----------
    problem : Problem
    n_customers : int
        Size of the built-in retailer; other sources leave it aside.
    seed : int
        Seed of the built-in retailer.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        If the file is missing, empty, or not what its name says.
    """
    source = problem.source
    if isinstance(source, RetailerSource):
        from ml_utils.synthetic.retailer import read_view

        frame, truth = read_view(source.view, n_customers, seed)
        origin = f"built-in retailer, view {source.view}, {n_customers:,} customers, seed {seed}"
        return Table(frame, origin, truth)
    path = locate(source.path, problem)
    _check_file(path, source, problem)
    frame = _read_csv(path, source) if source.kind == "csv" else _read_parquet(path)
    if frame.empty:
        raise DataError(
            f"{path} has {len(frame.columns)} columns but no rows. Export it again with its rows."
        )
    return Table(frame, path.name)


def fingerprint(problem: Problem) -> str:
    """Tell whether the source changed, without reading it: size and time of a file, or the retailer's view.

    A missing file has a fingerprint too; reading it is what fails.
    """
    if isinstance(problem.source, RetailerSource):
        return f"retailer:{problem.source.view}"
    path = locate(problem.source.path, problem)
    if not path.exists():
        return f"missing:{path.name}"
    stat = path.stat()
    return f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}"


def _check_file(path: Path, source: FileSource, problem: Problem) -> None:
    where = f"{problem.name}.yaml names {source.path}"
    if not path.exists():
        raise DataError(
            f"{where}, but there is no {path}. Put the file there, or mend source.path "
            "(relative paths start beside the problem file, then at the project's root)."
        )
    if path.is_dir() and source.kind == "csv":
        raise DataError(f"{where}, which is a folder; a CSV source takes one file.")
    if path.is_dir():
        return
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes). Export it again.")
    with path.open("rb") as handle:
        start = handle.read(8)
    is_parquet = start.startswith(b"PAR1")
    if source.kind == "parquet" and not is_parquet:
        raise DataError(
            f"{path} is not a Parquet file (it starts with {start!r}). "
            "Set source.kind: csv, or export it again."
        )
    if source.kind == "csv" and path.suffix not in (".gz", ".zip", ".bz2", ".xz", ".zst"):
        found = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)
        if found or b"\x00" in start:
            hint = "Set source.kind: parquet." if is_parquet else "Export it as CSV or Parquet."
            raise DataError(f"{path} is not a CSV file but {found or 'binary'}. {hint}")


def _read_csv(path: Path, source: FileSource) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path,
            sep=source.separator,
            na_values=[*_MISSING, *source.missing_values],
            keep_default_na=True,
            skipinitialspace=True,
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} has no columns. Its first line must be a header.") from error
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as CSV separated by {source.separator!r}: {error}. "
            "Check source.separator, and that the file is UTF-8."
        ) from error


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}. Export it again.") from error
