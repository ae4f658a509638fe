"""How the target runs over the values of one column."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.data.schema import is_positive
from ml_utils.errors import DataError, list_known
from ml_utils.evaluation.intervals import Z95, wilson
from ml_utils.features.cleaning import CategoryCleaner
from ml_utils.problem import Problem

MOST_CATEGORIES = 10


def target_by_value(frame: pd.DataFrame, column: str, problem: Problem, bins: int = 6) -> pd.DataFrame:
    """Tell how the target runs over a column's values.

    Parameters
    ----------
    frame : DataFrame
    column : str
    problem : Problem
    bins : int
        Numbers with more distinct values than this are cut at their quantiles; infinities are left out.

    Returns
    -------
    DataFrame
        value, rows, target (rate or mean), lower, upper (95 % interval: Wilson for a rate, normal for a
        mean); the ten most frequent categories at most.

    Raises
    ------
    DataError
        If the table has no such column.
    """
    if column not in frame.columns:
        raise DataError(f"There is no column {column!r}. {list_known(column, map(str, frame.columns))}")
    values = frame[column]
    if pd.api.types.is_datetime64_any_dtype(values):
        label = values.dt.strftime("%Y" if values.dt.year.nunique() > 2 else "%Y-%m")
        label = label.astype(pd.CategoricalDtype(sorted(label.dropna().unique()), ordered=True))
    elif _is_number(values) and column not in problem.columns.categorical:
        numbers = pd.Series(values.to_numpy(dtype=float, na_value=np.nan), index=values.index)
        label = _bins(numbers.where(np.isfinite(numbers)), bins)
    else:
        label = CategoryCleaner().fit(values.to_frame()).transform(values.to_frame())[column]
    target = frame[problem.target]
    y = is_positive(target, problem).astype(float) if problem.task == "binary" else target.astype(float)
    grouped = y.groupby(label, observed=True).agg(["size", "mean", "std"]).dropna(subset=["mean"])
    if not isinstance(grouped.index, pd.CategoricalIndex):
        grouped = grouped.nlargest(MOST_CATEGORIES, "size")
    lower, upper = _interval(grouped, problem.task == "binary")
    return pd.DataFrame(
        {
            "value": grouped.index.astype(str),
            "rows": grouped["size"].to_numpy(int),
            "target": grouped["mean"].to_numpy(float),
            "lower": lower,
            "upper": upper,
        }
    )


def _is_number(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values))


def _interval(grouped: pd.DataFrame, rate: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return 95 % intervals: Wilson's (1927) for a rate, the normal one for a mean."""
    n, mean = grouped["size"].to_numpy(float), grouped["mean"].to_numpy(float)
    if rate:
        return wilson(mean * n, n)
    half = Z95 * grouped["std"].fillna(0).to_numpy(float) / np.sqrt(n)
    return mean - half, mean + half


def _bins(values: pd.Series, bins: int) -> pd.Series:
    """Label numbers by bins of about equal size; a value is never torn apart, a frequent one stands alone."""
    sizes = values.value_counts().sort_index()
    middle = (sizes.cumsum() - sizes / 2) / sizes.sum()
    number = (middle * bins).astype(int).clip(upper=bins - 1)
    names = {}
    for _, members in number.groupby(number):
        low, high = members.index[0], members.index[-1]
        name = _named(low) if low == high else f"{_named(low)} to {_named(high)}"
        names.update(dict.fromkeys(members.index, name))
    order = list(dict.fromkeys(names.values()))
    return pd.Series(pd.Categorical(values.map(names), categories=order, ordered=True), index=values.index)


def _named(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"
