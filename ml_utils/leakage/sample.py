"""What the detectors look at: a seeded sample of the training rows, its target and its folds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from ml_utils.data.schema import features_and_target, groups
from ml_utils.errors import DataError
from ml_utils.problem import Problem

N_FOLDS: Final = 3
N_BINS: Final = 200
MAX_VALUES: Final = 500  # numbers with more distinct values are cut at their quantiles
_ISO_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([ T].*)?")
Array = np.ndarray


@dataclass(frozen=True)
class Looked:
    """A sample of the training rows, ready to be asked.

    Attributes
    ----------
    problem : Problem
    frame : DataFrame
        The sampled rows.
    y : ndarray of float, shape (n_rows,)
        0 or 1, or the number.
    fold : ndarray of int, shape (n_rows,)
        Fold of each row; rows of one group share theirs.
    train : DataFrame
        All training rows.
    place : ndarray of int, shape (n_rows,)
        Where the sampled rows stand in `train`.
    """

    problem: Problem
    frame: pd.DataFrame
    y: Array
    fold: Array
    train: pd.DataFrame
    place: Array

    @property
    def binary(self) -> bool:
        """Whether the target is an event."""
        return self.problem.task == "binary"

    @cached_property
    def keys(self) -> set[str]:
        """Target, id, time and group: never features."""
        named = (self.problem.target, self.problem.id, self.problem.time, self.problem.group)
        return {name for name in named if name}

    @cached_property
    def columns(self) -> list[str]:
        """Columns to look at, ignored ones as well; not those that are empty or say one thing only."""
        frame, kept = self.frame, []
        for name in frame.columns:
            if name not in self.keys and len(frame[name].drop_duplicates()) > 1:
                kept.append(str(name))
        return kept

    def used(self, column: str) -> bool:
        """Whether a model would see the column."""
        return column not in self.problem.reserved

    def is_number(self, column: str) -> bool:
        """Whether the column is read as a number."""
        values = self.frame[column]
        return pd.api.types.is_numeric_dtype(values) and column not in self.problem.columns.categorical

    @cached_property
    def dates(self) -> dict[str, pd.Series]:
        """The sampled rows' columns that hold dates, as dates; the time column is not among them."""
        return {name: date for name in self.columns if (date := as_dates(self.frame[name])) is not None}

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """Every column as a float: numbers and dates as they are, categories by a code; NaN is missing."""
        made = {}
        for name in self.columns:
            if name in self.dates:
                made[name] = days(self.dates[name])
            elif self.is_number(name):
                made[name] = finite(self.frame[name])
            else:
                codes = pd.factorize(self.frame[name], sort=False)[0].astype(float)
                made[name] = np.where(codes < 0, np.nan, codes)
        return pd.DataFrame(made)


def look(train: pd.DataFrame, problem: Problem, max_rows: int, seed: int) -> Looked:
    """Draw the sample and its folds.

    Parameters
    ----------
    train : DataFrame
        Training rows.
    problem : Problem
    max_rows : int
        Rows to draw at most.
    seed : int

    Raises
    ------
    DataError
        If there are no rows, or the target is not in the table.
    """
    if problem.target not in train.columns:
        raise DataError(
            f"The training rows have no column {problem.target!r}, the target of {problem.name}.yaml. "
            "Give the splits as data.split_frame made them."
        )
    if train.empty:
        raise DataError("The training split has no rows. Give the splits as data.split_frame made them.")
    rng = np.random.default_rng(seed)
    n = len(train)
    place = np.sort(rng.permutation(n)[:max_rows]) if n > max_rows else np.arange(n)
    y_train = features_and_target(train[[problem.target]], problem)[1].to_numpy(float)
    unit = groups(train, problem)
    if unit is None:
        fold = rng.permutation(len(place)) % N_FOLDS
    else:
        codes, names = pd.factorize(unit)
        fold = rng.integers(0, N_FOLDS, len(names) + 1)[codes][place]
    frame = train.iloc[place].reset_index(drop=True)
    return Looked(problem, frame, y_train[place], fold, train, place)


def as_dates(values: pd.Series) -> pd.Series | None:
    """Read a column as dates, where it holds dates or text in ISO form; else None."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.tz_localize(None) if values.dt.tz is not None else values
    if pd.api.types.is_numeric_dtype(values):
        return None
    first = values.dropna().head(50)
    if first.empty or not all(_ISO_DATE.fullmatch(str(value)) for value in first):
        return None
    read = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    return read if read.notna().sum() >= 0.95 * values.notna().sum() else None


def days(dates: pd.Series) -> Array:
    """Turn dates into days since 2000, as floats; missing is NaN."""
    return ((dates - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1)).to_numpy(float)


def finite(values: pd.Series) -> Array:
    """Return numbers as floats; infinities and what is missing as NaN."""
    x = values.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(x), x, np.nan)


def bins(x: Array) -> Array:
    """Number the values of a column: each value by itself, or quantile bins where there are many.

    Missing values are a bin of their own; a value that fills several quantiles stands alone.
    """
    known = np.isfinite(x)
    out = np.zeros(len(x), dtype=np.int64)
    if not known.any():
        return out
    distinct, codes = np.unique(x[known], return_inverse=True)
    if len(distinct) > MAX_VALUES:
        cuts = np.unique(np.quantile(x[known], np.linspace(0, 1, N_BINS + 1)[1:]))
        codes = np.searchsorted(cuts, x[known])
    out[known] = codes + 1
    return out
