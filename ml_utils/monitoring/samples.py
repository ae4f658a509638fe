"""A table as the monitor sees it: what the model reads, what it says, what happened, whose row, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils import data
from ml_utils.model import Model
from ml_utils.problem import Problem


@dataclass(frozen=True)
class Sample:
    """A table as the monitor sees it: what the model reads, what it says, what happened."""

    X: pd.DataFrame
    y: np.ndarray  # NaN where not known yet
    score: np.ndarray
    units: np.ndarray  # whose row it is
    period: np.ndarray

    def of(self, period: str) -> Sample:
        """Return the rows of one period."""
        rows = self.period == period
        return Sample(self.X[rows], self.y[rows], self.score[rows], self.units[rows], self.period[rows])

    @property
    def n_independent(self) -> int:
        """How many customers there are; rows of one are not independent."""
        return len(np.unique(self.units))

    @property
    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes and scores of the rows whose outcome is known."""
        known = np.isfinite(self.y)
        return self.y[known], self.score[known]


def take_sample(frame: pd.DataFrame, problem: Problem, model: Model, n_periods: int) -> Sample:
    """Score a table and part it.

    Parameters
    ----------
    frame : DataFrame
        The target may be missing, wholly or in rows whose outcome is not known yet.
    problem : Problem
    model : Model
    n_periods : int
        Parts where there is no time column.

    Raises
    ------
    DataError
        If a column of the model is missing.
    """
    target = problem.target
    known = frame[target].notna().to_numpy() if target in frame else np.zeros(len(frame), dtype=bool)
    filled = frame if target in frame else frame.assign(**{target: np.nan})
    X, y = data.features_and_target(filled, problem)
    score = model.predict_score(X)
    unit = data.groups(frame, problem)
    units = np.arange(len(frame)) if unit is None else pd.factorize(unit)[0]
    period = data.periods(frame, problem, n_periods).to_numpy()
    return Sample(X, np.where(known, y.to_numpy(float), np.nan), score, units, period)


def column_influence(model: Model, X: pd.DataFrame, seed: int, n_rows: int = 1000) -> pd.Series:
    """Measure how much each column moves the model's scores, without labels.

    Parameters
    ----------
    model : Model
    X : DataFrame of shape (n_rows, n_columns)
        Raw columns.
    seed : int
    n_rows : int
        Rows used at most.

    Returns
    -------
    Series
        Column to its share of the mean absolute change of the score when the column alone is shuffled;
        shares add up to 1 (all 0 for a model that uses no column), largest first.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(X))[:n_rows]
    table = X.iloc[rows][list(model.columns)].reset_index(drop=True)
    order = rng.permutation(len(rows))
    shuffled = [table.assign(**{name: table[name].iloc[order].to_numpy()}) for name in model.columns]
    scores = model.predict_score(pd.concat([table, *shuffled], ignore_index=True)).reshape(-1, len(rows))
    moved = np.abs(scores[1:] - scores[0]).mean(axis=1)
    shares = pd.Series(moved / (moved.sum() or 1.0), index=list(model.columns), name="influence")
    return shares.sort_values(ascending=False, kind="stable")
