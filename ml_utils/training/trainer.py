"""ModelTrainer: which model predicts best, chosen by cross-validation, with the doubt stated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.evaluation.metrics import Metric, get_metric
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.model import Model
from ml_utils.problem import Decision
from ml_utils.training.candidates import CANDIDATES, Candidate, Setting, Task, get_candidates
from ml_utils.training.leaderboard import CandidateResult, leaderboard, order
from ml_utils.training.search import CandidateSearch, FoldTables, make_folds, scaled, search_rows
from ml_utils.training.thresholds import choose_threshold, threshold_curve, threshold_rules
from ml_utils.wording import count, figure

logger = logging.getLogger(__name__)

IMBALANCES = ("none", "class_weight")
DEFAULT_METRIC: dict[Task, str] = {"binary": "roc_auc", "regression": "rmse"}


class ModelTrainer(BaseEstimator):
    """Search over candidates by cross-validation, rank them, and fit the best on all rows.

    Parameters
    ----------
    models : sequence of str or Candidate
        Names in `candidates.CANDIDATES`; "linear" is the linear model of the task. The baseline is always
        beside them.
    n_trials : int
        Most trials for each candidate.
    cv_folds : int
    imbalance : {"none", "class_weight"}
        Whether the rarer class weighs as much as the other one in a binary task. Weights distort
        probabilities; the threshold is moved accordingly.
    metric : str, optional
        What candidates are ranked by; None and "auto" take roc_auc, or rmse.
    decision : Decision, optional
        What acting is worth; sets the threshold. Without it the threshold is that of the best F1.
    features : FeatureEngineer, optional
        Settings for the features; scaling is set for each candidate.
    max_search_rows : int, optional
        Larger tables are searched on a random part of this size; the best is fitted on all rows.
    task : {"auto", "binary", "regression"}
        `auto` takes a target of zeros and ones as binary.
    alpha : float
        Level of the tests between candidates.
    seed : int
    n_jobs : int
        Threads of one fit.
    progress : callable, optional
        Receives a line as each candidate is done.

    Attributes
    ----------
    leaderboard_ : DataFrame
        Best first; see `leaderboard.leaderboard`.
    best_ : Model
        The best candidate, fitted on all rows.
    candidates_ : list of CandidateResult
        Best first.
    studies_ : dict of str to optuna.Study
    oof_ : DataFrame of shape (n_rows, n_candidates)
        Out-of-fold scores; NaN in rows that the search did not use.
    thresholds_ : DataFrame or None
        Rules for the threshold on the best one's out-of-fold scores; None for a regression.
    threshold_curve_ : DataFrame or None
        F1 and profit over thresholds, on the same scores.
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
        models: Sequence[str | Candidate] = ("linear", "lightgbm", "xgboost"),
        n_trials: int = 30,
        cv_folds: int = 5,
        imbalance: str = "none",
        metric: str | None = None,
        decision: Decision | None = None,
        features: FeatureEngineer | None = None,
        max_search_rows: int | None = 40_000,
        task: Literal["auto", "binary", "regression"] = "auto",
        alpha: float = 0.05,
        seed: int = 42,
        n_jobs: int = 1,
        progress: Callable[[str], object] | None = None,
    ) -> None:
        self.models = models
        self.n_trials = n_trials
        self.cv_folds = cv_folds
        self.imbalance = imbalance
        self.metric = metric
        self.decision = decision
        self.features = features
        self.max_search_rows = max_search_rows
        self.task = task
        self.alpha = alpha
        self.seed = seed
        self.n_jobs = n_jobs
        self.progress = progress

    def fit(self, X: pd.DataFrame, y: pd.Series, groups: pd.Series | None = None) -> Self:
        """Search, rank, and fit the best.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Raw feature columns.
        y : Series of shape (n_rows,)
            0 or 1, or a number.
        groups : Series of shape (n_rows,), optional
            Rows of one group never stand on both sides of a fold.

        Raises
        ------
        DataError
            If the target has one value, a missing one, or another length than `X`; if every model fails.
        ParameterError
            If an option is unknown, or there are more folds than rows of the rarer class.
        """
        target = self._check(X, y, groups)
        chosen = get_candidates(self.models, self.task_)
        rows = search_rows(target, _values(groups), self.max_search_rows, self.task_, self.seed)
        grouping = None if groups is None else _values(groups)[rows]
        folds = make_folds(target[rows], grouping, self.cv_folds, self.task_, self.seed)
        tables = FoldTables(X.iloc[rows], target[rows], folds, self._engineer())
        self.chosen_ = {item.name: item for item in chosen}
        self.rows_, self.folds_ = rows, folds
        self._search(tables)
        self._rank(folds)
        self.oof_ = self._out_of_fold(X.index)
        self._fit_best(X, y, target)
        return self

    def fit_model(self, name: str, X: pd.DataFrame, y: pd.Series, threshold: float | None = None) -> Model:
        """Fit a candidate of the search, at the best parameters found, on rows of one's choice.

        Parameters
        ----------
        name : str
            A candidate of the leaderboard.
        X, y : DataFrame, Series
        threshold : float, optional
            Kept with the model.

        Raises
        ------
        ParameterError
            If there is no such candidate, or it failed.
        """
        check_is_fitted(self, "leaderboard_")
        params = {item.name: item.params for item in self.candidates_ if not item.error}
        if name not in params:
            raise ParameterError(f"There is no fitted candidate {name!r}. {list_known(name, params)}")
        candidate = self.chosen_[name]
        estimator = candidate.build(dict(params[name]), self.setting_)
        pipeline = Pipeline([("features", scaled(self._engineer(), candidate)), ("model", estimator)])
        pipeline.fit(X, np.asarray(y))
        return Model(pipeline, self.task_, tuple(X.columns), name, threshold)

    def simplest_tied(self) -> CandidateResult:
        """Return the simplest of the candidates that are tied with the best; it may be the best itself."""
        check_is_fitted(self, "leaderboard_")
        tied = set(self.leaderboard_.loc[self.leaderboard_["tied_with_best"], "candidate"])
        ranks = {name: i for i, name in enumerate(CANDIDATES)}
        found = [item for item in self.candidates_ if item.name in tied]
        return min(found, key=lambda item: ranks.get(item.name, len(ranks)))

    def results(self) -> dict[str, Any]:
        """Return what the search found, for a results file: the same inputs give the same values."""
        check_is_fitted(self, "best_")
        return {
            "metric": self.metric_.name,
            "greater_is_better": self.metric_.greater_is_better,
            "best": self.best_.name,
            "simplest_tied": self.simplest_tied().name,
            "threshold": self.best_.threshold,
            "rows_searched": len(self.rows_),
            "leaderboard": self.leaderboard_.drop(columns="fit_seconds"),
            "params": {item.name: item.params for item in self.candidates_},
            "fold_scores": {item.name: item.fold_scores for item in self.candidates_},
            "thresholds": self.thresholds_,
        }

    def _engineer(self) -> FeatureEngineer:
        return self.features if self.features is not None else FeatureEngineer(seed=self.seed)

    def _check(self, X: pd.DataFrame, y: pd.Series, groups: pd.Series | None) -> npt.NDArray[Any]:
        """Check the options and the target; set what follows from both."""
        if self.imbalance not in IMBALANCES:
            raise ParameterError(f"imbalance is {self.imbalance!r}. {list_known(self.imbalance, IMBALANCES)}")
        if self.n_trials < 1:
            raise ParameterError(f"n_trials is {self.n_trials}; it must be 1 or more.")
        target = _check_target(X, y, groups)
        self.task_: Task = _tell_task(target) if self.task == "auto" else self.task
        if self.task_ == "binary":
            if not np.isin(target, (0, 1)).all():
                raise DataError("A binary target is 0 or 1; turn the positive value into 1 first.")
            target = target.astype(np.int8)
        name = self.metric if self.metric not in (None, "auto") else DEFAULT_METRIC[self.task_]
        self.metric_: Metric = get_metric(name, self.task_)
        if self.metric_.kind != "score":
            raise ParameterError(
                f"metric is {self.metric_.name!r}, which judges decisions at a threshold; candidates are "
                "ranked by their scores. Take roc_auc, average_precision, log_loss or brier."
            )
        self.positive_weight_ = _positive_weight(target) if self._weighted() else 1.0
        self.setting_ = Setting(self.task_, self.seed, self.n_jobs, self.positive_weight_)
        return target

    def _weighted(self) -> bool:
        return self.task_ == "binary" and self.imbalance == "class_weight"

    def _search(self, tables: FoldTables) -> None:
        self.candidates_: list[CandidateResult] = []
        self.studies_: dict[str, Any] = {}
        for candidate in self.chosen_.values():
            search = CandidateSearch(candidate, tables, self.setting_, self.metric_)
            result, study = search.run(self.n_trials)
            self.candidates_.append(result)
            self.studies_[candidate.name] = study
            self._tell(result)
        failed = [item for item in self.candidates_ if item.error]
        if len(failed) >= len(self.candidates_) - 1 and failed:
            reasons = "; ".join(f"{item.name}: {item.error}" for item in failed)
            raise DataError(f"Every model failed, only the baseline is left. {reasons}")

    def _tell(self, result: CandidateResult) -> None:
        found = (
            f"failed ({result.error})" if result.error else f"{self.metric_.label} {figure(result.mean, 4)}"
        )
        line = f"{result.label}: {found}; trials: {count(result.trials)}, stopped early: {result.pruned}"
        logger.info(line)
        if self.progress is not None:
            self.progress(line)

    def _rank(self, folds: Sequence[Any]) -> None:
        ratio = float(np.mean([len(fold.valid) / len(fold.train) for fold in folds]))
        self.candidates_ = order(self.candidates_, self.metric_)
        self.leaderboard_ = leaderboard(self.candidates_, self.metric_, ratio, self.alpha)

    def _out_of_fold(self, index: pd.Index) -> pd.DataFrame:
        scores = {}
        for item in self.candidates_:
            if not item.error:
                scores[item.name] = np.full(len(index), np.nan)
                scores[item.name][self.rows_] = item.oof
        return pd.DataFrame(scores, index=index)

    def _fit_best(self, X: pd.DataFrame, y: pd.Series, target: npt.NDArray[Any]) -> None:
        name, threshold = self.candidates_[0].name, None
        self.thresholds_: pd.DataFrame | None = None
        self.threshold_curve_: pd.DataFrame | None = None
        if self.task_ == "binary":
            rows, score = target[self.rows_], self.candidates_[0].oof
            # the baseline of a weighted search is not weighted itself
            weight = 1.0 if name == "baseline" else self.positive_weight_
            threshold = choose_threshold(rows, score, self.decision, weight)
            self.thresholds_ = threshold_rules(rows, score, self.decision, weight)
            self.threshold_curve_ = threshold_curve(rows, score, self.decision)
        self.best_ = self.fit_model(name, X, pd.Series(target), threshold)


