"""What a candidate is: a model that a search may try, with its space and the settings that it starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from optuna import Trial
    from sklearn.base import BaseEstimator

Task = Literal["binary", "multiclass", "regression"]
Value = float | int | str
Params = dict[str, Any]  # names to numbers or words

ALL: tuple[Task, ...] = ("binary", "multiclass", "regression")
CLASSES: tuple[Task, ...] = ("binary", "multiclass")
NUMBERS: tuple[Task, ...] = ("regression",)


@dataclass(frozen=True)
class Setting:
    """What an estimator is built for.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    seed : int
    n_jobs : int
        Threads of one fit.
    positive_weight : float
        Weight of a positive row of a binary task, that of a negative one being 1.
    balanced : bool
        Whether the classes of a multi-class task weigh the same.
    device : {"cpu", "cuda"}
        Where boosters that can are fitted.
    """

    task: Task
    seed: int = 42
    n_jobs: int = 1
    positive_weight: float = 1.0
    balanced: bool = False
    device: str = "cpu"

    @property
    def class_weight(self) -> dict[int, float] | str | None:
        """What scikit-learn's classifiers take; None where all rows weigh the same."""
        if self.task == "multiclass":
            return "balanced" if self.balanced else None
        return {0: 1.0, 1: self.positive_weight} if self.positive_weight != 1 else None


def no_space(trial: Trial) -> Params:
    """Draw nothing."""
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
    tasks : tuple of {"binary", "multiclass", "regression"}
    build : callable
        `build(params, setting)` gives an unfitted scikit-learn estimator, which takes complete numeric
        features as they are: one that needs scaled ones brings its own scaler.
    space : callable
        `space(trial)` draws parameters from an Optuna trial; draws nothing where there is nothing to tune.
    prior : mapping
        The parameters that are tried first; every name that `space` draws.
    grid : mapping
        Values that the grid strategy tries for a parameter; the prior stands for the others.
    max_trials : int, optional
        Trials after which more would find nothing new.
    rounds : str, optional
        The parameter that early stopping sets: the number of boosting rounds.
    weighs : bool
        Whether rows of one class can weigh more than those of another.

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
    space: Callable[[Trial], Params] = no_space
    prior: Mapping[str, Value] = field(default_factory=dict)
    grid: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    max_trials: int | None = None
    rounds: str | None = None
    weighs: bool = True

    def trials(self, n_trials: int) -> int:
        """Return how many of `n_trials` are worth their time."""
        if not self.prior:
            return 1
        return min(n_trials, self.max_trials or n_trials)
