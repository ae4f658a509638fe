"""A row's contributions as a figure shows them: the largest named with their values, the rest in one."""

from __future__ import annotations

import numpy as np
import pandas as pd

Parts = tuple[list[str], list[float]]
_LONGEST = 24


def largest(contributions: pd.Series, row: pd.Series, n: int) -> Parts:
    """Return labels like "tenure_months = 3" and values; those after the first `n` summed up.

    Examples
    --------
    >>> largest(pd.Series({"a": 2.0, "b": -0.5, "c": 0.25}), pd.Series({"a": 1, "b": "x", "c": None}), 1)
    (['a = 1', '2 other columns'], [2.0, -0.25])
    """
    used = contributions[contributions != 0]
    labels = [f"{name} = {shown(row[name])}" for name in used.index[:n]]
    values = [float(value) for value in used.iloc[:n]]
    if len(used) > n:
        rest = len(used) - n
        labels.append(f"{rest} other column{'s' if rest > 1 else ''}")
        values.append(float(used.iloc[n:].sum()))
    return labels, values


def shown(value: object) -> str:
    """Write a raw value for a label."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "(missing)"
    if isinstance(value, pd.Timestamp):
        return str(value.date())
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, float, np.number)):
        number = float(value)
        return f"{number:,.0f}" if number == round(number) else f"{number:,.4g}"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
