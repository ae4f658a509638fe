"""An ensemble beside its parts: what a model's members, and their plain average, are worth by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.evaluation.comparison import Comparison, compare_scores
from ml_utils.evaluation.metrics import Array
from ml_utils.model import Model

AVERAGE = "plain average"


def average_scores(scores: Mapping[str, Array], task: str) -> Array:
    """Average scores: probabilities in log-odds, predicted values as they are.

    Examples
    --------
    >>> average_scores({"a": np.array([0.5, 0.8]), "b": np.array([0.5, 0.2])}, "binary").tolist()
    [0.5, 0.5]
    """
    from ml_utils.training.ensembles.blend import from_link, on_link

    if not scores:
        raise ParameterError("An average takes one model or more; got none.")
    if task == "binary":
        return from_link(np.mean([on_link(score) for score in scores.values()], axis=0))[:, 1]
    return np.mean(list(scores.values()), axis=0)


def member_models(model: Model) -> dict[str, Model]:
    """Take a blend apart: a model for each member, with the features that all share.

    Returns
    -------
    dict of str to Model
        Members as they stand in the blend, before calibration; empty for a single model.
    """
    from sklearn.pipeline import Pipeline

    estimator: Any = model.pipeline.steps[-1][1]
    estimator = getattr(estimator, "estimator_", estimator)  # what a calibrator wraps
    members = getattr(estimator, "members_", [])
    steps = model.pipeline.steps[:-1]
    return {
        str(name): Model(
            Pipeline([*steps, ("model", member)]), model.task, model.columns, str(name), model.threshold
        )
        for name, member in members
    }


def compare_with_average(
    models: Mapping[str, Model],
    X: pd.DataFrame,
    y: npt.ArrayLike,
    n_bootstrap: int = 200,
    seed: int = 42,
    average: tuple[str, ...] = (),
) -> Comparison:
    """Compare models with one another and with the plain average of some of them.

    Parameters
    ----------
    models : mapping of str to Model
        Of one task, binary or regression.
    X : DataFrame of shape (n_rows, n_columns)
        Raw columns.
    y : array of shape (n_rows,)
    n_bootstrap : int
    seed : int
    average : tuple of str
        Models to average; by default all.

    Returns
    -------
    Comparison
        Of the models and "plain average".

    Raises
    ------
    ParameterError
        If tasks differ, or fewer than two models are averaged.
    """
    tasks = {model.task for model in models.values()}
    if len(tasks) != 1 or "multiclass" in tasks:
        got = ", ".join(sorted(tasks)) or "none"
        raise ParameterError(f"Models of one task, binary or regression, can be compared; got {got}.")
    names = average or tuple(models)
    unknown = [name for name in names if name not in models]
    if unknown or len(names) < 2:
        got = ", ".join(names) or "none"
        raise ParameterError(f"An average takes two of {', '.join(models)} or more; got {got}.")
    (task,) = tasks
    scores = {name: np.asarray(model.predict_score(X), dtype=float) for name, model in models.items()}
    scores[AVERAGE] = average_scores({name: scores[name] for name in names}, task)
    given = [model.threshold for model in models.values() if model.threshold is not None]
    thresholds = {name: models[name].threshold or 0.5 for name in models}
    thresholds[AVERAGE] = given[0] if given else 0.5
    target = np.asarray(y, dtype=float)
    return compare_scores(scores, target, task, thresholds, n_bootstrap, np.random.default_rng(seed))
