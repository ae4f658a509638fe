"""Contributions of raw columns to a score, without the pipeline: what `explanation` computes, from files.

Linear parts and curves are exact from their weights, told against the training rows' mean as
`explanation.families.linear_parts` does; trees are exact TreeSHAP by the boosters' own libraries (Lundberg et
al. 2020), where these are installed. SHAP values are linear in the model: those of a blend are the weighted
sum of its members' values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from ml_utils.compiled.estimators import Linear, all_log_odds, node_of
from ml_utils.compiled.files import TREES
from ml_utils.compiled.trees import Forest
from ml_utils.errors import ServiceError

Spec = Mapping[str, Any]
Values = tuple[np.ndarray, float]  # (n_features, n_rows) and base
_SINGLE = 1e-5  # of a margin: what 32-bit sums of hundreds of trees leave, with room


def why_not(spec: Spec, files: Mapping[str, bytes]) -> str | None:
    """Say why a compiled model cannot be explained here; None where it can.

    Parameters
    ----------
    spec : mapping
        compiled.json.
    files : mapping of str to bytes
    """
    for node in _nodes(spec["model"]):
        if node["kind"] == "calibrated" and node["method"] not in ("none", "sigmoid"):
            return f"its calibration ({node['method']}) is no sum in log-odds"
        if node["kind"] == "linear" and "usual" not in node:
            return "it was compiled without training rows to compare with"
        if node["kind"] == "trees":
            if node["booster"] is None:
                return "its trees are scikit-learn's, whose contributions need the full install"
            if find_spec(node["library"]) is None:
                return f"its trees need the package {node['library']}; install it beside the service"
            if node["booster"] not in files:
                return f"the package lacks {node['booster']}"
    return None


def _nodes(node: Spec) -> Iterator[Spec]:
    yield node
    for inner in (*node.get("members", ()), *([node["model"]] if "model" in node else [])):
        yield from _nodes(inner)


class Explainer:
    """Explains a compiled model.

    Parameters
    ----------
    spec : mapping
        compiled.json.
    files : mapping of str to bytes

    Raises
    ------
    ServiceError
        If it cannot be explained here.
    """

    def __init__(self, spec: Spec, files: Mapping[str, bytes]) -> None:
        reason = why_not(spec, files)
        if reason is not None:
            raise ServiceError(f"The model {spec['name']} cannot be explained here: {reason}.")
        self.spec = spec
        self.regression = spec["task"] == "regression"
        self.forest = Forest(files[TREES]) if TREES in files else None
        self._nodes = {id(node): node_of(node) for node in _nodes(spec["model"])}
        self._boosters: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            node["booster"]: _LOADERS[node["library"]](files[node["booster"]])
            for node in _nodes(spec["model"])
            if node["kind"] == "trees"
        }

    def by_source(
        self, rows: np.ndarray, sources: Sequence[Sequence[str]], names: Sequence[str]
    ) -> tuple[float, list[dict[str, float]]]:
        """Explain rows of features in raw columns.

        Parameters
        ----------
        rows : ndarray of shape (n_features, n_rows)
        sources : sequence of sequences of str
            Raw columns of each feature; one of several belongs to each in equal parts.
        names : sequence of str
            Raw columns, in order.

        Returns
        -------
        base : float
        contributions : list of dict of str to float
        """
        values, base = self.values(rows)
        place = {name: i for i, name in enumerate(names)}
        total = np.zeros((len(names), rows.shape[1]))
        for feature, owners in zip(values, sources, strict=True):
            known = [place[name] for name in owners if name in place]
            for i in known:
                total[i] += feature / len(known)
        return base, [dict(zip(names, column, strict=True)) for column in total.T.tolist()]

    def values(self, rows: np.ndarray) -> Values:
        """Return what each feature adds to each row's log-odds or value, and the base."""
        sums = self.forest.many(rows) if self.forest is not None else []
        return self._node(self.spec["model"], rows, sums)

    def _node(self, spec: Spec, rows: np.ndarray, sums: Sequence[np.ndarray]) -> Values:
        kind = spec["kind"]
        if kind == "blend":
            values, base = np.zeros(rows.shape), float(spec["intercept"])
            for weight, member in zip(spec["weights"], spec["members"], strict=True):
                part, start = self._node(member, rows, sums)
                values += weight * part
                base += weight * start
        elif kind == "calibrated":
            part, start = self._node(spec["model"], rows, sums)
            values, base = spec["slope"] * part, spec["slope"] * start + spec["intercept"]
        elif kind == "linear":
            values, base = _linear(spec, rows)
        elif kind == "trees":
            values, base = self._trees(spec, rows, sums[spec["output"]])
        else:
            values, base = np.zeros(rows.shape), self._constant(spec)
        return self._matched(spec, rows, sums, values, base), base

    def _constant(self, spec: Spec) -> float:
        value = float(spec["value"])
        return value if spec["link"] == "value" else float(all_log_odds(np.array([value]))[0])

    def _trees(self, spec: Spec, rows: np.ndarray, total: np.ndarray) -> Values:
        table = self._boosters[spec["booster"]](np.ascontiguousarray(rows.T))
        slope = float(spec.get("slope", 1.0))
        values, base = slope * table[:, :-1].T, slope * float(table[0, -1])
        margin = slope * np.asarray(total, dtype=float)
        left = margin - base - values.sum(axis=0)
        few = np.abs(left) <= _SINGLE * (1 + np.abs(values).sum(axis=0))
        return _spread(values, np.where(few, left, 0.0)), base

    def _matched(
        self, spec: Spec, rows: np.ndarray, sums: Sequence[np.ndarray], values: np.ndarray, base: float
    ) -> np.ndarray:
        """Share what a probability's rounding, and holding it off 0 and 1, leaves of the log-odds."""
        if self.regression:
            return values
        p = self._nodes[id(spec)].many(rows, sums)
        left = all_log_odds(p) - base - values.sum(axis=0)
        # a probability of 32 bits near 1 keeps one part in 2^24; of its log-odds that is 1 / (1 − p) times as
        # much
        limit = 2.0**-22 / np.clip(1 - p, 1e-12, 1.0) + 1e-9
        return _spread(values, np.where(np.abs(left) <= limit, left, 0.0))


