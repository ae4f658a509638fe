"""What a training needs to be told, checked before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.evaluation.metrics import Metric, get_metric
from ml_utils.problem import Decision
from ml_utils.training.candidates import Task
from ml_utils.training.profit import profit_metric

DEFAULT_METRIC: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
MAX_CLASSES = 100
SELECTS = ("best", "one_standard_error")


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ParameterError if an option is not one of those known."""
    if value not in known:
        raise ParameterError(f"{name} is {value!r}. {list_known(str(value), known)}")


def check_options(options: Mapping[str, Any]) -> None:
    """Check a trainer's options that need no data.

    Parameters
    ----------
    options : mapping of str to value
        Parameters of `ModelTrainer`.

    Raises
    ------
    ParameterError
        If one is unknown or out of range.
    """
    from ml_utils.training.calibration import METHODS
    from ml_utils.training.ensembles import ENSEMBLES
    from ml_utils.training.search import SCHEMES, STRATEGIES

    known: dict[str, tuple[str, ...]] = {
        "strategy": STRATEGIES,
        "cv": SCHEMES,
        "calibration": ("auto", *METHODS),
        "ensemble": ("none", "all", *ENSEMBLES),
        "select": SELECTS,
        "task": ("auto", *DEFAULT_METRIC),
    }
    for name, allowed in known.items():
        one_of(name, options[name], allowed)
    if options["n_trials"] < 1:
        raise ParameterError(f"n_trials is {options['n_trials']}; it must be 1 or more.")
    seconds = options["budget_seconds"]
    if seconds is not None and not seconds > 0:
        raise ParameterError(
            f"budget_seconds is {seconds}; it must be above 0, or None where time is not bounded."
        )


def choose_metric(name: str | None, task: Task, decision: Decision | None) -> Metric:
    """Return the metric that candidates are ranked by.

    Raises
    ------
    ParameterError
        If it is unknown, judges decisions, or is profit without a decision.
    """
    if name == "profit":
        if decision is None or task != "binary":
            raise ParameterError(
                "metric is 'profit', which needs a binary task with a benefit and a cost; add `decision` to "
                "the problem file, or take roc_auc."
            )
        return profit_metric(decision)
    metric = get_metric(name if name not in (None, "auto") else DEFAULT_METRIC[task], task)
    if metric.kind != "score":
        raise ParameterError(
            f"metric is {metric.name!r}, which judges decisions at a threshold; candidates are "
            "ranked by their scores. Take roc_auc, average_precision, log_loss, brier or profit."
        )
    return metric


def tell_task(target: npt.NDArray[Any]) -> Task:
    """Return what a target of numbers asks for: two values, 0 and 1, are classes; others are a quantity."""
    return "binary" if np.isin(target, (0, 1)).all() else "regression"


def check_target(
    X: pd.DataFrame, y: pd.Series, groups: pd.Series | None = None, times: pd.Series | None = None
) -> npt.NDArray[Any]:
    """Return the target as numbers.

    Raises
    ------
    DataError
        If lengths differ, a value is missing, or there is one value only.
    """
    lengths = {"y": y, "groups": groups, "times": times}
    told = {name: len(each) for name, each in lengths.items() if each is not None}
    if {len(X), *told.values()} != {len(X)}:
        raise DataError(f"X has {len(X)} rows, " + ", ".join(f"{name} {n}" for name, n in told.items()) + ".")
    try:
        target = np.asarray(y, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The target must be numbers, 0 and 1 for two classes, 0, 1, 2 … for several; got {y.dtype}."
        ) from error
    bad = int((~np.isfinite(target)).sum())
    if bad:
        raise DataError(
            f"The target is missing or infinite in {bad} of {len(target)} rows; leave those rows out."
        )
    if not len(target) or target.min() == target.max():
        value = f"the value {target[0]:g} in every row" if len(target) else "no rows"
        raise DataError(f"The target has {value}; there is nothing to learn. Bring rows with other values.")
    return target


def check_classes(target: npt.NDArray[Any], task: Task) -> npt.NDArray[Any]:
    """Return class codes as integers; quantities as they are.

    Raises
    ------
    DataError
        If classes are not numbered 0, 1 (2, …) without a gap.
    """
    if task == "regression":
        return target
    if task == "binary":
        if not np.isin(target, (0, 1)).all():
            raise DataError("A binary target is 0 or 1; turn the positive value into 1 first.")
        return target.astype(np.int8)
    values = np.unique(target)
    if len(values) > MAX_CLASSES or not np.array_equal(values, np.arange(len(values))):
        raise DataError(
            f"Classes are numbered 0, 1, 2 … without a gap, at most {MAX_CLASSES}; got {len(values)} values "
            f"from {values.min():g} to {values.max():g}. Number them with pandas.factorize first."
        )
    return target.astype(np.int16)
