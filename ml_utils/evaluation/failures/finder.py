"""Find the slices of one and two columns in which a model is wrong, and say nothing where it is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.failures.banding import band_columns
from ml_utils.evaluation.failures.cells import Cells, Null, draw_null
from ml_utils.evaluation.failures.measuring import measure, name_fault
from ml_utils.evaluation.failures.recalibration import recalibrate
from ml_utils.evaluation.failures.row_scores import BinaryScores, RegressionScores, RowScores
from ml_utils.evaluation.failures.search import Search
from ml_utils.evaluation.failures.slices import Condition, Slice, Slices
from ml_utils.evaluation.metrics import Array, check_scores, log_losses

SMALLEST_SLICE = 30  # rows; fewer are an anecdote


def find_slices(
    X: pd.DataFrame,
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    task: str = "binary",
    alpha: float = 0.05,
    minimum_support: float = 0.01,
    bands: int = 5,
    max_slices: int = 5,
    n_null: int = 199,
    ignore: Sequence[str] = (),
    groups: pd.Series | None = None,
    seed: int = 42,
) -> Slices:
    """Find where a model is wrong: slices of one and of two columns, the one that explains most first.

    A slice whose outcome is merely hard to tell is not held against a binary model: what counts is bias and
    the loss above what the scores themselves promise, against the rest of the rows (see `row_scores`). For a
    regression it is bias and errors larger than those of rows with about the same prediction. All slices are
    held against the largest statistic that tables show on which the model is right, so that with probability
    1 − `alpha` nothing is found where nothing is wrong, whatever the number of columns and however they
    depend on one another (Westfall & Young 1993). After each find its rows are taken out and the rest is
    searched, so that one fault is not reported ten times.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
        Raw columns of rows that the model was not trained on.
    y, score : array of shape (n_rows,)
        Outcome (0 or 1), and probability; or value and prediction.
    task : {"binary", "regression"}
    alpha : float
        Family-wise error rate, which bounds the false-discovery rate too.
    minimum_support : float
        Share of the rows that a slice must have (below 1), or number of them; never fewer than 30 rows.
    bands : int
        Into how many bands a number is cut.
    max_slices : int
    n_null : int
        Tables drawn for the null distribution; at least 1 / alpha − 1.
    ignore : sequence of str
        Columns not to look at.
    groups : Series of shape (n_rows,), optional
        Whose each row is. One row of each, drawn at random, is then searched: errors of one customer's rows
        are not independent.
    seed : int

    Returns
    -------
    Slices

    Raises
    ------
    DataError
        If there are no rows, lengths differ, or targets or scores are not what the task needs.
    ParameterError
        If an option is out of range, or the support is larger than the table.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"plan": rng.choice(["a", "b"], 4000), "age": rng.integers(18, 80, 4000)})
    >>> p = rng.uniform(0.1, 0.5, 4000)
    >>> wrong = (X["plan"] == "b") & (X["age"] >= 60)
    >>> y = (rng.random(4000) < np.where(wrong, p + 0.3, p)).astype(int)
    >>> str(find_slices(X, y, p).found[0]).startswith("plan = b and age")
    True
    """
    target, scores = check_scores(y, score, _check_task(task))
    if len(X) != len(target):
        raise DataError(f"X has {len(X)} rows and y {len(target)}; they must be the same rows.")
    _check_options(alpha, bands, max_slices, n_null)
    rng = np.random.default_rng(seed)
    X = X.reset_index(drop=True)
    if groups is not None:
        kept = _one_per_group(groups, len(target), rng)
        X, target, scores = X.iloc[kept].reset_index(drop=True), target[kept], scores[kept]
    minimum_rows = _minimum_rows(minimum_support, len(target))
    columns, left_out = band_columns(X, bands, minimum_rows, ignore)
    overall, rows_scores, reason = _prepare(target, scores, task)
    cells = Cells(columns)
    if not reason and not columns:
        reason = "no column can be divided"
    if rows_scores is None or reason:
        return Slices((), task, len(target), 0, alpha, minimum_rows, left_out, overall, reason)
    search = Search(cells, rows_scores, minimum_rows)
    if not search.eligible.any():
        reason = f"no slice has {minimum_rows} rows and leaves as many"
        return Slices((), task, len(target), 0, alpha, minimum_rows, left_out, overall, reason)
    null = draw_null(cells, rows_scores, minimum_rows / len(target), n_null, rng)
    found = _take_in_turn(search, null, alpha, max_slices, target, scores, task)
    searched = int(search.first_eligible.sum())
    return Slices(tuple(found), task, len(target), searched, alpha, minimum_rows, left_out, overall)


def _take_in_turn(
    search: Search, null: Null, alpha: float, max_slices: int, y: Array, score: Array, task: str
) -> list[Slice]:
    """Take the worst slice, take its rows out, and search the rest, until nothing more is shown."""
    found: list[Slice] = []
    while len(found) < max_slices:
        statistic, cell = search.best()
        p_value = null.p_value(statistic)
        if p_value > alpha:
            break
        conditions, bias, rest = search.widen(cell)
        inside = search.inside(conditions)
        reach = null.bias_reach(alpha, float(search.penalties[cell]))
        figures = measure(y, score, inside, task, reach, search.kept & ~inside)
        figures |= {"statistic": bias + rest, "p_value": p_value}
        apart = tuple(item for item in found if _overlap(conditions, item.conditions))
        found.append(Slice(conditions, name_fault(figures, bias, rest, task), figures, apart))
        search.take_out(inside)
    return found


def _overlap(new: Sequence[Condition], old: Sequence[Condition]) -> bool:
    """Tell whether rows of a slice found earlier meet the conditions of a new one."""
    met = [item.holds(item.column.codes) for item in (*new, *old)]
    return bool(np.logical_and.reduce(met).any())


def _prepare(y: Array, score: Array, task: str) -> tuple[dict[str, float], RowScores | None, str]:
    overall = {"observed": float(y.mean()), "expected": float(score.mean())}
    if task == "binary":
        overall["loss"] = float(log_losses(y, score).mean())
        if y.min() == y.max():
            return overall, None, f"every outcome is {y[0]:g}, and nothing can be told from one class"
        p, overall["intercept"], overall["slope"] = recalibrate(y, score)
        return overall, BinaryScores(y, p), ""
    error = y - score
    overall["loss"] = float(np.mean(error**2))
    if np.ptp(error) <= 1e-12 * max(float(np.abs(y).max()), 1e-300):
        return overall, None, "all errors are equal"
    return overall, RegressionScores(error, score), ""


def _one_per_group(groups: pd.Series, n_rows: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    if len(groups) != n_rows:
        raise DataError(f"groups has {len(groups)} rows and the table {n_rows}; they must be the same rows.")
    order = rng.permutation(n_rows)
    codes = pd.factorize(groups)[0][order]
    codes = np.where(codes < 0, codes.max() + 1 + np.arange(n_rows), codes)
    return np.sort(order[np.unique(codes, return_index=True)[1]])


def _minimum_rows(support: float, n_rows: int) -> int:
    if support <= 0:
        raise ParameterError(f"minimum_support is {support}; give a share like 0.01, or a number of rows.")
    if support >= n_rows:
        raise ParameterError(
            f"minimum_support is {support:g} and the table has {n_rows:,} rows; no slice can have so many. "
            f"Give a share like 0.01, or fewer rows."
        )
    rows = support * n_rows if support < 1 else support
    return max(int(np.ceil(rows)), SMALLEST_SLICE)


def _check_task(task: str) -> str:
    if task not in ("binary", "regression"):
        raise ParameterError(
            f"task is {task!r}; slices are searched for binary and regression models. Of several classes "
            f"search one against the rest: y == class, and its probability."
        )
    return task


def _check_options(alpha: float, bands: int, max_slices: int, n_null: int) -> None:
    if not 0 < alpha < 1:
        raise ParameterError(f"alpha is {alpha}; give an error rate between 0 and 1, like 0.05.")
    if bands < 2:
        raise ParameterError(f"bands is {bands}; a number is cut into 2 bands or more.")
    if max_slices < 1:
        raise ParameterError(f"max_slices is {max_slices}; give 1 or more.")
    if n_null + 1 < 1 / alpha:
        raise ParameterError(
            f"n_null is {n_null}; a test at {alpha:g} needs {int(np.ceil(1 / alpha)) - 1} drawn tables or "
            f"more."
        )
