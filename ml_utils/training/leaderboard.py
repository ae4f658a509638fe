"""What cross-validation found about each candidate, and which differences between candidates are real.

Folds of one cross-validation share training rows, so that the plain standard error of their mean is too
small. Intervals and tests here use the corrected variance of Nadeau & Bengio (2003, "Inference for the
generalization error", Machine Learning 52).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.evaluation.metrics import Metric
from ml_utils.training.candidates import Params

if TYPE_CHECKING:
    from ml_utils.training.search.tables import FoldTables

Array = npt.NDArray[np.float64]

VOLATILE = ("fit_seconds", "predict_us", "size_kb")  # columns that differ from run to run


@dataclass(frozen=True)
class CandidateResult:
    """What the search found about one candidate.

    Parameters
    ----------
    name, label : str
    params : dict
        The best parameters; empty where every trial failed.
    fold_scores, train_scores : tuple of float
        The metric on the validation rows and on the training rows of each fold, at the best parameters.
    oof : ndarray of shape (n_searched_rows,)
        Scores of rows by models that were not fitted on them.
    predictions, fitted : tuple of ndarray
        Scores of each fold's validation rows, and of its training rows.
    trials, pruned, failed : int
        Trials in all, and of these stopped early, and those that raised an error.
    fit_seconds, predict_seconds : float
        Mean time of a fit at the best parameters, and of predicting one row.
    size : int
        Bytes of a fitted estimator.
    cut : str
        Why the search ended before its last trial; empty where it did not.
    weights : dict of str to float
        Of an ensemble's members; empty for a single model.
    intercept : float
        Of an ensemble.
    error : str
        Why the candidate has no result; empty where it has one.
    """

    name: str
    label: str
    params: Params = field(default_factory=dict)
    fold_scores: tuple[float, ...] = ()
    train_scores: tuple[float, ...] = ()
    oof: Array = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    predictions: tuple[Array, ...] = field(default=(), repr=False, compare=False)
    fitted: tuple[Array, ...] = field(default=(), repr=False, compare=False)
    trials: int = 0
    pruned: int = 0
    failed: int = 0
    fit_seconds: float = field(default=float("nan"), compare=False)
    predict_seconds: float = field(default=float("nan"), compare=False)
    size: int = field(default=0, compare=False)
    cut: str = ""
    weights: dict[str, float] = field(default_factory=dict)
    intercept: float = 0.0
    error: str = ""

    @property
    def mean(self) -> float:
        """Mean of the metric over the folds; NaN where the candidate failed."""
        return float(np.mean(self.fold_scores)) if self.fold_scores else float("nan")

    @property
    def train_mean(self) -> float:
        """Mean of the metric over the folds' training rows."""
        return float(np.mean(self.train_scores)) if self.train_scores else float("nan")

    def metrics(self) -> dict[str, float]:
        """Return what a tracker keeps: both means, the folds' scores, trials; without what is not known."""
        folds = {f"fold_{i}": score for i, score in enumerate(self.fold_scores, start=1)}
        found = {"mean": self.mean, "train_mean": self.train_mean, **folds, "trials": float(self.trials)}
        return {name: value for name, value in found.items() if np.isfinite(value)}


def corrected_error(scores: npt.ArrayLike, test_ratio: float) -> float:
    """Standard error of a mean over folds, corrected for the training rows that folds share.

    Parameters
    ----------
    scores : array of shape (n_folds,)
        One score, or one paired difference, a fold.
    test_ratio : float
        Validation rows over training rows of a fold; 1 / (k − 1) in k-fold cross-validation.

    Returns
    -------
    float
        NaN for fewer than two folds.

    Examples
    --------
    >>> round(corrected_error([1.0, 2.0, 3.0], test_ratio=0.5), 4)
    0.9129
    """
    values = np.asarray(scores, dtype=float)
    if len(values) < 2:
        return float("nan")
    # eq. 10, Nadeau & Bengio 2003: (1/J + n2/n1) times the sample variance
    return float(np.sqrt((1 / len(values) + test_ratio) * values.var(ddof=1)))


