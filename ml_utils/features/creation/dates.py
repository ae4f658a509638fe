"""What a date says: its parts, where it stands in a cycle, and how long it is from another date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.creation import date_parts
from ml_utils.features.creation.base import Creator, known_only, named_or_all, unique_names
from ml_utils.features.creation.created import Created
from ml_utils.features.creation.date_parts import date_part
from ml_utils.features.creation.reading_dates import Reading, dates, learn_reading

PARTS = (*date_parts.PARTS, "days_since_start")
_LENGTHS = {
    "quarter": 4.0,
    "month": 12.0,
    "day": 31.0,
    "day_of_year": 365.25,
    "day_of_week": 7.0,
    "hour": 24.0,
}
CYCLES = tuple(_LENGTHS)
_FROM_ONE = ("quarter", "month", "day", "day_of_year")


class DateFeatures(Creator):
    """Numbers from dates: parts, cycles, and days since a date or another date column.

    Dates may be written as text; whether the day stands first in 03/04/2024 is told from the training rows.
    What is no date is missing. Times with a zone show the clock of the training rows' zone.

    Parameters
    ----------
    columns : sequence of str, optional
        All columns unless given.
    parts : sequence of str
        Of year, quarter, month, week, day, day_of_year, day_of_week (Monday is 0), hour, minute, is_weekend,
        is_month_start, is_month_end, is_quarter_end, is_year_end, days_since_start (of the training rows).
    cycles : sequence of str
        Of quarter, month, day, day_of_year, day_of_week, hour: a sine and a cosine each, so that December
        stands next to January.
    since : str or sequence of str, optional
        A date like 2025-06-30, or another column of dates; days from it, with their fraction.

    Attributes
    ----------
    readings_ : dict of str to Reading
    start_ : dict of str to Timestamp
        First date in the training rows.

    Examples
    --------
    >>> X = pd.DataFrame({"joined": ["2024-03-31", "2024-04-01"]})
    >>> dates = DateFeatures(parts=["month", "is_month_end"], since="2024-01-01")
    >>> dates.fit_transform(X).to_dict("records")[0]
    {'joined_month': 3.0, 'joined_is_month_end': 1.0, 'joined_days_since_2024-01-01': 90.0}
    """

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        parts: Sequence[str] = ("year", "month", "day_of_week", "days_since_start"),
        cycles: Sequence[str] = (),
        since: str | Sequence[str] | None = None,
    ) -> None:
        self.columns = columns
        self.parts = parts
        self.cycles = cycles
        self.since = since

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        known_only(self.parts, PARTS, "parts")
        known_only(self.cycles, CYCLES, "cycles")
        self.columns_ = named_or_all(self.columns, table, "columns")
        since = [self.since] if isinstance(self.since, str) else list(self.since or ())
        self.readings_: dict[str, Reading] = {}
        self.start_: dict[str, pd.Timestamp] = {}
        for name in dict.fromkeys([*self.columns_, *(item for item in since if item in table.columns)]):
            self._need(table, [name])
            self.readings_[name] = learn_reading(table[name])
            found = dates(table[name], self.readings_[name])
            if np.isnat(found).all() and table[name].notna().any():
                raise DataError(
                    f"DateFeatures needs dates, but {name!r} ({table[name].dtype}) holds values like "
                    f"{table[name].dropna().iloc[0]!r}. Write them as 2025-06-30, or take the column out."
                )
            self.start_[name] = pd.Timestamp(pd.DatetimeIndex(found).min())
        self.since_ = {item: None if item in table.columns else _date(item, table) for item in since}
        described = [new for name in self.columns_ for new in self._describe(name)]
        names = unique_names([new.name for new in described], ())
        self.created_ = [
            Created(name, new.sources, new.kind, new.meaning, new.formula)
            for name, new in zip(names, described, strict=True)
        ]

    def _describe(self, name: str) -> list[Created]:
        found = []
        for part in dict.fromkeys(self.parts):
            words = part.replace("_", " ")
            found.append(Created(f"{name}_{part}", (name,), "date", f"{words} of {name}", f"{words}({name})"))
        for part in dict.fromkeys(self.cycles):
            words = part.replace("_", " ")
            for wave in ("sin", "cos"):
                meaning = f"{words} of {name} on a circle ({'sine' if wave == 'sin' else 'cosine'})"
                less = " − 1" if part in _FROM_ONE else ""
                formula = f"{wave}(2π ({words}({name}){less}) / {_LENGTHS[part]:g})"
                found.append(Created(f"{name}_{part}_{wave}", (name,), "date", meaning, formula))
        for item, date in self.since_.items():
            sources = (name,) if date is not None else (name, item)
            if item != name:
                meaning, formula = f"days from {item} to {name}", f"{name} − {item}, in days"
                found.append(Created(f"{name}_days_since_{item}", sources, "date", meaning, formula))
        return found

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        read = {name: dates(table[name], reading) for name, reading in self.readings_.items()}
        found: list[np.ndarray] = []
        for name in self.columns_:
            date = read[name]
            for part in dict.fromkeys(self.parts):
                if part == "days_since_start":
                    found.append(_days_between(self.start_[name].to_datetime64(), date))
                else:
                    found.append(date_part(part, date))
            for part in dict.fromkeys(self.cycles):
                angle = 2 * np.pi * (date_part(part, date) - (part in _FROM_ONE)) / _LENGTHS[part]
                found += [np.sin(angle), np.cos(angle)]
            for item, since in self.since_.items():
                if item != name:
                    found.append(_days_between(read[item] if since is None else since, date))
        return found


def _days_between(first: Any, second: np.ndarray) -> np.ndarray:
    gap = second - np.asarray(first, dtype="datetime64[us]")
    # seconds first, as pandas' total_seconds: the same last bit
    return np.where(np.isnat(gap), np.nan, gap.astype("int64") / 1e6 / 86400)


def _date(item: str, table: pd.DataFrame) -> np.datetime64:
    found = dates(pd.Series([item], dtype=object), Reading())[0]
    if np.isnat(found):
        columns = ", ".join(map(str, table.columns))
        raise ParameterError(
            f"since is {item!r}, which is neither a date like 2025-06-30 nor a column. Columns: {columns}."
        )
    return np.datetime64(found, "us")
