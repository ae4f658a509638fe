"""Raw columns as a few levels each: bands of numbers and dates, categories, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.exploration.variables import OTHER, code_categories, is_usable
from ml_utils.wording import count
from ml_utils.words import normal_form

Codes = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

MISSING = "(missing)"
MAX_LEVELS = 12  # categories beyond the most frequent are taken together
FEW_VALUES = 6  # a number with at most so many values has a level for each


@dataclass(frozen=True)
class BandedColumn:
    """One column cut into levels.

    Parameters
    ----------
    name : str
    kind : {"number", "date", "category"}
    labels : tuple of str
        One a level; a level for missing values, where there are any, is the last.
    ordered : int
        How many levels, from the first, follow one another in size; 0 for categories.
    codes : ndarray of shape (n_rows,)
        Each row's level.
    edges : ndarray of shape (n_edges,)
        Of numbers and dates (nanoseconds): level i holds edges[i − 1] ≤ x < edges[i].
    lookup : mapping of str to int
        Of categories: normal form to level.
    whole : bool
        Whether a number has whole values only.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    ordered: int
    codes: Codes = field(repr=False, compare=False)
    edges: Array = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    lookup: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    whole: bool = False

    def encode(self, values: pd.Series) -> Codes:
        """Return the levels of further rows; −1 where a value belongs to none."""
        blank = self.labels.index(MISSING) if MISSING in self.labels else -1
        if self.kind == "category":
            other = self.lookup.get(OTHER, -1)
            codes, distinct = pd.factorize(values)
            known = [self.lookup.get(normal_form(value), other) for value in distinct]
            return np.array([*known, blank], dtype=np.int64)[codes]
        x = _as_numbers(values)
        return np.where(np.isnan(x), blank, np.searchsorted(self.edges, x, side="right")).astype(np.int64)

    def phrase(self, first: int, last: int) -> str:
        """Say which values the levels from `first` to `last` hold."""
        if self.labels[first] == MISSING:
            return f"{self.name} missing"
        if self.kind == "category" or first == last:
            joint = " = " if self.kind == "category" or _is_value(self.labels[first]) else " "
            return f"{self.name}{joint}{self.labels[first]}"
        low = self.edges[first - 1] if first > 0 else -np.inf
        high = self.edges[last] if last < self.ordered - 1 else np.inf
        return f"{self.name} {_range(low, high, self.kind, self.whole)}"


def band_columns(
    X: pd.DataFrame, bands: int = 5, minimum_rows: int = 30, ignore: Sequence[str] = ()
) -> tuple[list[BandedColumn], dict[str, str]]:
    """Cut every column of a table into levels.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
        Raw columns.
    bands : int
        Bands of a number, of about equal numbers of rows, at round values.
    minimum_rows : int
        Rarer categories are taken together.
    ignore : sequence of str
        Columns to leave out.

    Returns
    -------
    columns : list of BandedColumn
        With two levels or more.
    left_out : dict of str to str
        Column to the reason why it is not among them.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [*range(50), *range(50)], "fixed": 1})
    >>> columns, left_out = band_columns(table, bands=2)
    >>> columns[0].labels, left_out
    (('under 25', '25 or more'), {'fixed': 'one value only'})
    """
    kept, left_out = [], {}
    for name in X.columns:
        found = "left out as asked" if name in ignore else _band(X[name], bands, minimum_rows)
        if isinstance(found, BandedColumn):
            kept.append(found)
        else:
            left_out[str(name)] = found
    return kept, left_out


def _band(values: pd.Series, bands: int, minimum_rows: int) -> BandedColumn | str:
    if values.isna().all():
        return "no values"
    dates = pd.api.types.is_datetime64_any_dtype(values)
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if dates or numeric or pd.api.types.is_timedelta64_dtype(values):
        return _numbers(values, "date" if dates else "number", bands)
    return _categories(values, minimum_rows)


def _as_numbers(values: pd.Series) -> Array:
    if pd.api.types.is_datetime64_any_dtype(values):
        naive = values.dt.tz_localize(None) if getattr(values.dt, "tz", None) else values
        moments = naive.astype("datetime64[ns]").to_numpy()
        return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(float))
    if pd.api.types.is_timedelta64_dtype(values):
        return values.dt.total_seconds().to_numpy(float) / 86400
    x = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(is_usable(x), x, np.nan)


