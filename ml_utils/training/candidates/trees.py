"""Tree candidates of scikit-learn: one tree, forests, histogram gradient boosting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_utils.training.candidates.base import ALL, Candidate, Params, Setting

if TYPE_CHECKING:
    from optuna import Trial
    from sklearn.base import BaseEstimator


def _tree(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if setting.task == "regression":
        return DecisionTreeRegressor(**params, random_state=setting.seed)
    return DecisionTreeClassifier(**params, random_state=setting.seed, class_weight=setting.class_weight)


def _tree_space(trial: Trial) -> Params:
    return {
        "max_depth": trial.suggest_int("max_depth", 2, 10),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 10, 300, log=True),
    }


def _random_forest(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    fixed = {**params, "random_state": setting.seed, "n_jobs": setting.n_jobs, "max_samples": 0.5}
    if setting.task == "regression":
        return RandomForestRegressor(**fixed)
    return RandomForestClassifier(**fixed, class_weight=setting.class_weight)


def _extra_trees(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    fixed = {**params, "random_state": setting.seed, "n_jobs": setting.n_jobs}
    if setting.task == "regression":
        return ExtraTreesRegressor(**fixed)
    return ExtraTreesClassifier(**fixed, class_weight=setting.class_weight)


def _forest_space(trial: Trial) -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 100, 300, step=50),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, 60, log=True),
        "max_features": trial.suggest_float("max_features", 0.1, 0.8),
    }


def _histogram(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    fixed = {**params, "random_state": setting.seed, "early_stopping": False}
    if setting.task == "regression":
        return HistGradientBoostingRegressor(**fixed)
    return HistGradientBoostingClassifier(**fixed, class_weight=setting.class_weight)


def _histogram_space(trial: Trial) -> Params:
    return {
        "max_iter": trial.suggest_int("max_iter", 100, 350, step=50),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.12, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 31, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 10, 200, log=True),
        "l2_regularization": trial.suggest_float("l2_regularization", 0.1, 50.0, log=True),
        "max_features": trial.suggest_float("max_features", 0.3, 1.0),
    }


_FOREST = {"n_estimators": 200, "min_samples_leaf": 8, "max_features": 0.3}

TREES = (
    Candidate(
        *("decision_tree", "decision tree", ALL, _tree, _tree_space),
        *({"max_depth": 5, "min_samples_leaf": 50}, {"max_depth": (3, 5, 8)}, 12),
    ),
    Candidate(
        *("random_forest", "random forest", ALL, _random_forest, _forest_space),
        *(_FOREST, {"min_samples_leaf": (4, 16), "max_features": (0.2, 0.5)}),
    ),
    Candidate(
        *("extra_trees", "extremely randomised trees", ALL, _extra_trees, _forest_space),
        *(_FOREST, {"min_samples_leaf": (4, 16), "max_features": (0.3, 0.6)}),
    ),
    Candidate(
        *("hist_gradient_boosting", "histogram gradient boosting", ALL, _histogram, _histogram_space),
        {
            **{"max_iter": 300, "learning_rate": 0.04, "max_leaf_nodes": 6, "min_samples_leaf": 40},
            **{"l2_regularization": 5.0, "max_features": 0.5},
        },
        {"max_leaf_nodes": (4, 8, 16), "learning_rate": (0.03, 0.06)},
        rounds="max_iter",
    ),
)