def corrected_interval(scores: npt.ArrayLike, test_ratio: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a cross-validated mean: mean ± t · `corrected_error`, with n_folds − 1 degrees.

    Returns
    -------
    lower, upper : float
    """
    from scipy.special import stdtrit

    values = np.asarray(scores, dtype=float)
    half = stdtrit(max(len(values) - 1, 1), 0.5 + level / 2) * corrected_error(values, test_ratio)
    return float(values.mean() - half), float(values.mean() + half)


def corrected_t_test(first: npt.ArrayLike, second: npt.ArrayLike, test_ratio: float) -> float:
    """Two-sided p-value of the corrected resampled t-test on scores of the same folds.

    Parameters
    ----------
    first, second : array of shape (n_folds,)
    test_ratio : float
        Validation rows over training rows of a fold.

    Returns
    -------
    float
        1 where the scores are the same in every fold, 0 where they differ by one constant.

    Examples
    --------
    >>> corrected_t_test([0.8, 0.9], [0.8, 0.9], test_ratio=1.0)
    1.0
    """
    from scipy.special import stdtr

    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    error = corrected_error(difference, test_ratio)
    if error == 0:
        return 1.0 if not difference.any() else 0.0
    return float(2 * stdtr(max(len(difference) - 1, 1), -abs(difference.mean() / error)))


def order(results: Sequence[CandidateResult], metric: Metric) -> list[CandidateResult]:
    """Sort from best to worst by the metric's direction; failed candidates stand last."""
    sign = -1 if metric.greater_is_better else 1
    return sorted(results, key=lambda item: (bool(item.error), sign * item.mean if not item.error else 0.0))


def simplest(
    results: Sequence[CandidateResult], board: pd.DataFrame, ranks: Sequence[str]
) -> CandidateResult:
    """Return the simplest of the candidates that are tied with the best; it may be the best itself.

    Parameters
    ----------
    results : sequence of CandidateResult
    board : DataFrame
        As `leaderboard` makes it.
    ranks : sequence of str
        Names, the simplest first; one's own candidates come after, ensembles by their number of members last.
    """
    tied = set(board.loc[board["tied_with_best"], "candidate"])
    place = {name: i for i, name in enumerate(ranks)}
    found = [item for item in results if item.name in tied]
    return min(found, key=lambda item: place.get(item.name, len(place)) + len(place) * len(item.weights))


def leaderboard(
    results: Sequence[CandidateResult], metric: Metric, tables: FoldTables, alpha: float = 0.05
) -> pd.DataFrame:
    """Rank candidates and say which are tied with the best.

    Parameters
    ----------
    results : sequence of CandidateResult
    metric : Metric
        Its direction decides what best means.
    tables : FoldTables
        The folds and their targets.
    alpha : float
        Level of the test against the best; 1 − `alpha` is the level of the intervals.

    Returns
    -------
    DataFrame
        Best first: candidate, label, mean, lower, upper, std, gap (how much better the metric is on the rows
        it was fitted on), p_value (paired, corrected for overlapping folds, against the best), p_delong (of
        AUCs on the pooled out-of-fold scores), tied_with_best, log_loss, ece, trials, pruned, cut, error,
        and what differs from run to run: fit_seconds, predict_us (a row), size_kb.
    """
    ratio = float(np.mean([len(fold.valid) / len(fold.train) for fold in tables.folds]))
    ranked = order(results, metric)
    best = ranked[0]
    return pd.DataFrame([_row(item, best, metric, tables, ratio, alpha) for item in ranked])


def _row(
    item: CandidateResult,
    best: CandidateResult,
    metric: Metric,
    tables: FoldTables,
    ratio: float,
    alpha: float,
) -> dict[str, object]:
    scores = np.array(item.fold_scores or (np.nan,))
    lower, upper = corrected_interval(scores, ratio, 1 - alpha)
    p_value = 1.0 if item is best else _p_value(item, best, ratio)
    return {
        "candidate": item.name,
        "label": item.label,
        "mean": item.mean,
        "lower": lower,
        "upper": upper,
        "std": float(scores.std(ddof=1)) if len(scores) > 1 else float("nan"),
        "gap": (item.train_mean - item.mean) * (1 if metric.greater_is_better else -1),
        "p_value": p_value,
        "p_delong": _p_delong(item, best, tables),
        "tied_with_best": bool(p_value > alpha),
        **_probabilities(item, tables),
        "trials": item.trials,
        "pruned": item.pruned,
        "cut": item.cut,
        "error": item.error,
        "fit_seconds": item.fit_seconds,
        "predict_us": item.predict_seconds * 1e6,
        "size_kb": item.size / 1024 if item.size else float("nan"),
    }


def _pooled(item: CandidateResult, tables: FoldTables) -> tuple[Array, Array] | None:
    """Targets and out-of-fold probabilities of a binary candidate; None for others."""
    if item.error or item.oof.ndim != 1 or not np.isin(tables.y, (0, 1)).all():
        return None
    known = np.isfinite(item.oof)
    y, score = tables.y[known].astype(float), item.oof[known]
    return None if score.min() < 0 or score.max() > 1 else (y, score)


def _probabilities(item: CandidateResult, tables: FoldTables) -> dict[str, float]:
    from ml_utils.evaluation.metrics import METRICS

    pooled = _pooled(item, tables)
    names = ("log_loss", "ece")
    if pooled is None:
        return dict.fromkeys(names, float("nan"))
    return {name: METRICS[name].value(*pooled) for name in names}


def _p_delong(item: CandidateResult, best: CandidateResult, tables: FoldTables) -> float:
    from ml_utils.evaluation.delong import delong_test

    first, second = _pooled(item, tables), _pooled(best, tables)
    if first is None or second is None:
        return float("nan")
    return 1.0 if item is best else float(delong_test(first[0], first[1], second[1])[-1])


def _p_value(item: CandidateResult, best: CandidateResult, test_ratio: float) -> float:
    if item.error or best.error:
        return float("nan")
    return corrected_t_test(best.fold_scores, item.fold_scores, test_ratio)