def _linear(spec: Spec, rows: np.ndarray) -> Values:
    linear, usual = Linear(spec), spec["usual"]
    values, base = np.zeros(rows.shape), linear.intercept
    for i, weight, mean in zip(linear.features, linear.weights, usual["features"], strict=True):
        values[i] += weight * rows[i] - mean
        base += mean
    for curve, mean in zip(linear.curves, usual["curves"], strict=True):
        values[curve.feature] += curve.many(rows[curve.feature]) - mean
        base += mean
    return values, base


def _spread(values: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Share what is left of each row among its features in proportion to their values."""
    weight = np.abs(values)
    total = weight.sum(axis=0)
    share = np.where(total > 0, weight / np.where(total > 0, total, 1.0), 1 / len(values))
    return values + left * share


def _lightgbm(content: bytes) -> Callable[[np.ndarray], np.ndarray]:
    from lightgbm import Booster

    booster = Booster(model_str=content.decode())
    return lambda rows: np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1), dtype=float)


def _xgboost(content: bytes) -> Callable[[np.ndarray], np.ndarray]:
    from xgboost import Booster, DMatrix

    booster = Booster({"nthread": 1})
    booster.load_model(bytearray(content))
    booster.feature_names = None
    return lambda rows: np.asarray(booster.predict(DMatrix(rows, nthread=1), pred_contribs=True), dtype=float)


_LOADERS: dict[str, Callable[[bytes], Callable[[np.ndarray], np.ndarray]]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
}
