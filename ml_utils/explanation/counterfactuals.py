"""What would have to change for another decision: the smallest change of a row that crosses the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.explanation.changes import Change, Goal, Range, Search, as_dtype, learn_ranges
from ml_utils.explanation.columns import check_columns, one_spelling
from ml_utils.explanation.labels import shown
from ml_utils.model import Model
from ml_utils.wording import figure, listing


@dataclass(frozen=True)
class Counterfactual:
    """One change of a row that crosses the threshold.

    Parameters
    ----------
    changes : tuple of Change
    score : float
        Of the changed row, by the pipeline.
    distance : float
        Sum of the changes: of a number in standard deviations, of a category 1 each.
    """

    changes: tuple[Change, ...]
    score: float
    distance: float

    def text(self) -> str:
        """Say the change in words."""
        parts = [f"{c.column} from {shown(c.before)} to {shown(c.after)}" for c in self.changes]
        return listing(parts)


@dataclass(frozen=True)
class Counterfactuals:
    """The smallest changes of one row that were found, the best first.

    Parameters
    ----------
    score, threshold : float
    above : bool
        Whether the changed row must score at or above the threshold (the row is below), or below it.
    found : tuple of Counterfactual
    ranges : tuple of Range
        The columns that were allowed to change, and what to.
    max_changes : int
    """

    score: float
    threshold: float
    above: bool
    found: tuple[Counterfactual, ...]
    ranges: tuple[Range, ...] = field(repr=False)
    max_changes: int

    def to_frame(self) -> pd.DataFrame:
        """Return a row a counterfactual."""
        return pd.DataFrame(
            [
                (one.text(), len(one.changes), figure(one.score), figure(one.distance, 2))
                for one in self.found
            ],
            columns=["change", "columns", "score then", "distance"],
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say what would have to change, or that nothing was found."""
        side = "reach" if self.above else "fall below"
        digits = next((d for d in (3, 4, 5) if round(self.score - self.threshold, d)), 6)
        start = f"With a score of {figure(self.score, digits)}, to {side} {figure(self.threshold, digits)}"
        names = [one.column for one in self.ranges]
        if not names:
            return f"{start}: no column is allowed to change."
        if not self.found:
            limits = f"changes of up to {self.max_changes} of {listing(names)} within their known ranges"
            return f"{start}: none of the {limits} that were tried does it."
        best = self.found[0]
        score = figure(best.score, digits)
        return (
            f"{start}, the smallest change found is {best.text()} (score {score}), all else held as it is. "
            "It says what the model would answer, not what would happen."
        )

    def results(self) -> dict[str, object]:
        """Return the figures for the results file."""
        return {
            "score": self.score,
            "threshold": self.threshold,
            "actionable": [one.column for one in self.ranges],
            "found": [
                {
                    "columns": [c.column for c in one.changes],
                    "before": [_plain(c.before) for c in one.changes],
                    "after": [_plain(c.after) for c in one.changes],
                    "score": one.score,
                    "distance": one.distance,
                }
                for one in self.found
            ],
        }


def _plain(value: object) -> object:
    """Keep a number as it is; anything else as the page shows it."""
    return float(value) if isinstance(value, int | float | np.number) else shown(value)


def counterfactuals(
    model: Model,
    row: pd.Series | pd.DataFrame,
    X: pd.DataFrame,
    actionable: Sequence[str] | None = None,
    immutable: Sequence[str] = (),
    sensitive: Sequence[str] = (),
    allowed: Mapping[str, Sequence[object]] | None = None,
    threshold: float | None = None,
    max_changes: int = 3,
    n: int = 3,
) -> Counterfactuals:
    """Find the smallest changes of one row after which the model decides otherwise.

    Parameters
    ----------
    model : Model
        Binary, or a regression with `threshold`.
    row : Series, or DataFrame of one row
        The raw columns.
    X : DataFrame of shape (n_rows, n_columns)
        Training rows: changes stay within their ranges and categories, and distances are in their standard
        deviations.
    actionable : sequence of str, optional
        Columns that may change. By default all of the model's but the sensitive and immutable ones, dates,
        and texts with more than 50 values. (Ids and times are none of the model's columns.)
    immutable, sensitive : sequence of str
        Columns that may not change.
    allowed : mapping of str to sequence, optional
        Narrower limits: lowest and highest of a number, or the levels of a category.
    threshold : float, optional
        The model's own by default.
    max_changes : {1, 2, 3}
        Columns that may change at once.
    n : int
        Counterfactuals returned at most.

    Returns
    -------
    Counterfactuals
        Those of the fewest columns, by distance; each set of columns once. Every one crosses the threshold
        when the pipeline scores it. None where none of the changes tried does.

    Raises
    ------
    ParameterError
        If a column is unknown, a limit is none, or there is no threshold.

    Notes
    -----
    Wachter, Mittelstadt & Russell (2018), Harvard Journal of Law & Technology 31(2). One column is searched
    exhaustively: every level, every known whole number, other numbers at up to 40 of their quantiles. Two and
    three columns by a beam: the changes that bring the score nearest to the threshold are tried with all
    changes of another column. Numbers are then moved back towards the row as far as the decision holds.
    Columns that belong together, like a total and its parts, are not held together unless they are immutable.
    """
    check_columns(model, X, [*(actionable or ()), *(allowed or {})])
    limit = model.threshold if threshold is None else threshold
    if limit is None:
        raise ParameterError(f"The model {model.name} has no threshold; give the one to cross.")
    if max_changes not in (1, 2, 3) or n < 1:
        raise ParameterError(f"max_changes is {max_changes} and n is {n}; take 1 to 3, and at least 1.")
    _check_immutable(X, immutable)
    start = _one_row(model, row, X)
    score = float(model.predict_score(start)[0])
    if not np.isfinite(score):
        raise DataError("The row has no score, so that there is no threshold to cross; look at its columns.")
    kept = {*immutable, *sensitive}
    names = [name for name in actionable or model.columns if name not in kept]
    both = one_spelling(model, pd.concat([X[list(model.columns)], start]), names)
    start, known = both.iloc[-1:].reset_index(drop=True), both.iloc[:-1]
    ranges = learn_ranges(known, names, allowed or {}, named=actionable is not None)
    search = Search(model, start, ranges, Goal(float(limit), above=score < limit))
    found = [
        Counterfactual(changes, value, sum(change.distance for change in changes))
        for changes, value in search.run(max_changes, n)
    ]
    return Counterfactuals(score, float(limit), score < limit, tuple(found), tuple(ranges), max_changes)


def _check_immutable(X: pd.DataFrame, immutable: Sequence[str]) -> None:
    """Refuse a name that no column has: the column that was meant would be changed."""
    for name in immutable:
        if name not in X.columns:
            raise ParameterError(f"The immutable {name!r} is no column. {list_known(name, X.columns)}")


def _one_row(model: Model, row: pd.Series | pd.DataFrame, X: pd.DataFrame) -> pd.DataFrame:
    table = row.to_frame().T.infer_objects() if isinstance(row, pd.Series) else row
    if len(table) != 1:
        raise DataError(f"Counterfactuals are found for one row; got {len(table)}. Take one, as X.iloc[[0]].")
    check_columns(model, table, [])
    table = table[list(model.columns)].reset_index(drop=True)
    return table.assign(**{name: as_dtype(table[name], X[name].dtype) for name in model.columns})
