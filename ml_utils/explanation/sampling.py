"""Shapley values of any model, by sampled orders of its features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.rounding import margin

MAX_SAMPLED_ROWS = 100  # the model-agnostic way asks the model some thousand times a row
ORDERS = 20  # of features, each with a usual row of its own
METHOD = "SHAP by sampled orders"


def sampled_shapley(
    estimator: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int
) -> tuple[Array, Array]:
    """Estimate Shapley values by sampled orders, each order used forwards and backwards.

    Own code: shap's permutation explainer compiles for 15 s before it answers. One usual row an order, the
    same for all rows explained, so that base and contributions add up exactly.

    Parameters
    ----------
    estimator : fitted scikit-learn estimator
    Z, background : DataFrame
        Of `Z` the first `MAX_SAMPLED_ROWS` rows are explained.
    seed : int

    Returns
    -------
    values : ndarray of shape (n_rows, n_features), or (n_rows, n_features, n_classes) for several classes
    base : ndarray of shape (1,) or (n_classes,)

    Notes
    -----
    Štrumbelj & Kononenko (2014), Knowledge and Information Systems 41, algorithm 1.
    """
    rng = np.random.default_rng(seed)
    rows = Z.to_numpy(float)[:MAX_SAMPLED_ROWS]
    usual = background.to_numpy(float)
    if len(usual) > ORDERS:
        usual = usual[np.sort(rng.choice(len(usual), ORDERS, replace=False))]
    total: Array = np.zeros((*rows.shape, 1))
    base: Array = np.zeros(1)
    for start in usual:
        forwards = rng.permutation(rows.shape[1])
        for order in (forwards, forwards[::-1]):
            output = _along(estimator, Z.columns, rows, start, order)
            if output.shape[2] > total.shape[2]:
                total = np.zeros((*rows.shape, output.shape[2]))
                base = np.zeros(output.shape[2])
            total[:, order] += np.diff(output, axis=0).swapaxes(0, 1)
            base = base + output[0, 0]
    runs = 2 * len(usual)
    return (total[..., 0] if total.shape[2] == 1 else total) / runs, base / runs


def _along(estimator: Any, names: pd.Index, rows: Array, start: Array, order: Array) -> Array:
    """Return the outputs as features go over from the usual row to each row: (d + 1, n_rows, n_outputs)."""
    n, d = rows.shape
    steps = np.repeat(np.tile(start, (n, 1))[None], d + 1, axis=0)
    for step, feature in enumerate(order, start=1):
        steps[step:, :, feature] = rows[:, feature]
    output = margin(estimator, pd.DataFrame(steps.reshape(-1, d), columns=names))
    return output.reshape(d + 1, n, -1)
