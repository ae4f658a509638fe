"""Permutation importance: how much worse a model gets when one column is shuffled."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.evaluation.delong import delong_covariance
from ml_utils.evaluation.metrics import Array
from ml_utils.model import Model

Z95 = 1.959963984540054


def permutation_importance(
    model: Model, X: pd.DataFrame, y: Array, n_rows: int = 3000, n_repeats: int = 3, seed: int = 42
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

    Returns
    -------
    DataFrame
        source, loss, lower, upper (95 %: the sample's error and the shuffle's), in falling order.

    Notes
    -----
    Breiman (2001), section 10. Correlated columns share their importance: shuffling one leaves the other.
    """
    rng = np.random.default_rng(seed)
    keep = _sample(y, n_rows, model.task, rng)
    table, target = X[list(model.columns)].iloc[keep].reset_index(drop=True), y[keep]
    usual = model.predict_score(table)
    rows = []
    for column in model.columns:
        orders = [rng.permutation(len(table)) for _ in range(n_repeats)]
        stacked = pd.concat([table] * n_repeats, ignore_index=True)
        shuffled = table[column].iloc[np.concatenate(orders)]
        stacked[column] = shuffled.set_axis(stacked.index)
        scores = model.predict_score(stacked).reshape(n_repeats, len(table))
        losses = [_loss(target, usual, score, model.task) for score in scores]
        value = float(np.mean([loss for loss, _ in losses]))
        between = float(np.var([loss for loss, _ in losses], ddof=1)) if n_repeats > 1 else 0.0
        error = np.sqrt(np.mean([variance for _, variance in losses]) + between / n_repeats)
        rows.append((column, value, value - Z95 * error, value + Z95 * error))
    found = pd.DataFrame(rows, columns=["source", "loss", "lower", "upper"])
    return found.sort_values("loss", ascending=False, kind="stable", ignore_index=True)


def _sample(y: Array, n_rows: int, task: str, rng: np.random.Generator) -> np.ndarray:
    if len(y) <= n_rows:
        return np.arange(len(y))
    if task == "regression":
        return np.sort(rng.choice(len(y), n_rows, replace=False))
    kinds = sorted((np.flatnonzero(y == value) for value in (0, 1)), key=len)
    rare = rng.permutation(kinds[0])[: n_rows // 2]
    return np.sort(np.concatenate([rare, rng.permutation(kinds[1])[: n_rows - len(rare)]]))


def _loss(y: Array, usual: Array, shuffled: Array, task: str) -> tuple[float, float]:
    """Return how much worse the shuffled scores are, and the variance of that over samples of rows."""
    if task == "binary":
        auc, covariance = delong_covariance(y, np.vstack([usual, shuffled]))
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        return float(auc[0] - auc[1]), float(max(variance, 0.0))
    before, after = (usual - y) ** 2, (shuffled - y) ** 2
    roots = float(np.sqrt(before.mean()) + np.sqrt(after.mean()))
    if roots == 0:
        return 0.0, 0.0
    # √a − √b = (a − b) / (√a + √b), whose denominator varies little
    variance = float(np.var(after - before, ddof=1)) / len(y) / roots**2 if len(y) > 1 else 0.0
    return float((after - before).mean()) / roots, variance
