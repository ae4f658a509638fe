"""Types that the rest of the project works with, from the many that Parquet files and databases know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml_utils.words import word

_EXACT = 2**53  # whole numbers beyond it are not all floats
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Turn an Arrow table into a frame of numbers, truth values, text and times.

    Decimals become floats, dates become times at midnight, times with a zone become UTC without one, spans
    become days, and what is nested becomes JSON. Truth values stay; nulls are missing. Whole numbers of which
    some are missing become floats, or text where floats would not hold them (long identifiers).

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    DataFrame
    """
    return to_plain(table).to_pandas(ignore_metadata=True)


def to_plain(table: pa.Table) -> pa.Table:
    """Do what `to_frame` does, short of the frame."""
    columns = [_plain(column) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def to_array(values: Sequence[Any]) -> pa.Array:
    """Make an Arrow array of what a database driver returned; values of mixed types become text."""
    if any(isinstance(value, Decimal) for value in values):
        values = [float(value) if isinstance(value, Decimal) else value for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array([None if value is None else _text(value) for value in values], pa.large_string())


def concatenate(parts: Sequence[pa.Table]) -> pa.Table:
    """Put chunks of one result together, whose types may differ where a chunk was all null or all whole.

    Columns whose chunks hold numbers here and text there become text.
    """
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        names = parts[0].column_names
        clashing = [i for i in range(len(names)) if len({p.schema.types[i] for p in parts} - {pa.null()}) > 1]
        return pa.concat_tables([_as_text(part, clashing) for part in parts], promote_options="permissive")


def _as_text(table: pa.Table, columns: Sequence[int]) -> pa.Table:
    for i in columns:
        said = [None if value is None else _text(value) for value in table.column(i).to_pylist()]
        table = table.set_column(i, table.column_names[i], pa.array(said, pa.large_string()))
    return table


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, sort_keys=True)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    # A whole number may have more digits than a float.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else word(value)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_null(kind) or pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return column.cast(pa.float64())
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("ms")).cast(pa.timestamp("us"))
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp(kind.unit))  # with a zone: the time in UTC
    if pa.types.is_duration(kind):
        return pc.divide(column.cast(pa.int64()).cast(pa.float64()), float(_PER_DAY[kind.unit]))
    if pa.types.is_integer(kind):
        return _whole(column)
    if pa.types.is_floating(kind) or pa.types.is_boolean(kind) or _is_text(kind):
        return column
    return pa.array([None if v is None else _text(v) for v in column.to_pylist()], pa.large_string())


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.null_count == 0 or column.null_count == len(column):
        return column
    ends = pc.min_max(column).as_py()
    long = max(abs(ends["min"]), abs(ends["max"])) > _EXACT
    return column.cast(pa.large_string()) if long else column


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
