"""What a table's columns are: held against the problem file, parted into features and target."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, list_known
from ml_utils.problem import Problem
from ml_utils.wording import listing
from ml_utils.words import word


def check_table(frame: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    """Hold a raw table against its problem file and return it tidied.

    Columns that the problem names must exist, the target must have what the task needs, and a row's key
    (id, with the time where there is one) must be unique. Where there is an id, rows that repeat another
    one exactly are dropped: they were delivered twice.

    Parameters
    ----------
    frame : DataFrame
        Raw rows.
    problem : Problem

    Returns
    -------
    DataFrame
        In order of time where the problem has a time column, with a fresh index.

    Raises
    ------
    DataError
        If the table is not what the problem file says.
    """
    _check_columns(frame, problem)
    tidy = frame.copy()
    if problem.time:
        tidy[problem.time] = _as_time(tidy[problem.time], problem)
    _check_target(tidy, problem)
    if problem.id:
        key = [name for name in (problem.id, problem.time) if name]
        tidy = tidy.drop_duplicates()
        _check_key(tidy, key, problem)
    if problem.time:
        order = [problem.time, *([problem.id] if problem.id else [])]
        tidy = tidy.sort_values(order, kind="stable")
    return tidy.reset_index(drop=True)


def features_and_target(frame: pd.DataFrame, problem: Problem) -> tuple[pd.DataFrame, pd.Series]:
    """Part the columns that a model may see from the target.

    Returns
    -------
    X : DataFrame of shape (n_rows, n_features)
        Without id, time, group, target and ignored columns; columns listed as categorical are text.
    y : Series of shape (n_rows,)
        1 for the positive value, 0 else (int8); or the number (float64) for a regression.
    """
    left_out = problem.reserved
    X = frame[[column for column in frame.columns if column not in left_out]].copy()
    for column in problem.columns.categorical:
        if column in X.columns and pd.api.types.is_numeric_dtype(X[column]):
            X[column] = as_text(X[column])
    target = frame[problem.target]
    if problem.task == "regression":
        return X, target.astype("float64")
    return X, is_positive(target, problem).astype("int8")


def is_positive(target: pd.Series, problem: Problem) -> pd.Series:
    """Tell which values of the target are the positive one ('1', 1 and 1.0 are the same)."""
    return as_text(target) == word(problem.positive)


def as_text(values: pd.Series) -> pd.Series:
    """Turn values into text, a whole number without its point; missing stays missing."""
    codes, distinct = pd.factorize(values)
    words = pd.array([word(value) for value in distinct] + [None], dtype="str")
    return pd.Series(words[codes], index=values.index, name=values.name)  # code -1, missing, is the last


def groups(frame: pd.DataFrame, problem: Problem) -> pd.Series | None:
    """Return what must not be torn apart by a fold: the group column, or the id where it repeats."""
    column = problem.group or problem.id
    if column is None or frame[column].is_unique:
        return None
    return frame[column]


def _check_columns(frame: pd.DataFrame, problem: Problem) -> None:
    twice = frame.columns[frame.columns.duplicated()].tolist()
    if twice:
        raise DataError(f"Columns stand twice in the table: {listing(twice)}. Rename one of each.")
    named: dict[str, list[str | None]] = {
        "target": [problem.target],
        "id": [problem.id],
        "time": [problem.time],
        "group": [problem.group],
        "columns.numeric": [*problem.columns.numeric],
        "columns.categorical": [*problem.columns.categorical],
        "sensitive": [*problem.sensitive],
    }
    for role, columns in named.items():
        for column in columns:
            if column is None or column in frame.columns:
                continue
            hint = ""
            if frame.shape[1] == 1 and re.search(r"[;\t|]", str(frame.columns[0])):
                hint = " The table has a single column: is source.separator right?"
            raise DataError(
                f"{problem.name}.yaml: {role} names the column {column!r}, which the table does not have. "
                f"{list_known(column, map(str, frame.columns))}{hint}"
            )
    if not set(frame.columns) - problem.reserved:
        raise DataError("No column is left as a feature: all are target, id, time or ignored.")


def _as_time(values: pd.Series, problem: Problem) -> pd.Series:
    try:
        times = pd.to_datetime(values, errors="raise")
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{problem.name}.yaml: time names {problem.time!r}, whose values are not dates: {error}. "
            "Use ISO dates like 2025-06-30, or take `time` out."
        ) from error
    if times.isna().any():
        raise DataError(
            f"{problem.time!r} is empty in {int(times.isna().sum()):,} rows; every row needs its time."
        )
    return times


def _check_target(frame: pd.DataFrame, problem: Problem) -> None:
    target = frame[problem.target]
    missing = int(target.isna().sum())
    if missing:
        raise DataError(
            f"The target {problem.target!r} is empty in {missing:,} of {len(frame):,} rows. "
            "Fill it in or take those rows out of the source."
        )
    if problem.task == "regression":
        if not pd.api.types.is_numeric_dtype(target):
            raise DataError(
                f"The target {problem.target!r} of a regression must be numeric; it is {target.dtype}."
            )
        if not np.isfinite(target.to_numpy(float)).all():
            raise DataError(f"The target {problem.target!r} holds infinite values. Mend them at the source.")
        if target.nunique() < 2:
            raise DataError(
                f"The target {problem.target!r} is {target.iloc[0]} in every row: nothing to learn."
            )
        return
    values = as_text(target).value_counts()
    shown = ", ".join(f"{value} ({n:,})" for value, n in values.head(5).items())
    if len(values) != 2:
        what = "only one value" if len(values) == 1 else f"{len(values):,} values"
        raise DataError(
            f"The target {problem.target!r} has {what}: {shown}. A binary task needs exactly two; "
            "check the column, or set task: regression."
        )
    if not is_positive(target, problem).any():
        raise DataError(
            f"{problem.name}.yaml: positive is {problem.positive!r}, but {problem.target!r} holds: "
            f"{shown}. Name one of these."
        )


def _check_key(frame: pd.DataFrame, key: list[str], problem: Problem) -> None:
    repeated = frame.duplicated(key, keep=False)
    if not repeated.any():
        return
    examples = frame.loc[repeated, key].drop_duplicates().head(3).astype(str).agg(" at ".join, axis=1)
    raise DataError(
        f"{int(repeated.sum()):,} rows share their {' and '.join(key)} with another row that says something "
        f"else: {listing(list(examples))}. A row's id must be its own; keep one of each, name another id, or "
        + ("set `time` if there is a row for each date." if not problem.time else "make the times finer.")
    )
