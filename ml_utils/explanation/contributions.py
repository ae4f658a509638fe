"""SHAP values of a pipeline's last step: what each feature adds to one row's log-odds or predicted value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.evaluation.metrics import Array

MAX_SAMPLED_ROWS = 100  # the model-agnostic way asks the model some thousand times a row
ORDERS = 20  # of features, each with a usual row of its own
_EXACT = "SHAP, exact for "
_TREES, _LINEAR = f"{_EXACT}trees", f"{_EXACT}linear models"
# scikit-learn's tree models that add up in log-odds or in the target's unit
_ADDITIVE_TREES = {
    *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "GradientBoostingClassifier"),
    *("GradientBoostingRegressor", "RandomForestRegressor", "ExtraTreesRegressor", "DecisionTreeRegressor"),
}


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
    """Compute SHAP values of a fitted estimator.

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

    XGBoost counts in 32 bits: its values and its probability are each rounded. What rounding leaves between
    them, and no more than rounding can explain, is shared among the features in proportion to their values.
    """
    if hasattr(estimator, "members_"):
        return _blended(estimator, Z, background, seed)
    if hasattr(estimator, "calibrator") and estimator.calibrator.method in ("none", "sigmoid"):
        return _calibrated(estimator, Z, background, seed)
    return _single(estimator, Z, background, seed)


def _blended(blend: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Contributions:
    parts = [contributions(member, Z, background, seed) for _, member in blend.members_]
    n_rows = min(len(part.shap) for part in parts)  # a member that is sampled is explained on few rows
    shap, base = np.zeros((n_rows, Z.shape[1])), float(blend.intercept)
    for weight, part in zip(blend.weights, parts, strict=True):
        shap += weight * part.shap[:n_rows]
        base += weight * part.base
    return Contributions(_methods(part.method for part in parts), tuple(Z.columns), shap, base)


def _calibrated(model: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Contributions:
    part = contributions(model.estimator_, Z, background, seed)
    slope, intercept = float(model.calibrator.slope), float(model.calibrator.intercept)
    return replace(part, shap=slope * part.shap, base=slope * part.base + intercept)


def _methods(found: Iterable[str]) -> str:
    """Join the ways in which members were explained, each named once."""
    names = list(dict.fromkeys(found))
    exact = [name.removeprefix(_EXACT) for name in names if name.startswith(_EXACT)]
    others = [name for name in names if not name.startswith(_EXACT)]
    return "; ".join([_EXACT + " and ".join(exact), *others] if exact else others)


def _single(estimator: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Contributions:
    names = tuple(Z.columns)
    family = type(estimator).__module__.split(".")[0]
    if type(estimator).__name__.startswith("Dummy"):
        base = float(margin(estimator, Z.iloc[:1])[0])
        return Contributions("no column is used", names, np.zeros(Z.shape), base)
    if family == "lightgbm":
        table = _lightgbm(estimator, Z)
        return Contributions(_TREES, names, table[:, :-1], float(table[0, -1]))
    if family == "xgboost":
        table = _xgboost(estimator, Z)
        base = float(table[0, -1])
        return Contributions(_TREES, names, spread_rounding(table[:, :-1], base, margin(estimator, Z)), base)
    coefficients = _linear_parts(estimator, Z, background)
    if coefficients is not None:
        return Contributions(_LINEAR, names, *coefficients)
    if type(estimator).__name__ in _ADDITIVE_TREES:
        return Contributions(_TREES, names, *_shap_trees(estimator, Z))
    return _sampled(estimator, Z, background, seed)


def spread_rounding(shap: Array, base: float, output: Array) -> Array:
    """Share what 32-bit rounding leaves between a model's output and its SHAP values among these.

    Parameters
    ----------
    shap : ndarray of shape (n_rows, n_features)
    base : float
    output : ndarray of shape (n_rows,)
        Log-odds of the model's probability, or its predicted value.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
        Rows where more is missing than rounding explains are left as they are: the error shows.

    Examples
    --------
    >>> spread_rounding(np.array([[1.0, -3.0]]), 0.0, np.array([-1.999996])).tolist()
    [[1.000001, -2.999997]]
    """
    left = output - base - shap.sum(axis=1)
    # a probability near 1 keeps one part in 2^24; of its log-odds that is a multiple of 1 / (1 − p)
    limit = 1e-5 * (1 + np.abs(output)) + 2.0**-23 * np.exp(np.minimum(output, 12.0))
    weight = np.abs(shap)
    total = weight.sum(axis=1, keepdims=True)
    share = np.where(total > 0, weight / np.where(total > 0, total, 1.0), 1 / shap.shape[1])
    return shap + np.where(np.abs(left) <= limit, left, 0.0)[:, None] * share


def margin(estimator: Any, Z: pd.DataFrame) -> Array:
    """Return log-odds of the positive class, or the predicted value."""
    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(Z), dtype=float)
    return log_odds(np.asarray(estimator.predict_proba(Z)[:, 1], dtype=float))


def log_odds(probability: Array) -> Array:
    """Return log(p / (1 − p)), p held as far away from 0 and 1 as blends hold it."""
    from ml_utils.training.ensembles.blend import TINY

    p = np.clip(probability, TINY, 1 - TINY)
    return np.log(p) - np.log1p(-p)


def _lightgbm(estimator: Any, Z: pd.DataFrame) -> Array:
    return np.asarray(estimator.booster_.predict(Z.to_numpy(), pred_contrib=True, num_threads=1), dtype=float)


def _xgboost(estimator: Any, Z: pd.DataFrame) -> Array:
    from xgboost import DMatrix

    return np.asarray(estimator.get_booster().predict(DMatrix(Z), pred_contribs=True), dtype=float)


def _linear_parts(estimator: Any, Z: pd.DataFrame, background: pd.DataFrame) -> tuple[Array, float] | None:
    """Contributions of a linear model, or of one behind transformers that treat each feature apart."""
    head, last = None, estimator
    if hasattr(estimator, "steps"):
        head, last = estimator[:-1], estimator.steps[-1][1]
    if not (hasattr(last, "coef_") and hasattr(last, "intercept_")):
        return None
    weights = np.ravel(last.coef_).astype(float)
    intercept = float(np.ravel(last.intercept_)[0])
    if head is None:
        owners = np.arange(Z.shape[1])
        rows, usual = Z.to_numpy(float), background.to_numpy(float)
    else:
        found = _owners([str(name) for name in head.get_feature_names_out()], list(Z.columns))
        if found is None:
            return None
        owners = found
        rows, usual = np.asarray(head.transform(Z), float), np.asarray(head.transform(background), float)
    if len(weights) != rows.shape[1]:
        return None  # more than one output
    centre = usual.mean(axis=0)
    values = np.zeros(Z.shape)
    np.add.at(values.T, owners, ((rows - centre) * weights).T)
    return values, float(intercept + centre @ weights)


def _owners(derived: list[str], features: list[str]) -> np.ndarray | None:
    """Tell which feature each derived column comes from, by its name: `splines__tenure_sp_3` is tenure's."""
    found = []
    for name in derived:
        bare = name.split("__", 1)[-1]
        fits = [
            i for i, feature in enumerate(features) if bare == feature or bare.startswith(f"{feature}_sp_")
        ]
        if len(fits) != 1:
            return None
        found.append(fits[0])
    return np.array(found)


