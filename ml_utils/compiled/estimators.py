"""Estimators on features: linear models, curves, tree ensembles, calibrators and blends of them.

Each gives P(positive), or the predicted value of a regression, for one row (`one`) and for many (`many`).
Where a step of the original rounds to 32 bits, so does this: near 0 and 1 a blend magnifies what rounding
leaves.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

Spec = Mapping[str, Any]
Outputs = Sequence[Any]  # of each tree ensemble: a float for one row, an array for many
TINY = 1e-12  # as training.ensembles.blend holds probabilities off 0 and 1
_ONE = np.float32(1.0)


class Node(Protocol):
    """A part of a model."""

    def one(self, values: list[float], trees: Outputs) -> float:
        """Return one row's probability, or predicted value."""

    def many(self, rows: np.ndarray, trees: Outputs) -> np.ndarray:
        """Return all rows' probabilities, or predicted values."""


class Constant:
    """The same value for every row: `value`."""

    def __init__(self, spec: Spec) -> None:
        self.value = float(spec["value"])

    def one(self, values: list[float], trees: Outputs) -> float:
        """Return the value."""
        return self.value

    def many(self, rows: np.ndarray, trees: Outputs) -> np.ndarray:
        """Return the value for each row."""
        return np.full(rows.shape[1], self.value)


class Curve:
    """A piecewise polynomial of one feature, constant beyond its ends.

    Parameters
    ----------
    spec : mapping
        feature, breaks (ascending), pieces: coefficients of the powers of the distance from the left break,
        the highest first, for each interval.
    """

    def __init__(self, spec: Spec) -> None:
        self.feature: int = spec["feature"]
        self.breaks: list[float] = list(spec["breaks"])
        self.pieces: list[tuple[float, ...]] = [tuple(piece) for piece in spec["pieces"]]
        self.inner = self.breaks[1:-1]
        self.ends = (self.breaks[0], self.breaks[-1])
        self._pieces = np.array(self.pieces).T  # (degree + 1, n_pieces)
        self._breaks = np.array(self.breaks)

    def one(self, x: float) -> float:
        """Return the curve's height."""
        low, high = self.ends
        x = low if x < low else high if x > high else x
        at = bisect_right(self.inner, x)
        x -= self.breaks[at]
        found = 0.0
        for coefficient in self.pieces[at]:
            found = found * x + coefficient
        return found

    def many(self, values: np.ndarray) -> np.ndarray:
        """Return the curve's heights."""
        x = np.clip(values, *self.ends)
        at = np.searchsorted(self._breaks[1:-1], x, side="right")
        x -= self._breaks[at]
        found = self._pieces[0][at]
        for coefficients in self._pieces[1:]:
            found *= x
            found += coefficients[at]
        return found


class Linear:
    """A weighted sum of features and curves: `intercept`, `features`, `weights`, `curves`, `link`."""

    def __init__(self, spec: Spec) -> None:
        self.intercept = float(spec["intercept"])
        self.features: list[int] = list(spec["features"])
        self.weights: list[float] = list(spec["weights"])
        self.curves = [Curve(item) for item in spec["curves"]]
        self.link: str = spec["link"]
        self._terms = list(zip(self.features, self.weights, strict=True))
        self._weights = np.array(self.weights, dtype=float)

    def margin(self, values: list[float]) -> float:
        """Return one row's log-odds, or predicted value."""
        total = self.intercept
        for i, weight in self._terms:
            total += weight * values[i]
        for curve in self.curves:
            total += curve.one(values[curve.feature])
        return total

    def margins(self, rows: np.ndarray) -> np.ndarray:
        """Return all rows' log-odds, or predicted values."""
        total = np.full(rows.shape[1], self.intercept)
        if self.features:
            total += self._weights @ rows[self.features]
        for curve in self.curves:
            total += curve.many(rows[curve.feature])
        return total

    def one(self, values: list[float], trees: Outputs) -> float:
        """Return one row's probability, or predicted value."""
        margin = self.margin(values)
        return margin if self.link == "value" else logistic(margin)

    def many(self, rows: np.ndarray, trees: Outputs) -> np.ndarray:
        """Return all rows' probabilities, or predicted values."""
        margins = self.margins(rows)
        return margins if self.link == "value" else logistics(margins)


class Trees:
    """What becomes of a tree ensemble's sum: `output`, its place among the sums, and `link`.

    Links: value (the sum itself), mean (over the `of` trees), log-odds (in 64 bits, times `slope`), xgboost
    (log-odds in 32 bits).
    """

    def __init__(self, spec: Spec) -> None:
        self.output: int = spec["output"]
        self.link: str = spec["link"]
        self.slope = float(spec.get("slope", 1.0))
        self.of = float(spec.get("of", 1.0))

    def one(self, values: list[float], trees: Outputs) -> float:
        """Return one row's probability, or predicted value."""
        total = trees[self.output]
        if self.link == "xgboost":
            return logistic_32(total)
        return logistic(self.slope * float(total)) if self.link == "log-odds" else float(total) / self.of

    def many(self, rows: np.ndarray, trees: Outputs) -> np.ndarray:
        """Return all rows' probabilities, or predicted values."""
        total = trees[self.output]
        if self.link == "xgboost":
            return logistics_32(total)
        found = np.asarray(total, dtype=float)
        return logistics(self.slope * found) if self.link == "log-odds" else found / self.of


