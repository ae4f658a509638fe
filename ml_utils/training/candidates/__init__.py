"""The models that a search may try, each with its search space and the settings that it starts from."""

from __future__ import annotations

from collections.abc import Iterable

from ml_utils.errors import ParameterError, list_known
from ml_utils.training.candidates.base import Candidate, Params, Setting, Task
from ml_utils.training.candidates.boosters import BOOSTERS, has_catboost
from ml_utils.training.candidates.linear import LINEAR, graded_columns
from ml_utils.training.candidates.others import OTHERS
from ml_utils.training.candidates.trees import TREES

__all__ = ["CANDIDATES", "Candidate", "Params", "Setting", "Task", "get_candidates", "graded_columns"]

# From the simplest to the most flexible: among tied candidates a reader is told of the first.
_ORDER = (
    *("baseline", "logistic", "ridge", "elastic_net", "naive_bayes", "decision_tree"),
    *("spline_logistic", "spline_ridge", "nearest_neighbours", "random_forest", "extra_trees"),
    *("hist_gradient_boosting", "lightgbm", "xgboost", "catboost", "lightgbm_large", "svm", "neural_network"),
)
_ALL = {item.name: item for item in (*LINEAR, *TREES, *BOOSTERS, *OTHERS)}
CANDIDATES: dict[str, Candidate] = {name: _ALL[name] for name in _ORDER}

# "linear" and "spline" are the linear models of the task.
_BY_TASK: dict[str, dict[Task, str]] = {
    "linear": {"binary": "logistic", "multiclass": "logistic", "regression": "ridge"},
    "spline": {"binary": "spline_logistic", "multiclass": "spline_logistic", "regression": "spline_ridge"},
}


def get_candidates(models: Iterable[str | Candidate], task: Task) -> list[Candidate]:
    """Look candidates up by name; "linear" and "spline" are the linear models of the task.

    Parameters
    ----------
    models : iterable of str or Candidate
        Names in `CANDIDATES`, or candidates of one's own.
    task : {"binary", "multiclass", "regression"}

    Returns
    -------
    list of Candidate
        In the order given, the baseline in front whether it was asked for or not.

    Raises
    ------
    ParameterError
        If a name is unknown, is not for this task, is given twice, needs a package that is not installed, or
        none is given.

    Examples
    --------
    >>> [item.name for item in get_candidates(["linear", "lightgbm"], "regression")]
    ['baseline', 'ridge', 'lightgbm']
    >>> get_candidates(["lihgtgbm"], "binary")
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: There is no model 'lihgtgbm' for a binary task. Did you mean ...
    """
    if isinstance(models, str):
        raise ParameterError(f"models is a list of names; got the text {models!r}. Write [{models!r}].")
    found = [_look_up(item, task) for item in models]
    names = [item.name for item in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"models names {', '.join(twice)} more than once; name each model once.")
    if not found:
        raise ParameterError(f"models is empty; name at least one. {list_known('', _names(task))}")
    return found if "baseline" in names else [CANDIDATES["baseline"], *found]


def _look_up(item: str | Candidate, task: Task) -> Candidate:
    if isinstance(item, Candidate):
        if task not in item.tasks:
            raise ParameterError(
                f"The model {item.name!r} is for {', '.join(item.tasks)}; the task is {task}."
            )
        return item
    name = _BY_TASK[item][task] if item in _BY_TASK else item
    if name not in _names(task):
        known = list_known(str(name), [*_names(task), *_BY_TASK])
        raise ParameterError(f"There is no model {name!r} for a {task} task. {known}")
    if name == "catboost" and not has_catboost():
        raise ParameterError(
            "The model 'catboost' needs the package catboost, which is not installed: "
            "pip install catboost. Or take lightgbm or xgboost."
        )
    return CANDIDATES[name]


def _names(task: Task) -> list[str]:
    return [item.name for item in CANDIDATES.values() if task in item.tasks]
