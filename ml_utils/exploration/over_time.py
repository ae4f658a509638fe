"""The target and the columns that matter, period by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.data.schema import features_and_target
from ml_utils.exploration.associations import q_values
from ml_utils.exploration.series import read_series
from ml_utils.exploration.series_reading import CYCLE_NAME, Grain, SeriesReading, too_short_sentence
from ml_utils.exploration.variables import Variable, read_variable
from ml_utils.features.cleaning import NumericCleaner
from ml_utils.problem import Problem
from ml_utils.wording import count, figure

GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter")
_ALIAS: dict[Grain, str] = {"day": "D", "week": "W", "month": "M", "quarter": "Q"}
COVERED = 0.9  # share of periods that must have rows
ENOUGH_ROWS = 5  # in the middle period
ENOUGH_CASES = 5  # of the rarer class, for a rate
MAX_COLUMNS = 3
YEAR = 365  # days


@dataclass(frozen=True)
class OverTime:
    """Series of the target and of key columns.

    Parameters
    ----------
    grain : {"day", "week", "month", "quarter"}
    table : DataFrame
        period (start, ISO date), rows, target, and one column a key column; edge periods with few rows are
        left out, a period without rows is NaN here and interpolated for the tests.
    readings : dict of str to SeriesReading
        Series to what can be said about it; the target first.
    filled : int
        Periods without rows.
    rate : bool
        Whether the target is a share of rows.
    """

    grain: Grain
    table: pd.DataFrame
    readings: dict[str, SeriesReading]
    filled: int
    rate: bool

    @property
    def target(self) -> SeriesReading:
        """What can be said about the target."""
        return next(iter(self.readings.values()))

    def to_frame(self) -> pd.DataFrame:
        """Return one row a series."""
        table = pd.concat([reading.to_frame() for reading in self.readings.values()], ignore_index=True)
        q = q_values(np.concatenate([table["trend_p"], table["season_p"]]))
        table["trend_q"], table["season_q"] = q[: len(table)], q[len(table) :]
        return table

    def sentence(self) -> str:
        """Say how the target runs over time, and what cannot be told."""
        found = self.target
        say = f"Over {count(len(found.points))} {self.grain}s {found.name} {_trend_words(found, self.rate)}"
        if np.isfinite(found.season.p_value):
            word = CYCLE_NAME[self.grain]
            shown = "follows" if found.season.reading.startswith("a ") else "shows no"
            strength = f" (strength {figure(found.season.strength, 2)})" if shown == "follows" else ""
            say += f" and {shown} {'a ' if shown == 'follows' else ''}{word} season{strength}"
        steady = found.stationarity
        if np.isfinite(steady.adf_p_value) and "undecided" not in steady.reading:
            say += f"; it {steady.reading}"
        short = too_short_sentence(found)
        if self.grain == "day" and len(found.points) < 2 * YEAR:
            short = f"{short} A season of the year needs two years to be told.".strip()
        return f"{say}. {short}" if short else f"{say}."

    def _repr_html_(self) -> str:
        shown = self.to_frame()[["series", "periods", "trend", "season", "stationarity", "memory"]]
        return shown.to_html(index=False, border=0)


def over_time(frame: pd.DataFrame, problem: Problem, columns: Sequence[str] = ()) -> OverTime | None:
    """Follow the target and key columns over time; None where the problem has no time or there is one period.

    Parameters
    ----------
    frame : DataFrame
        Training rows.
    problem : Problem
    columns : sequence of str
        Key columns: a number's mean (far-out values held at their fences), a category's share of its most
        frequent value (of the greater one of two numbers).

    Returns
    -------
    OverTime or None
    """
    if problem.time is None:
        return None
    _, y = features_and_target(frame, problem)
    time = frame[problem.time]
    time = time.dt.tz_localize(None) if time.dt.tz is not None else time
    grain = choose_grain(time, y.to_numpy(float), problem.task == "binary")
    period = time.dt.to_period(_ALIAS[grain])
    name = f"column {problem.target}" if problem.target in ("rows", "period") else problem.target
    wanted = {name: y.astype(float)}
    for name in list(columns)[:MAX_COLUMNS]:
        found = read_variable(frame[name], problem)
        if isinstance(found, Variable):
            label, values = _key_values(found)
            label = f"column {label}" if label in ("rows", "period", problem.target) else label
            wanted[label] = pd.Series(values, index=frame.index)
    grouped = pd.DataFrame(wanted).groupby(period)
    table = grouped.mean()
    table.insert(0, "rows", grouped.size())
    table = _whole(table.reindex(pd.period_range(table.index.min(), table.index.max(), freq=_ALIAS[grain])))
    if len(table) < 2:
        return None
    filled = table.interpolate(limit_direction="both")
    readings = {
        name: read_series(name, filled[name].to_numpy(float), grain)
        for name in wanted
        if np.isfinite(filled[name]).all()
    }
    table.insert(0, "period", [str(start.date()) for start in table.index.start_time])
    return OverTime(
        grain,
        table.reset_index(drop=True),
        readings,
        int(table["rows"].isna().sum()),
        problem.task == "binary",
    )


def choose_grain(time: pd.Series, y: np.ndarray, rate: bool) -> Grain:
    """Choose the finest period that nearly always has rows, and enough cases for a rate to be told."""
    for grain in GRAINS:
        period = time.dt.to_period(_ALIAS[grain])
        sizes = period.value_counts()
        span = (sizes.index.max() - sizes.index.min()).n + 1
        rarer = min(float(y.mean()), 1 - float(y.mean())) if rate else 1.0
        enough = sizes.median() >= ENOUGH_ROWS and sizes.median() * rarer >= (ENOUGH_CASES if rate else 1)
        if len(sizes) / span >= COVERED and enough:
            return grain
    return "quarter"


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out first and last periods that hold less than half of the usual number of rows."""
    rows, usual = table["rows"].fillna(0).to_numpy(), float(table["rows"].median())
    first = 1 if len(table) > 2 and rows[0] < usual / 2 else 0
    last = len(table) - (1 if len(table) > 2 and rows[-1] < usual / 2 else 0)
    return table.iloc[first:last].copy()


def _key_values(variable: Variable) -> tuple[str, np.ndarray]:
    if variable.kind == "number":
        numbers = pd.DataFrame({"x": variable.cells.astype(float)})
        return variable.name, NumericCleaner().fit_transform(numbers)["x"].to_numpy(float)
    numeric = set(variable.levels) == {"0", "1"}
    level = 1 if numeric else 0
    values = np.where(variable.missing, np.nan, variable.cells == level)
    return f"share of {variable.name} = {variable.levels[level]}", values


def _trend_words(found: SeriesReading, rate: bool) -> str:
    trend = found.trend
    if not np.isfinite(trend.p_value):
        return "can be seen, but not judged" if trend.test == "none" else trend.reading
    if trend.reading == "no steady trend shown":
        return "shows no steady trend"
    slope = f"{100 * abs(trend.slope):.2g} percentage points" if rate else f"{abs(trend.slope):.2g}"
    return f"{trend.reading} (by {slope} a {found.grain})"
