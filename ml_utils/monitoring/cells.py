"""How a column is cut into cells, once, on the reference; both samples are then counted in the same cells.

A missing value and an unseen category have cells of their own, so that a change in either is a change in
distribution like any other.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Cells:
    """How a column is cut into cells, learnt from the reference sample.

    Parameters
    ----------
    kind : {"numeric", "categorical"}
    edges : ndarray
        Numeric: inner edges; a value belongs to the first edge that it does not exceed.
    levels : tuple of str
        Categorical: the levels that have a cell each, commonest first. Numeric: the values, where each has a
        cell of its own; else empty.
    known : frozenset of str
        Categorical: every level of the reference; the rarer ones share a cell.
    """

    kind: str
    edges: np.ndarray
    levels: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()

    def count(self, values: pd.Series | np.ndarray) -> np.ndarray:
        """Count `values` in each cell; the last cell holds the missing ones.

        Parameters
        ----------
        values : Series or ndarray of shape (n,)

        Returns
        -------
        ndarray of shape (n_cells,), int64
            Numeric: one cell between edges, then missing. Categorical: one a level, then the rarer levels
            together, levels that the reference never had, missing.
        """
        if self.kind == "numeric":
            numbers = as_numbers(values)
            present = numbers[~np.isnan(numbers)]
            counts = np.bincount(np.searchsorted(self.edges, present), minlength=len(self.edges) + 1)
            return np.append(counts, len(numbers) - len(present))
        codes = pd.Categorical(as_labels(values))
        totals = pd.Series(np.bincount(codes.codes + 1, minlength=len(codes.categories) + 1)[1:])
        totals.index = codes.categories
        named = totals.reindex(list(self.levels), fill_value=0).to_numpy()
        rest = totals[~totals.index.isin(self.levels)]
        unseen = int(rest[~rest.index.isin(self.known)].sum())
        return np.append(named, [int(rest.sum()) - unseen, unseen, int((codes.codes < 0).sum())])

    @property
    def labels(self) -> list[str]:
        """What each cell holds, for tables and figures."""
        if self.kind == "categorical":
            return [*self.levels, "other known", "unseen", "missing"]
        if self.levels:
            return [*self.levels, "missing"]
        ends = [f"{edge:.6g}" for edge in self.edges]
        inner = [f"{low} to {high}" for low, high in itertools.pairwise(ends)]
        return [*([f"up to {ends[0]}", *inner, f"above {ends[-1]}"] if ends else ["any"]), "missing"]


def as_numbers(values: pd.Series | np.ndarray) -> np.ndarray:
    """Return `values` as float64, missing ones as NaN."""
    return np.asarray(pd.to_numeric(pd.Series(values), errors="coerce"), dtype=float)


def as_labels(values: pd.Series | np.ndarray) -> pd.Series:
    """Return `values` as text, missing ones as missing."""
    series = pd.Series(values)
    return series.astype("str").where(series.notna())


def cut_numeric(reference: pd.Series | np.ndarray, bins: int = 10) -> Cells:
    """Cut a numeric column at the reference's quantiles; few distinct values get a cell each.

    Parameters
    ----------
    reference : Series or ndarray of shape (n,)
    bins : int
        Cells at most, missing aside.

    Returns
    -------
    Cells

    Examples
    --------
    >>> cut_numeric(np.array([0, 0, 1, 1, np.nan])).count(np.array([0, 1, 1, np.nan]))
    array([1, 2, 1])
    """
    numbers = as_numbers(reference)
    present = numbers[np.isfinite(numbers)]
    distinct = np.unique(present)
    if len(distinct) <= bins:
        return Cells(
            "numeric", (distinct[1:] + distinct[:-1]) / 2, tuple(f"{value:.6g}" for value in distinct)
        )
    inner = np.quantile(present, np.linspace(0, 1, bins + 1)[1:-1])
    return Cells("numeric", np.unique(inner[inner < distinct[-1]]))


def cut_categorical(reference: pd.Series | np.ndarray, most: int = 20) -> Cells:
    """Give each of the reference's commonest levels a cell.

    Parameters
    ----------
    reference : Series or ndarray of shape (n,)
    most : int
        Levels with a cell of their own.

    Returns
    -------
    Cells

    Examples
    --------
    >>> cut_categorical(np.array(["a", "b", "a"])).count(np.array(["a", "c", None], dtype=object))
    array([1, 0, 0, 1, 1])
    """
    totals = as_labels(reference).value_counts().sort_index().sort_values(ascending=False, kind="stable")
    names = [str(name) for name in totals.index]
    return Cells("categorical", np.empty(0), tuple(names[:most]), frozenset(names))
