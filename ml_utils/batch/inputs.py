"""Rows to score, read a part at a time from files on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml_utils.data.sources import plain
from ml_utils.data.sources.files import PARQUET, parquet_files
from ml_utils.errors import DataError
from ml_utils.problem import FileSource
from ml_utils.wording import listing

_PACKED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_CSV = re.compile(r"\.(csv|tsv|txt)(\.gz|\.bz2|\.xz|\.zst|\.zip)?$", re.I)
# what stands for a missing value in CSV, as pandas has it
MISSING = frozenset(
    {"", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "#N/A", "#N/A N/A", "#NA"}
    | {"-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"}
)
_HIVE = re.compile(r"([^/=]+)=([^/]*)")


@dataclass
class Rows:
    """Rows of a table that lies in files.

    Parameters
    ----------
    names : tuple of str
        Its columns.
    tables : callable
        Yields plain Arrow tables of at most a part's rows, always the same ones.
    total : callable
        Estimates the rows from how many were read so far.
    """

    names: tuple[str, ...]
    tables: Callable[[], Iterator[pa.Table]]
    total: Callable[[int], int | None] = field(default=lambda read: None)


def is_parquet(path: Path) -> bool:
    """Tell a Parquet file, or a folder of them, by its name."""
    return path.is_dir() or path.name.lower().endswith(PARQUET)


def open_rows(
    path: Path,
    shown: str,
    chunk: int,
    wanted: Sequence[str],
    text: Sequence[str],
    coded: Sequence[str],
    csv: FileSource | None,
    meant: Mapping[str, Collection[str]],
) -> Rows:
    """Open a file or folder.

    Parameters
    ----------
    path : Path
    shown : str
        What messages call it.
    chunk : int
        Rows of a part.
    wanted : sequence of str
        Columns to read, where there are such.
    text : sequence of str
        Columns of a CSV file to read as they stand: an id's leading zeros are part of it.
    coded : sequence of str
        Columns of a Parquet file that, where they are text, may come as a dictionary and places in it.
    csv : FileSource, optional
        How a CSV file is written.
    meant : mapping
        Column to words that are values of it in a CSV file, even where others take them for a missing value:
        a country NA, a garage None.

    Raises
    ------
    DataError
        If it is missing, has no rows, or is not what its name says.
    """
    if not path.exists():
        raise DataError(f"There is no file {shown} to score.")
    if is_parquet(path):
        return _said_plainly(_open_parquet(path, shown, chunk, wanted, coded), shown)
    if not _CSV.search(path.name):
        raise DataError(
            f"{shown} is neither .csv nor .parquet, which is what batch scoring reads, besides .csv.gz, a "
            "folder of Parquet files and a database's table."
        )
    return _said_plainly(_open_csv(path, shown, chunk, wanted, text, csv, meant), shown)


def _said_plainly(rows: Rows, shown: str) -> Rows:
    inner = rows.tables

    def tables() -> Iterator[pa.Table]:
        with _Reading(shown):
            yield from inner()

    return Rows(rows.names, tables, rows.total)


class _Reading:
    """Turns what a reader raises into a DataError; a generator's own consumer is not inside."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        wrong = (ValueError, OSError, EOFError, pa.ArrowException)
        if isinstance(error, wrong) and not isinstance(error, DataError):
            said = " ".join(str(error).split())
            needed = (
                "Save it as UTF-8" if isinstance(error, UnicodeError) else "It must be the kind its name says"
            )
            raise DataError(f"{self._shown} cannot be read: {said}. {needed}.") from error


def _open_parquet(path: Path, shown: str, chunk: int, wanted: Sequence[str], coded: Sequence[str]) -> Rows:
    found = parquet_files(path, shown) if path.is_dir() else [path]
    with _Reading(shown):
        metadata = [pq.read_metadata(one) for one in found]
        schemas = [one.schema.to_arrow_schema() for one in metadata]
    twice = {name for schema in schemas for name in wanted if schema.names.count(name) > 1}
    if twice:
        raise DataError(f"{shown} has {listing(sorted(twice))} twice. Rename or drop one of the two.")
    by = [_partition(one, path) for one in found]
    names = tuple(
        dict.fromkeys(name for group in (*(schema.names for schema in schemas), *by) for name in group)
    )
    rows = sum(one.num_rows for one in metadata)
    if not rows:
        raise DataError(f"{shown} has no rows to score.")

    def tables() -> Iterator[pa.Table]:
        for one, own, added in zip(found, schemas, by, strict=True):
            columns = [name for name in wanted if name in own.names]
            texts = [name for name in coded if name in columns and _is_text(own.field(name).type)]
            # memory is bounded by the part, not by the row group
            with pq.ParquetFile(one, read_dictionary=texts, buffer_size=2**20, pre_buffer=False) as file:
                for batch in file.iter_batches(chunk, columns=columns):
                    yield _complete(pa.Table.from_batches([batch]), added, wanted, names)

    return Rows(names, tables, lambda read: rows)


