"""One raw column of a training table: its kind, its range or categories, whether it may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ml_utils.data.schema import as_text
from ml_utils.wording import count, listing

Kind = Literal["number", "integer", "boolean", "text", "time"]
MAX_CATEGORIES = 200  # beyond that a text column is free text, and an unseen value says nothing


@dataclass(frozen=True)
class InputColumn:
    """One raw column of the training table.

    Parameters
    ----------
    name : str
    kind : {"number", "integer", "boolean", "text", "time"}
    nullable : bool
        Whether training had missing values in it.
    minimum, maximum : float or str or None
        Range in training; ISO text for a time.
    categories : tuple of str or None
        Values in training, where they are few.
    typical : float or str or bool or None
        Median or most frequent value, for examples; no row of a real person.
    """

    name: str
    kind: Kind
    nullable: bool
    minimum: float | str | None = None
    maximum: float | str | None = None
    categories: tuple[str, ...] | None = None
    typical: float | str | bool | None = None


def describe(name: str, values: pd.Series) -> InputColumn:
    """Describe a column of the training table."""
    kind = _kind(values)
    known = values.dropna()
    nullable = bool(values.isna().any())
    if kind == "boolean":
        typical = bool(known.mode().iloc[0]) if len(known) else None
        return InputColumn(name, kind, nullable, typical=typical)
    if kind == "time":
        if known.empty:
            return InputColumn(name, kind, nullable)
        low, high = known.min().isoformat(), known.max().isoformat()
        return InputColumn(name, kind, nullable, low, high, typical=high)
    if kind == "text":
        counts = texts(known).value_counts()
        few = len(counts) <= MAX_CATEGORIES
        typical_text = str(counts.index[0]) if len(counts) else None
        categories = tuple(sorted(map(str, counts.index))) if few else None
        return InputColumn(name, kind, nullable, categories=categories, typical=typical_text)
    numbers = known.to_numpy(float)
    finite = numbers[np.isfinite(numbers)]
    nullable = nullable or len(finite) < len(numbers)
    if not len(finite):
        return InputColumn(name, kind, nullable)
    middle = float(np.sort(finite)[len(finite) // 2])  # a value that occurred, so a whole number stays one
    typical_number = int(middle) if kind == "integer" else middle
    return InputColumn(name, kind, nullable, float(finite.min()), float(finite.max()), typical=typical_number)


def _kind(values: pd.Series) -> Kind:
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(values):
        return "time"
    if pd.api.types.is_integer_dtype(values):
        return "integer"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    return "boolean" if inferred == "boolean" else "text"


def short(value: object) -> str:
    """Write a value briefly."""
    if isinstance(value, np.datetime64):
        return str(pd.Timestamp(value))
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def seen_in_training(column: InputColumn) -> str:
    """Say what a column held in training."""
    if column.categories is not None:
        return listing(list(column.categories))
    if column.minimum is not None:
        return f"{short(column.minimum)} to {short(column.maximum)}"
    return "true, false" if column.kind == "boolean" else f"more than {count(MAX_CATEGORIES)} values"


def texts(values: pd.Series) -> pd.Series:
    """Text as it stands; anything else is put into words the way the training table was."""
    if values.dtype == "str":
        return values
    text = values.map(lambda value: isinstance(value, str)).astype(bool)
    return as_text(values).mask(text, values).astype("str")
