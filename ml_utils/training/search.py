"""Folds, and the search for one candidate's parameters over them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.metrics import Metric
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.training.candidates import Candidate, Params, Setting, Task
from ml_utils.training.leaderboard import CandidateResult

if TYPE_CHECKING:
    from optuna import Study, Trial

logger = logging.getLogger(__name__)

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

# What a library may raise over data or parameters that it cannot handle; anything else is a bug and stops.
FAILURES = (
    *(ArithmeticError, AttributeError, ImportError, LookupError),
    *(MemoryError, RuntimeError, TypeError, ValueError),
)


@dataclass(frozen=True)
class Fold:
    """Positions of a fold's training and validation rows."""

    train: Index
    valid: Index


def make_folds(
    y: npt.NDArray[Any], groups: npt.NDArray[Any] | None, n_folds: int, task: Task, seed: int
) -> list[Fold]:
    """Divide rows into folds: shuffled, stratified by a binary target, whole groups on one side.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    groups : ndarray of shape (n_rows,) or None
    n_folds : int
    task : {"binary", "regression"}
    seed : int

    Returns
    -------
    list of Fold

    Raises
    ------
    ParameterError
        If there are fewer than two folds, or more than rows, groups or rows of the rarer class.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    _check_enough(y, groups, n_folds, task)
    shuffled = {"n_splits": n_folds, "shuffle": True, "random_state": seed}
    if task == "binary":
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    else:
        kind = KFold if groups is None else GroupKFold
    rows = np.zeros(len(y))
    folds = [Fold(train, valid) for train, valid in kind(**shuffled).split(rows, y, groups)]
    for fold in folds:
        parts = (y[fold.train], y[fold.valid])
        if task == "binary" and any(len(np.unique(part)) < 2 for part in parts):
            raise ParameterError(
                f"With cv_folds={n_folds} a fold has one class only, because the groups of the rarer class "
                "are few. Take fewer folds, or bring more rows."
            )
    return folds


def _check_enough(y: npt.NDArray[Any], groups: npt.NDArray[Any] | None, n_folds: int, task: Task) -> None:
    if n_folds < 2:
        raise ParameterError(f"cv_folds is {n_folds}; cross-validation needs 2 or more.")
    units, what = (len(y), "rows") if groups is None else (len(np.unique(groups)), "groups")
    if task == "binary":
        rare = y == (1 if y.mean() <= 0.5 else 0)
        units = int(rare.sum()) if groups is None else len(np.unique(groups[rare]))
        what = f"{what} of the rarer class"
    if units < n_folds:
        raise ParameterError(
            f"cv_folds is {n_folds}, but there are only {units} {what}; every fold needs one. "
            f"Take {max(units, 2)} folds or fewer, or bring more rows."
        )


def search_rows(
    y: npt.NDArray[Any], groups: npt.NDArray[Any] | None, max_rows: int | None, task: Task, seed: int
) -> Index:
    """Choose the rows that a search works on: all, or a random part of about `max_rows`.

    Parts are stratified by a binary target; where there are groups, whole groups are drawn instead.

    Returns
    -------
    ndarray of int
        Positions, ascending.
    """
    n = len(y)
    if max_rows is None or n <= max_rows:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    if groups is not None:
        codes, names = pd.factorize(groups)
        place = rng.permutation(len(names))
        sizes = np.bincount(codes)[np.argsort(place)]
        wanted = int(np.searchsorted(np.cumsum(sizes), max_rows, side="right"))
        return np.flatnonzero(place[codes] < max(wanted, 1))
    strata = [np.flatnonzero(y == value) for value in (0, 1)] if task == "binary" else [np.arange(n)]
    share = max_rows / n
    drawn = [rng.choice(rows, max(round(share * len(rows)), 1), replace=False) for rows in strata]
    return np.sort(np.concatenate(drawn))


@dataclass
class FoldTables:
    """The features of each fold, made once for each kind of scaling and used by every trial.

    FeatureEngineer is fitted on the fold's training rows only; no trial changes what it does.
    """

    X: pd.DataFrame
    y: npt.NDArray[Any]
    folds: list[Fold]
    engineer: FeatureEngineer
    _made: dict[str, list[tuple[pd.DataFrame, pd.DataFrame]]] = field(default_factory=dict)

    def of(self, candidate: Candidate) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """Return (training features, validation features) of each fold."""
        if candidate.scaling not in self._made:
            self._made[candidate.scaling] = [self._make(candidate, fold) for fold in self.folds]
        return self._made[candidate.scaling]

    def _make(self, candidate: Candidate, fold: Fold) -> tuple[pd.DataFrame, pd.DataFrame]:
        engineer = scaled(self.engineer, candidate)
        train = engineer.fit_transform(self.X.iloc[fold.train], self.y[fold.train])
        return train, engineer.transform(self.X.iloc[fold.valid])


def scaled(engineer: FeatureEngineer, candidate: Candidate) -> FeatureEngineer:
    """Return an unfitted copy of `engineer` with the scaling that a candidate needs."""
    from sklearn.base import clone

    return clone(engineer).set_params(scaling=candidate.scaling)


@dataclass
class _Attempt:
    """One trial's models and what they scored."""

    params: Params
    models: list[Any] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    predictions: list[Array] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class CandidateSearch:
    """The search for one candidate's parameters: its prior first, then TPE, weak trials stopped early.

    Parameters
    ----------
    candidate : Candidate
    tables : FoldTables
    setting : Setting
    metric : Metric
    """

    def __init__(self, candidate: Candidate, tables: FoldTables, setting: Setting, metric: Metric) -> None:
        self.candidate = candidate
        self.tables = tables
        self.setting = setting
        self.metric = metric
        self._best: _Attempt | None = None
        self._error = ""

    def run(self, n_trials: int) -> tuple[CandidateResult, Study]:
        """Search; a trial that fails is left behind, a candidate without a trial that worked says why."""
        import optuna

        n_trials = self.candidate.trials(n_trials)
        start = min(10, max(3, n_trials // 3))  # trials drawn at random before TPE takes over
        with quiet_optuna():
            study = optuna.create_study(
                study_name=self.candidate.name,
                direction="maximize" if self.metric.greater_is_better else "minimize",
                sampler=optuna.samplers.TPESampler(n_startup_trials=start, seed=self.setting.seed),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
            )
            if self.candidate.prior:
                study.enqueue_trial(dict(self.candidate.prior))
            study.optimize(self._score, n_trials=n_trials, catch=_failures())
        return self._result(study), study

    def _score(self, trial: Trial) -> float:
        try:
            return self._attempt(trial)
        except _failures() as error:
            self._error = self._error or f"{type(error).__name__}: {error}"
            raise

    def _attempt(self, trial: Trial) -> float:
        from optuna import TrialPruned

        attempt = _Attempt(self.candidate.space(trial))
        for number, (train, valid) in enumerate(self.tables.of(self.candidate)):
            self._fit_fold(attempt, number, train, valid)
            trial.report(float(np.mean(attempt.scores)), number)
            if number + 1 < len(self.tables.folds) and trial.should_prune():
                raise TrialPruned
        mean = float(np.mean(attempt.scores))
        if self._best is None or self._better(mean, float(np.mean(self._best.scores))):
            self._best = attempt
        return mean

    def _better(self, first: float, second: float) -> bool:
        return first > second if self.metric.greater_is_better else first < second

    def _fit_fold(self, attempt: _Attempt, number: int, train: pd.DataFrame, valid: pd.DataFrame) -> None:
        fold = self.tables.folds[number]
        model = self.candidate.build(dict(attempt.params), self.setting)
        started = time.perf_counter()
        model.fit(train, self.tables.y[fold.train])
        attempt.seconds.append(time.perf_counter() - started)
        predicted = predict(model, valid, self.setting.task)
        attempt.models.append(model)
        attempt.predictions.append(predicted)
        attempt.scores.append(self._value(fold.valid, predicted))

    def _value(self, rows: Index, predicted: Array) -> float:
        value = self.metric.value(self.tables.y[rows], predicted)
        if not np.isfinite(value):
            raise DataError(f"{self.metric.label} is not defined on a fold.")
        return value

    def _result(self, study: Study) -> CandidateResult:
        done = CandidateResult(
            self.candidate.name,
            self.candidate.label,
            trials=len(study.trials),
            pruned=_count(study, "PRUNED"),
            failed=_count(study, "FAIL"),
        )
        if self._best is None:
            logger.warning("%s failed: %s", self.candidate.name, self._error)
            return replace(done, error=self._error)
        return replace(
            done,
            params=self._best.params,
            fold_scores=tuple(self._best.scores),
            train_scores=tuple(self._train_scores(self._best)),
            oof=self._out_of_fold(self._best),
            fit_seconds=float(np.mean(self._best.seconds)),
        )

    def _train_scores(self, attempt: _Attempt) -> list[float]:
        tables = self.tables.of(self.candidate)
        return [
            self._value(fold.train, predict(model, train, self.setting.task))
            for fold, (train, _), model in zip(self.tables.folds, tables, attempt.models, strict=True)
        ]

    def _out_of_fold(self, attempt: _Attempt) -> Array:
        scores = np.full(len(self.tables.y), np.nan)
        for fold, predicted in zip(self.tables.folds, attempt.predictions, strict=True):
            scores[fold.valid] = predicted
        return scores


def _count(study: Study, state: str) -> int:
    return sum(trial.state.name == state for trial in study.trials)


def predict(model: Any, features: pd.DataFrame, task: Task) -> Array:
    """Return P(positive), or the predicted value, of a fitted estimator."""
    if task == "binary":
        return np.asarray(model.predict_proba(features)[:, 1], dtype=float)
    return np.asarray(model.predict(features), dtype=float)


def _failures() -> tuple[type[Exception], ...]:
    from lightgbm.basic import LightGBMError  # its errors descend from Exception alone

    return (*FAILURES, LightGBMError)


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's line for each trial out of the page; what failed is told by the leaderboard."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
