"""Linear models, behind scalers and splines, as weights and curves of the features themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_utils.compiled.estimators import Linear
from ml_utils.errors import CannotCompile

if TYPE_CHECKING:
    import pandas as pd

Spec = dict[str, Any]
_CLASSIFIERS = ("LogisticRegression",)
_REGRESSORS = ("Ridge", "ElasticNet", "LinearRegression", "Lasso")


def compile_linear(estimator: Any, background: pd.DataFrame | None) -> Spec | None:
    """Write a linear model down: log-odds, or the value, as a sum of one function a feature.

    Parameters
    ----------
    estimator : scikit-learn estimator
        A linear model, or a pipeline of a StandardScaler, splines (both optional) and one.
    background : DataFrame or None
        Features of training rows; with them the mean of each part is kept, for explanations.

    Returns
    -------
    dict or None
        None where it is something else.
    """
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    *before, last = steps
    kind = type(last).__name__
    if kind not in (*_CLASSIFIERS, *_REGRESSORS):
        return None
    n = int(before[0].n_features_in_ if before else last.n_features_in_)
    centre, spread = np.zeros(n), np.ones(n)
    if before and type(before[0]).__name__ == "StandardScaler":
        scaler = before.pop(0)
        centre = np.zeros(n) if scaler.mean_ is None else np.asarray(scaler.mean_, dtype=float)
        spread = np.ones(n) if scaler.scale_ is None else np.asarray(scaler.scale_, dtype=float)
    weights = np.ravel(last.coef_).astype(float)
    curves: list[Spec] = []
    if before and type(before[0]).__name__ == "ColumnTransformer":
        weights, curves = _curves(before.pop(0), weights, n, centre, spread)
    if before:
        raise CannotCompile(f"{type(before[0]).__name__} before {kind}")
    if len(weights) != n:
        raise CannotCompile(f"{kind} with {len(weights)} weights for {n} features")
    intercept = float(np.ravel(last.intercept_)[0]) - float((weights * centre / spread).sum())
    used = np.flatnonzero(weights)
    spec: Spec = {
        "kind": "linear",
        "link": "log-odds" if kind in _CLASSIFIERS else "value",
        "intercept": intercept,
        "features": used.tolist(),
        "weights": (weights / spread)[used].tolist(),
        "curves": curves,
    }
    if background is not None:
        spec["usual"] = _usual(spec, background.to_numpy(dtype=float).T)
    return spec


def _curves(
    transformer: Any, weights: np.ndarray, n: int, centre: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, list[Spec]]:
    """Part the weights behind splines into plain weights, and a curve for each splined feature."""
    plain, curves = np.zeros(n), []
    names = [str(name) for name in getattr(transformer, "feature_names_in_", [])]
    for label, step, columns in transformer.transformers_:
        part = weights[transformer.output_indices_[label]]
        places = [names.index(name) if isinstance(name, str) else int(name) for name in _listed(columns, n)]
        kind = type(step).__name__
        if kind == "SplineTransformer":
            each = np.split(part, len(places)) if places else []
            for i, (place, own) in enumerate(zip(places, each, strict=True)):
                curves.append(_curve(step, i, own, place, centre[place], spread[place]))
        elif step == "passthrough" or (kind == "FunctionTransformer" and step.func is None):
            plain[places] += part
        elif len(part) or step != "drop":
            raise CannotCompile(f"{kind} in a ColumnTransformer")
    return plain, curves


def _listed(columns: Any, n: int) -> list[Any]:
    return list(range(n))[columns] if isinstance(columns, slice) else list(columns)


def _curve(splines: Any, i: int, weights: np.ndarray, feature: int, centre: float, spread: float) -> Spec:
    """Write the weighted sum of one feature's B-splines as polynomials between their knots."""
    from scipy.interpolate import BSpline, PPoly

    if splines.extrapolation != "constant":
        raise CannotCompile(f"SplineTransformer with extrapolation={splines.extrapolation!r}")
    basis = splines.bsplines_[i]
    own = weights if splines.include_bias else np.append(weights, 0.0)
    pieces = PPoly.from_spline(BSpline(basis.t, own, basis.k))
    low, high = basis.t[basis.k], basis.t[-basis.k - 1]
    starts, ends = pieces.x[:-1], pieces.x[1:]
    kept = np.flatnonzero((ends > starts) & (starts >= low) & (ends <= high))
    powers = spread ** np.arange(basis.k, -1, -1.0)
    breaks = np.append(starts[kept], ends[kept[-1]]) * spread + centre
    return {
        "feature": int(feature),
        "breaks": breaks.tolist(),
        "pieces": (pieces.c[:, kept] / powers[:, None]).T.tolist(),
    }


def _usual(spec: Spec, rows: np.ndarray) -> Spec:
    """Return the mean of each part over the background."""
    linear = Linear(spec)
    means = [
        weight * float(rows[i].mean()) for i, weight in zip(linear.features, linear.weights, strict=True)
    ]
    curves = [float(curve.many(rows[curve.feature]).mean()) for curve in linear.curves]
    return {"features": means, "curves": curves}
