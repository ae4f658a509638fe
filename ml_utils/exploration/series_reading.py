"""What can be said about one series of numbers over equal periods, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.wording import count

Array = npt.NDArray[np.float64]
Grain = Literal["day", "week", "month", "quarter"]

CYCLE_NAME: dict[Grain, str] = {"day": "weekly", "week": "yearly", "month": "yearly", "quarter": "yearly"}
TOO_SHORT = "too short to tell"


@dataclass(frozen=True)
class Trend:
    """Change of level a period; NaN and "too short to tell" where the series is short."""

    test: str
    slope: float
    low: float
    high: float
    p_value: float
    reading: str


@dataclass(frozen=True)
class Season:
    """Strength (0 to 1) of the season of `cycle` periods, and the test that there is one."""

    cycle: int
    strength: float
    test: str
    p_value: float
    reading: str


@dataclass(frozen=True)
class Stationarity:
    """Dickey and Fuller's test (of a unit root) beside KPSS (of stationarity), read together."""

    adf: float
    adf_p_value: float
    kpss: float
    kpss_p_value: float
    reading: str


@dataclass(frozen=True)
class Memory:
    """Autocorrelation of the series, its band under no memory, and Ljung and Box's test."""

    acf: Array
    band: float
    lags: int
    ljung_box: float
    p_value: float
    reading: str


@dataclass(frozen=True)
class SeriesReading:
    """What can be said about one series.

    Parameters
    ----------
    name : str
    grain : {"day", "week", "month", "quarter"}
    points : ndarray of shape (n_periods,)
    trend : Trend
    season : Season
    stationarity : Stationarity
    memory : Memory
    parts : DataFrame or None
        trend, seasonal and rest of every period (STL); None where there are fewer than two cycles.
    """

    name: str
    grain: Grain
    points: Array
    trend: Trend
    season: Season
    stationarity: Stationarity
    memory: Memory
    parts: pd.DataFrame | None

    def to_frame(self) -> pd.DataFrame:
        """Return one row: what was found, and how to read it."""
        row: dict[str, object] = {"series": self.name, "periods": len(self.points), "grain": self.grain}
        row |= {"trend_test": self.trend.test, "slope": self.trend.slope, "trend_p": self.trend.p_value}
        row |= {"trend": self.trend.reading, "season_strength": self.season.strength}
        row |= {"season_p": self.season.p_value, "season": self.season.reading}
        row |= {"adf_p": self.stationarity.adf_p_value, "kpss_p": self.stationarity.kpss_p_value}
        row |= {"stationarity": self.stationarity.reading, "ljung_box_p": self.memory.p_value}
        return pd.DataFrame([row | {"memory": self.memory.reading}])


def too_short_sentence(reading: SeriesReading) -> str:
    """Say what a series is too short for; empty where it is long enough for all."""
    lacks = [
        name
        for name, found in [
            ("a trend", reading.trend.reading),
            (f"a {CYCLE_NAME[reading.grain]} season", reading.season.reading),
            ("stationarity", reading.stationarity.reading),
            ("memory", reading.memory.reading),
        ]
        if found == TOO_SHORT
    ]
    if not lacks:
        return ""
    n = f"{count(len(reading.points))} {reading.grain}s"
    return f"{n} are too short to tell {', '.join(lacks[:-1])}{' or ' if len(lacks) > 1 else ''}{lacks[-1]}."
