"""What is in each column, and how the columns that matter are distributed in each class of the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.data.schema import features_and_target, word
from ml_utils.exploration.variables import Variable, code_categories, is_usable, read_variable
from ml_utils.problem import Problem
from ml_utils.wording import listing, percent, times

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
MAX_BARS = 15  # a whole number with at most so many values is shown value by value
BINS = 24
MANY = 2000  # more different texts than these are names, not categories
THIRDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True)
class ColumnSummary:
    """Every column of the table, described on all training rows.

    Parameters
    ----------
    table : DataFrame
        column, role, kind, rows, missing, missing_share, infinite, distinct, mean, sd, min, q05, q25, median,
        q75, q95, max, skew (of finite numbers), top (the most frequent values with their shares).
    """

    table: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return one row a column, in the table's order."""
        return self.table

    def sentence(self) -> str:
        """Say what kinds of columns there are and what is odd about them."""
        features = self.table[self.table["role"] == "feature"]
        kinds = features["kind"].value_counts()
        named = {"number": "number", "category": "category", "date": "date"}
        plural = {"category": "categories"}
        parts = [times(int(kinds[k]), named[k], plural.get(k)) for k in named if k in kinds]
        odd = features[(features["distinct"] <= 1) | (features["infinite"] > 0)]["column"].tolist()
        tails = features[(features["skew"].abs() > 3) & (features["distinct"] > 2)]
        skewed = tails.sort_values("skew", key=np.abs, ascending=False)["column"].tolist()
        say = f"{times(len(features), 'column')} can be used: {listing(parts)}"
        if skewed:
            tail = "have long tails" if len(skewed) > 1 else "has a long tail"
            say += f"; {listing(skewed, 3)} {tail}"
        if odd:
            say += f"; {listing(odd, 3)} {'hold' if len(odd) > 1 else 'holds'} one value only, or infinities"
        return f"{say}."

    def _repr_html_(self) -> str:
        shown = ["column", "role", "kind", "missing_share", "distinct", "mean", "sd", "median", "skew", "top"]
        return self.table[shown].to_html(index=False, float_format="{:.3g}".format, na_rep="", border=0)


@dataclass(frozen=True)
class Distributions:
    """How columns are distributed in each class of the target (thirds of it for a regression).

    Parameters
    ----------
    summary : DataFrame
        column, class, rows, missing_share, mean, sd, q25, median, q75; most frequent value of a category.
    shares : DataFrame
        column, kind, class, position, label, low, high, share: what a histogram draws; of many-valued
        numbers what lies between the 1 % and the 99 % quantile.
    classes : tuple of str
        In order; the positive class last.
    rows : int
    """

    summary: pd.DataFrame
    shares: pd.DataFrame
    classes: tuple[str, ...]
    rows: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row a column and class."""
        return self.summary

    def _repr_html_(self) -> str:
        return self.summary.to_html(index=False, float_format="{:.3g}".format, na_rep="", border=0)


def summarise(frame: pd.DataFrame, problem: Problem) -> ColumnSummary:
    """Describe every column of a table on all its rows.

    Parameters
    ----------
    frame : DataFrame
        Training rows.
    problem : Problem

    Returns
    -------
    ColumnSummary
    """
    roles: dict[str | None, str] = {
        problem.target: "target",
        problem.id: "id",
        problem.time: "time",
        problem.group: "group",
    }
    roles.update(dict.fromkeys(problem.columns.ignore, "ignored"))
    roles.update(dict.fromkeys(problem.columns.text, "text"))
    rows = []
    for name in frame.columns:
        known = _describe(frame[name], str(name), problem)
        rows.append({"column": str(name), "role": roles.get(name, "feature"), **known})
    return ColumnSummary(pd.DataFrame(rows))


def distributions(
    frame: pd.DataFrame, columns: Sequence[str], problem: Problem, seed: int = 42, max_rows: int = 100_000
) -> Distributions:
    """Measure how columns are distributed in each class of the target.

    Parameters
    ----------
    frame : DataFrame
        Training rows.
    columns : sequence of str
    problem : Problem
    seed : int
    max_rows : int
        More rows than these are sampled.

    Returns
    -------
    Distributions
    """
    rows = frame
    if len(frame) > max_rows:
        rows = frame.iloc[np.sort(np.random.default_rng(seed).choice(len(frame), max_rows, replace=False))]
    code, classes = classes_of(rows, problem)
    summary, shares = [], []
    for column in columns:
        variable = read_variable(rows[column], problem)
        if isinstance(variable, str):
            continue
        summary += [_in_class(variable, code == i, name) for i, name in enumerate(classes)]
        shares.append(_shares(variable, code, classes))
    every = ["column", "kind", "class", "position", "label", "low", "high", "share"]
    drawn = pd.concat(shares, ignore_index=True) if shares else pd.DataFrame(columns=every)
    return Distributions(pd.DataFrame(summary), drawn, classes, len(rows))


def classes_of(frame: pd.DataFrame, problem: Problem) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Part rows by their target: the two classes, positive last, or thirds of a regression's target."""
    _, y = features_and_target(frame, problem)
    if problem.task == "binary":
        others = frame.loc[y.to_numpy() == 0, problem.target].drop_duplicates()
        other = word(others.iloc[0]) if len(others) == 1 else "any other"
        names = (f"{problem.target} = {other}", f"{problem.target} = {word(problem.positive)}")
        return y.to_numpy(np.int64), names
    cuts = np.quantile(y, [1 / 3, 2 / 3])
    return np.searchsorted(cuts, y.to_numpy(float), side="left"), THIRDS