def _partition(path: Path, base: Path) -> dict[str, str]:
    """Read the columns that stand in the names of folders, like year=2025."""
    inside = path.relative_to(base).parent.as_posix() if path != base else ""
    return dict(_HIVE.findall(inside))


def _complete(
    table: pa.Table, added: dict[str, str], wanted: Sequence[str], names: Sequence[str]
) -> pa.Table:
    for name in wanted:
        if name in added:
            value = pa.scalar(added[name]) if added[name] != "__HIVE_DEFAULT_PARTITION__" else None
            table = table.append_column(name, pa.array([value] * len(table), pa.string()))
        elif name not in table.column_names and name in names:  # only other files of the folder have it
            table = table.append_column(name, pa.nulls(len(table)))
    return _plain(table)


def _plain(table: pa.Table) -> pa.Table:
    """Make columns plain, but for text that came as a dictionary."""
    coded = [pa.types.is_dictionary(kind) and _is_text(kind.value_type) for kind in table.schema.types]
    for i, keep in enumerate(coded):
        if not keep:
            name = table.column_names[i]
            table = table.set_column(i, name, plain.to_plain(_whole(table.select([i]))).column(0))
    return table


def _whole(column: pa.Table) -> pa.Table:
    """Make whole decimals integers: databases export ids so, and a float would lose their last digits."""
    kind = column.schema.types[0]
    if not pa.types.is_decimal(kind) or kind.scale > 0:
        return column
    try:
        return column.cast(pa.schema([(column.column_names[0], pa.int64())]))
    except pa.ArrowInvalid:  # more digits than an integer has
        return column.cast(pa.schema([(column.column_names[0], pa.large_string())]))


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _open_csv(
    path: Path,
    shown: str,
    chunk: int,
    wanted: Sequence[str],
    text: Sequence[str],
    csv: FileSource | None,
    meant: Mapping[str, Collection[str]],
) -> Rows:
    keep = set(wanted)
    options: dict[str, Any] = {
        "chunksize": chunk,
        "skipinitialspace": True,
        "dtype": dict.fromkeys(text, "str"),
        # all columns: told to read some, pandas no longer notices a line with too many fields
        "compression": _PACKED.get(path.suffix.lower()),
        "low_memory": False,  # one type a part
        "sep": csv.separator if csv else ",",
        "keep_default_na": False,
    }
    given = {" ", *(csv.missing_values if csv else ())}
    handles: list[IO[bytes]] = []
    size = path.stat().st_size

    def tables() -> Iterator[pa.Table]:
        with path.open("rb") as handle, pd.read_csv(handle, **options) as parts:
            handles[:] = [handle]
            for part in parts:
                _check_index(part)
                yield _from_csv(part[[name for name in part.columns if name in keep]])
            handles.clear()

    def total(read: int) -> int | None:
        at = handles[0].tell() if handles else 0
        return round(read * size / at) if at else None

    with _Reading(shown), path.open("rb") as handle:
        head = pd.read_csv(handle, **{**options, "chunksize": None, "nrows": 1})
        _check_index(head)
    options["na_values"] = {name: MISSING.difference(meant.get(name, ())) | given for name in head.columns}
    if head.empty:
        raise DataError(f"{shown} has no rows to score.")
    return Rows(tuple(map(str, head.columns)), tables, total)


def _check_index(part: pd.DataFrame) -> None:
    """Refuse a line that is longer than the header: pandas takes its first field for the row's name."""
    if not isinstance(part.index, pd.RangeIndex):
        raise ValueError("the first line of rows has more fields than the header")


def _from_csv(part: pd.DataFrame) -> pa.Table:
    try:
        return pa.Table.from_pandas(part, preserve_index=False)
    except pa.ArrowException:  # truth values and text in one column, say
        mixed = [name for name in part.columns if part[name].dtype == "object"]
        words = {name: part[name].map(str, na_action="ignore").astype("str") for name in mixed}
        return pa.Table.from_pandas(part.assign(**words), preserve_index=False)
