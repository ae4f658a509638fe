"""Tree ensembles as plain arrays, read off fitted estimators."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_utils.errors import CannotCompile

_ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold


@dataclass(frozen=True)
class Tree:
    """One tree, node by node; a leaf has feature −1.

    Parameters
    ----------
    feature, left, right : ndarray of int
    threshold, value : ndarray of float64
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Ensemble:
    """Trees whose values are added up, and the precision that this is done in.

    Parameters
    ----------
    trees : tuple of Tree
    base : float
        What the sum starts from.
    single : bool
        Whether thresholds, values and sum are of 32 bits, as XGBoost's.
    rounded : bool
        Whether features are rounded to 32 bits before they are compared, as scikit-learn's trees do.
    below : bool
        Whether a feature goes left when below the threshold, not also when equal to it.
    """

    trees: tuple[Tree, ...]
    base: float = 0.0
    single: bool = False
    rounded: bool = False
    below: bool = False


def from_lightgbm(estimator: Any) -> tuple[Ensemble, str, float]:
    """Read LightGBM's trees; return them, their link, and the slope of the log-odds."""
    model = estimator.booster_.dump_model()
    name, _, rest = str(model["objective"]).partition(" ")
    if model.get("average_output") or name not in ("binary", "regression"):
        raise CannotCompile(f"LightGBM with the objective {model['objective']!r}")
    if name == "regression" and "sqrt" in rest:
        raise CannotCompile("LightGBM with reg_sqrt")
    slope = float(rest.partition("sigmoid:")[2] or 1.0)
    trees = tuple(_lightgbm_tree(item["tree_structure"]) for item in model["tree_info"])
    return Ensemble(trees), "log-odds" if name == "binary" else "value", slope


def _lightgbm_tree(root: Mapping[str, Any]) -> Tree:
    nodes: list[list[float]] = []

    def add(node: Mapping[str, Any]) -> int:
        place = len(nodes)
        nodes.append([-1, 0.0, -1, -1, 0.0])
        if "leaf_value" in node:
            if "leaf_const" in node or "leaf_coeff" in node:
                raise CannotCompile("LightGBM with linear trees")
            nodes[place][4] = node["leaf_value"]
            return place
        if node["decision_type"] != "<=":
            raise CannotCompile("LightGBM with categorical splits")
        nodes[place][:2] = [node["split_feature"], _around_zero(float(node["threshold"]))]
        nodes[place][2] = add(node["left_child"])
        nodes[place][3] = add(node["right_child"])
        return place

    add(root)
    feature, threshold, left, right, value = np.array(nodes, dtype=float).T
    return Tree(feature.astype(int), threshold, left.astype(int), right.astype(int), value)


def _around_zero(cut: float) -> float:
    """Return where to cut for what LightGBM does: it takes a feature within 1e-35 of zero for zero."""
    if -_ZERO <= cut < 0:
        return math.nextafter(-_ZERO, -math.inf)
    return _ZERO if 0 <= cut < _ZERO else cut


def from_xgboost(estimator: Any) -> tuple[Ensemble, str, float]:
    """Read XGBoost's trees; return them, their link, and 1."""
    booster = xgboost_booster(estimator)
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective, grown = learner["objective"]["name"], learner["gradient_booster"]
    if grown["name"] != "gbtree" or objective not in ("binary:logistic", "reg:squarederror"):
        raise CannotCompile(f"XGBoost with {grown['name']} and the objective {objective!r}")
    score = np.float32(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    logistic = objective == "binary:logistic"
    # in 32 bits as there, but for numpy's logarithm, which rounds otherwise than the C library's
    base = -np.float32(math.log(np.float32(1) / score - np.float32(1))) if logistic else score
    trees = tuple(_xgboost_tree(tree) for tree in grown["model"]["trees"])
    return Ensemble(trees, float(base), single=True, below=True), "xgboost" if logistic else "value", 1.0


def xgboost_booster(estimator: Any) -> Any:
    """Return a fitted estimator's booster, cut to its best round where it was stopped early."""
    booster = estimator.get_booster()
    best = booster.attributes().get("best_iteration")
    return booster if best is None else booster[: int(best) + 1]


def _xgboost_tree(tree: Mapping[str, Any]) -> Tree:
    if any(tree["split_type"]):
        raise CannotCompile("XGBoost with categorical splits")
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    conditions = np.array(tree["split_conditions"], dtype=np.float32).astype(float)
    feature = np.where(left < 0, -1, np.array(tree["split_indices"]))
    return Tree(feature, conditions, left, right, conditions)


def from_scikit_tree(tree: Any, output: int) -> Tree:
    """Read one tree of scikit-learn; `output` is the class, or 0 in a regression."""
    left = np.asarray(tree.children_left)
    feature = np.where(left < 0, -1, np.asarray(tree.feature))
    value = np.asarray(tree.value)[:, 0, output]
    return Tree(feature, np.asarray(tree.threshold), left, np.asarray(tree.children_right), value)


def from_forest(estimator: Any) -> tuple[Ensemble, str, float]:
    """Read a tree or a forest of scikit-learn; the sum times the number returned is its output."""
    output = 1 if hasattr(estimator, "classes_") else 0
    members = getattr(estimator, "estimators_", [estimator])
    trees = tuple(from_scikit_tree(member.tree_, output) for member in members)
    return Ensemble(trees, rounded=True), "mean", float(len(trees))


def from_histogram(estimator: Any) -> tuple[Ensemble, str, float]:
    """Read scikit-learn's histogram gradient boosting."""
    loss = type(estimator._loss).__name__
    links = {"HalfBinomialLoss": "log-odds", "HalfSquaredError": "value"}
    if loss not in links:
        raise CannotCompile(f"{type(estimator).__name__} with {loss}")
    trees = tuple(_histogram_tree(group[0].nodes) for group in estimator._predictors)
    return Ensemble(trees, float(np.ravel(estimator._baseline_prediction)[0])), links[loss], 1.0


def _histogram_tree(nodes: np.ndarray) -> Tree:
    if nodes["is_categorical"].any():
        raise CannotCompile("histogram gradient boosting with categorical splits")
    leaf = nodes["is_leaf"].astype(bool)
    left, right = nodes["left"].astype(int), nodes["right"].astype(int)
    feature = np.where(leaf, -1, nodes["feature_idx"].astype(int))
    return Tree(feature, nodes["num_threshold"].astype(float), left, right, nodes["value"].astype(float))


READERS: dict[str, Callable[[Any], tuple[Ensemble, str, float]]] = {
    "LGBMClassifier": from_lightgbm,
    "LGBMRegressor": from_lightgbm,
    "XGBClassifier": from_xgboost,
    "BalancedXGBClassifier": from_xgboost,
    "XGBRegressor": from_xgboost,
    "DecisionTreeClassifier": from_forest,
    "DecisionTreeRegressor": from_forest,
    "RandomForestClassifier": from_forest,
    "RandomForestRegressor": from_forest,
    "ExtraTreesClassifier": from_forest,
    "ExtraTreesRegressor": from_forest,
    "HistGradientBoostingClassifier": from_histogram,
    "HistGradientBoostingRegressor": from_histogram,
}