def _describe(values: pd.Series, name: str, problem: Problem) -> dict[str, object]:
    kind = _kind(values, name, problem)
    base = {"kind": kind, "rows": len(values), "missing": int(values.isna().sum()), "infinite": 0}
    base["missing_share"] = float(values.isna().mean())
    if kind == "date":
        known = values.dropna()
        span = f"{known.min():%Y-%m-%d} to {known.max():%Y-%m-%d}" if len(known) else ""
        return base | {"distinct": int(values.nunique()), "top": span}
    if kind != "number":
        codes, levels = _coded(values)
        sizes = np.bincount(codes[codes >= 0], minlength=len(levels))
        top = [
            f"{levels[i]} {percent(sizes[i] / max(sizes.sum(), 1), 0)}" for i in range(min(3, len(levels)))
        ]
        return base | {"distinct": len(levels), "top": ", ".join(top)}
    x = values.to_numpy(dtype=float, na_value=np.nan)
    usable = is_usable(x)
    base["infinite"] = int((~usable & ~np.isnan(x)).sum())
    return base | _numbers(x[usable])


def _coded(values: pd.Series) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    codes, distinct = pd.factorize(values)
    if len(distinct) <= MANY:
        return code_categories(values)
    order = np.argsort(-np.bincount(codes[codes >= 0]), kind="stable")  # spellings of names don't matter
    rank = np.append(np.argsort(order), -1)
    names = [word(distinct[i]) for i in order[:3]]
    return rank[codes], (*names, *[""] * (len(order) - len(names)))


def _kind(values: pd.Series, name: str, problem: Problem) -> str:
    if pd.api.types.is_datetime64_any_dtype(values):
        return "date"
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return "number" if numeric and name not in problem.columns.categorical else "category"


def _numbers(x: npt.NDArray[np.float64]) -> dict[str, object]:
    if len(x) == 0:
        return {"distinct": 0, "top": ""}
    distinct, sizes = np.unique(x, return_counts=True)
    often = np.argsort(-sizes, kind="stable")[:3]
    top = [f"{distinct[i]:.4g} {percent(sizes[i] / len(x), 0)}" for i in often if sizes[i] / len(x) >= 0.05]
    spread = float(x.std())
    skew = float(((x - x.mean()) ** 3).mean()) / spread**3 if spread > 0 else 0.0
    quantiles = np.quantile(x, list(QUANTILES.values()))
    return {
        "distinct": len(distinct),
        "mean": float(x.mean()),
        "sd": float(x.std(ddof=1)) if len(x) > 1 else 0.0,
        "min": float(distinct[0]),
        **dict(zip(QUANTILES, map(float, quantiles), strict=True)),
        "max": float(distinct[-1]),
        "skew": skew,
        "top": ", ".join(top),
    }


def _in_class(variable: Variable, inside: npt.NDArray[np.bool_], name: str) -> dict[str, object]:
    values, known = variable.cells[inside], ~variable.missing[inside]
    base = {
        "column": variable.name,
        "class": name,
        "rows": int(inside.sum()),
        "missing_share": float(1 - known.mean()) if len(known) else float("nan"),
    }
    if not known.any():
        return base
    if variable.kind == "category":
        sizes = np.bincount(values[known].astype(int), minlength=len(variable.levels))
        most = int(sizes.argmax())
        return base | {"most_frequent": variable.levels[most], "its_share": float(sizes[most] / sizes.sum())}
    x = values[known]
    low, middle, high = map(float, np.quantile(x, [0.25, 0.5, 0.75]))
    spread = float(x.std(ddof=1)) if len(x) > 1 else 0.0
    return base | {"mean": float(x.mean()), "sd": spread, "q25": low, "median": middle, "q75": high}


def _shares(variable: Variable, code: npt.NDArray[np.int64], classes: tuple[str, ...]) -> pd.DataFrame:
    known = ~variable.missing
    if variable.kind == "category":
        place = variable.cells.astype(int)
        labels: list[str] = list(variable.levels)
        low = high = np.arange(len(labels), dtype=float)
    else:
        place, labels, low, high = _bin(variable.cells.astype(float), known)
    parts = []
    for i, name in enumerate(classes):
        here = place[known & (code == i)]
        sizes = np.bincount(here[here >= 0], minlength=len(labels))
        part = pd.DataFrame({"position": np.arange(len(labels)), "label": labels, "low": low, "high": high})
        part["share"] = sizes / max(len(here), 1)
        part.insert(0, "class", name)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "kind", "bars" if variable.kind == "category" or (low == high).all() else "bins")
    table.insert(0, "column", variable.name)
    return table


def _bin(
    x: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], list[str], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Cut numbers into equal bins from the 1 % to the 99 % quantile; what lies beyond has the place −1."""
    distinct = np.unique(x[known])
    if len(distinct) <= MAX_BARS:
        place = np.searchsorted(distinct, np.where(known, x, distinct[0]))
        return place, [f"{value:g}" for value in distinct], distinct, distinct
    first, last = np.quantile(x[known], [0.01, 0.99])
    if last <= first:
        first, last = float(distinct[0]), float(distinct[-1])
    edges = np.linspace(first, last, BINS + 1)
    if (distinct == np.round(distinct)).all() and last - first <= 2 * BINS:  # whole numbers: whole bins
        edges = np.arange(np.floor(first), np.ceil(last) + 2) - 0.5
    place = np.searchsorted(edges, np.where(known, x, first), side="right") - 1
    place = np.where(x == edges[-1], len(edges) - 2, place)
    place[place > len(edges) - 2] = -1
    labels = [f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges)]
    return place, labels, edges[:-1], edges[1:]
