"""Features of times, as `features.creation.dates` makes them, for one row and for many."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ml_utils.compiled import cells
from ml_utils.compiled.table import Table
from ml_utils.features.creation.date_parts import ONE, date_part
from ml_utils.registry.input_columns import Kind

Zone = ZoneInfo | timezone | None
_DAY = timedelta(days=1)


def _last_of_month(date: datetime) -> bool:
    return date.month == 12 and date.day == 31 if date.year == 9999 else (date + _DAY).month != date.month


PART_OF_ONE: dict[str, Callable[[datetime], float]] = {
    **ONE,
    "week": lambda date: date.isocalendar().week,
    "is_weekend": lambda date: date.weekday() >= 5,
    "is_month_start": lambda date: date.day == 1,
    "is_month_end": _last_of_month,
    "is_quarter_end": lambda date: date.month % 3 == 0 and _last_of_month(date),
    "is_year_end": lambda date: date.month == 12 and date.day == 31,
}


def clock(value: Any, name: str, zone: Zone) -> int | None:
    """Read one time as what the zone's clocks show, in microseconds since 1970; None where it is missing."""
    micro = cells.instant(value, name)
    return micro if micro is None or zone is None else cells.wall_clock(micro, zone, name)


def clocks(table: Table, name: str, zone: Zone) -> np.ndarray:
    """Read a column of times as what the zone's clocks show, datetime64[us]."""
    found = table.instants(name)
    if zone is None:
        return found
    distinct, places = np.unique(found, return_inverse=True)  # a day's calls share few offsets
    shown = [
        cells.NOT_A_TIME if np.isnat(moment) else cells.wall_clock(int(moment.astype("int64")), zone, name)
        for moment in distinct
    ]
    return np.array(shown, dtype=np.int64).view("datetime64[us]")[places]


class Dates:
    """Parts, cycles and distances of times; the training median where one is missing.

    Parameters
    ----------
    spec : mapping
        columns (name → zone), features: a list of what each is: ["part", column, part], ["wave", column,
        part, length, less, "sin" or "cos"], ["from", column, microseconds], ["between", column, other
        column]; fill.
    kinds : mapping of str to Kind
    """

    def __init__(self, spec: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
        self.zones: dict[str, Zone] = {name: cells.zone_of(zone) for name, zone in spec["columns"].items()}
        self.features: list[list[Any]] = [list(item) for item in spec["features"]]
        self.fill: list[float] = list(spec["fill"])
        self.width = len(self.features)

    def one(self, row: Mapping[str, Any], out: list[float]) -> None:
        """Append a row's features."""
        shown = {name: clock(row[name], name, zone) for name, zone in self.zones.items()}
        for item, fill in zip(self.features, self.fill, strict=True):
            micro = shown[item[1]]
            found = math.nan if micro is None else _of_one(item, micro, shown)
            out.append(fill if found != found else found)

    def many(self, table: Table, out: np.ndarray) -> None:
        """Write the features of all rows."""
        shown = {name: clocks(table, name, zone) for name, zone in self.zones.items()}
        for item, fill, row in zip(self.features, self.fill, out, strict=True):
            row[:] = _of_many(item, shown)
            row[np.isnan(row)] = fill


def _of_one(item: list[Any], micro: int, shown: Mapping[str, int | None]) -> float:
    what = item[0]
    if what == "from":
        return (micro - item[2]) / 1e6 / 86400
    if what == "between":
        other = shown[item[2]]
        return math.nan if other is None else (micro - other) / 1e6 / 86400
    part = float(PART_OF_ONE[item[2]](cells.moment_of(micro)))
    if what == "part":
        return part
    angle = 2 * np.pi * (part - item[4]) / item[3]
    return float(np.sin(angle) if item[5] == "sin" else np.cos(angle))


def _of_many(item: list[Any], shown: Mapping[str, np.ndarray]) -> np.ndarray:
    what, dates = item[0], shown[item[1]]
    if what in ("from", "between"):
        first = shown[item[2]] if what == "between" else np.array(item[2]).view("datetime64[us]")
        gap = dates - first
        return np.where(np.isnat(gap), np.nan, gap.astype("int64") / 1e6 / 86400)
    part = date_part(item[2], dates)
    if what == "part":
        return part
    angle = 2 * np.pi * (part - item[4]) / item[3]
    return np.sin(angle) if item[5] == "sin" else np.cos(angle)
