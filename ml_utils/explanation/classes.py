"""SHAP values of a model of several classes, one set a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.evaluation.metrics import Array
from ml_utils.explanation import sampling
from ml_utils.explanation.contributions import LINEAR, TREES, UNUSED, Contributions, join_methods
from ml_utils.explanation.families import family, lightgbm_table, linear_parts, xgboost_table
from ml_utils.explanation.rounding import SINGLE, margin, spread_rounding

Stack = tuple[str, Array, Array]  # method, values (n_rows, n_features, n_classes), base (n_classes,)


def class_contributions(
    estimator: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int
) -> list[Contributions]:
    """Compute SHAP values of a classifier of three or more classes.

    Parameters
    ----------
    estimator : scikit-learn classifier
        As `contributions` takes it.
    Z, background : DataFrame
    seed : int

    Returns
    -------
    list of Contributions
        One a class, in the order of `classes_`. Base plus values is the class's centred log-probability:
        log p less its mean over the classes. It is what a softmax's scores are but for a constant, so that
        boosters and linear models are exact, and blends and temperature scaling stay sums.
    """
    names = tuple(Z.columns)
    method, values, base = _stack(estimator, Z, background, seed)
    output = margin(estimator, Z.iloc[: len(values)])
    found = []
    for k in range(values.shape[2]):
        part = Contributions(method, names, values[:, :, k], float(base[k]))
        spread = spread_rounding(part.shap, part.base, output[:, k], True, SINGLE)
        found.append(replace(part, shap=spread))
    return found


def _stack(estimator: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Stack:
    if hasattr(estimator, "members_"):
        parts = [_stack(member, Z, background, seed) for _, member in estimator.members_]
        return _weighted(parts, estimator.weights, estimator.intercept)
    if hasattr(estimator, "calibrator") and estimator.calibrator.method in ("none", "sigmoid"):
        part = _stack(estimator.estimator_, Z, background, seed)
        return _weighted([part], [float(estimator.calibrator.slope)], estimator.calibrator.intercept)
    return _leaf(estimator, Z, background, seed)


def _weighted(parts: Sequence[Stack], weights: Sequence[float], intercept: float | Sequence[float]) -> Stack:
    n_rows = min(len(values) for _, values, _ in parts)
    values = sum(w * part[1][:n_rows] for w, part in zip(weights, parts, strict=True))
    base = sum(w * part[2] for w, part in zip(weights, parts, strict=True))
    shift = np.broadcast_to(np.asarray(intercept, dtype=float), np.shape(base))
    return (
        join_methods(part[0] for part in parts),
        np.asarray(values),
        np.asarray(base + shift - shift.mean()),
    )


def _leaf(estimator: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Stack:
    n_classes, kind = len(estimator.classes_), family(estimator)
    if type(estimator).__name__.startswith("Dummy"):
        return UNUSED, np.zeros((*Z.shape, n_classes)), margin(estimator, Z.iloc[:1])[0]
    if kind in ("lightgbm", "xgboost"):
        table = (lightgbm_table if kind == "lightgbm" else xgboost_table)(estimator, Z)
        table = table.reshape(len(Z), n_classes, -1).swapaxes(1, 2)
        return _centred(TREES, table[:, :-1], table[0, -1])
    linear = linear_parts(estimator, Z, background)
    if linear is not None and linear[0].shape[2] == n_classes:
        return _centred(LINEAR, *linear)
    return _centred(sampling.METHOD, *sampling.sampled_shapley(estimator, Z, background, seed))


def _centred(method: str, values: Array, base: Array) -> Stack:
    return method, values - values.mean(axis=2, keepdims=True), base - base.mean()
