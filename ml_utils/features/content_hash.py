"""Hashes of what a table or a fitted object holds, whatever library wrote or keeps it.

The bytes of a Parquet file or a pickle change with the version of the library that writes them. These hashes
are of names, kinds and values, so that the same content has the same hash in another process, after a way
through a file, and under another version of pandas.
"""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.files import sha256_bytes


def hash_table(frame: pd.DataFrame) -> str:
    """Hash the names, kinds and values of a table's columns, in order; its index counts for nothing.

    Widths of numbers, units of times and the several ways of pandas to keep text make no difference; neither
    do the sign of zero and the kind of a missing value.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Column names unique.

    Returns
    -------
    str
        SHA-256, in hexadecimal.

    Raises
    ------
    DataError
        If a column name stands twice.

    Examples
    --------
    >>> one = hash_table(pd.DataFrame({"a": [1.0, None], "b": ["x", None]}))
    >>> one == hash_table(pd.DataFrame({"a": [1.0, np.nan], "b": pd.Series(["x", np.nan], dtype=object)}))
    True
    >>> one == hash_table(pd.DataFrame({"a": [1.0, 0.0], "b": ["x", None]}))
    False
    """
    if not frame.columns.is_unique:
        raise DataError("A table whose column names repeat has no content hash; rename one of each.")
    columns = [_hash_column(str(name), frame[name]) for name in frame.columns]
    return hash_plain({"rows": len(frame), "columns": columns})


def hash_plain(value: object) -> str:
    """Hash plain values (dicts, lists, text, numbers, truth values, None); the order of keys is left aside.

    >>> hash_plain({"a": 1, "b": (2.5, None)}) == hash_plain({"b": [2.5, None], "a": 1})
    True
    """
    return sha256_bytes(json.dumps(_plain(value), sort_keys=True).encode())


def hash_fitted(fitted: object) -> str:
    """Hash the state of a fitted object: its class, its parameters and what it learnt.

    What it learnt are the attributes whose name ends in an underscore (scikit-learn's rule), all the way
    down. Private attributes are left aside: caches, which filling must not change the hash, and a few copies
    of training values, which show in the feature table.

    Parameters
    ----------
    fitted : object
        An estimator, or anything made of estimators, arrays, tables and plain values.

    Returns
    -------
    str
        SHA-256, in hexadecimal.
    """
    digest = hashlib.sha256()
    for token in _tokens(fitted, ()):
        digest.update(token.encode() + b"\n")
    return digest.hexdigest()


def _hash_column(name: str, column: pd.Series) -> list[str]:
    kind, content = _canonical(column)
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return [name, kind, digest.hexdigest()]


def _canonical(column: pd.Series) -> tuple[str, list[bytes]]:
    """Return the kind of a column and its values as bytes that no library's version changes."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.is_datetime64_any_dtype(column):
        return _times(column)
    if pd.api.types.is_timedelta64_dtype(column):
        return "duration", [np.ascontiguousarray(column.to_numpy().astype("<m8[us]").astype("<i8")).tobytes()]
    if not pd.api.types.is_numeric_dtype(column):  # truth values are numeric to pandas
        return _words(column)
    if column.isna().any() or pd.api.types.is_float_dtype(column):
        return "number", [_float_bytes(column.to_numpy(dtype="<f8", na_value=np.nan))]
    if pd.api.types.is_bool_dtype(column):
        return "truth", [column.to_numpy(dtype="u1").tobytes()]
    wide = "<u8" if pd.api.types.is_unsigned_integer_dtype(column) and column.max() >= 2**63 else "<i8"
    return "integer", [column.to_numpy(dtype=wide).tobytes()]


def _times(column: pd.Series) -> tuple[str, list[bytes]]:
    zone = column.dt.tz
    plain = column.dt.tz_convert("UTC").dt.tz_localize(None) if zone is not None else column
    whole = plain.to_numpy().astype("<M8[us]").astype("<i8")  # NaT is the smallest integer
    below = plain.dt.nanosecond.fillna(0).to_numpy(dtype="<i8")
    return ("instant" if zone is not None else "time"), [whole.tobytes(), below.tobytes()]


def _words(column: pd.Series) -> tuple[str, list[bytes]]:
    codes, distinct = pd.factorize(column, use_na_sentinel=True)
    plain = [value.item() if isinstance(value, np.generic) else value for value in distinct]
    words = [value if isinstance(value, str) else [type(value).__name__, str(value)] for value in plain]
    order = json.dumps(words).encode()  # in order of first sight, which the codes refer to
    return "text", [order, codes.astype("<i8").tobytes()]


def _float_bytes(values: np.ndarray) -> bytes:
    values = values + 0.0  # −0 becomes 0
    values[np.isnan(values)] = np.nan  # one bit pattern for all of them
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray | pd.Index):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=str)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return "nan" if value != value else value + 0.0
    shown = str(value)
    return [type(value).__qualname__, "" if " at 0x" in shown else shown]  # an address is no content


def _tokens(value: object, path: tuple[int, ...]) -> Iterator[str]:
    """Walk a fitted object and yield a line for everything in it, in an order of its own making."""
    if id(value) in path:
        yield "again"
        return
    inner = (*path, id(value))
    if isinstance(value, pd.DataFrame | pd.Series | pd.Index | np.ndarray):
        yield from _table_tokens(value, inner)
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}"
        for key in sorted(value, key=lambda key: (type(key).__name__, str(key))):
            yield json.dumps(_plain(key))
            yield from _tokens(value[key], inner)
    elif isinstance(value, list | tuple):
        yield f"sequence {len(value)}"
        for item in value:
            yield from _tokens(item, inner)
    elif isinstance(value, type | types.FunctionType | types.BuiltinFunctionType | np.ufunc):
        yield f"named {getattr(value, '__module__', '')}.{value.__qualname__}"
    elif hasattr(value, "__dict__"):
        yield from _state(value, inner)
    else:
        yield json.dumps(_plain(value), sort_keys=True)


def _table_tokens(
    value: pd.DataFrame | pd.Series | pd.Index | np.ndarray, inner: tuple[int, ...]
) -> Iterator[str]:
    if isinstance(value, pd.DataFrame):
        yield f"table {hash_table(value.rename(columns=str))}"
        yield from _tokens(value.index, inner)
    elif isinstance(value, pd.Series):
        yield f"column {_hash_column('', value)}"
        yield from _tokens(value.index, inner)
    elif isinstance(value, pd.Index):
        yield f"index {_hash_column('', pd.Series(value) if value.nlevels == 1 else _flat(value))}"
    elif value.dtype == object and pd.api.types.infer_dtype(value.ravel(), skipna=True) != "string":
        yield f"objects {value.shape}"
        yield from _tokens(value.ravel().tolist(), inner)
    else:
        yield f"array {value.shape} {_hash_column('', pd.Series(value.ravel()))}"


def _flat(index: pd.Index) -> pd.Series:
    return pd.Series([str(item) for item in index])


def _state(value: object, inner: tuple[int, ...]) -> Iterator[str]:
    yield f"object {type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return  # used up while fitting; transform draws nothing
    state = vars(value)
    asked = set(value.get_params(deep=False)) if hasattr(value, "get_params") else None
    for name in sorted(state):
        public = not name.startswith("_")
        if public and (asked is None or name in asked or name.endswith("_")):
            yield name
            yield from _tokens(state[name], inner)
