"""What a column holds, told from its values, and those values in one plain form that rules can be held to."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from ml_utils.words import word

Kind = Literal["number", "whole number", "category", "text", "date"]

MAX_CATEGORIES = 200  # text with more distinct values is free text or a name
MOSTLY = 0.95  # share of readable values from which text is taken for numbers or dates
_ISO_DATE = r"\d{4}-\d{2}-\d{2}"


def kind_of(column: pd.Series, categorical: bool = False) -> Kind:
    """Tell what a column holds.

    Parameters
    ----------
    column : Series of any dtype
        Text of which 95 % or more can be read as numbers (dates) counts as numbers (dates): the rest is
        what is wrong with it.
    categorical : bool
        Whether the problem file says so.

    Examples
    --------
    >>> kind_of(pd.Series([1, 2, 3])), kind_of(pd.Series([1.5, None])), kind_of(pd.Series(["a", "b"] * 9))
    ('whole number', 'number', 'category')
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    if categorical or pd.api.types.is_bool_dtype(column):
        return "category"
    if pd.api.types.is_numeric_dtype(column):
        return "whole number" if _is_whole(column) else "number"
    return _kind_of_text(column)


def numbers(column: pd.Series) -> np.ndarray:
    """Return a column as float64 of shape (n,); what is no number is NaN, infinities stay."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column):
        return column.to_numpy(dtype=float, na_value=np.nan)
    if pd.api.types.is_datetime64_any_dtype(column):
        return np.full(len(column), np.nan)
    codes, distinct = pd.factorize(_hashable(column))
    read = pd.to_numeric(pd.Series([_bare(value) for value in distinct], dtype=object), errors="coerce")
    return np.append(read.to_numpy(dtype=float, na_value=np.nan), np.nan)[codes]


def dates(column: pd.Series) -> pd.Series:
    """Return a column as dates without a time zone; what is no date is missing."""
    if pd.api.types.is_numeric_dtype(column):
        return pd.Series(pd.NaT, index=column.index, name=column.name, dtype="datetime64[us]")
    if not pd.api.types.is_datetime64_any_dtype(column):
        column = pd.to_datetime(texts(column), errors="coerce", format="ISO8601", utc=True)
    return column.dt.tz_convert(None) if column.dt.tz is not None else column


def texts(column: pd.Series) -> pd.Series:
    """Return a column as text: a whole number without its point, lists and the like as they are written."""
    if isinstance(column.dtype, pd.StringDtype):
        return column
    codes, distinct = pd.factorize(_hashable(column))
    spelt = [value if isinstance(value, str) else word(value) for value in distinct]
    words = pd.array([*spelt, None], dtype="str")
    return pd.Series(words[codes], index=column.index, name=column.name)  # code -1, missing, is the last


def decimals(values: np.ndarray, most: int = 6) -> int:
    """Count the decimal places that numbers are recorded with, up to `most`.

    >>> decimals(np.array([1.5, 2.25])), decimals(np.array([3.0]))
    (2, 0)
    """
    finite = values[np.isfinite(values)][:5000]
    for places in range(most):
        if np.allclose(finite, np.round(finite, places), rtol=1e-12, atol=1e-9):
            return places
    return most


def _kind_of_text(column: pd.Series) -> Kind:
    filled = column.dropna()
    if filled.empty:
        return "text"
    sample = filled.iloc[:: max(len(filled) // 5000, 1)]
    readable = np.isfinite(numbers(sample)).mean()
    if readable >= MOSTLY and not _padded(sample):
        values = numbers(sample)
        whole = decimals(values) == 0
        return "whole number" if whole else "number"
    text = texts(sample)
    if text.str.match(_ISO_DATE).mean() >= MOSTLY and dates(sample).notna().mean() >= MOSTLY:
        return "date"
    distinct = _hashable(filled).nunique()
    few = distinct <= MAX_CATEGORIES and distinct <= max(10, len(filled) / 5)
    return "category" if few else "text"


def _is_whole(column: pd.Series) -> bool:
    """Whole numbers, or whole numbers that became floats because some are missing."""
    if pd.api.types.is_integer_dtype(column):
        return True
    values = numbers(column)
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and len(finite) < len(values) and bool((finite == np.floor(finite)).all())


def _padded(sample: pd.Series) -> bool:
    """Tell whether numbers are written with leading zeros: a code, not a quantity."""
    return bool(texts(sample).str.match(r"0\d").any())


def _bare(value: object) -> object:
    if isinstance(value, bool | np.bool_):
        return None
    return value.strip() if isinstance(value, str) else value


def _hashable(column: pd.Series) -> pd.Series:
    """Return a column whose lists, dicts and the like are text, so that distinct values can be found."""
    if column.dtype != object:
        return column
    try:
        pd.factorize(column.iloc[:1000])
        column.map(hash)
    except TypeError:
        return column.map(str, na_action="ignore")
    return column
