"""Learning curve and validation curve: would more rows help, and how much does a setting matter?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import Array
from ml_utils.training.candidates import Params
from ml_utils.training.curves import LearningCurve, ValidationCurve
from ml_utils.training.ensembles import combine_predictions
from ml_utils.training.forecast import forecast_gain
from ml_utils.training.leaderboard import CandidateResult, corrected_interval, corrected_t_test
from ml_utils.training.search import CandidateSearch, Fold, FoldTables, SearchOptions
from ml_utils.training.trainer import ModelTrainer
from ml_utils.wording import percent

SHARES = (0.12, 0.25, 0.5)
MIN_ROWS, MIN_OF_A_CLASS = 50, 10
FIRST_GUESSES = ("learning_rate", "C", "alpha", "min_samples_leaf", "n_neighbors")
ENOUGH_TRIALS = 8  # completed, before they can tell which parameter matters


def learning_curve(trainer: ModelTrainer, shares: Sequence[float] = SHARES) -> LearningCurve:
    """Fit the chosen candidate on growing parts of each fold's training rows.

    Parts are nested, stratified by class, whole groups in or out; features are learnt from the part alone.
    The last point is the search's own.

    Parameters
    ----------
    trainer : ModelTrainer
        Fitted.
    shares : sequence of float
        Of a fold's training rows, below 1.

    Returns
    -------
    LearningCurve
    """
    result, metric = trainer.chosen_result_, trainer.metric_
    base = next(item for item in trainer.candidates_ if item.name == "baseline")
    tables = _first_round(trainer)
    n = len(tables.folds)
    ratio = float(np.mean([len(fold.valid) / len(fold.train) for fold in tables.folds]))
    sizes, train, valid = [], [], []
    for share in sorted(shares):
        part = _part(tables, share, trainer.task_)
        if part is None:
            continue
        try:
            scores = _score(trainer, result, part)
        except DataError:  # too few rows for this model; the curve begins later
            continue
        sizes.append(float(np.mean([len(fold.train) for fold in part.folds])))
        train.append(scores[0])
        valid.append(scores[1])
    sizes.append(float(np.mean([len(fold.train) for fold in tables.folds])))
    train.append(result.train_scores[:n])
    valid.append(result.fold_scores[:n])
    points = pd.concat([pd.DataFrame({"rows": sizes}), _bands(train, valid, ratio)], axis=1)
    enough = len(sizes) >= 4 and result.name != "baseline"
    forecast = forecast_gain(sizes, valid, ratio, greater_is_better=metric.greater_is_better)
    learnt = abs(result.mean - base.mean)
    return LearningCurve(result.label, metric, points, forecast if enough else None, learnt)


def validation_curve(trainer: ModelTrainer, n_values: int = 4, max_folds: int = 3) -> ValidationCurve | None:
    """Score the best single candidate over its most important parameter.

    Parameters
    ----------
    trainer : ModelTrainer
        Fitted.
    n_values : int
        Values over the range that the search drew from, beside the one that it chose.
    max_folds : int
        Folds that are looked at, of those of the search.

    Returns
    -------
    ValidationCurve or None
        None where no candidate has a parameter to tune.
    """
    found = [item for item in trainer.candidates_ if not item.error and not item.weights and item.params]
    if not found:
        return None
    result = found[0]
    name, reason = important_parameter(trainer.studies_[result.name], result, trainer.seed)
    kind = trainer.studies_[result.name].best_trial.distributions[name]
    chosen = float(result.params[name])
    tables = _first_round(trainer, max_folds)
    n = len(tables.folds)
    ratio = float(np.mean([len(fold.valid) / len(fold.train) for fold in tables.folds]))
    rows = [(chosen, result.train_scores[:n], result.fold_scores[:n])]
    for value in _values(kind, n_values):
        if not np.isclose(value, chosen):
            params = {**result.params, name: int(value) if float(result.params[name]).is_integer() else value}
            try:
                rows.append((float(value), *_score(trainer, replace(result, params=params), tables)))
            except DataError:  # a value at the edge that this table does not allow
                continue
    rows.sort(key=lambda row: row[0])
    points = _bands([row[1] for row in rows], [row[2] for row in rows], ratio)
    points.insert(0, "value", [row[0] for row in rows])
    points["p_value"] = [corrected_t_test(row[2], result.fold_scores[:n], ratio) for row in rows]
    log = bool(getattr(kind, "log", False))
    return ValidationCurve(result.label, trainer.metric_, name, reason, chosen, log, points)


def important_parameter(study: Any, result: CandidateResult, seed: int) -> tuple[str, str]:
    """Return the parameter that moves a study's score most, and how that is known.

    Parameters
    ----------
    study : optuna.Study
    result : CandidateResult
    seed : int
        For the forest behind the importances (Hutter et al. 2014).

    Returns
    -------
    name, reason : str
    """
    numbers = [name for name, value in result.params.items() if isinstance(value, int | float)]
    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if len(done) >= ENOUGH_TRIALS:
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        told = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
        for name in told:
            if name in numbers:
                return name, f"explains {percent(told[name], 0)} of the differences between trials"
    guess = next((name for name in FIRST_GUESSES if name in numbers), numbers[0])
    return guess, "too few trials to tell which parameter matters most"


def _first_round(trainer: ModelTrainer, max_folds: int | None = None) -> FoldTables:
    """Return the folds of the first round, with the features that the search made."""
    tables = trainer.tables_
    n = min(trainer.cv_folds, max_folds or trainer.cv_folds)
    return replace(tables, folds=tables.folds[:n], _made=tables.all()[:n])


def _part(tables: FoldTables, share: float, task: str) -> FoldTables | None:
    """Return the same folds with a part of their training rows; None where that leaves too few."""
    rng = np.random.default_rng(tables.seed)
    order = _order(tables.y, tables.groups, task, rng)
    folds = []
    for fold in tables.folds:
        rows = fold.train[order[fold.train] < share]
        if len(rows) < MIN_ROWS:
            return None
        if task != "regression":
            classes, sizes = np.unique(tables.y[rows], return_counts=True)
            if len(classes) < len(np.unique(tables.y)) or sizes.min() < MIN_OF_A_CLASS:
                return None
        folds.append(Fold(rows, fold.valid))
    return replace(tables, folds=folds, _made=[])


def _order(
    y: npt.NDArray[Any], groups: npt.NDArray[Any] | None, task: str, rng: np.random.Generator
) -> Array:
    """Give each row a place between 0 and 1: rows below a share are the part, alike in every class."""
    if groups is not None:
        codes = pd.factorize(groups)[0]
        places = rng.permutation(codes.max() + 1) / (codes.max() + 1)
        return places[codes]
    strata = np.zeros(len(y)) if task == "regression" else y
    place = np.empty(len(y))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        place[rows] = rng.permutation(len(rows)) / len(rows)
    return place


def _score(
    trainer: ModelTrainer, result: CandidateResult, tables: FoldTables
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return scores on training and on validation rows, fold by fold, at given parameters and weights."""
    if not result.weights:
        found = _fit(trainer, result.name, result.params, tables)
        return found.train_scores, found.fold_scores
    params = {item.name: item.params for item in trainer.candidates_}
    members = [_fit(trainer, name, params[name], tables) for name in result.weights]
    weights, metric = tuple(result.weights.values()), trainer.metric_
    scores: tuple[list[float], list[float]] = ([], [])
    for i, fold in enumerate(tables.folds):
        for into, rows, parts in (
            (scores[0], fold.train, [item.fitted[i] for item in members]),
            (scores[1], fold.valid, [item.predictions[i] for item in members]),
        ):
            combined = combine_predictions(parts, weights, result.intercept, metric)
            into.append(metric.value(tables.y[rows], combined))
    return tuple(scores[0]), tuple(scores[1])


