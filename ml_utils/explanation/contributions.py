"""SHAP values of a pipeline's last step: what each feature adds to one row's log-odds or predicted value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml_utils.evaluation.metrics import Array

MAX_SAMPLED_ROWS = 100  # the model-agnostic way asks the model some thousand times a row
ORDERS = 20  # of features, each with a usual row of its own
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
        end in one: exact from the coefficients. Dummy models: zero. Others: sampled orders of the features,
        on at most 100 rows.
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
    linear models; Štrumbelj & Kononenko (2014) for sampled orders.
    """
    names = tuple(Z.columns)
    family = type(estimator).__module__.split(".")[0]
    if type(estimator).__name__.startswith("Dummy"):
        base = float(margin(estimator, Z.iloc[:1])[0])
        return Contributions("no column is used", names, np.zeros(Z.shape), base)
    if family in ("lightgbm", "xgboost"):
        table = _lightgbm(estimator, Z) if family == "lightgbm" else _xgboost(estimator, Z)
        return Contributions("SHAP, exact for trees", names, table[:, :-1], float(table[0, -1]))
    coefficients = _linear_parts(estimator, Z, background)
    if coefficients is not None:
        values, base = coefficients
        return Contributions("SHAP, exact for linear models", names, values, base)
    if type(estimator).__name__ in _ADDITIVE_TREES:
        return Contributions("SHAP, exact for trees", names, *_shap_trees(estimator, Z))
    return _sampled(estimator, Z, background, seed)


def margin(estimator: Any, Z: pd.DataFrame) -> Array:
    """Return log-odds of the positive class, or the predicted value."""
    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(Z), dtype=float)
    return log_odds(np.asarray(estimator.predict_proba(Z)[:, 1], dtype=float))


def log_odds(probability: Array) -> Array:
    """Return log(p / (1 − p)), p held one float epsilon away from 0 and 1."""
    p = np.clip(probability, np.finfo(float).eps, 1 - np.finfo(float).eps)
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
