"""The search for one candidate's parameters over the folds."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import Metric
from ml_utils.training.candidates import Candidate, Params, Setting
from ml_utils.training.imbalance import PriorShift, candidate_shift
from ml_utils.training.leaderboard import CandidateResult
from ml_utils.training.search.budget import Budget, OutOfTime
from ml_utils.training.search.fitting import (
    Array,
    Attempt,
    failures,
    fit_fold,
    out_of_fold,
    predict,
    probe_step,
)
from ml_utils.training.search.options import SearchOptions
from ml_utils.training.search.samplers import make_pruner, make_sampler, planned
from ml_utils.training.search.studies import INTERRUPTED, finished, open_study, quiet_optuna
from ml_utils.training.search.tables import FoldTable, FoldTables

if TYPE_CHECKING:
    from optuna import Study, Trial

logger = logging.getLogger(__name__)

# A booster's time grows with the rows to about this power, 5,600 to 32,000 rows: every round costs something.
ROUNDS_GROW = 0.65


class CandidateSearch:
    """The search for one candidate's parameters: its prior first, then the strategy.

    Weak trials are stopped early, after a fold.

    Parameters
    ----------
    candidate : Candidate
    tables : FoldTables
    setting : Setting
    metric : Metric
    options : SearchOptions
    tell : callable, optional
        Called after each trial with the trials done, those planned, and the best score so far.
    """

    def __init__(
        self,
        candidate: Candidate,
        tables: FoldTables,
        setting: Setting,
        metric: Metric,
        options: SearchOptions | None = None,
        tell: Callable[[int, int, float], object] | None = None,
    ) -> None:
        self.candidate = candidate
        self.tables = tables
        self.setting = setting
        self.metric = metric
        self.options = options or SearchOptions()
        self.tell = tell
        self.longest = 0.0
        self._budget, self._final_fits = Budget(), 0.0
        self._attempts: dict[int, Attempt] = {}
        self._error = self._cut = ""
        self._study: Study | None = None

    def run(self, budget: Budget | None = None) -> tuple[CandidateResult, Study]:
        """Search; a trial that fails is left behind, a candidate without a trial that worked says why."""
        self.advance(budget)
        return self.result()

    def advance(self, budget: Budget | None = None, most: int | None = None, final_fits: float = 0.0) -> None:
        """Go on until all trials are done, or as many as are asked for.

        Parameters
        ----------
        budget : Budget, optional
            No trial is begun that would not end within it, by the time of the longest fit so far.
        most : int, optional
            Trials that are done in the end.
        final_fits : float
            Fits that the budget must leave room for after the last trial.
        """
        self._budget, self._final_fits = budget or Budget(), final_fits
        n_trials = self.n_trials
        fixed = planned(self.candidate, self.options.strategy, self.options.n_trials)
        with quiet_optuna():
            study = self._open()
            for number in range(len(finished(study)), min(n_trials, most or n_trials)):
                study.sampler = make_sampler(self.options.strategy, self.setting.seed, number, n_trials)
                if number < len(fixed):
                    study.enqueue_trial(fixed[number])
                try:
                    study.optimize(self._score, n_trials=1, catch=failures())
                except OutOfTime as error:
                    self._cut = str(error)
                    break
                self._report(study, number + 1, n_trials)

    @property
    def n_trials(self) -> int:
        """Trials that are planned."""
        if self.options.strategy == "grid":
            return len(planned(self.candidate, "grid", self.options.n_trials))
        return max(self.candidate.trials(self.options.n_trials), 1)

    @property
    def worked(self) -> bool:
        """Whether a trial came to its end with a score."""
        return self._study is not None and _best_number(self._study) is not None

    def result(self) -> tuple[CandidateResult, Study]:
        """Return what was found so far, and the study."""
        with quiet_optuna():
            study = self._open()
            best = self._best(study)
        return self._result(study, best, self._cut), study

    def _open(self) -> Study:
        if self._study is None:
            start = json.dumps([dict(self.candidate.prior), dict(self.candidate.grid)], sort_keys=True)
            own = hashlib.sha256(start.encode()).hexdigest()[:8]  # a changed candidate is another one
            self._study = open_study(
                f"{self.candidate.name}-{own}-{self.options.key}",
                self.options.storage,
                greater_is_better=self.metric.greater_is_better,
                pruner=make_pruner(self.options.strategy),
            )
        return self._study

    def _report(self, study: Study, done: int, n_trials: int) -> None:
        number = _best_number(study)
        if self.tell is not None:
            self.tell(done, n_trials, float("nan") if number is None else study.best_value)
        for other in [n for n in self._attempts if n != number]:
            del self._attempts[other]  # their models are not wanted any more

    def _score(self, trial: Trial) -> float:
        from optuna import TrialPruned

        try:
            return self._attempt(trial)
        except TrialPruned:
            raise
        except failures() as error:
            self._error = self._error or f"{type(error).__name__}: {error}"
            raise
        except BaseException:  # out of time, or the user's interruption: a resumed study tries this one again
            trial.set_user_attr(INTERRUPTED, True)
            raise

    def _attempt(self, trial: Trial) -> float:
        from optuna import TrialPruned

        attempt = Attempt(self.candidate.space(trial))
        for number in range(len(self.tables.folds)):
            self._fit_fold(attempt, number)
            trial.report(float(np.mean(attempt.scores)), number + 1)
            if number + 1 < len(self.tables.folds) and trial.should_prune():
                raise TrialPruned
        self._attempts[trial.number] = attempt
        return float(np.mean(attempt.scores))

    def _best(self, study: Study) -> Attempt | None:
        """Return the best trial's models; fitted anew, within the budget, where another process's it was."""
        from optuna.trial import FixedTrial

        number = _best_number(study)
        if number is None or number in self._attempts:
            return None if number is None else self._attempts[number]
        attempt = Attempt(self.candidate.space(FixedTrial(study.trials[number].params)))  # type: ignore[arg-type]
        try:
            for fold in range(len(self.tables.folds)):
                self._fit_fold(attempt, fold)
        except OutOfTime as error:
            self._cut = str(error)
            return None
        self._attempts[number] = attempt
        return attempt

    def _fit_fold(self, attempt: Attempt, number: int) -> None:
        clock = self._budget.clock
        fold, table = self.tables.folds[number], self.tables.all()[number]
        self._check_time(attempt.params, number)
        started = clock()
        model, rounds = fit_fold(
            *(self.candidate, attempt.params, self.setting, self.tables, number),
            early_stopping=self.options.early_stopping,
        )
        fitted = clock()
        predicted = self._shift(table).undo(predict(model, table.valid, self.setting.task))
        ended = clock()
        self.longest = max(self.longest, ended - started)
        attempt.rounds += [] if rounds is None else [rounds]
        attempt.fit_seconds.append(fitted - started)
        attempt.predict_seconds.append((ended - fitted) / max(len(table.valid), 1))
        attempt.models.append(model)
        attempt.predictions.append(predicted)
        attempt.scores.append(self._value(fold.valid, predicted))

    def _shift(self, table: FoldTable) -> PriorShift:
        return candidate_shift(self.candidate, self.setting, table.shift, table.y)

    def _check_time(self, params: Params, number: int) -> None:
        """Stop where the trial's other folds, and what is kept back, would not end in time."""
        if not self._budget.bounded:
            return
        one = self.longest or self._probe(params)
        fits = len(self.tables.folds) - number
        if not self._budget.fits(one * (fits + self._final_fits)):
            taking = f" of about {one:.2g} s each" if math.isfinite(one) else ""
            left = f"{self._budget.left():.2g} s were left"
            raise OutOfTime(f"the time budget ended: {fits} fits{taking} were to come, {left}")

    def _probe(self, params: Params) -> float:
        """Tell a first fit's time from one on a part of the rows; of a small table it is not worth asking."""
        step = probe_step(len(self.tables.folds[0].train))
        if step == 1 or not self._budget.left():
            return 0.0 if self._budget.left() else math.inf
        started = self._budget.clock()
        try:
            fit_fold(
                *(self.candidate, params, self.setting, self.tables, 0),
                early_stopping=self.options.early_stopping,
                step=step,
            )
        except failures():
            return 0.0  # the fit itself will say what is wrong
        return (self._budget.clock() - started) * step ** (ROUNDS_GROW if self.candidate.rounds else 1.0)

    def _value(self, rows: npt.NDArray[np.intp], predicted: Array) -> float:
        value = self.metric.value(self.tables.y[rows], predicted)
        if not np.isfinite(value):
            raise DataError(f"{self.metric.label} is not defined on a fold.")
        return value

    def _result(self, study: Study, best: Attempt | None, cut: str) -> CandidateResult:
        trials = finished(study)
        done = CandidateResult(
            self.candidate.name,
            self.candidate.label,
            trials=len(trials),
            pruned=sum(trial.state.name == "PRUNED" for trial in trials),
            failed=sum(trial.state.name == "FAIL" for trial in trials),
            cut=cut,
        )
        if best is None:
            error = self._error or cut
            logger.warning("%s has no result: %s", self.candidate.name, error)
            return replace(done, error=error)
        params = dict(best.params)
        if best.rounds and self.candidate.rounds:
            params[self.candidate.rounds] = int(np.median(best.rounds))
        fitted = self._fitted(best)
        return replace(
            done,
            params=params,
            fold_scores=tuple(best.scores),
            train_scores=tuple(
                self._value(fold.train, predicted)
                for fold, predicted in zip(self.tables.folds, fitted, strict=True)
            ),
            predictions=tuple(best.predictions),
            fitted=tuple(fitted),
            oof=out_of_fold(self.tables, best.predictions),
            fit_seconds=float(np.mean(best.fit_seconds)),
            predict_seconds=float(np.mean(best.predict_seconds)),
            size=len(pickle.dumps(best.models[-1], protocol=5)),
        )

    def _fitted(self, attempt: Attempt) -> list[Array]:
        """Predictions of the rows that each fold's model was fitted on, for the gap."""
        return [
            self._shift(table).undo(predict(model, table.plain, self.setting.task))
            for table, model in zip(self.tables.all(), attempt.models, strict=True)
        ]


def _best_number(study: Study) -> int | None:
    try:
        return study.best_trial.number
    except ValueError:  # no trial came to its end
        return None
