"""ModelTrainer: which model predicts best, chosen by cross-validation, with the doubt stated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import ParameterError, list_known
from ml_utils.evaluation.metrics import Metric
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.model import Model
from ml_utils.problem import Decision
from ml_utils.training.assembling import Assembly
from ml_utils.training.calibration import calibrate
from ml_utils.training.candidates import CANDIDATES, Candidate, Setting, Task, get_candidates
from ml_utils.training.checks import check_classes, check_options, check_target, choose_metric, tell_task
from ml_utils.training.device import resolve_device
from ml_utils.training.ensembles import ENSEMBLES, ensemble_results
from ml_utils.training.imbalance import WEIGHTS, balancing_weight, check_imbalance
from ml_utils.training.leaderboard import CandidateResult, leaderboard, order, simplest
from ml_utils.training.rules import parse_rule
from ml_utils.training.search import (
    Budget,
    FoldTables,
    SearchOptions,
    make_folds,
    open_storage,
    search_all,
    search_key,
    search_rows,
)
from ml_utils.training.summary import check_any_left, out_of_fold_scores, search_summary, teller
from ml_utils.training.thresholds import thresholds_on_folds


class ModelTrainer(BaseEstimator):
    """Search over candidates by cross-validation, rank them with ensembles of them, and fit the best.

    Parameters
    ----------
    models : sequence of str or Candidate
        Names in `candidates.CANDIDATES`; the baseline is always beside them.
    n_trials : int
        Most trials for each candidate; the first is its known-good start, and the default goes no further.
    strategy : {"tpe", "random", "grid", "gp", "halving"}
        Where further trials look; see `search.samplers`.
    cv, cv_folds, cv_repeats : {"shuffled", "time"}, int, int
        Folds shuffled (stratified, groups whole), or each judged on the times after it.
    budget_seconds : float, optional
        Time for the whole of `fit`. What it cuts is said on the leaderboard; two runs may then differ.
    imbalance : str
        One of `imbalance.IMBALANCES`; weights and samplers act inside the fold, and probabilities are set
        right again by the change of the classes' shares.
    calibration : {"auto", "none", "sigmoid", "isotonic", "venn_abers"}
        Learnt on out-of-fold scores; `auto` calibrates only where that clearly helps.
    ensemble : {"none", "voting", "blend", "greedy", "stacking", "all"}
        Averages over the candidates, ranked with them.
    select : {"best", "one_standard_error"}
        The highest score, or the simplest candidate that is tied with it.
    threshold : str
        The rule for acting, as `rules.parse_rule` reads it: "auto" (analytic with a decision, else the best
        F1), "analytic", "tuned", "best_f1", "recall_at_precision:0.5", "precision_at_recall:0.8", "top:0.1"
        (a share of rows) or "top:500" (rows).
    early_stopping : bool
        Whether boosters find their rounds on an inner part of a fold's training rows.
    metric : str, optional
        What candidates are ranked by; None and "auto" take roc_auc, log_loss or rmse; "profit" is what the
        decision earns.
    decision : Decision, optional
        What acting is worth.
    features : FeatureEngineer, optional
        Settings for the features, which all candidates share.
    max_search_rows : int, optional
        Larger tables are searched on a random part of this size; the best is fitted on all rows.
    task : {"auto", "binary", "multiclass", "regression"}
        `auto` takes a target of zeros and ones as binary, any other as a regression.
    alpha, device : float, {"cpu", "auto", "cuda"}
        Level of the tests between candidates; where boosters are fitted.
    storage : str, optional
        Path of a file, or database URL, where studies are kept: an interrupted search goes on from there.
    seed, n_jobs : int
    progress : callable or "bar", optional
        Receives a line as each candidate is done; "bar" shows trials, best score and time left.

    Attributes
    ----------
    leaderboard_ : DataFrame
        Best first; see `leaderboard.leaderboard`.
    best_ : Model
        The chosen candidate, fitted on all rows.
    candidates_, chosen_result_ : list of CandidateResult, CandidateResult
        Best first; the one that was fitted.
    studies_ : dict of str to optuna.Study
    oof_ : DataFrame of shape (n_rows, n_candidates)
        Out-of-fold scores; NaN in rows that the search did not use. Not for several classes.
    calibration_ : CalibrationChoice
        What calibrating the chosen one gains, and whether it was done.
    thresholds_, threshold_curve_ : DataFrame or None
        Rules for the threshold, and F1 and profit over thresholds, on the chosen one's out-of-fold scores.
    task_, metric_, positive_weight_

    Examples
    --------
    >>> X = pd.DataFrame({"tenure": range(40), "plan": ["a", "b"] * 20})
    >>> y = pd.Series([1] * 15 + [0] * 25)
    >>> trainer = ModelTrainer(models=["linear"], n_trials=1, cv_folds=3).fit(X, y)
    >>> trainer.leaderboard_["candidate"].tolist()
    ['logistic', 'baseline']
    >>> ModelTrainer(models=["linaer"]).fit(X, y)
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: There is no model 'linaer' for a binary task. Did you mean 'linear'? ...
    """

    def __init__(
        self,
        models: Sequence[str | Candidate] = ("spline", "lightgbm", "lightgbm_large", "xgboost"),
        n_trials: int = 1,
        strategy: str = "tpe",
        cv: str = "shuffled",
        cv_folds: int = 5,
        cv_repeats: int = 1,
        budget_seconds: float | None = None,
        imbalance: str = "none",
        calibration: str = "auto",
        ensemble: str = "blend",
        select: str = "best",
        threshold: str = "auto",
        early_stopping: bool = False,
        metric: str | None = None,
        decision: Decision | None = None,
        features: FeatureEngineer | None = None,
        max_search_rows: int | None = 40_000,
        task: str = "auto",
        alpha: float = 0.05,
        device: str = "cpu",
        storage: str | None = None,
        seed: int = 42,
        n_jobs: int = 1,
        progress: Callable[[str], object] | str | None = None,
    ) -> None:
        self.models, self.n_trials, self.strategy = models, n_trials, strategy
        self.cv, self.cv_folds, self.cv_repeats = cv, cv_folds, cv_repeats
        self.budget_seconds, self.imbalance, self.calibration = budget_seconds, imbalance, calibration
        self.ensemble, self.select, self.threshold = ensemble, select, threshold
        self.early_stopping, self.metric, self.decision = early_stopping, metric, decision
        self.features, self.max_search_rows, self.task = features, max_search_rows, task
        self.alpha, self.device, self.storage = alpha, device, storage
        self.seed, self.n_jobs, self.progress = seed, n_jobs, progress

    def fit(
        self,
        X: pd.DataFrame,
        y: pd.Series,
        groups: pd.Series | None = None,
        times: pd.Series | None = None,
        gap: pd.DateOffset | None = None,
    ) -> Self:
        """Search, rank, and fit the best.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Raw feature columns.
        y : Series of shape (n_rows,)
            0 or 1, codes 0, 1, 2 … of several classes, or a number.
        groups : Series of shape (n_rows,), optional
            Rows of one group never stand on both sides of a shuffled fold.
        times : Series of shape (n_rows,), optional
            Needed by cv="time".
        gap : DateOffset, optional
            How long after a row's time its target is known.

        Raises
        ------
        DataError
            If the target has one value, a missing one, or another length than `X`; if every model fails.
        ParameterError
            If an option is unknown, or there are more folds than rows of the rarer class.
        """
        budget = Budget(self.budget_seconds)
        target = self._check(X, y, groups, times)
        chosen = get_candidates(self.models, self.task_)
        units = None if groups is None else pd.factorize(groups)[0]
        rows = search_rows(target, units, self.max_search_rows, self.task_, self.seed)
        inside = None if units is None else units[rows]
        stamps = None if times is None else times.iloc[rows]
        folds = make_folds(
            *(target[rows], inside, self.cv_folds, self.task_, self.seed, self.cv_repeats, self.cv),
            *(stamps, gap),
        )
        self.tables_ = FoldTables(
            *(X.iloc[rows], target[rows], folds, self._engineer(), self.imbalance, self.seed, inside),
            None if stamps is None or self.cv != "time" else pd.factorize(stamps, sort=True)[0],
        )
        self.chosen_, self.rows_, self.folds_ = {item.name: item for item in chosen}, rows, folds
        self._search(budget, len(X))
        self._rank()
        self.oof_ = out_of_fold_scores(self.candidates_, self.rows_, X.index)
        self._fit_chosen(X, target, units)
        return self

    def fit_model(
        self,
        name: str,
        X: pd.DataFrame,
        y: pd.Series,
        threshold: float | None = None,
        groups: pd.Series | None = None,
    ) -> Model:
        """Fit a candidate of the search, at the best parameters found, on rows of one's choice.

        Parameters
        ----------
        name, X, y, groups
            A candidate of the leaderboard, an ensemble too; the others as in `fit`.
        threshold : float, optional
            Kept with the model.

        Raises
        ------
        ParameterError
            If there is no such candidate, or it failed.
        """
        check_is_fitted(self, "leaderboard_")
        known = {item.name: item for item in self.candidates_ if not item.error}
        if name not in known:
            raise ParameterError(f"There is no fitted candidate {name!r}. {list_known(name, known)}")
        target = check_classes(np.asarray(y, dtype=float), self.task_)
        units = None if groups is None else pd.factorize(groups)[0]
        return self._assembly().fit(known[name], X, target, None, threshold, units)

    def simplest_tied(self) -> CandidateResult:
        """Return the simplest of the candidates that are tied with the best; it may be the best itself."""
        check_is_fitted(self, "leaderboard_")
        return simplest(self.candidates_, self.leaderboard_, list(CANDIDATES))

    def results(self) -> dict[str, Any]:
        """Return what the search found, for a results file: the same inputs give the same values."""
        return search_summary(self)

    def _engineer(self) -> FeatureEngineer:
        return self.features if self.features is not None else FeatureEngineer(seed=self.seed)

    def _check(self, X: pd.DataFrame, y: pd.Series, *others: pd.Series | None) -> npt.NDArray[Any]:
        """Check the options and the target; set what follows from both."""
        check_options(self.get_params(deep=False))
        target = check_target(X, y, *others)
        self.task_: Task = tell_task(target) if self.task == "auto" else self.task  # type: ignore[assignment]
        check_imbalance(self.imbalance, self.task_)
        if self.task_ == "binary":
            parse_rule(self.threshold, self.decision)
        target = check_classes(target, self.task_)
        self.metric_: Metric = choose_metric(self.metric, self.task_, self.decision)
        weighted = self.imbalance in WEIGHTS
        self.positive_weight_ = balancing_weight(target) if weighted and self.task_ == "binary" else 1.0
        self.setting_ = Setting(
            *(self.task_, self.seed, self.n_jobs, self.positive_weight_, weighted),
            resolve_device(self.device),
        )
        return target

    def _search(self, budget: Budget, n_rows: int) -> None:
        options = SearchOptions(self.strategy, self.n_trials, self.early_stopping, open_storage(self.storage))
        if self.storage is not None:
            key = search_key(self.tables_, self.setting_, self.metric_, options, self.decision)
            options = replace(options, key=key)
        found = search_all(
            *(list(self.chosen_.values()), self.tables_, self.setting_, self.metric_, options, budget),
            progress=self.progress,
            done=teller(self.metric_, self.progress),
            final_rows=n_rows,
        )
        self.candidates_: list[CandidateResult] = [result for result, _ in found]
        self.studies_: dict[str, Any] = {result.name: study for result, study in found}
        check_any_left(self.candidates_)

    def _rank(self) -> None:
        kinds = {"none": (), "all": tuple(ENSEMBLES)}.get(self.ensemble, (self.ensemble,))
        self.candidates_ += ensemble_results(kinds, self.candidates_, self.tables_, self.metric_, self.seed)
        self.candidates_ = order(self.candidates_, self.metric_)
        self.leaderboard_ = leaderboard(self.candidates_, self.metric_, self.tables_, self.alpha)
        self.chosen_result_ = self.candidates_[0] if self.select == "best" else self.simplest_tied()

    def _fit_chosen(self, X: pd.DataFrame, target: npt.NDArray[Any], units: npt.NDArray[Any] | None) -> None:
        chosen, y, threshold = self.chosen_result_, target[self.rows_], None
        self.thresholds_: pd.DataFrame | None = None
        self.threshold_curve_: pd.DataFrame | None = None
        valid = [fold.valid for fold in self.folds_[: self.cv_folds]]  # of repeated folds the first round
        self.calibration_ = calibrate(self.calibration, self.task_, y, chosen.oof, valid)
        if self.task_ == "binary":
            threshold, self.thresholds_, self.threshold_curve_ = thresholds_on_folds(
                y, self.calibration_.score, valid, self.decision, self.threshold, self.seed
            )
        calibrator = self.calibration_.calibrator
        self.best_ = self._assembly().fit(chosen, X, target, calibrator, threshold, units)

    def _assembly(self) -> Assembly:
        results = {item.name: item for item in self.candidates_}
        return Assembly(self._engineer(), self.chosen_, results, self.setting_, self.imbalance)
