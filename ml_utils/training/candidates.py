"""The models that a search may try, each with its search space and the settings it starts from.

Every search starts from a known-good prior: linear models with mild shrinkage, boosters that are shallow,
slow and regularised. Good priors beat long searches, and library defaults are neither shallow nor slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from ml_utils.errors import ParameterError, list_known

if TYPE_CHECKING:
    from optuna import Trial
    from sklearn.base import BaseEstimator

Task = Literal["binary", "regression"]
Params = dict[str, float]
Scaling = Literal["none", "standard"]


@dataclass(frozen=True)
class Setting:
    """What an estimator is built for.

    Parameters
    ----------
    task : {"binary", "regression"}
    seed : int
    n_jobs : int
        Threads of one fit.
    positive_weight : float
        Weight of a positive row, that of a negative one being 1.
    """

    task: Task
    seed: int = 42
    n_jobs: int = 1
    positive_weight: float = 1.0


def _no_space(trial: Trial) -> Params:
    return {}


@dataclass(frozen=True)
class Candidate:
    """A model that a search may try.

    Parameters
    ----------
    name : str
        What it is called in code, like "lightgbm".
    label : str
        What a page calls it.
    tasks : tuple of {"binary", "regression"}
    build : callable
        `build(params, setting)` gives an unfitted scikit-learn estimator.
    space : callable
        `space(trial)` draws parameters from an Optuna trial; draws nothing where there is nothing to tune.
    prior : mapping
        The parameters that are tried first; every name that `space` draws.
    scaling : {"none", "standard"}
        What FeatureEngineer does for it. Trees get raw values: scaling only moves their cut points.
    max_trials : int, optional
        Trials after which more would find nothing new.

    Examples
    --------
    A candidate of one's own takes three lines:

    >>> from sklearn.naive_bayes import GaussianNB
    >>> bayes = Candidate("bayes", "naive Bayes", ("binary",), lambda params, setting: GaussianNB())
    >>> bayes.trials(30)
    1
    """

    name: str
    label: str
    tasks: tuple[Task, ...]
    build: Callable[[Params, Setting], BaseEstimator]
    space: Callable[[Trial], Params] = _no_space
    prior: Mapping[str, float] = field(default_factory=dict)
    scaling: Scaling = "none"
    max_trials: int | None = None

    def trials(self, n_trials: int) -> int:
        """Return how many of `n_trials` are worth their time."""
        if not self.prior:
            return 1
        return min(n_trials, self.max_trials or n_trials)


def get_candidates(models: Iterable[str | Candidate], task: Task) -> list[Candidate]:
    """Look candidates up by name; "linear" is the linear model of the task.

    Parameters
    ----------
    models : iterable of str or Candidate
        Names in `CANDIDATES`, or candidates of one's own.
    task : {"binary", "regression"}

    Returns
    -------
    list of Candidate
        In the order given, the baseline in front whether it was asked for or not.

    Raises
    ------
    ParameterError
        If a name is unknown, is not for this task, is given twice, or none is given.

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
    name = _LINEAR[task] if item == "linear" else item
    if name not in _names(task):
        known = list_known(str(name), [*_names(task), "linear"])
        raise ParameterError(f"There is no model {name!r} for a {task} task. {known}")
    return CANDIDATES[name]


def _names(task: Task) -> list[str]:
    return [item.name for item in CANDIDATES.values() if task in item.tasks]


