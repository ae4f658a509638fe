"""Candidates whose score is known beforehand, and a small table to search them on."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

from ml_utils.evaluation.metrics import Metric
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.training.candidates import Candidate, Params, Setting
from ml_utils.training.search import FoldTables, make_folds

SETTING = Setting("regression")
# the score of a model is what it predicts, so that the search climbs a function that is known
CLIMBED = Metric("climbed", "height", True, "regression", "score", lambda y, score: float(np.mean(score)))
FALLEN = Metric("fallen", "depth", False, "regression", "score", lambda y, score: -float(np.mean(score)))
ROWS = 40  # that a fit of the small tables sees


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Constant(RegressorMixin, BaseEstimator):
    """Predicts one value; may take time on a clock of its own, more of it for more rows."""

    def __init__(self, value: float, clock: Clock | None = None, seconds: float = 0.0) -> None:
        self.value = value
        self.clock = clock
        self.seconds = seconds

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        if self.clock is not None:
            self.clock.now += self.seconds * len(X) / ROWS
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return np.full(len(X), self.value)


def height(params: Params) -> float:
    """A smooth hill with its top, 0, at x = 0.3 and z = 0.1."""
    return -((params["x"] - 0.3) ** 2) - 0.25 * (math.log10(params["z"]) + 1) ** 2


def _space(trial: Any) -> Params:
    return {"x": trial.suggest_float("x", -1.0, 1.0), "z": trial.suggest_float("z", 1e-3, 10.0, log=True)}


PRIOR = {"x": -0.8, "z": 5.0}
HILL = Candidate(
    *("hill", "hill", ("regression",), lambda params, setting: Constant(height(params)), _space),
    *(PRIOR, {"x": (-0.5, 0.3), "z": (0.1, 1.0, 3.0)}),
)


def slow(clock: Clock, seconds: float, name: str = "slow") -> Candidate:
    """The hill, each of whose fits on ROWS rows takes so many seconds."""
    return Candidate(
        *(name, name, ("regression",)),
        lambda params, setting: Constant(height(params), clock, seconds),
        *(_space, PRIOR),
    )


def small_tables(n: int = ROWS * 3 // 2, n_folds: int = 3) -> FoldTables:
    rng = np.random.default_rng(0)
    X, y = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)}), rng.normal(size=n)
    return FoldTables(X, y, make_folds(y, None, n_folds, "regression", 0), FeatureEngineer())
