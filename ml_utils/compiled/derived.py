"""Features made from features, as `features.creation` and `features.selection` made them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from ml_utils.compiled.creators import all_kept, kept

Spec = Mapping[str, Any]


class Step(Protocol):
    """What appends features to features, or puts others in their place."""

    def one(self, values: list[float]) -> list[float]:
        """Return a row's features."""

    def many(self, rows: np.ndarray) -> np.ndarray:
        """Return the features of all rows, (n_features, n_rows)."""


class Products:
    """Products of features: `factors`, a list of features for each product, in the order of multiplying."""

    def __init__(self, spec: Spec) -> None:
        self.factors: list[list[int]] = [list(item) for item in spec["factors"]]

    def one(self, values: list[float]) -> list[float]:
        """Append a row's products."""
        found = []
        for factors in self.factors:
            product = 1.0
            for i in factors:
                product = product * values[i]
            found.append(kept(product))
        return values + found

    def many(self, rows: np.ndarray) -> np.ndarray:
        """Append the products of all rows."""
        made = []
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for factors in self.factors:
                product = np.ones(rows.shape[1])
                for i in factors:
                    product = product * rows[i]
                made.append(all_kept(product))
        return np.vstack([rows, *made])


class Bases:
    """B-splines of features: `columns` of (feature, all knots with their copies), `degree`, cut at the ends.

    The recursion is de Boor's as scipy evaluates it, operation by operation, so that the values are the same
    to the last bit: a tree may have cut at one of them.
    """

    def __init__(self, spec: Spec) -> None:
        self.degree: int = spec["degree"]
        self.columns: list[tuple[int, list[float]]] = [(i, list(knots)) for i, knots in spec["columns"]]

    def one(self, values: list[float]) -> list[float]:
        """Append a row's splines; the last of each column's is left out."""
        found: list[float] = []
        for i, knots in self.columns:
            k, n = self.degree, len(knots) - self.degree - 1
            x = min(max(float(values[i]), knots[k]), knots[n])
            at = min(max(bisect_right(knots, x) - 1, k), n - 1)
            made = [0.0] * n
            made[at - k : at + 1] = _basis(knots, x, at, k)
            found += made[:-1]
        return values + found

    def many(self, rows: np.ndarray) -> np.ndarray:
        """Append the splines of all rows."""
        made = [rows]
        for i, written in self.columns:
            knots, k = np.array(written), self.degree
            n = len(knots) - k - 1
            x = np.clip(rows[i], knots[k], knots[n])
            at = np.clip(np.searchsorted(knots, x, side="right") - 1, k, n - 1)
            out = np.zeros((n, len(x)))
            each = np.arange(len(x))
            for j, part in enumerate(_bases(knots, x, at, k)):
                out[at - k + j, each] = part
            made.append(out[:-1])
        return np.vstack(made)


def _basis(knots: list[float], x: float, at: int, degree: int) -> list[float]:
    h = [1.0]
    for j in range(1, degree + 1):
        before, h = h, [0.0] * (j + 1)
        for n in range(1, j + 1):
            above, below = knots[at + n], knots[at + n - j]
            if above == below:
                continue
            w = before[n - 1] / (above - below)
            h[n - 1] += w * (above - x)
            h[n] = w * (x - below)
    return h


def _bases(knots: np.ndarray, x: np.ndarray, at: np.ndarray, degree: int) -> list[np.ndarray]:
    h = [np.ones(len(x))]
    for j in range(1, degree + 1):
        before, h = h, [np.zeros(len(x)) for _ in range(j + 1)]
        for n in range(1, j + 1):
            above, below = knots[at + n], knots[at + n - j]
            same = above == below
            w = np.divide(before[n - 1], above - below, where=~same, out=np.zeros(len(x)))
            h[n - 1] = np.where(same, h[n - 1], h[n - 1] + w * (above - x))
            h[n] = np.where(same, 0.0, w * (x - below))
    return h


class Chosen:
    """The features that a selection kept, in its order."""

    def __init__(self, spec: Spec) -> None:
        self.places: list[int] = list(spec["places"])

    def one(self, values: list[float]) -> list[float]:
        """Return a row's features that were kept."""
        return [values[i] for i in self.places]

    def many(self, rows: np.ndarray) -> np.ndarray:
        """Return the features that were kept."""
        return rows[self.places]


class Components:
    """Components in the place of features: `centre`, `scale` and `weights` (a list for each feature)."""

    def __init__(self, spec: Spec) -> None:
        self.centre = np.array(spec["centre"])
        self.scale = np.array(spec["scale"])
        self.weights = np.array(spec["weights"])

    def one(self, values: list[float]) -> list[float]:
        """Return a row's components."""
        found: list[float] = self.many(np.array(values, dtype=float).reshape(-1, 1))[:, 0].tolist()
        return found

    def many(self, rows: np.ndarray) -> np.ndarray:
        """Return the components of all rows."""
        made = np.zeros((self.weights.shape[1], rows.shape[1]))
        for row, centre, scale, weights in zip(rows, self.centre, self.scale, self.weights, strict=True):
            made += ((row - centre) / scale) * weights[:, None]
        return made


def step_of(spec: Spec) -> Step:
    """Rebuild a step from what compiling wrote."""
    known: dict[str, Callable[[Spec], Step]] = {
        "products": Products,
        "splines": Bases,
        "chosen": Chosen,
        "components": Components,
    }
    return known[spec["kind"]](spec)