def _fit(trainer: ModelTrainer, name: str, params: Params, tables: FoldTables) -> CandidateResult:
    fixed = replace(trainer.chosen_[name], space=lambda trial: dict(params), prior={}, grid={}, rounds=None)
    found, _ = CandidateSearch(
        fixed, tables, trainer.setting_, trainer.metric_, SearchOptions(strategy="random", n_trials=1)
    ).run()
    if found.error:
        raise DataError(f"{name} cannot be fitted on this part: {found.error}")
    return found


def _bands(train: Sequence[Sequence[float]], valid: Sequence[Sequence[float]], ratio: float) -> pd.DataFrame:
    columns: dict[str, list[float]] = {}
    for what, scores in (("train", train), ("valid", valid)):
        bands = [corrected_interval(each, ratio) for each in scores]
        columns[what] = [float(np.mean(each)) for each in scores]
        columns[f"{what}_lower"], columns[f"{what}_upper"] = ([band[i] for band in bands] for i in (0, 1))
    return pd.DataFrame(columns)


def _values(kind: Any, n: int) -> list[float]:
    """Return values over a distribution's range, evenly spaced on its own scale."""
    spaced = np.geomspace if getattr(kind, "log", False) else np.linspace
    values = spaced(kind.low, kind.high, n)
    step = getattr(kind, "step", None)
    if step:
        values = kind.low + np.round((values - kind.low) / step) * step
    elif type(kind).__name__ == "IntDistribution":
        values = np.round(values)
    return [float(value) for value in np.unique(values)]
