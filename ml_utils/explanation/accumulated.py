"""Accumulated local effects: how a column moves the score where rows really are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.evaluation.intervals import Z95
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.columns import (
    MOST_LEVELS,
    Kind,
    Scale,
    check_columns,
    describe_column,
    draw_rows,
    one_spelling,
    scale_name,
    scores_of,
)
from ml_utils.model import Model


@dataclass(frozen=True)
class AccumulatedEffects:
    """A column's effect on the score, relative to its mean.

    Parameters
    ----------
    column : str
    kind : {"number", "date", "category", "empty"}
    unit : str
    points : Series of shape (n_points,)
        Edges of the bins, ascending; of a category its levels, by their mean score.
    effect, lower, upper : ndarray of shape (n_points,)
        With a 95 % interval for the rows drawn, not for another fit of the model.
    weights : ndarray of shape (n_points,)
        Share of the rows at each value.
    note : str
    """

    column: str
    kind: Kind
    unit: str
    points: pd.Series = field(repr=False)
    effect: Array = field(repr=False)
    lower: Array = field(repr=False)
    upper: Array = field(repr=False)
    weights: Array = field(repr=False)
    note: str = ""

    @property
    def span(self) -> float:
        """Largest less smallest effect."""
        return float(np.ptp(self.effect)) if len(self.effect) else 0.0

    @property
    def mean_abs(self) -> float:
        """Mean |effect| over the rows: what ranks columns, since ends with few rows do not decide it."""
        return float(self.weights @ np.abs(self.effect)) if len(self.effect) else 0.0

    def to_frame(self) -> pd.DataFrame:
        """Return a row a value."""
        return pd.DataFrame(
            {self.column: self.points, "effect": self.effect, "lower": self.lower, "upper": self.upper}
        )

    def results(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {"unit": self.unit, "table": self.to_frame(), "span": self.span, "note": self.note}


def accumulated_effects(
    model: Model,
    X: pd.DataFrame,
    column: str,
    n_bins: int = 20,
    n_rows: int = 1000,
    scale: Scale = "score",
    seed: int = 42,
) -> AccumulatedEffects:
    """Add up how the score changes across each small step of one raw column, in the rows that are there.

    Parameters
    ----------
    model : Model
    X : DataFrame of shape (n, n_columns)
    column : str
    n_bins : int
        Bins of a number or date at most, with about as many rows each.
    n_rows : int
        Rows used at most.
    scale : {"score", "log-odds"}
    seed : int

    Returns
    -------
    AccumulatedEffects

    Raises
    ------
    ParameterError
        If the column is none of the model's.

    Notes
    -----
    Apley & Zhu (2020), Journal of the Royal Statistical Society B 82(4), eq. 15 (local effects in bins at
    quantiles, added up) and 16 (less their mean over the rows), linear between edges. Rows
    without a value are left aside. The levels of a category are put in the order of their mean score (Apley
    & Zhu order them by likeness in the other columns), the twelve most frequent of them; the step between
    neighbours is the mean over the rows of both.
    """
    check_columns(model, X, [column])
    if n_bins < 1:
        raise ParameterError(f"n_bins is {n_bins}; take at least 1.")
    X = one_spelling(model, X, [column])
    known, unit = describe_column(X[column]), scale_name(model, scale)
    table = X[list(model.columns)]
    table = draw_rows(table[table[column].notna().to_numpy()], n_rows, seed).reset_index(drop=True)
    if table.empty:
        return _nothing(known.kind, unit, table[column], f"{column} is empty in every row.")
    steps = (
        _level_steps(model, table, column, scale)
        if known.kind == "category"
        else _bin_steps(model, table, column, n_bins, scale)
    )
    if steps is None:
        note = f"{column} has one value only: there is nothing to vary."
        return _nothing(known.kind, unit, table[column].iloc[:1], note)
    effect, error = _accumulate(steps)
    bounds = effect - Z95 * error, effect + Z95 * error
    return AccumulatedEffects(
        column, known.kind, unit, steps.points, effect, *bounds, steps.places.mean(axis=0)
    )


@dataclass(frozen=True)
class _Steps:
    """How each row's score changes over the steps that it takes part in."""

    points: pd.Series  # (n_values,)
    rows: np.ndarray  # of each change: its row, its step, and the change itself
    bins: np.ndarray
    changes: Array
    places: Array  # (n_rows, n_values): where each row lies between the values; rows add up to 1