def _baseline(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return DummyClassifier(strategy="prior") if setting.task == "binary" else DummyRegressor()


def _logistic(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.linear_model import LogisticRegression

    weights = {0: 1.0, 1: setting.positive_weight}
    return LogisticRegression(C=params["C"], class_weight=weights, max_iter=2000)


def _logistic_space(trial: Trial) -> Params:
    return {"C": trial.suggest_float("C", 1e-3, 10.0, log=True)}


def _spline_logistic(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    splines = SplineTransformer(n_knots=int(params["n_knots"]), knots="quantile", extrapolation="constant")
    curved = ColumnTransformer([("splines", splines, graded_columns)], remainder="passthrough")
    return make_pipeline(curved, _logistic(params, setting))


def graded_columns(frame: pd.DataFrame, n_values: int = 12) -> list[str]:
    """Return the columns with more than `n_values` different values: a curve through fewer says nothing."""
    return [name for name in frame.columns if frame[name].nunique() > n_values]


def _spline_space(trial: Trial) -> Params:
    return {
        "C": trial.suggest_float("C", 1e-3, 10.0, log=True),
        "n_knots": trial.suggest_int("n_knots", 4, 10),
    }


def _ridge(params: Params, setting: Setting) -> BaseEstimator:
    from sklearn.linear_model import Ridge

    return Ridge(alpha=params["alpha"])


def _ridge_space(trial: Trial) -> Params:
    return {"alpha": trial.suggest_float("alpha", 1e-2, 1e4, log=True)}


def _lightgbm(params: Params, setting: Setting) -> BaseEstimator:
    from lightgbm import LGBMClassifier, LGBMRegressor

    # deterministic and row-wise: the same bytes from run to run, whatever the machine's load
    fixed: dict[str, Any] = {
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        "subsample_freq": 1,
    }
    common: dict[str, Any] = {**params, **fixed, "random_state": setting.seed, "n_jobs": setting.n_jobs}
    if setting.task == "binary":
        return LGBMClassifier(**common, scale_pos_weight=setting.positive_weight)
    return LGBMRegressor(**common)


def _lightgbm_space(trial: Trial) -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 100, 350, step=50),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.12, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 31, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 10, 200, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 50.0, log=True),
    }


def _xgboost(params: Params, setting: Setting) -> BaseEstimator:
    from xgboost import XGBClassifier, XGBRegressor

    common = {**params, "tree_method": "hist", "random_state": setting.seed, "n_jobs": setting.n_jobs}
    if setting.task == "binary":
        return XGBClassifier(**common, scale_pos_weight=setting.positive_weight)
    return XGBRegressor(**common)


def _xgboost_space(trial: Trial) -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 100, 350, step=50),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.12, log=True),
        "max_depth": trial.suggest_int("max_depth", 2, 5),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 50.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 50.0, log=True),
    }


_BOTH: tuple[Task, ...] = ("binary", "regression")
_SLOW: Params = {"n_estimators": 300, "learning_rate": 0.04, "subsample": 0.7, "colsample_bytree": 0.5}
_LINEAR: dict[Task, str] = {"binary": "logistic", "regression": "ridge"}

# From the simplest to the most flexible: among tied candidates a reader is told of the first.
CANDIDATES: dict[str, Candidate] = {
    item.name: item
    for item in (
        Candidate("baseline", "baseline (no column)", _BOTH, _baseline),
        Candidate(
            *("logistic", "logistic regression", ("binary",), _logistic, _logistic_space),
            *({"C": 0.1}, "standard", 6),
        ),
        Candidate(
            *("spline_logistic", "logistic on splines", ("binary",), _spline_logistic, _spline_space),
            *({"C": 0.1, "n_knots": 8}, "standard", 10),
        ),
        Candidate(
            *("ridge", "ridge regression", ("regression",), _ridge, _ridge_space),
            *({"alpha": 10.0}, "standard", 6),
        ),
        Candidate(
            *("lightgbm", "LightGBM", _BOTH, _lightgbm, _lightgbm_space),
            {**_SLOW, "num_leaves": 6, "min_child_samples": 40, "reg_lambda": 5.0},
        ),
        Candidate(
            *("xgboost", "XGBoost", _BOTH, _xgboost, _xgboost_space),
            {**_SLOW, "max_depth": 3, "min_child_weight": 5.0, "reg_lambda": 5.0},
        ),
    )
}
