"""Boosters with a library of their own: LightGBM, XGBoost, and CatBoost where it is installed.

They start shallow, slow and regularised: a good start beats a long search, and the libraries' own defaults
are neither shallow nor slow.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ml_utils.training.candidates.base import ALL, Candidate, Params, Setting

if TYPE_CHECKING:
    from optuna import Trial
    from sklearn.base import BaseEstimator

_SLOW: Params = {"n_estimators": 300, "learning_rate": 0.04, "subsample": 0.7, "reg_lambda": 5.0}
# fewer trees, larger ones, for tables where columns act together
_LARGE: Params = {"n_estimators": 200, "learning_rate": 0.025, "subsample": 1.0, "reg_lambda": 1.0}


def has_catboost() -> bool:
    """Tell whether CatBoost is installed."""
    return find_spec("catboost") is not None


def _lightgbm(params: Params, setting: Setting) -> BaseEstimator:
    from lightgbm import LGBMClassifier, LGBMRegressor

    from ml_utils.training.device import lightgbm_has_cuda

    # deterministic and row-wise: the same bytes from run to run, whatever the machine's load
    fixed: dict[str, Any] = {
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        "subsample_freq": 1,
    }
    if setting.device == "cuda" and lightgbm_has_cuda():
        fixed = {"device_type": "cuda", "verbosity": -1, "subsample_freq": 1}
    common: dict[str, Any] = {**params, **fixed, "random_state": setting.seed, "n_jobs": setting.n_jobs}
    if setting.task == "regression":
        return LGBMRegressor(**common)
    if setting.task == "multiclass":
        return LGBMClassifier(**common, class_weight=setting.class_weight)
    return LGBMClassifier(**common, scale_pos_weight=setting.positive_weight)


def _xgboost(params: Params, setting: Setting) -> BaseEstimator:
    from xgboost import XGBClassifier, XGBRegressor

    common = {**params, "tree_method": "hist", "random_state": setting.seed, "n_jobs": setting.n_jobs}
    if setting.device == "cuda":
        common["device"] = "cuda"
    if setting.task == "regression":
        return XGBRegressor(**common)
    if setting.task == "multiclass" and setting.balanced:
        from ml_utils.training.candidates.balanced import BalancedXGBClassifier

        return BalancedXGBClassifier(**common)
    if setting.task == "multiclass":
        return XGBClassifier(**common)
    return XGBClassifier(**common, scale_pos_weight=setting.positive_weight)


def _catboost(params: Params, setting: Setting) -> BaseEstimator:
    from catboost import CatBoostClassifier, CatBoostRegressor

    fixed: dict[str, Any] = {
        **params,
        "random_seed": setting.seed,
        "thread_count": setting.n_jobs,
        "allow_writing_files": False,
        "verbose": False,
    }
    if setting.task == "regression":
        return CatBoostRegressor(**fixed)
    if setting.task == "multiclass":
        return CatBoostClassifier(**fixed, auto_class_weights="Balanced" if setting.balanced else None)
    return CatBoostClassifier(**fixed, scale_pos_weight=setting.positive_weight)


def _lightgbm_space(trial: Trial, leaves: tuple[int, int] = (4, 31)) -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 100, 350, step=50),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.12, log=True),
        "num_leaves": trial.suggest_int("num_leaves", *leaves, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 10, 200, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bynode": trial.suggest_float("colsample_bynode", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 50.0, log=True),
    }


def _lightgbm_large_space(trial: Trial) -> Params:
    return _lightgbm_space(trial, (12, 63))


def _xgboost_space(trial: Trial) -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 100, 350, step=50),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.12, log=True),
        "max_depth": trial.suggest_int("max_depth", 2, 5),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 50.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 50.0, log=True),
    }


def _catboost_space(trial: Trial) -> Params:
    return {
        "iterations": trial.suggest_int("iterations", 150, 500, step=50),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.12, log=True),
        "depth": trial.suggest_int("depth", 2, 6),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1.0, 30.0, log=True),
    }


BOOSTERS = (
    Candidate(
        *("lightgbm", "LightGBM", ALL, _lightgbm, _lightgbm_space),
        {**_SLOW, "num_leaves": 6, "min_child_samples": 40, "colsample_bynode": 0.5},
        {"num_leaves": (4, 8, 16), "learning_rate": (0.03, 0.06)},
        rounds="n_estimators",
    ),
    Candidate(
        *("lightgbm_large", "LightGBM with larger trees", ALL, _lightgbm, _lightgbm_large_space),
        {**_LARGE, "num_leaves": 24, "min_child_samples": 20, "colsample_bynode": 0.3},
        {"num_leaves": (16, 32, 48), "learning_rate": (0.02, 0.04)},
        rounds="n_estimators",
    ),
    Candidate(
        *("xgboost", "XGBoost", ALL, _xgboost, _xgboost_space),
        {**_SLOW, "max_depth": 3, "min_child_weight": 5.0, "colsample_bytree": 0.5},
        {"max_depth": (2, 3, 5), "learning_rate": (0.03, 0.06)},
        rounds="n_estimators",
    ),
    Candidate(
        *("catboost", "CatBoost", ALL, _catboost, _catboost_space),
        {"iterations": 400, "learning_rate": 0.05, "depth": 4, "l2_leaf_reg": 5.0},
        {"depth": (3, 4, 6), "learning_rate": (0.03, 0.08)},
        rounds="iterations",
    ),
)
