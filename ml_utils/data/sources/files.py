"""Files on this machine: CSV, Parquet, folders of Parquet; and what else a file may turn out to be."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ml_utils.data.sources.plain import to_frame
from ml_utils.errors import DataError
from ml_utils.problem import FileSource, Problem

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
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst")
_INDEX = re.compile(r"__index_level_\d+__")  # pandas keeps an index without a name under these
PARQUET = (".parquet", ".parq", ".pq")


def check_there(path: Path, source: FileSource, problem: Problem) -> None:
    """Raise where a path does not exist, or is a folder where one file is asked for."""
    where = f"{problem.name}.yaml names {source.path}"
    if not path.exists():
        raise DataError(
            f"{where}, but there is no {path}. Put the file there, or mend source.path "
            "(relative paths start beside the problem file, then at the project's root)."
        )
    if path.is_dir() and source.kind == "csv":
        raise DataError(f"{where}, which is a folder; a CSV source takes one file.")


def read_file(path: Path, source: FileSource, shown: str) -> pd.DataFrame:
    """Read a file or folder that is on this machine.

    Parameters
    ----------
    path : Path
    source : FileSource
    shown : str
        What messages call it: its path, or the address that it was fetched from.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        If it is empty or not what its kind says.
    """
    if path.is_dir():
        return _read_parquet(parquet_files(path, shown), shown, path)
    _check_start(path, source, shown)
    return _read_csv(path, source, shown) if source.kind == "csv" else _read_parquet([path], shown)


def parquet_files(folder: Path, shown: str) -> list[Path]:
    """List a folder's Parquet files, those in folders below it too, in the order of their names."""
    found = sorted(path for path in folder.rglob("*") if is_parquet_name(path.relative_to(folder).as_posix()))
    if not found:
        raise DataError(f"{shown} holds no file whose name ends in {', '.join(PARQUET)}. Export it there.")
    return found


def is_parquet_name(name: str) -> bool:
    """Tell a Parquet file of a folder from what writers leave beside it (`_SUCCESS`, `.part.crc`)."""
    hidden = any(part.startswith(("_", ".")) and "=" not in part for part in name.split("/"))
    return name.lower().endswith(PARQUET) and not hidden


def _check_start(path: Path, source: FileSource, shown: str) -> None:
    if path.stat().st_size == 0:
        raise DataError(f"{shown} is empty (0 bytes). Export it again.")
    with path.open("rb") as handle:
        start = handle.read(512)
    _check_page(start, source, shown)
    is_parquet = start.startswith(b"PAR1")
    if source.kind == "parquet" and not is_parquet:
        raise DataError(
            f"{shown} is not a Parquet file (it starts with {start[:8]!r}). "
            "Set source.kind: csv, or export it again."
        )
    if source.kind == "csv" and path.suffix.lower() not in _PACKED:
        found = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)
        if found or b"\x00" in start[:8]:
            hint = "Set source.kind: parquet." if is_parquet else "Export it as CSV or Parquet."
            raise DataError(f"{shown} is not a CSV file but {found or 'binary'}. {hint}")


def _check_page(start: bytes, source: FileSource, shown: str) -> None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<error")):
        kind = "an XML document" if text.startswith((b"<?xml", b"<error")) else "a web page (HTML)"
        raise DataError(
            f"{shown} is {kind}, not {'a CSV' if source.kind == 'csv' else 'a Parquet'} file: perhaps a page "
            "to sign in, or one about the file. Give the address of the file itself."
        )


def _read_csv(path: Path, source: FileSource, shown: str) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path,
            sep=source.separator,
            na_values=[*_MISSING, *source.missing_values],
            keep_default_na=True,
            skipinitialspace=True,
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{shown} has no columns. Its first line must be a header.") from error
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError, OSError, EOFError) as error:
        raise DataError(
            f"{shown} cannot be read as CSV separated by {source.separator!r}: {error}. "
            "Check source.separator, and that the file is UTF-8."
        ) from error


def _read_parquet(paths: list[Path], shown: str, folder: Path | None = None) -> pd.DataFrame:
    """Read files as one table: columns that only some have are missing in the rest."""
    import pyarrow as pa
    from pyarrow import dataset

    named = shown
    try:
        schemas = []
        for path in paths:
            named = shown if folder is None else f"{shown}: {path.relative_to(folder).as_posix()}"
            schemas.append(dataset.dataset(path, format="parquet").schema)
        named = shown
        names, base = [str(path) for path in paths], str(folder or paths[0].parent)
        # Folders named year=2025 are columns; their types are told from all the names together.
        found = dataset.dataset(names, format="parquet", partitioning="hive", partition_base_dir=base)
        by = found.partitioning.schema
        schema = pa.unify_schemas([*schemas, by], promote_options="permissive")
        parts = dataset.partitioning(by, flavor="hive")
        whole = dataset.dataset(
            names, schema, format="parquet", partitioning=parts, partition_base_dir=base
        ).to_table()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(f"{named} cannot be read as Parquet: {error}. Export it again.") from error
    return to_frame(whole.select([name for name in whole.column_names if not _INDEX.fullmatch(name)]))
