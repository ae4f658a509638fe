"""Weights of an ensemble's members, from scores of rows that the members were not fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_utils.errors import ParameterError, list_known
from ml_utils.evaluation.metrics import Metric
from ml_utils.training.ensembles.blend import from_link

Array = npt.NDArray[np.float64]
NEGLIGIBLE = 0.02  # a member with less weight costs time and says nothing


@dataclass(frozen=True)
class Weights:
    """Weights of the members and what is added to their weighted sum.

    Parameters
    ----------
    each : tuple of float
        One a member, 0 for one that is left out.
    intercept : float
    """

    each: tuple[float, ...]
    intercept: float = 0.0

    def combine(self, parts: Array) -> Array:
        """Return the weighted sum of parts of shape (n_members, n_rows[, n_classes])."""
        return np.tensordot(np.array(self.each), parts, axes=1) + self.intercept


@dataclass(frozen=True)
class Scored:
    """Rows that weights are chosen on.

    Parameters
    ----------
    parts : ndarray of shape (n_members, n_rows[, n_classes])
        Log-odds, log-probabilities or predicted values.
    y : ndarray of shape (n_rows,)
    metric : Metric
        What greedy selection climbs.
    seed : int
    """

    parts: Array
    y: Array
    metric: Metric
    seed: int

    @property
    def regression(self) -> bool:
        """Whether the parts are predicted values."""
        return self.metric.task == "regression"

    def score(self, combined: Array) -> Array:
        """Return what a metric takes: probabilities, or predicted values."""
        if self.regression:
            return combined
        probabilities = from_link(combined)
        return probabilities if combined.ndim == 2 else probabilities[:, 1]

    def value(self, combined: Array) -> float:
        """Return the metric, turned so that more is better."""
        value = self.metric.value(self.y, self.score(combined))
        return value if self.metric.greater_is_better else -value


def _voting(rows: Scored) -> Weights:
    n = len(rows.parts)
    return Weights((1 / n,) * n)


def _blend(rows: Scored) -> Weights:
    """Shares that add up to 1, of least log loss (squared error in a regression)."""
    shares = _minimise(rows, add_up=True)[0]
    kept = np.where(shares < NEGLIGIBLE, 0.0, shares)
    return Weights(tuple(float(share) for share in kept / kept.sum()))


def _stacking(rows: Scored) -> Weights:
    """A linear model of the members' scores with weights of 0 and more (Breiman 1996)."""
    weights, intercept = _minimise(rows, add_up=False)
    return Weights(tuple(float(weight) for weight in weights), intercept)


def _greedy(rows: Scored, rounds: int = 20, bags: int = 8) -> Weights:
    """Greedy selection with replacement from a sorted start, bagged (Caruana et al. 2004, section 2)."""
    n = len(rows.parts)
    rng = np.random.default_rng(rows.seed)
    alone = np.array([rows.value(part) for part in rows.parts])
    counts = np.zeros(n)
    size = n if n <= 4 else (n + 1) // 2  # few models are all in one bag, of many half are in each
    for _ in range(1 if size == n else bags):
        bag = np.sort(rng.choice(n, size=size, replace=False))
        counts += _climb(rows, bag, alone, rounds)
    return Weights(tuple(float(count) for count in counts / counts.sum()))


def _climb(rows: Scored, bag: npt.NDArray[np.intp], alone: Array, rounds: int) -> Array:
    first = int(bag[np.argmax(alone[bag])])
    counts = np.zeros(len(rows.parts))
    counts[first] = 1
    total, best, best_counts = rows.parts[first].copy(), alone[first], counts.copy()
    for size in range(2, rounds + 1):
        values = [rows.value((total + rows.parts[i]) / size) for i in bag]
        chosen = int(bag[int(np.argmax(values))])
        total += rows.parts[chosen]
        counts[chosen] += 1
        if max(values) > best:
            best, best_counts = max(values), counts.copy()
    return best_counts / best_counts.sum()


def _minimise(rows: Scored, *, add_up: bool) -> tuple[Array, float]:
    from scipy.optimize import minimize

    n = len(rows.parts)
    start = np.append(np.full(n, 1 / n), 0.0)
    fixed = (0.0, 0.0) if add_up else (None, None)
    constraint = {"type": "eq", "fun": lambda w: w[:n].sum() - 1, "jac": lambda w: np.append(np.ones(n), 0.0)}
    found = minimize(
        _loss(rows),
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, None)] * n + [fixed],
        constraints=[constraint] if add_up else [],
        options={"maxiter": 200, "ftol": 1e-10},
    )
    return np.clip(found.x[:n], 0.0, None), float(found.x[n])


def _loss(rows: Scored) -> Callable[[Array], tuple[float, Array]]:
    """Return a function of (weights, intercept) that gives the mean loss and its gradient."""
    from scipy.special import expit

    parts, y = rows.parts, rows.y
    scale = float(np.var(y)) or 1.0

    def loss(w: Array) -> tuple[float, Array]:
        combined = np.tensordot(w[:-1], parts, axes=1) + w[-1]
        if rows.regression:
            error = combined - y
            value, slope = float(np.mean(error**2)) / scale, 2 * error / scale
        elif combined.ndim == 2:
            p = from_link(combined)
            index = (np.arange(len(y)), y.astype(int))
            value = -float(np.mean(np.log(np.clip(p[index], 1e-300, 1))))
            p[index] -= 1
            slope = p
        else:
            value = float(np.mean(np.logaddexp(0, combined) - y * combined))
            slope = expit(combined) - y
        n = len(y)
        return value, np.append(np.tensordot(parts, slope, axes=slope.ndim) / n, slope.sum() / n)

    return loss


ENSEMBLES: dict[str, tuple[str, Callable[[Scored], Weights]]] = {
    "voting": ("equal average", _voting),
    "blend": ("weighted average", _blend),
    "greedy": ("greedy selection", _greedy),
    "stacking": ("stacking", _stacking),
}


def find_weights(kind: str, parts: Array, y: npt.ArrayLike, metric: Metric, seed: int = 42) -> Weights:
    """Choose the weights of an ensemble.

    Parameters
    ----------
    kind : {"voting", "blend", "greedy", "stacking"}
    parts : ndarray of shape (n_members, n_rows[, n_classes])
        Scores of rows that the members were not fitted on, as `blend.on_link` gives them.
    y : array of shape (n_rows,)
    metric : Metric
        What greedy selection climbs; the others minimise log loss or squared error.
    seed : int
        For the bags of greedy selection.

    Raises
    ------
    ParameterError
        If the kind is unknown.

    Examples
    --------
    >>> from ml_utils.evaluation.metrics import METRICS
    >>> sound, noise = [-2.0, -1.0, 1.0, 2.0], [1.0, -1.0, 1.0, -1.0]
    >>> find_weights("blend", np.array([sound, noise]), [0, 0, 1, 1], METRICS["roc_auc"]).each
    (1.0, 0.0)
    """
    if kind not in ENSEMBLES:
        raise ParameterError(f"ensemble is {kind!r}. {list_known(kind, ENSEMBLES)}")
    return ENSEMBLES[kind][1](
        Scored(np.asarray(parts, dtype=float), np.asarray(y, dtype=float), metric, seed)
    )