def _accumulate(steps: _Steps) -> tuple[Array, Array]:
    """Add up mean steps, centre by the rows, and sum up what each row has to do with the result."""
    n_rows, n_values = steps.places.shape
    n_steps = n_values - 1
    counts = np.maximum(np.bincount(steps.bins, minlength=n_steps), 1)
    mean = np.bincount(steps.bins, steps.changes, n_steps) / counts
    adds = np.vstack([np.zeros(n_steps), np.tri(n_steps)])  # eq. 15
    adds = adds - steps.places.mean(axis=0) @ adds  # eq. 16
    effect = adds @ mean
    influence = np.zeros((n_rows, n_steps))
    apart = (steps.changes - mean[steps.bins]) / counts[steps.bins]
    np.add.at(influence, (steps.rows, steps.bins), apart)
    # a row moves the mean steps that it takes part in, and the centre
    moved = influence @ adds.T - (steps.places @ effect / n_rows)[:, None]
    return effect, np.sqrt((moved**2).sum(axis=0) * n_rows / max(n_rows - 1, 1))


def _bin_steps(model: Model, table: pd.DataFrame, column: str, n_bins: int, scale: Scale) -> _Steps | None:
    values = table[column]
    ordered = values.sort_values(ignore_index=True)
    places = np.round(np.linspace(0, 1, n_bins + 1) * (len(ordered) - 1)).astype(int)
    edges = ordered.iloc[places].drop_duplicates().reset_index(drop=True)
    if len(edges) < 2:
        return None
    inner = edges.iloc[1:-1]
    bins = np.searchsorted(inner.to_numpy(), values.to_numpy(), side="left")  # (z_{k−1}, z_k]
    both = pd.concat([table, table], ignore_index=True)
    ends = pd.concat([edges.iloc[bins], edges.iloc[bins + 1]], ignore_index=True)
    both[column] = ends.set_axis(both.index)
    low, high = scores_of(model, both, scale).reshape(2, len(table))
    return _Steps(edges, np.arange(len(table)), bins, high - low, _between(values, edges, bins))


def _between(values: pd.Series, edges: pd.Series, bins: np.ndarray) -> Array:
    """Share every row between the edges of its bin, by its distance from each."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values, edges = values.astype("int64"), edges.astype("int64")
    x, z = values.to_numpy(dtype=float), edges.to_numpy(dtype=float)
    upper = np.clip((x - z[bins]) / (z[bins + 1] - z[bins]), 0, 1)
    places = np.zeros((len(x), len(z)))
    rows = np.arange(len(x))
    places[rows, bins], places[rows, bins + 1] = 1 - upper, upper
    return places


def _level_steps(model: Model, table: pd.DataFrame, column: str, scale: Scale) -> _Steps | None:
    counts = table[column].value_counts().head(MOST_LEVELS)
    if len(counts) < 2:
        return None
    table = table[table[column].isin(list(counts.index)).to_numpy()].reset_index(drop=True)
    own = pd.Series(scores_of(model, table, scale)).groupby(table[column].to_numpy()).mean()
    levels = own.sort_values(kind="stable").index
    codes = levels.get_indexer(table[column])
    # rows of both neighbours take part in the step between them
    rows = [np.flatnonzero((codes == k) | (codes == k + 1)) for k in range(len(levels) - 1)]
    bins = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    rows_of_steps = np.concatenate(rows)
    near = table.iloc[rows_of_steps]
    both = pd.concat([near, near], ignore_index=True)
    known = pd.Series(levels, dtype=table[column].dtype)
    both[column] = known.iloc[np.concatenate([bins, bins + 1])].set_axis(both.index)
    low, high = scores_of(model, both, scale).reshape(2, len(near))
    return _Steps(known, rows_of_steps, bins, high - low, np.eye(len(levels))[codes])


def _nothing(kind: Kind, unit: str, values: pd.Series, note: str) -> AccumulatedEffects:
    zero = np.zeros(len(values))
    return AccumulatedEffects(
        str(values.name), kind, unit, values, zero, zero, zero, np.ones(len(values)), note
    )
