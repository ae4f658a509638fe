"""Permutation importance: how much worse a model gets when one column is shuffled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.intervals import Z95
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.columns import check_columns
from ml_utils.model import Model


def permutation_importance(
    model: Model,
    X: pd.DataFrame,
    y: Array,
    n_rows: int = 3000,
    n_repeats: int = 3,
    seed: int = 42,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Measure the loss of AUC, or the gain of RMSE, when one raw column at a time is shuffled.

    Parameters
    ----------
    model : Model
    X : DataFrame of shape (n_rows, n_columns)
        Raw columns, not from training.
    y : array of shape (n_rows,)
    n_rows : int
        Rows that are used at most; of a binary task as many of the rarer class as there are, up to half (the
        AUC does not depend on the mix).
    n_repeats : int
        Shuffles a column.
    seed : int
    groups : mapping of str to sequence of str, optional
        Columns that are shuffled together, under a name: what correlated columns are worth between them. By
        default each raw column, with every feature that is made from it, is a group.

    Returns
    -------
    DataFrame
        source, loss, lower, upper (95 %: the sample's error and the shuffles'), in falling order. NaN where
        the AUC is not defined.

    Raises
    ------
    ParameterError
        If `n_repeats` is below 1, or a group names a column that the model does not take.
    DataError
        If there are no rows, or not one target a row.

    Notes
    -----
    Breiman (2001), section 10. Correlated columns share their importance: shuffling one leaves the other.

    The interval sums up what each row has to do with the loss: through its own score, through its score with
    another row's value, and as the row whose value the others got (DeLong's components for an AUC).
    """
    check_columns(model, X, [name for names in (groups or {}).values() for name in names])
    if n_repeats < 1:
        raise ParameterError(f"n_repeats is {n_repeats}; shuffle at least once.")
    if len(y) != len(X):
        raise DataError(f"There are {len(X)} rows and {len(y)} targets; give one target a row.")
    rng = np.random.default_rng(seed)
    keep = _sample(y, n_rows, model.task, rng)
    table, target = X[list(model.columns)].iloc[keep].reset_index(drop=True), y[keep]
    usual = model.predict_score(table)
    rows = []
    for name, columns in (groups or {column: [column] for column in model.columns}).items():
        orders = [rng.permutation(len(table)) for _ in range(n_repeats)]
        scores = _shuffled(model, table, list(columns), orders)
        loss, error = _loss(target, usual, scores, orders, model.task)
        rows.append((name, loss, loss - Z95 * error, loss + Z95 * error))
    found = pd.DataFrame(rows, columns=["source", "loss", "lower", "upper"])
    return found.sort_values("loss", ascending=False, kind="stable", ignore_index=True)


def _shuffled(model: Model, table: pd.DataFrame, columns: list[str], orders: list[np.ndarray]) -> Array:
    """Return the scores with the columns in another order, (n_repeats, n_rows)."""
    stacked = pd.concat([table] * len(orders), ignore_index=True)
    shuffled = table[columns].iloc[np.concatenate(orders)]
    stacked[columns] = shuffled.set_axis(stacked.index)
    return model.predict_score(stacked).reshape(len(orders), len(table))


def _sample(y: Array, n_rows: int, task: str, rng: np.random.Generator) -> np.ndarray:
    if len(y) <= n_rows:
        return np.arange(len(y))
    if task == "regression":
        return np.sort(rng.choice(len(y), n_rows, replace=False))
    kinds = sorted((np.flatnonzero(y == value) for value in (0, 1)), key=len)
    rare = rng.permutation(kinds[0])[: n_rows // 2]
    return np.sort(np.concatenate([rare, rng.permutation(kinds[1])[: n_rows - len(rare)]]))


def _loss(
    y: Array, usual: Array, shuffled: Array, orders: list[np.ndarray], task: str
) -> tuple[float, float]:
    """Return how much worse the shuffled scores are on average, and the standard error of that."""
    if task == "binary":
        values, parts = _auc_parts(y, np.vstack([usual, shuffled]))
        gains = values[0] - values[1:]
    else:
        squares = (np.vstack([usual, shuffled]) - y) ** 2
        means = squares.mean(axis=1)
        roots = np.sqrt(means)
        gains = roots[1:] - roots[0]
        # of a root: the part of its square over twice the root, the sign turned as a loss is
        slopes = np.where(roots > 0, 2 * np.where(roots > 0, roots, 1), np.inf)
        parts = -(squares - means[:, None]) / len(y) / slopes[:, None]
    shifts = parts[0] - parts[1:]
    change = shifts.mean(axis=0)
    for order, shift in zip(orders, shifts, strict=True):
        change[order] += shift / len(orders)  # the row whose value this row got
    # A shift is what the row makes it, what the value put in makes it, and what the pair does: three
    # variances. Of few shuffles, a row's mean holds the last two besides, a value's mean the first and last;
    # the loss holds the last alone, for every row and every value is used once. One of each is too many.
    n = len(y)
    variance = float((change**2).sum()) - n * float(shifts.var()) / len(orders)
    return float(gains.mean()), float(np.sqrt(max(variance, 0.0) * n / max(n - 1, 1)))


def _auc_parts(y: Array, scores: Array) -> tuple[Array, Array]:
    """Return each AUC, and what each row adds to it (DeLong's components over the size of the class)."""
    from scipy.stats import rankdata

    positive = y > 0
    m, n = int(positive.sum()), int((~positive).sum())
    if m == 0 or n == 0:
        return np.full(len(scores), np.nan), np.full(scores.shape, np.nan)
    up, down = scores[:, positive], scores[:, ~positive]
    ranks = rankdata(np.hstack([up, down]), axis=1)
    above = (ranks[:, :m] - rankdata(up, axis=1)) / n  # share of negatives below each positive
    below = 1 - (ranks[:, m:] - rankdata(down, axis=1)) / m  # share of positives above each negative
    auc = above.mean(axis=1)
    parts = np.empty(scores.shape)
    parts[:, positive] = (above - auc[:, None]) / m
    parts[:, ~positive] = (below - auc[:, None]) / n
    return auc, parts
