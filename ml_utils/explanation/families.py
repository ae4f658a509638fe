"""Exact contributions of model families that have a formula or an algorithm: trees and linear models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ml_utils.evaluation.metrics import Array

# scikit-learn's tree models that add up in log-odds or in the target's unit
ADDITIVE_TREES = {
    *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "GradientBoostingClassifier"),
    *("GradientBoostingRegressor", "RandomForestRegressor", "ExtraTreesRegressor", "DecisionTreeRegressor"),
}


def family(estimator: Any) -> str:
    """Return the library that an estimator's class comes from, subclasses of its own included."""
    packages = [base.__module__.split(".")[0] for base in type(estimator).__mro__]
    return next((name for name in packages if name in ("lightgbm", "xgboost")), packages[0])


def lightgbm_table(estimator: Any, Z: pd.DataFrame) -> Array:
    """Return TreeSHAP values and, last, the base: (n_rows, n_features + 1), per class side by side."""
    return np.asarray(estimator.booster_.predict(Z.to_numpy(), pred_contrib=True, num_threads=1), dtype=float)


def xgboost_table(estimator: Any, Z: pd.DataFrame) -> Array:
    """Return TreeSHAP values and, last, the base: (n_rows, n_features + 1), with a class axis before."""
    from xgboost import DMatrix

    return np.asarray(estimator.get_booster().predict(DMatrix(Z), pred_contribs=True), dtype=float)


def shap_trees(estimator: Any, Z: pd.DataFrame) -> tuple[Array, Array]:
    """Return values (n_rows, n_features[, n_classes]) and base by shap.TreeExplainer."""
    import shap

    explainer = shap.TreeExplainer(estimator)
    return np.asarray(explainer.shap_values(Z), dtype=float), np.ravel(explainer.expected_value).astype(float)


def linear_parts(estimator: Any, Z: pd.DataFrame, background: pd.DataFrame) -> tuple[Array, Array] | None:
    """Explain a linear model, or one behind transformers that treat each feature apart.

    Parameters
    ----------
    estimator : fitted estimator, or pipeline that ends in one
    Z, background : DataFrame

    Returns
    -------
    (values, base) or None
        Values (n_rows, n_features, n_outputs) and base (n_outputs,); None where it is no such model.

    Notes
    -----
    Lundberg & Lee (2017), corollary 1: coefficient times distance from the background's mean.
    """
    head, last = None, estimator
    if hasattr(estimator, "steps"):
        head, last = estimator[:-1], estimator.steps[-1][1]
    if not (hasattr(last, "coef_") and hasattr(last, "intercept_")):
        return None
    weights = np.atleast_2d(last.coef_).astype(float)  # (n_outputs, n_derived)
    intercept = np.ravel(last.intercept_).astype(float)
    if head is None:
        owners = np.arange(Z.shape[1])
        rows, usual = Z.to_numpy(float), background.to_numpy(float)
    else:
        found = _owners([str(name) for name in head.get_feature_names_out()], list(Z.columns))
        if found is None:
            return None
        owners = found
        rows, usual = np.asarray(head.transform(Z), float), np.asarray(head.transform(background), float)
    if weights.shape[1] != rows.shape[1] or len(intercept) not in (1, len(weights)):
        return None
    centre = usual.mean(axis=0)
    values = np.zeros((len(Z), Z.shape[1], len(weights)))
    for k, row in enumerate(weights):
        np.add.at(values[:, :, k].T, owners, ((rows - centre) * row).T)
    return values, intercept + weights @ centre


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
