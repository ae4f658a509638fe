"""The output that contributions add up to, and what rounding leaves between the two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ml_utils.evaluation.metrics import Array

SINGLE, DOUBLE = 2.0**-24, 2.0**-53  # half the distance between numbers just above 1, in 32 and in 64 bits
_STEPS = 4  # roundings that a probability may have gone through


def log_odds(probability: Array) -> Array:
    """Return log(p / (1 − p)), p held as far away from 0 and 1 as blends hold it."""
    from ml_utils.training.ensembles.blend import TINY

    p = np.clip(probability, TINY, 1 - TINY)
    return np.log(p) - np.log1p(-p)


def margin(estimator: Any, Z: pd.DataFrame) -> Array:
    """Return log-odds of the positive class, or the predicted value; of several classes centred log p.

    Parameters
    ----------
    estimator : fitted scikit-learn estimator
    Z : DataFrame of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows,), or (n_rows, n_classes)
    """
    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(Z), dtype=float)
    p = np.asarray(estimator.predict_proba(Z), dtype=float)
    return log_odds(p[:, 1]) if p.shape[1] == 2 else centred_log(p)


def centred_log(probability: Array) -> Array:
    """Return each class's log-probability less the mean over the classes (the centred log-ratio).

    Parameters
    ----------
    probability : ndarray of shape (n_rows, n_classes)

    Notes
    -----
    Aitchison (1986), The Statistical Analysis of Compositional Data. A softmax's probabilities fix its scores
    but for a constant; these do without it, and the average of two models' is their blend's.
    """
    from ml_utils.training.ensembles.blend import TINY

    logs = np.log(np.clip(probability, TINY, 1.0))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def spread_rounding(
    shap: Array, base: float, output: Array, probability: bool = True, precision: float = SINGLE
) -> Array:
    """Share what rounding leaves between a model's output and its SHAP values among these.

    Parameters
    ----------
    shap : ndarray of shape (n_rows, n_features)
    base : float
    output : ndarray of shape (n_rows,)
        Log-odds of the model's probability, or its predicted value.
    probability : bool
        Whether `output` was taken from a probability, which loses its digits near 1 and is held off 0 and 1.
    precision : float
        Relative rounding of the model's numbers.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
        Rows where more is missing than rounding explains are left as they are: the error shows.

    Examples
    --------
    >>> spread_rounding(np.array([[1.0, -3.0]]), 0.0, np.array([-1.999996])).tolist()
    [[1.000001, -2.999997]]
    """
    total = base + shap.sum(axis=1)
    weight = np.abs(shap)
    sums = weight.sum(axis=1, keepdims=True)
    counted = abs(base) + sums[:, 0] + (1.0 if probability else 0.0)
    explained = np.abs(output - total) <= 168 * precision * counted  # some hundred trees, each rounded
    if probability:
        explained |= _rounded_probability(total, output, precision)
    share = np.where(sums > 0, weight / np.where(sums > 0, sums, 1.0), 1 / max(shap.shape[1], 1))
    return shap + np.where(explained, output - total, 0.0)[:, None] * share


def _rounded_probability(total: Array, output: Array, precision: float) -> Array:
    """Tell where both sums of log-odds are one probability, as far as its digits and its limits tell."""
    from scipy.special import expit

    from ml_utils.training.ensembles.blend import TINY

    edge = -float(log_odds(np.array([TINY]))[0])
    within = np.clip(total, -edge, edge)
    near_one = (output > 0) & (np.abs(expit(-within) - expit(-output)) <= _STEPS * precision)
    held = (np.abs(output) > edge - 1e-3) & (np.abs(within - output) < 1e-3)
    return np.asarray(near_one | held)
