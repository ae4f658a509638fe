"""Columns of an Arrow table as the compiled scorer takes them, and what in them training never saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ml_utils.compiled import cells
from ml_utils.compiled.cells import Coded
from ml_utils.registry.input_columns import InputColumn
from ml_utils.words import normal_form


def as_columns(table: pa.Table, columns: tuple[InputColumn, ...]) -> dict[str, Any]:
    """Return the columns of a model: arrays of numbers and times; text as its distinct values.

    Parameters
    ----------
    table : pyarrow.Table
        Numbers, truth values, text (also as a dictionary) and times, as `plain.to_plain` makes them.
    columns : tuple of InputColumn
        Raw columns of the model; the table has them all.
    """
    return {column.name: _column(table.column(column.name), column) for column in columns}


def _column(values: pa.ChunkedArray, column: InputColumn) -> np.ndarray | Coded:
    kind = values.type
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    if pa.types.is_timestamp(kind) and column.kind == "time":
        return values.cast(pa.timestamp("us"), safe=False).to_numpy()
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if numeric and column.kind in ("number", "integer"):
        return values.cast(pa.float64(), safe=False).to_numpy()
    if pa.types.is_boolean(kind) and values.null_count == 0:
        return values.to_numpy()
    return _coded(values)


def _coded(values: pa.ChunkedArray) -> Coded:
    """Tell distinct values apart; what is missing gets −1."""
    whole = values.combine_chunks()
    whole = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return Coded(codes, encoded.dictionary.to_pylist())


def unusual(columns: Mapping[str, Any], expected: tuple[InputColumn, ...]) -> dict[str, int]:
    """Count the rows with a value that training never saw, by column; none where there is none.

    The rules are those of `registry.inputs.unseen` and `compiled.unusual`: a value out of range, a new
    category, a missing value where training had none, a fraction where training had whole numbers.

    Parameters
    ----------
    columns : mapping
        From `as_columns`.
    expected : tuple of InputColumn
    """
    counts = {column.name: _unusual(columns[column.name], column) for column in expected}
    return {name: n for name, n in counts.items() if n}


def _unusual(values: Any, column: InputColumn) -> int:
    if column.kind == "text":
        return _new_text(cells.coded(values, column.name, "text"), column)
    if column.kind == "boolean":
        return 0 if column.nullable else _missing(cells.coded(values, column.name, "boolean"))
    if column.kind == "time":
        moments = cells.instants(values, column.name)
        known = ~np.isnat(moments)
        numbers = moments.view(np.int64)[known]
    else:
        floats = cells.numbers(values, column.name, column.kind)
        known = ~np.isnan(floats)
        numbers = floats if known.all() else floats[known]
    found = 0 if column.nullable else int(len(known) - known.sum())
    found += _outside(numbers, column)
    if column.kind == "integer":
        found += int(np.count_nonzero(numbers % 1))
    return found


def _new_text(coded: Coded, column: InputColumn) -> int:
    found = 0 if column.nullable else _missing(coded)
    if column.categories is None:
        return found
    seen = frozenset(column.categories)
    new = [i for i, value in enumerate(coded.values) if value is not None and value not in seen]
    if new:
        forms = {normal_form(value) for value in seen}  # another spelling of a known one is no news
        new = [i for i in new if normal_form(coded.values[i]) not in forms]
    return found + int(np.isin(coded.codes, new).sum()) if new else found


def _missing(coded: Coded) -> int:
    return int((coded.codes < 0).sum())


def _outside(numbers: np.ndarray, column: InputColumn) -> int:
    if column.minimum is None or column.maximum is None:
        return 0
    low, high = (
        cells.instant(bound, column.name) if isinstance(bound, str) else bound
        for bound in (column.minimum, column.maximum)
    )
    return int(((numbers < low) | (numbers > high)).sum())