def _numbers(values: pd.Series, kind: str, bands: int) -> BandedColumn | str:
    x = _as_numbers(values)
    blank = np.isnan(x)
    known = x[~blank]
    if len(known) == 0:
        return "no values"
    distinct = np.unique(known)
    if len(distinct) < 2 and not blank.any():
        return "one value only"
    if kind == "number" and _names_rows(values, distinct):
        return "a different whole number in every row: it names rows"
    edges = distinct[1:] if len(distinct) <= FEW_VALUES else _edges(known, distinct, kind, bands)
    whole = kind == "number" and bool((distinct == np.floor(distinct)).all())
    if len(distinct) <= FEW_VALUES:
        labels = [_say(value, kind) for value in distinct]
    else:
        labels = [_range(low, high, kind, whole) for low, high in pairwise([-np.inf, *edges, np.inf])]
    codes = np.where(blank, len(labels), np.searchsorted(edges, x, side="right")).astype(np.int64)
    every = (*labels, MISSING) if blank.any() else tuple(labels)
    return BandedColumn(str(values.name), kind, every, len(labels), codes, edges, whole=whole)


def _edges(known: Array, distinct: Array, kind: str, bands: int) -> Array:
    """Cut near the quantiles; a value that many rows share becomes a band of its own."""
    cuts = np.quantile(known, np.linspace(0, 1, bands + 1)[1:-1], method="higher")
    heavy = [cut for cut, times in zip(*np.unique(cuts, return_counts=True), strict=True) if times > 1]
    if known.min() in cuts:
        heavy.append(known.min())
    after = [
        distinct[np.searchsorted(distinct, value, side="right")] for value in heavy if value < distinct[-1]
    ]
    found = np.unique(np.concatenate([cuts, after]))
    found = found[found > distinct[0]]
    if kind == "date":
        return found
    rounded = np.unique([_round_between(distinct, edge) for edge in found])
    return rounded[(rounded > distinct[0]) & (rounded <= distinct[-1])]


def _round_between(distinct: Array, edge: float) -> float:
    """Take the roundest number above the value below `edge` and not above it, so that no row moves.

    Where values lie densely it may move by half a percent of the spread.
    """
    position = int(np.searchsorted(distinct, edge))
    below = float(distinct[position - 1])
    slack = 0.005 * float(distinct[-1] - distinct[0])
    low, high = min(below, edge - slack / 2), max(float(edge), below + slack / 2)
    for digits in range(-int(np.floor(np.log10(max(abs(high), abs(low), 1e-300)))) - 1, 18):
        candidate = round(float(edge), digits)
        if low < candidate <= high:
            return candidate
    return float(edge)


def _names_rows(values: pd.Series, distinct: Array) -> bool:
    if len(distinct) < max(len(values), 100) or not (distinct == np.floor(distinct)).all():
        return False
    name = str(values.name).lower()
    consecutive = distinct[-1] - distinct[0] + 1 == len(distinct)
    return bool(
        consecutive or name in ("id", "key") or name.endswith(("_id", " id", "_key", "number", "_no"))
    )


def _categories(values: pd.Series, minimum_rows: int) -> BandedColumn | str:
    codes, distinct = pd.factorize(values)
    known = int((codes >= 0).sum())
    if len(distinct) > max(20, known // 2):
        return f"{count(len(distinct))} different texts in {count(known)} rows: it names rows, or is prose"
    coded, levels = code_categories(values)
    blank = coded < 0
    if len(levels) < 2 and not blank.any():
        return "one value only"
    sizes = np.bincount(coded[~blank], minlength=len(levels))
    own = int(min((sizes >= minimum_rows).sum(), MAX_LEVELS))
    if own < len(levels) - 1:  # one rare category alone keeps its name
        coded = np.where(blank, -1, np.minimum(coded, own))
        labels = [*levels[:own], OTHER]
    else:
        labels = list(levels)
    lookup = {OTHER if label == OTHER else normal_form(label): i for i, label in enumerate(labels)}
    every = (*labels, MISSING) if blank.any() else tuple(labels)
    full = np.where(blank, len(labels), coded).astype(np.int64)
    return BandedColumn(str(values.name), "category", every, 0, full, lookup=lookup)


def _say(value: float, kind: str) -> str:
    return f"{pd.Timestamp(int(value)):%Y-%m-%d}" if kind == "date" else f"{value:.12g}"


def _is_value(label: str) -> bool:
    return not label.startswith(("under ", "before ", "from ")) and " " not in label


def _range(low: float, high: float, kind: str, whole: bool = False) -> str:
    if whole and high - low == 1:
        return _say(low, kind)
    if np.isneginf(low):
        return f"{'before' if kind == 'date' else 'under'} {_say(high, kind)}"
    if np.isposinf(high):
        return f"from {_say(low, kind)}" if kind == "date" else f"{_say(low, kind)} or more"
    return f"{_say(low, kind)} to {'before' if kind == 'date' else 'under'} {_say(high, kind)}"
