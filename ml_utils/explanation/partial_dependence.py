"""Partial dependence, and its rows one by one: the score as one or two columns are set to each value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.columns import (
    Kind,
    Scale,
    check_columns,
    describe_column,
    draw_rows,
    grid_of,
    one_spelling,
    scale_name,
    scores_of,
    with_values,
)
from ml_utils.model import Model
from ml_utils.wording import figure


@dataclass(frozen=True)
class PartialDependence:
    """The score over the values of one column, all else as it is in the rows.

    Parameters
    ----------
    column : str
    kind : {"number", "date", "category", "empty"}
    unit : str
        What the score is.
    grid : Series of shape (n_points,)
        Values that the column was set to.
    mean : ndarray of shape (n_points,)
        Mean score of the rows.
    curves : ndarray of shape (n_rows, n_points)
        The rows one by one (individual conditional expectation).
    at_missing : float
        Mean score where the column is empty; NaN where the known rows never are.
    note : str
        Why there is nothing to see, where there isn't.
    """

    column: str
    kind: Kind
    unit: str
    grid: pd.Series = field(repr=False)
    mean: Array = field(repr=False)
    curves: Array = field(repr=False)
    at_missing: float = float("nan")
    note: str = ""

    @property
    def span(self) -> float:
        """Largest less smallest mean score; 0 where there is nothing to vary."""
        return float(np.ptp(self.mean)) if len(self.mean) else 0.0

    def to_frame(self) -> pd.DataFrame:
        """Return a row a value: the mean score, and the rows' 10 % and 90 % quantiles."""
        if not len(self.mean):
            return pd.DataFrame(columns=[self.column, "mean", "low", "high"])
        low, high = np.quantile(self.curves, [0.1, 0.9], axis=0)
        return pd.DataFrame({self.column: self.grid, "mean": self.mean, "low": low, "high": high})

    def results(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {
            "unit": self.unit,
            "table": self.to_frame(),
            "at_missing": self.at_missing,
            "rows": len(self.curves),
            "note": self.note,
        }


def partial_dependence(
    model: Model,
    X: pd.DataFrame,
    column: str,
    n_points: int = 20,
    n_rows: int = 300,
    scale: Scale = "score",
    seed: int = 42,
    grid: pd.Series | None = None,
) -> PartialDependence:
    """Follow the score as one raw column is set to each of its values, through the whole pipeline.

    Parameters
    ----------
    model : Model
    X : DataFrame of shape (n, n_columns)
        Raw rows.
    column : str
    n_points : int
        Values of a number or date at most, quantiles of `X`; of a category its twelve most frequent.
    n_rows : int
        Rows followed at most, drawn from `X`.
    scale : {"score", "log-odds"}
        Probability (predicted value of a regression), or log-odds.
    seed : int
    grid : Series, optional
        Values to set the column to instead.

    Returns
    -------
    PartialDependence

    Raises
    ------
    ParameterError
        If the column is none of the model's.

    Notes
    -----
    Friedman (2001), Annals of Statistics 29(5), section 8.2; curves of rows: Goldstein et al. (2015). The
    column is varied where the others would not let it be: see `accumulated_effects` for correlated columns.
    """
    check_columns(model, X, [column])
    if n_points < 2:
        raise ParameterError(f"n_points is {n_points}; a curve takes at least 2.")
    X = one_spelling(model, X, [column])
    known = describe_column(X[column])
    rows = draw_rows(X[list(model.columns)], n_rows, seed).reset_index(drop=True)
    values = grid_of(X[column], n_points) if grid is None else grid.reset_index(drop=True)
    unit = scale_name(model, scale)
    if known.kind == "empty" and grid is None:
        curves = np.empty((len(rows), 0))
        note = f"{column} is empty in every row: there is no value to set it to."
        return PartialDependence(column, "empty", unit, values, np.empty(0), curves, note=note)
    scores = scores_of(model, with_values(rows, column, values), scale)
    curves = scores.reshape(len(values), len(rows)).T
    at_missing = float("nan")
    if known.missing > 0:
        nothing = X.loc[X[column].isna().to_numpy(), column].iloc[:1]
        at_missing = float(scores_of(model, with_values(rows, column, nothing), scale).mean())
    note = f"{column} has one value only: there is nothing to vary." if len(values) < 2 else ""
    return PartialDependence(column, known.kind, unit, values, curves.mean(axis=0), curves, at_missing, note)


@dataclass(frozen=True)
class Surface:
    """The mean score over the values of two columns.

    Parameters
    ----------
    columns : tuple of str
        The two columns.
    kinds : tuple of {"number", "date", "category"}
    unit : str
    first, second : Series
        Values that they were set to.
    mean : ndarray of shape (n_first, n_second)
    threshold : float or None
        Score above which the model acts.
    rows : DataFrame
        The two columns in some rows, for a figure.
    """

    columns: tuple[str, str]
    kinds: tuple[Kind, Kind]
    unit: str
    first: pd.Series = field(repr=False)
    second: pd.Series = field(repr=False)
    mean: Array = field(repr=False)
    threshold: float | None
    rows: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return a row a pair of values, with its mean score."""
        n, m = self.mean.shape
        return pd.DataFrame(
            {
                self.columns[0]: self.first.repeat(m).reset_index(drop=True),
                self.columns[1]: pd.concat([self.second] * n, ignore_index=True),
                "mean": self.mean.ravel(),
            }
        )

    def sentence(self) -> str:
        """Say where the score is highest and lowest, and what part of the values crosses the threshold."""
        table = self.to_frame()
        ends = [table.iloc[int(table["mean"].to_numpy().argmin())], table.iloc[int(table["mean"].argmax())]]
        a, b = self.columns
        low, high = (
            f"{figure(float(row['mean']))} where {a} is {_shown(row[a])} and {b} is {_shown(row[b])}"
            for row in ends
        )
        acted = ""
        if self.threshold is not None:
            share = float(np.mean(self.mean >= self.threshold))
            acted = f" The average row is acted on in {100 * share:.0f} % of the pairs of values tried."
        return f"The mean {self.unit} runs from {low} to {high}.{acted}"

    def results(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {"columns": list(self.columns), "unit": self.unit, "table": self.to_frame()}


def decision_surface(
    model: Model,
    X: pd.DataFrame,
    first: str,
    second: str,
    n_points: int = 20,
    n_rows: int = 60,
    seed: int = 42,
) -> Surface:
    """Follow the score as two raw columns are set to each pair of their values.

    Parameters
    ----------
    model : Model
    X : DataFrame of shape (n, n_columns)
    first, second : str
    n_points : int
        Values a column at most.
    n_rows : int
        Rows that the score is averaged over.
    seed : int

    Returns
    -------
    Surface

    Raises
    ------
    ParameterError
        If a column is none of the model's, is empty, or both are the same.
    """
    check_columns(model, X, [first, second])
    if first == second:
        raise ParameterError(f"Both columns are {first!r}; name two different ones.")
    X = one_spelling(model, X, [first, second])
    known = [describe_column(X[name]) for name in (first, second)]
    for column in known:
        if column.kind == "empty":
            raise ParameterError(f"{column.name} is empty in every row: there is no value to set it to.")
    rows = draw_rows(X[list(model.columns)], n_rows, seed).reset_index(drop=True)
    grids = [grid_of(X[name], n_points) for name in (first, second)]
    table = with_values(with_values(rows, second, grids[1]), first, grids[0])
    scores = scores_of(model, table).reshape(len(grids[0]), len(grids[1]), len(rows))
    shown = draw_rows(X[[first, second]], 300, seed)
    kinds = (known[0].kind, known[1].kind)
    unit = scale_name(model, "score")
    mean = scores.mean(axis=2)
    return Surface((first, second), kinds, unit, grids[0], grids[1], mean, model.threshold, shown)


def _shown(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return str(value.date())
    return f"{value:,.4g}" if isinstance(value, (int, float, np.number)) else str(value)