def _shap_trees(estimator: Any, Z: pd.DataFrame) -> tuple[Array, float]:
    import shap

    explainer = shap.TreeExplainer(estimator)
    return np.asarray(explainer.shap_values(Z), dtype=float), float(np.ravel(explainer.expected_value)[0])


def _sampled(estimator: Any, Z: pd.DataFrame, background: pd.DataFrame, seed: int) -> Contributions:
    """Shapley values by sampled orders, each order used forwards and backwards.

    Own code: shap's permutation explainer compiles for 15 s before it answers. One usual row an order, the
    same for all rows explained, so that base and contributions add up exactly.
    """
    rng = np.random.default_rng(seed)
    rows = Z.to_numpy(float)[:MAX_SAMPLED_ROWS]
    usual = background.to_numpy(float)
    if len(usual) > ORDERS:
        usual = usual[np.sort(rng.choice(len(usual), ORDERS, replace=False))]
    n, d = rows.shape
    total, base = np.zeros((n, d)), 0.0
    for start in usual:
        forwards = rng.permutation(d)
        for order in (forwards, forwards[::-1]):
            steps = np.repeat(np.tile(start, (n, 1))[None], d + 1, axis=0)
            for step, feature in enumerate(order, start=1):
                steps[step:, :, feature] = rows[:, feature]
            output = margin(estimator, pd.DataFrame(steps.reshape(-1, d), columns=Z.columns)).reshape(
                d + 1, n
            )
            total[:, order] += np.diff(output, axis=0).T
            base += float(output[0, 0])
    runs = 2 * len(usual)
    return Contributions("SHAP by sampled orders", tuple(Z.columns), total / runs, base / runs)
