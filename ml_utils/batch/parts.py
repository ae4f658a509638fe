"""Scored parts as files, and many of them joined into one."""

from __future__ import annotations

import gzip
import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

_COPY = 2**20  # bytes
_ROWS = 500_000  # in a row group


def write_part(path: Path, table: pa.Table) -> int:
    """Write a part, whole or not at all, in the form its name says; return its size in bytes."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _writer(path.name)(aside, table)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path.stat().st_size


def join(parts: Sequence[Path], names: Sequence[str], output: Path) -> None:
    """Put parts into one file, in order; they are of the kind that the output is.

    Parameters
    ----------
    parts : sequence of Path
    names : sequence of str
        Of the columns.
    output : Path
        Written as it is named; give a name aside.
    """
    if output.name.endswith(".parquet"):
        _join_parquet(parts, output)
        return
    with output.open("wb") as target:
        target.write(_header(names, output))
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target, _COPY)


def tables(parts: Sequence[Path]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return the rows of Parquet parts, a part at a time, all of one schema."""
    schema = common_schema(parts)
    return schema, (pq.read_table(part).cast(schema) for part in parts)


def common_schema(parts: Sequence[Path]) -> pa.Schema:
    """Return the schema that all Parquet parts can have; ids, numbers here and text there, become text."""
    schemas = [pq.read_schema(part) for part in parts]
    return pa.schema([_common(name, schemas) for name in schemas[0].names])


def _common(name: str, schemas: Sequence[pa.Schema]) -> pa.Field:
    try:
        found = [pa.schema([schema.field(name)]) for schema in schemas]
        return pa.unify_schemas(found, promote_options="permissive").field(0)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.field(name, pa.large_string())


def _join_parquet(parts: Sequence[Path], output: Path) -> None:
    schema, found = tables(parts)
    with pq.ParquetWriter(output, schema, use_dictionary=_repeating(schema)) as writer:
        waiting: list[pa.Table] = []
        for table in found:
            waiting.append(table)
            if sum(map(len, waiting)) >= _ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def _header(names: Sequence[str], output: Path) -> bytes:
    buffer = io.BytesIO()
    pc.write_csv(pa.table({name: pa.array([], pa.string()) for name in names}), buffer)
    return gzip.compress(buffer.getvalue()) if output.name.endswith(".gz") else buffer.getvalue()


def _repeating(schema: pa.Schema) -> list[str] | bool:
    """Name the columns for which a dictionary of values may pay; of scores no two are the same."""
    return [field.name for field in schema if not pa.types.is_floating(field.type)] or False


def _writer(name: str) -> Callable[[Path, pa.Table], None]:
    if name.endswith(".parquet"):
        return lambda path, table: pq.write_table(table, path, use_dictionary=_repeating(table.schema))
    return _write_csv_gz if name.endswith(".gz") else _write_csv


def _write_csv(path: Path, table: pa.Table) -> None:
    pc.write_csv(table, path, pc.WriteOptions(include_header=False))


def _write_csv_gz(path: Path, table: pa.Table) -> None:
    # one member of a gzip file each: members may simply follow one another
    with gzip.open(path, "wb", compresslevel=6) as handle:
        pc.write_csv(table, handle, pc.WriteOptions(include_header=False))
