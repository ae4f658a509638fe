"""Linear candidates: logistic, elastic net, ridge, and either on splines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.training.candidates.base import ALL, CLASSES, NUMBERS, Candidate, Params, Setting

if TYPE_CHECKING:
    from optuna import Trial
    from sklearn.base import BaseEstimator


def graded_columns(frame: pd.DataFrame, n_values: int = 12) -> list[str]:
    """Return the columns with more than `n_values` different values: a curve through fewer says nothing."""
    return [name for name in frame.columns if frame[name].nunique() > n_values]


def _baseline(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return DummyRegressor() if setting.task == "regression" else DummyClassifier(strategy="prior")


def _on_scaled(estimator: BaseEstimator, *before: BaseEstimator) -> BaseEstimator:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().set_output(transform="pandas")
    return make_pipeline(scaler, *before, estimator)


def _last_logistic(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=params["C"], class_weight=setting.class_weight, max_iter=2000)


def _logistic(params: Params, setting: Setting) -> BaseEstimator:
    return _on_scaled(_last_logistic(params, setting))


def _elastic_net(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.linear_model import ElasticNet, LogisticRegression

    if setting.task == "regression":
        return _on_scaled(ElasticNet(alpha=params["alpha"], l1_ratio=params["l1_ratio"], max_iter=5000))
    strength = 1 / (100 * params["alpha"])  # one scale of alpha for both tasks
    return _on_scaled(
        LogisticRegression(
            C=strength,
            l1_ratio=params["l1_ratio"],
            solver="saga",
            tol=1e-3,
            max_iter=300,
            class_weight=setting.class_weight,
            random_state=setting.seed,
        )
    )


def _ridge(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.linear_model import Ridge

    return _on_scaled(Ridge(alpha=params["alpha"]))


def _curves(params: Params) -> BaseEstimator:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import SplineTransformer

    splines = SplineTransformer(n_knots=int(params["n_knots"]), knots="quantile", extrapolation="constant")
    return ColumnTransformer([("splines", splines, graded_columns)], remainder="passthrough")


def _spline_logistic(params: Params, setting: Setting) -> BaseEstimator:
    return _on_scaled(_last_logistic(params, setting), _curves(params))


def _spline_ridge(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.linear_model import Ridge

    return _on_scaled(Ridge(alpha=params["alpha"]), _curves(params))


def _c_space(trial: Trial) -> Params:
    return {"C": trial.suggest_float("C", 1e-3, 10.0, log=True)}


def _elastic_space(trial: Trial) -> Params:
    return {
        "alpha": trial.suggest_float("alpha", 1e-4, 1.0, log=True),
        "l1_ratio": trial.suggest_float("l1_ratio", 0.05, 1.0),
    }


def _ridge_space(trial: Trial) -> Params:
    return {"alpha": trial.suggest_float("alpha", 1e-2, 1e4, log=True)}


def _knots(trial: Trial) -> int:
    return trial.suggest_int("n_knots", 4, 10)


_C = (0.01, 0.1, 1.0)
_ALPHA = (0.1, 10.0, 1000.0)

LINEAR = (
    Candidate("baseline", "baseline (no column)", ALL, _baseline, weighs=False),
    Candidate(
        *("logistic", "logistic regression", CLASSES, _logistic, _c_space),
        *({"C": 0.1}, {"C": _C}, 6),
    ),
    Candidate(
        *("ridge", "ridge regression", NUMBERS, _ridge, _ridge_space),
        *({"alpha": 10.0}, {"alpha": _ALPHA}, 6),
    ),
    Candidate(
        *("elastic_net", "elastic net", ALL, _elastic_net, _elastic_space),
        *({"alpha": 0.01, "l1_ratio": 0.5}, {"alpha": (0.001, 0.01, 0.1), "l1_ratio": (0.2, 0.8)}, 12),
    ),
    Candidate(
        *("spline_logistic", "logistic on splines", CLASSES, _spline_logistic),
        lambda trial: {**_c_space(trial), "n_knots": _knots(trial)},
        *({"C": 1.0, "n_knots": 8}, {"C": _C, "n_knots": (5, 8)}, 10),
    ),
    Candidate(
        *("spline_ridge", "ridge on splines", NUMBERS, _spline_ridge),
        lambda trial: {**_ridge_space(trial), "n_knots": _knots(trial)},
        *({"alpha": 10.0, "n_knots": 8}, {"alpha": _ALPHA, "n_knots": (5, 8)}, 10),
    ),
)
