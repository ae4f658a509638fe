"""One fit and its predictions: what every trial repeats fold by fold."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.training.candidates import Candidate, Params, Setting, Task
from ml_utils.training.early_stopping import fit_rounds
from ml_utils.training.search.tables import FoldTables

Array = npt.NDArray[np.float64]

# What a library may raise over data or parameters that it cannot handle; anything else is a bug and stops.
FAILURES = (
    *(ArithmeticError, AttributeError, ImportError, LookupError),
    *(MemoryError, RuntimeError, TypeError, ValueError),
)
PROBE_ROWS = 500  # of a larger table at most a tenth, and at least so many rows, tell how long a fit takes


@dataclass
class Attempt:
    """One trial's models and what they scored."""

    params: Params
    models: list[Any] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    predictions: list[Array] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    fit_seconds: list[float] = field(default_factory=list)
    predict_seconds: list[float] = field(default_factory=list)


def failures() -> tuple[type[Exception], ...]:
    """Return what counts as a candidate's failure, errors of boosters with their own ancestry too."""
    from lightgbm.basic import LightGBMError  # descends from Exception alone, as CatBoost's does

    catboost = sys.modules.get("catboost")
    own = (LightGBMError,) if catboost is None else (LightGBMError, catboost.CatBoostError)
    return (*FAILURES, *own)


def fit_fold(
    candidate: Candidate,
    params: Params,
    setting: Setting,
    tables: FoldTables,
    number: int,
    *,
    early_stopping: bool = False,
    step: int = 1,
) -> tuple[Any, int | None]:
    """Fit a candidate on a fold's training rows.

    Parameters
    ----------
    candidate, params, setting, tables
    number : int
        Of the fold.
    early_stopping : bool
        Whether a booster finds its rounds on an inner part of the rows.
    step : int
        Every how many rows are taken.

    Returns
    -------
    estimator, rounds : rounds is None where nothing was stopped
    """
    table, train = tables.all()[number], tables.folds[number].train[::step]
    if early_stopping and candidate.rounds and candidate.rounds in params:
        groups, times = (None if each is None else each[train] for each in (tables.groups, tables.times))
        plain = table.plain.iloc[::step]
        return fit_rounds(
            candidate, params, setting, plain, tables.y[train], groups, times, sampler=tables.sampler
        )
    model = candidate.build(dict(params), setting)
    return model.fit(table.Z.iloc[::step], table.y[::step]), None


def probe_step(n_rows: int) -> int:
    """Return every how many rows a fit that only tells the time takes.

    Examples
    --------
    >>> probe_step(300), probe_step(2_500), probe_step(40_000)
    (1, 5, 10)
    """
    return min(max(n_rows // PROBE_ROWS, 1), 10)


def predict(model: Any, features: pd.DataFrame, task: Task) -> Array:
    """Return P(positive), the classes' probabilities, or the predicted value, of a fitted estimator."""
    if task == "regression":
        return np.asarray(model.predict(features), dtype=float)
    probabilities = np.asarray(model.predict_proba(features), dtype=float)
    return probabilities[:, 1] if task == "binary" else probabilities


def out_of_fold(tables: FoldTables, predictions: Sequence[Array]) -> Array:
    """Put the folds' predictions in the rows' order; of repeated folds the mean, NaN where no fold looked."""
    shape = (len(tables.y), *predictions[0].shape[1:])
    total, times = np.zeros(shape), np.zeros(len(tables.y))
    for fold, predicted in zip(tables.folds, predictions, strict=True):
        total[fold.valid] += predicted
        times[fold.valid] += 1
    with np.errstate(invalid="ignore"):
        return total / times.reshape(-1, *(1,) * (len(shape) - 1))
