"""What a raw column of the training table is, told from its values."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.data.schema import as_text
from ml_utils.registry.input_columns import MAX_CATEGORIES, InputColumn, Kind


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


def texts(values: pd.Series) -> pd.Series:
    """Text as it stands; anything else is put into words the way the training table was."""
    if values.dtype == "str":
        return values
    text = values.map(lambda value: isinstance(value, str)).astype(bool)
    return as_text(values).mask(text, values).astype("str")
