"""SHAP values of a pipeline's last step: what each feature adds to one row's log-odds or predicted value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.evaluation.metrics import Array
from ml_utils.explanation import sampling
from ml_utils.explanation.families import (
    ADDITIVE_TREES,
    family,
    lightgbm_table,
    linear_parts,
    shap_trees,
    xgboost_table,
)
from ml_utils.explanation.rounding import DOUBLE, SINGLE, log_odds, margin, spread_rounding

__all__ = ["Contributions", "contributions", "join_methods", "log_odds", "margin", "spread_rounding"]

_EXACT = "SHAP, exact for "
TREES, LINEAR = f"{_EXACT}trees", f"{_EXACT}linear models"
UNUSED = "no column is used"


@dataclass(frozen=True)
class Contributions:
    """SHAP values by feature.

    Parameters
    ----------
    method : str
        How they were computed, for the page.
    features : tuple of str
    shap : ndarray of shape (n_rows, n_features)
        In log-odds for a binary task, in the target's unit for a regression.
    base : float
        What a row without any contribution would get; base plus the values is the model's output.
    """

    method: str
    features: tuple[str, ...]
    shap: Array
    base: float


def contributions(estimator: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Contributions:
    """Compute SHAP values of a fitted estimator with one output.

    Parameters
    ----------
    estimator : scikit-learn estimator
        LightGBM and XGBoost: exact TreeSHAP by the library's own code, which shap.TreeExplainer calls too.
        scikit-learn's boosters and regression trees: shap.TreeExplainer. Linear models, and pipelines that
        end in one: exact from the coefficients. Blends: the weighted sum of their members' values. Models
        calibrated by a sigmoid: the model's values times its slope. Dummy models: zero. Others: sampled
        orders of the features, on at most 100 rows.
    Z : DataFrame of shape (n_rows, n_features)
        Features, as the estimator takes them.
    background : DataFrame of shape (n_background, n_features)
        What the linear and the model-agnostic way call usual.
    seed : int
        For the model-agnostic way.

    Returns
    -------
    Contributions

    Notes
    -----
    Lundberg et al. (2020), Nature Machine Intelligence 2, for trees; Lundberg & Lee (2017), corollary 1, for
    linear models; Štrumbelj & Kononenko (2014) for sampled orders. SHAP values are linear in the model, so
    that those of a weighted sum are the weighted sum of values.

    XGBoost counts in 32 bits: its values and its probability are each rounded. A probability next to 1 has
    lost the digits of its log-odds, and is held off 1 before they are taken. What that leaves between the
    two, and no more than it can explain, is shared among the features in proportion to their values.
    """
    if hasattr(estimator, "members_"):
        return _blended(estimator, Z, background, seed)
    if hasattr(estimator, "calibrator") and estimator.calibrator.method in ("none", "sigmoid"):
        return _calibrated(estimator, Z, background, seed)
    found, precision = _single(estimator, Z, background, seed)
    rows = Z.iloc[: len(found.shap)]
    return _matched(found, margin(estimator, rows), hasattr(estimator, "predict_proba"), precision)


def _matched(found: Contributions, output: Array, probability: bool, precision: float) -> Contributions:
    return replace(found, shap=spread_rounding(found.shap, found.base, output, probability, precision))


def _blended(blend: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Contributions:
    parts = [contributions(member, Z, background, seed) for _, member in blend.members_]
    n_rows = min(len(part.shap) for part in parts)  # a member that is sampled is explained on few rows
    shap, base = np.zeros((n_rows, Z.shape[1])), float(blend.intercept)
    for weight, part in zip(blend.weights, parts, strict=True):
        shap += weight * part.shap[:n_rows]
        base += weight * part.base
    return Contributions(join_methods(part.method for part in parts), tuple(Z.columns), shap, base)


def _calibrated(model: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Contributions:
    part = contributions(model.estimator_, Z, background, seed)
    slope, intercept = float(model.calibrator.slope), float(model.calibrator.intercept)
    return replace(part, shap=slope * part.shap, base=slope * part.base + intercept)


def join_methods(found: Iterable[str]) -> str:
    """Join the ways in which members were explained, each named once."""
    names = list(dict.fromkeys(found))
    exact = [name.removeprefix(_EXACT) for name in names if name.startswith(_EXACT)]
    others = [name for name in names if not name.startswith(_EXACT)]
    return "; ".join([_EXACT + " and ".join(exact), *others] if exact else others)


def _single(
    estimator: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int
) -> tuple[Contributions, float]:
    """Return the values of a model that is no ensemble of ours, and the precision it counts with."""
    names = tuple(Z.columns)
    if type(estimator).__name__.startswith("Dummy"):
        base = float(margin(estimator, Z.iloc[:1])[0])
        return Contributions(UNUSED, names, np.zeros(Z.shape), base), DOUBLE
    kind = family(estimator)
    if kind in ("lightgbm", "xgboost"):
        table = (lightgbm_table if kind == "lightgbm" else xgboost_table)(estimator, Z)
        found = Contributions(TREES, names, table[:, :-1], float(table[0, -1]))
        return found, SINGLE if kind == "xgboost" else DOUBLE
    linear = linear_parts(estimator, Z, background)
    if linear is not None and linear[0].shape[2] == 1:
        return Contributions(LINEAR, names, linear[0][:, :, 0], float(linear[1][0])), DOUBLE
    if type(estimator).__name__ in ADDITIVE_TREES:
        values, expected = shap_trees(estimator, Z)
        return Contributions(TREES, names, values, float(expected[0])), DOUBLE
    values, start = sampling.sampled_shapley(estimator, Z, background, seed)
    return Contributions(sampling.METHOD, names, values, float(start[0])), DOUBLE