class Calibrated:
    """A calibrator on a model: `method`, `slope`, `intercept`, or `steps` (scores, probabilities)."""

    def __init__(self, spec: Spec) -> None:
        self.model = node_of(spec["model"])
        self.method: str = spec["method"]
        self.slope, self.intercept = float(spec["slope"]), float(spec["intercept"])
        steps: Sequence[list[float]] = spec["steps"] or ([], [])
        self.scores, self.heights = steps

    def one(self, values: list[float], trees: Outputs) -> float:
        """Return one row's calibrated probability."""
        p = self.model.one(values, trees)
        if self.method == "none":
            return p
        if self.method == "sigmoid":
            return logistic(self.slope * log_odds(p) + self.intercept)
        return self._between(p)

    def _between(self, p: float) -> float:
        """Interpolate as numpy.interp does."""
        x, y = self.scores, self.heights
        if p > x[-1]:
            return y[-1]
        if p < x[0]:
            return y[0]
        at = bisect_right(x, p) - 1
        if at == len(x) - 1:
            return y[-1]
        if x[at] == p:
            return y[at]
        return (y[at + 1] - y[at]) / (x[at + 1] - x[at]) * (p - x[at]) + y[at]

    def many(self, rows: np.ndarray, trees: Outputs) -> np.ndarray:
        """Return all rows' calibrated probabilities."""
        p = self.model.many(rows, trees)
        if self.method == "none":
            return p
        if self.method == "sigmoid":
            return logistics(self.slope * all_log_odds(p) + self.intercept)
        return np.interp(p, self.scores, self.heights)


class Blend:
    """A weighted sum of members' log-odds, or predicted values: `members`, `weights`, `intercept`, `link`."""

    def __init__(self, spec: Spec) -> None:
        self.members = [node_of(item) for item in spec["members"]]
        self.weights: list[float] = list(spec["weights"])
        self.intercept = float(spec["intercept"])
        self.link: str = spec["link"]
        self._pairs = list(zip(self.weights, self.members, strict=True))

    def one(self, values: list[float], trees: Outputs) -> float:
        """Return one row's probability, or predicted value."""
        total = 0.0
        if self.link == "value":
            for weight, member in self._pairs:
                total += weight * member.one(values, trees)
            return total + self.intercept
        for weight, member in self._pairs:
            total += weight * log_odds(member.one(values, trees))
        return logistic(total + self.intercept)

    def many(self, rows: np.ndarray, trees: Outputs) -> np.ndarray:
        """Return all rows' probabilities, or predicted values."""
        total = np.zeros(rows.shape[1])
        for weight, member in self._pairs:
            found = member.many(rows, trees)
            total += weight * (found if self.link == "value" else all_log_odds(found))
        total += self.intercept
        return total if self.link == "value" else logistics(total)


def log_odds(p: float) -> float:
    """Return log(p / (1 − p)), p held off 0 and 1."""
    p = TINY if p < TINY else 1 - TINY if p > 1 - TINY else p
    return math.log(p) - math.log1p(-p)


def all_log_odds(p: np.ndarray) -> np.ndarray:
    """Return log(p / (1 − p)) of each, held off 0 and 1."""
    held = np.clip(p, TINY, 1 - TINY)
    found = np.log(held)
    found -= np.log1p(np.negative(held, out=held), out=held)
    return found


def logistic(margin: float) -> float:
    """Return 1 / (1 + exp(−margin)).

    >>> logistic(0.0), logistic(-1000.0)
    (0.5, 0.0)
    """
    if margin >= 0:
        return 1 / (1 + math.exp(-margin))
    if margin < -745:
        return 0.0
    small = math.exp(margin)
    return small / (1 + small)


def logistics(margins: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(−margin)) of each."""
    with np.errstate(over="ignore"):
        found = np.exp(np.negative(margins))
        found += 1.0
        return np.divide(1.0, found, out=found)


def logistic_32(margin: Any) -> float:
    """Return XGBoost's probability of a margin: its sigmoid in 32 bits."""
    e = np.float32(math.exp(min(-float(margin), 88.7)))
    return float(_ONE / (e + _ONE))


def logistics_32(margins: np.ndarray) -> np.ndarray:
    """Return XGBoost's probabilities: the exponential is rounded once, as the C library's is."""
    e = np.exp(np.minimum(-margins.astype(np.float64), 88.7)).astype(np.float32)
    e += _ONE
    return np.divide(_ONE, e, out=e).astype(np.float64)


def node_of(spec: Spec) -> Node:
    """Rebuild a part of a model from what compiling wrote."""
    known: dict[str, Callable[[Spec], Node]] = {
        "constant": Constant,
        "linear": Linear,
        "trees": Trees,
        "calibrated": Calibrated,
        "blend": Blend,
    }
    return known[spec["kind"]](spec)
