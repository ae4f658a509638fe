"""A raw column's categories as small numbers: told apart once, in one pass."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

FEW = 32  # rows up to which telling values apart costs more than treating each by itself


@dataclass(frozen=True)
class Coded:
    """A column as the places of its values in a list of them.

    `codes` has a row's place in `distinct`, −1 where the value is missing; a value may stand there twice
    where there are few rows.
    """

    codes: np.ndarray
    distinct: list[Any]


def coded(column: pd.Series) -> Coded:
    """Tell the values of a column apart.

    >>> coded(pd.Series(["a", None, "b", "a"] * 10)).codes[:4].tolist()
    [0, -1, 1, 0]
    """
    if len(column) <= FEW:
        return coded_values(column.tolist())
    if isinstance(column.dtype, pd.StringDtype) and column.dtype.storage == "pyarrow":
        return _from_arrow(column)
    try:
        codes, distinct = pd.factorize(column)
    except TypeError:  # lists and the like
        codes, distinct = pd.factorize(column.map(_plain))
    return Coded(_small(codes, len(distinct)), list(distinct))


def _from_arrow(column: pd.Series) -> Coded:
    import pyarrow as pa

    values = pa.array(column.array).dictionary_encode()
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return Coded(_small(codes, len(values.dictionary)), values.dictionary.to_pylist())


def coded_values(values: Sequence[Any]) -> Coded:
    """Treat each of a few values by itself."""
    plain = [_plain(value) for value in values]
    codes = [-1 if _absent(value) else i for i, value in enumerate(plain)]
    return Coded(np.array(codes), plain)


def _absent(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _plain(value: Any) -> Any:
    return value if isinstance(value, Hashable) else str(value)


def _small(codes: np.ndarray, n: int) -> np.ndarray:
    """Store codes −1 … n − 1 in as few bytes as they need."""
    return codes.astype(np.int8 if n <= 127 else np.int16 if n <= 32767 else np.int32, copy=False)
