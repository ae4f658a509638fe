"""What a resolved formula gives: for whole columns at once, and for one row in microseconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.features.creation.base import distinct_values, numbers
from ml_utils.features.creation.formula.operations import OPERATIONS
from ml_utils.features.creation.formula.tree import Column, Node, Number, Text
from ml_utils.features.creation.reading_dates import Reading, dates, days, one_day
from ml_utils.words import normal_form, word

Row = Mapping[str, Any]


def evaluate(
    node: Node, table: Mapping[str, pd.Series] | pd.DataFrame, known: Mapping[str, np.ndarray]
) -> Any:
    """Evaluate a resolved tree over columns.

    Parameters
    ----------
    node : Node
    table : DataFrame of n_rows
    known : mapping of str to ndarray
        Formulas that were evaluated before.

    Returns
    -------
    float or ndarray of shape (n_rows,)
        Finite, or NaN; a float where the part uses no column.
    """
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Text):
        return normal_form(node.value)
    if isinstance(node, Column):
        return known[node.name] if node.name in known else _read(table[node.name], node)
    arguments = [evaluate(argument, table, known) for argument in node.arguments]
    return OPERATIONS[node.operation].many(*arguments)


def compile_row(node: Node, earlier: Mapping[str, Any]) -> Callable[[Row], Any]:
    """Turn a resolved tree into a function of one row, equal to `evaluate` to the bit.

    Parameters
    ----------
    node : Node
    earlier : mapping
        Names of the other formulas; the row must hold their values.

    Returns
    -------
    callable
        Takes a mapping of columns to values, gives a float.
    """
    if isinstance(node, Number | Text):
        constant = node.value if isinstance(node, Number) else normal_form(node.value)
        return lambda row: constant
    if isinstance(node, Column):
        name, reading = node.name, node.reading or Reading()
        if name in earlier:
            return lambda row: row[name]
        if node.kind == "date":
            return lambda row: one_day(row[name], reading)
        read = _one_text if node.kind == "text" else one_number
        return lambda row: read(row[name])
    one = OPERATIONS[node.operation].one
    parts = [compile_row(argument, earlier) for argument in node.arguments]
    if len(parts) == 1:
        (a,) = parts
        return lambda row: one(a(row))
    if len(parts) == 2:
        a, b = parts
        return lambda row: one(a(row), b(row))
    return lambda row: one(*[part(row) for part in parts])


def one_number(value: Any) -> float:
    """Read one value as a number, as `base.numbers` would.

    >>> one_number(3), one_number("1.5"), one_number(None)
    (3.0, 1.5, nan)
    """
    if isinstance(value, float | int | np.integer | np.floating | np.bool_):
        try:
            found = float(value)
        except OverflowError:
            return math.nan
        return found if math.isfinite(found) else math.nan
    if value is None or value is pd.NA or value is pd.NaT:
        return math.nan
    if isinstance(value, str):
        # pandas' own reading of text, which may differ from Python's in the last bit
        return float(numbers(pd.Series([value], dtype=object))[0])
    try:
        return one_number(float(value))  # Decimal
    except (TypeError, ValueError):
        return math.nan


def _read(column: pd.Series, node: Column) -> np.ndarray:
    if node.kind == "date":
        return days(dates(column, node.reading or Reading()))
    if node.kind == "text":
        codes, distinct = distinct_values(column)
        words = [normal_form(value) for value in distinct]
        return np.array([*words, None], dtype=object)[codes]  # code -1, missing, is the last
    return numbers(column)


def _one_text(value: Any) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    return normal_form(word(value))