def _values(groups: pd.Series | None) -> Any:
    return None if groups is None else pd.factorize(groups)[0]


def _positive_weight(target: npt.NDArray[Any]) -> float:
    share = float(np.mean(target))
    return (1 - share) / share


def _tell_task(target: npt.NDArray[Any]) -> Task:
    return "binary" if np.isin(target, (0, 1)).all() else "regression"


def _check_target(X: pd.DataFrame, y: pd.Series, groups: pd.Series | None) -> npt.NDArray[Any]:
    lengths = {len(X), len(y), len(X) if groups is None else len(groups)}
    if len(lengths) != 1:
        raise DataError(
            f"X has {len(X)} rows, y {len(y)}" + (f", groups {len(groups)}." if groups is not None else ".")
        )
    try:
        target = np.asarray(y, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"The target must be numbers, 0 and 1 for two classes; got {y.dtype}.") from error
    bad = int((~np.isfinite(target)).sum())
    if bad:
        raise DataError(
            f"The target is missing or infinite in {bad} of {len(target)} rows; leave those rows out."
        )
    if not len(target) or target.min() == target.max():
        value = f"the value {target[0]:g} in every row" if len(target) else "no rows"
        raise DataError(f"The target has {value}; there is nothing to learn. Bring rows with other values.")
    return target
