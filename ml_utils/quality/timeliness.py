"""Whether a table is up to date and whole in time: its age, gaps, thin periods, future rows, late columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.problem import Problem
from ml_utils.quality.ranges import MIN_ROWS, find_bounds
from ml_utils.quality.rules import TimeRule
from ml_utils.quality.values import dates

_CODE: dict[str, str] = {"day": "D", "week": "W-SUN", "month": "M"}
ENOUGH = 20  # rows in a usual period: with fewer, an empty one may be chance
SURE = 1e-4  # chance, were rows as frequent as usual, of a period as thin as that
LATE = 0.3  # rise of a column's missing share in the last period, in shares of its rows


@dataclass(frozen=True)
class Timeliness:
    """What a table's time column says.

    Attributes
    ----------
    newest : Timestamp or None
    age_days : float or None
        From the newest row to `now`, where that was given.
    periods : DataFrame
        period, rows, usual (rows of the periods around it), thin, gap.
    future, apart : ndarray of bool, shape (n_rows,)
        Rows after `now`; rows whose time stands far apart from all others.
    late : dict of str to float
        Column to its missing share in the last period, where that jumped.
    last : ndarray of bool, shape (n_rows,)
        Rows of the last period.
    """

    newest: pd.Timestamp | None
    age_days: float | None
    periods: pd.DataFrame
    future: np.ndarray
    apart: np.ndarray
    late: dict[str, float]
    last: np.ndarray

    @property
    def score(self) -> float:
        """Share of periods that are whole, or of rows dated plausibly where that is less."""
        bad = self.periods["thin"] | self.periods["gap"]
        rows = 1 - float((self.future | self.apart).mean()) if len(self.future) else 1.0
        return min(1 - float(bad.mean()) if len(bad) else 1.0, rows)


def find_rhythm(frame: pd.DataFrame, problem: Problem) -> TimeRule | None:
    """Learn what a period of the table is: the finest of day, week and month that rows fill.

    Parameters
    ----------
    frame : DataFrame
    problem : Problem

    Returns
    -------
    TimeRule or None
        None without a time column, or with fewer than four periods. `fewest` is half of the usual rows, or
        half of the thinnest period's share in the reference, where that is less.
    """
    if problem.time is None or problem.time not in frame.columns or len(frame) < MIN_ROWS:
        return None
    when = dates(frame[problem.time])
    when = when[~_apart(when)]
    for every in ("day", "week", "month"):
        counts = _counts(when, every)
        if len(counts) < 4 or (counts == 0).mean() > 0.1 or counts.median() < ENOUGH:
            continue
        whole = _whole(counts, when, every)
        share = float((whole / _usual(whole, every)).quantile(0.02)) if len(whole) >= 4 else 1.0
        fewest = float(f"{min(0.5, share / 2):.2g}")
        return TimeRule(column=problem.time, every=every, fewest=fewest)
    return None


def check_time(frame: pd.DataFrame, rule: TimeRule, now: pd.Timestamp | None = None) -> Timeliness:
    """Look at a table's time column.

    Parameters
    ----------
    frame : DataFrame
    rule : TimeRule
        Its column must be in the table.
    now : Timestamp, optional
        When the table arrived; without it nothing is too old, and only what stands apart is in the future.

    Returns
    -------
    Timeliness
    """
    when = dates(frame[rule.column]).reset_index(drop=True)
    apart = _apart(when)
    future = (when > now).to_numpy() if now is not None else np.zeros(len(when), bool)
    good = when[~apart & ~future].dropna()
    if good.empty:
        none = pd.DataFrame(columns=["period", "rows", "usual", "thin", "gap"])
        return Timeliness(None, None, none, future, apart, {}, np.zeros(len(when), bool))
    counts = _counts(good, rule.every)
    label = when.dt.to_period(_CODE[rule.every])
    last = (label == counts.index[-1]).to_numpy() & ~apart & ~future
    age = (now - good.max()).total_seconds() / 86400 if now is not None else None
    columns = [name for name in frame.columns if name != rule.column]
    late = _late(frame, columns, last, (label < counts.index[-1]).to_numpy())
    return Timeliness(good.max(), age, _periods(counts, good, rule), future, apart, late, last)


def labels(when: pd.Series, every: str) -> pd.Series:
    """Return each time's period, as text."""
    return dates(when).dt.to_period(_CODE[every]).astype("str")


def _apart(when: pd.Series) -> np.ndarray:
    """Mark times that stand far apart from all others: 1900-01-01, 2099-12-31."""
    days = ((when - pd.Timestamp(0)).dt.total_seconds() / 86400).to_numpy(float, na_value=np.nan)
    if np.isfinite(days).sum() < MIN_ROWS:
        return np.zeros(len(days), bool)
    bounds = find_bounds(days)
    assert bounds is not None
    with np.errstate(invalid="ignore"):
        return (days < bounds.seen_low) | (days > bounds.seen_high)


def _counts(when: pd.Series, every: str) -> pd.Series:
    """Count rows a period, with zeros for the periods between that have none."""
    label = when.dropna().dt.to_period(_CODE[every])
    if label.empty:
        return pd.Series(dtype=float)
    whole = pd.period_range(label.min(), label.max(), freq=_CODE[every])
    return label.value_counts().reindex(whole, fill_value=0).astype(float)


def _whole(counts: pd.Series, when: pd.Series, every: str) -> pd.Series:
    """Leave out the first and the last period, which may be cut; not where a period is a single moment."""
    moments = when.dropna().nunique()
    single = moments <= (counts > 0).sum()
    return counts if single else counts.iloc[1:-1]


def _usual(counts: pd.Series, every: str) -> pd.Series:
    """Return the median of the periods around each, of the same weekday for days."""
    if every != "day" or len(counts) < 28:
        return counts.rolling(7, center=True, min_periods=1).median().clip(lower=1)
    weekday = counts.index.day_of_week
    around = counts.groupby(weekday).transform(lambda x: x.rolling(7, center=True, min_periods=1).median())
    return around.clip(lower=1)


def _periods(counts: pd.Series, when: pd.Series, rule: TimeRule) -> pd.DataFrame:
    from scipy.stats import poisson

    usual = _usual(counts, rule.every)
    whole = counts.index.isin(_whole(counts, when, rule.every).index)
    thin = (counts < rule.fewest * usual) & (poisson.cdf(counts, usual) < SURE) & whole & (len(counts) >= 4)
    gap = (counts == 0) & (usual >= ENOUGH / 4)
    table = pd.DataFrame({"rows": counts.astype(int), "usual": usual, "thin": thin & ~gap, "gap": gap})
    return table.rename_axis("period").reset_index().astype({"period": "str"})


def _late(frame: pd.DataFrame, columns: list[str], last: np.ndarray, before: np.ndarray) -> dict[str, float]:
    if last.sum() < ENOUGH or before.sum() < ENOUGH:
        return {}
    found = {}
    for name in columns:
        empty = frame[name].isna().to_numpy()
        share = float(empty[last].mean())
        if share > LATE and share - float(empty[before].mean()) > LATE:
            found[name] = share
    return found
