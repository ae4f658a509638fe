"""Defects as in a real warehouse, put into clean tables at the known rates of ``TRUTH.defects``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ml_utils.synthetic.truth import TRUTH

_FORMS = 4


def _forms(level: str) -> list[str]:
    """Ways in which a level is mistyped; lower case, stripped, blanks for hyphens, they are all one."""
    blank = level.replace("-", " ") if "-" in level else f" {level}"
    return [level.upper(), level.title(), f"{level} ", blank]


def normalise(values: pd.Series) -> pd.Series:
    """Undo what mistyping does: one spelling for all forms of a level.

    Parameters
    ----------
    values : Series of str, shape (n,)

    Returns
    -------
    Series of str, shape (n,)
        Lower case, without outer blanks, with blanks for hyphens.

    Examples
    --------
    >>> normalise(pd.Series(["Month-To-Month", "month to month ", "one year"])).tolist()
    ['month to month', 'month to month', 'one year']
    """
    return values.str.strip().str.lower().str.replace("-", " ")


def _mistype(frame: pd.DataFrame, rates: Mapping[str, float], rng: np.random.Generator) -> None:
    for column, rate in rates.items():
        rows = np.flatnonzero(rng.random(len(frame)) < rate)
        form = rng.integers(0, _FORMS, len(rows))
        codes, levels = pd.factorize(frame[column].iloc[rows])
        if len(rows):
            table = np.array([_forms(str(level)) for level in levels])
            frame.iloc[rows, frame.columns.get_loc(column)] = table[codes, form]


def _drop_values(frame: pd.DataFrame, rates: Mapping[str, float], rng: np.random.Generator) -> None:
    """Missing completely at random."""
    for column, rate in rates.items():
        missing = rng.random(len(frame)) < rate
        frame[column] = frame[column].mask(missing)


def _drop_given(
    frame: pd.DataFrame, column: str, given: pd.Series, rates: Mapping[str, float], rng: np.random.Generator
) -> None:
    """Missing at random: at a rate that depends on the level of another column."""
    missing = rng.random(len(frame)) < given.map(dict(rates)).to_numpy(dtype=float)
    frame[column] = frame[column].mask(missing)


def _scale(frame: pd.DataFrame, column: str, factor: float, rate: float, rng: np.random.Generator) -> None:
    wrong = rng.random(len(frame)) < rate
    frame[column] = np.where(wrong, frame[column] * factor, frame[column])


def spoil_customers(snapshots: pd.DataFrame, stream: np.random.SeedSequence) -> pd.DataFrame:
    """Put the customers' defects into a copy of the snapshots.

    Parameters
    ----------
    snapshots : DataFrame
        Clean panel; the churn and spend views share its features, and so these defects.
    stream : numpy.random.SeedSequence

    Returns
    -------
    DataFrame
        Same rows; ids, times and targets as before.
    """
    rng, rates, frame = np.random.default_rng(stream), TRUTH.defects, snapshots.copy(deep=False)
    _scale(frame, "monthly_charges", rates.charges_factor, rates.charges_outliers, rng)
    wrong, high = rng.random(len(frame)) < rates.age_impossible, rng.random(len(frame)) < 0.5
    frame["age"] = np.where(wrong, np.where(high, 999, -1), frame["age"])
    _mistype(frame, rates.customer_mistyped, rng)
    _drop_given(frame, "income", snapshots["segment"], rates.income_missing, rng)
    _drop_values(frame, rates.customer_missing, rng)
    return frame


def spoil_sessions(sessions: pd.DataFrame, stream: np.random.SeedSequence) -> pd.DataFrame:
    """Put the sessions' defects into a copy of the sessions.

    Parameters
    ----------
    sessions : DataFrame
        Clean sessions.
    stream : numpy.random.SeedSequence

    Returns
    -------
    DataFrame
        Same rows; ids, times and target as before.
    """
    rng, rates, frame = np.random.default_rng(stream), TRUTH.defects, sessions.copy(deep=False)
    _scale(frame, "seconds_before_decision", rates.seconds_factor, rates.seconds_outliers, rng)
    _mistype(frame, rates.session_mistyped, rng)
    _drop_given(frame, "utm_source", sessions["device_type"], rates.source_missing, rng)
    _drop_values(frame, rates.session_missing, rng)
    return frame


def add_duplicates(frame: pd.DataFrame, stream: np.random.SeedSequence) -> pd.DataFrame:
    """Repeat some rows exactly, each beside its first copy.

    Parameters
    ----------
    frame : DataFrame, n rows
    stream : numpy.random.SeedSequence

    Returns
    -------
    DataFrame
        n rows and ``TRUTH.defects.duplicates`` times n more.
    """
    n = len(frame)
    again = np.random.default_rng(stream).choice(n, round(TRUTH.defects.duplicates * n), replace=False)
    rows = np.sort(np.concatenate([np.arange(n), again]))
    return frame.take(rows).reset_index(drop=True)
