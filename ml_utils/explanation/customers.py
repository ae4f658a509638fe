"""Single rows explained: those with the highest score, next to the threshold, and most confidently wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.explain import explain
from ml_utils.explanation.labels import Parts, largest
from ml_utils.model import Model
from ml_utils.wording import figure, listing

HIGHEST, NEAR, WRONG = "highest score", "nearest to the threshold", "most confidently wrong"
LARGEST_ERROR = "largest error"


@dataclass(frozen=True)
class Case:
    """One row and why it has its score.

    Parameters
    ----------
    kind : str
        Why it was chosen.
    position : int
        Its place in the table.
    score : float
    outcome : float
        What came true; NaN where that is not known.
    base, output : float
        In the explanation's unit: the usual row, and this one; output is base plus contributions.
    unit : str
    contributions : Series
        By raw column, the largest first.
    row : Series
        The raw values.
    """

    kind: str
    position: int
    score: float
    outcome: float
    base: float
    output: float
    unit: str
    contributions: pd.Series = field(repr=False)
    row: pd.Series = field(repr=False)

    def parts(self, n: int = 6) -> Parts:
        """Return the `n` largest contributions with the columns' values, and the rest in one."""
        return largest(self.contributions, self.row, n)

    def sentence(self, outcome: str = "") -> str:
        """Say what raised and lowered the row's score, and what came of it."""
        up = [str(name) for name in self.contributions[self.contributions > 0].index[:3]]
        down = [str(name) for name in self.contributions[self.contributions < 0].index[:3]]
        raised = f"raised most by {listing(up)}" if up else "raised by nothing"
        lowered = f"lowered most by {listing(down)}" if down else "lowered by nothing"
        came = ""
        if np.isfinite(self.outcome) and outcome:
            came = f" The row did{'' if self.outcome > 0 else ' not'} {outcome}."
        kind = f"{self.kind[0].upper()}{self.kind[1:]}"
        return f"{kind}: score {figure(self.score)}, {raised}, {lowered}.{came}"


@dataclass(frozen=True)
class Cases:
    """The chosen rows, each explained."""

    cases: tuple[Case, ...]

    def to_frame(self, n: int = 4) -> pd.DataFrame:
        """Return a row a case: its score, what came true, and its largest contributions."""
        return pd.DataFrame(
            [
                {
                    "row": case.kind,
                    "score": figure(case.score),
                    "came true": figure(case.outcome, 0) if np.isfinite(case.outcome) else "not known",
                    "because of": "; ".join(
                        f"{label} ({value:+.2f})" for label, value in zip(*case.parts(n), strict=True)
                    ),
                }
                for case in self.cases
            ]
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> list[dict[str, object]]:
        """Return the figures for the results file; raw values are left out."""
        return [
            {
                "kind": case.kind,
                "score": case.score,
                "outcome": case.outcome,
                "base": case.base,
                "output": case.output,
                "unit": case.unit,
                "contributions": case.contributions.to_dict(),
            }
            for case in self.cases
        ]


def choose_rows(
    score: Array, y: npt.ArrayLike | None = None, threshold: float | None = None, task: str = "binary"
) -> dict[str, int]:
    """Choose rows worth looking at by their score.

    Parameters
    ----------
    score : ndarray of shape (n_rows,)
    y : array of shape (n_rows,), optional
        0 and 1, or the values that came true.
    threshold : float, optional
    task : {"binary", "regression"}

    Returns
    -------
    dict of str to int
        Why, to the row's position; each row once, so that there may be fewer than three.
    """
    if not len(score):
        raise DataError("There are no rows to choose from; give at least one.")
    found = {HIGHEST: int(np.argmax(score))}
    taken = np.zeros(len(score))
    taken[found[HIGHEST]] = np.inf
    if threshold is not None and task == "binary":
        _take(found, taken, NEAR, np.abs(score - threshold))
    if y is not None:
        error = np.abs(np.asarray(y, dtype=float) - score)
        error = np.where(np.isfinite(error), error, -np.inf)
        _take(found, taken, WRONG if task == "binary" else LARGEST_ERROR, -error)
    return found


def _take(found: dict[str, int], taken: Array, kind: str, distance: Array) -> None:
    place = int(np.argmin(distance + taken))
    if np.isfinite(distance[place] + taken[place]):
        found[kind] = place
        taken[place] = np.inf


def explain_cases(
    model: Model,
    X: pd.DataFrame,
    background: pd.DataFrame,
    y: npt.ArrayLike | None = None,
    rows: Mapping[str, int] | None = None,
    seed: int = 42,
) -> Cases:
    """Explain chosen rows one by one.

    Parameters
    ----------
    model : Model
        Binary or a regression.
    X : DataFrame of shape (n, n_columns)
    background : DataFrame
        Raw rows that say what is usual.
    y : array of shape (n,), optional
    rows : mapping of str to int, optional
        Why, to the position in `X`; by default `choose_rows` chooses.
    seed : int

    Returns
    -------
    Cases

    Raises
    ------
    DataError
        If there are no rows, or a position is outside of the table.
    """
    score = model.predict_score(X) if len(X) else np.empty(0)
    chosen = dict(rows or choose_rows(score, y, model.threshold, model.task))
    outside = [place for place in chosen.values() if not 0 <= place < len(X)]
    if outside:
        raise DataError(f"There is no row {outside[0]}; the table has the rows 0 to {len(X) - 1}.")
    places = list(chosen.values())
    table = X.iloc[places]
    found = explain(model, table, background, n_rows=len(places), seed=seed)
    known = np.full(len(X), np.nan) if y is None else np.asarray(y, dtype=float)
    cases = []
    for i, (kind, place) in enumerate(chosen.items()):
        values = pd.Series(found.values[i], index=list(found.sources))  # noqa: PD011
        values = values.loc[values.abs().sort_values(ascending=False, kind="stable").index]
        output = found.base + float(values.sum())
        row = found.rows.iloc[i]
        cases.append(
            Case(kind, place, score[place], known[place], found.base, output, found.unit, values, row)
        )
    return Cases(tuple(replace(case, score=float(case.score)) for case in cases))
