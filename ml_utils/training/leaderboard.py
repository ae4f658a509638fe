"""What cross-validation found about each candidate, and which differences between candidates are real.

Folds of one cross-validation share training rows, so that the plain standard error of their mean is too
small. Intervals and tests here use the corrected variance of Nadeau & Bengio (2003, "Inference for the
generalization error", Machine Learning 52).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.evaluation.metrics import Metric
from ml_utils.training.candidates import Params

Array = npt.NDArray[np.float64]


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
    trials, pruned, failed : int
        Trials in all, and of these stopped early, and those that raised an error.
    fit_seconds : float
        Mean time of a fit at the best parameters.
    error : str
        Why the candidate has no result; empty where it has one.
    """

    name: str
    label: str
    params: Params = field(default_factory=dict)
    fold_scores: tuple[float, ...] = ()
    train_scores: tuple[float, ...] = ()
    oof: Array = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    trials: int = 0
    pruned: int = 0
    failed: int = 0
    fit_seconds: float = field(default=float("nan"), compare=False)
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


def leaderboard(
    results: Sequence[CandidateResult], metric: Metric, test_ratio: float, alpha: float = 0.05
) -> pd.DataFrame:
    """Rank candidates and say which are tied with the best.

    Parameters
    ----------
    results : sequence of CandidateResult
    metric : Metric
        Its direction decides what best means.
    test_ratio : float
        Validation rows over training rows of a fold.
    alpha : float
        Level of the test against the best; 1 − `alpha` is the level of the intervals.

    Returns
    -------
    DataFrame
        Best first: candidate, label, mean, lower, upper, std, gap (how much better the metric is on the rows
        it was fitted on), p_value (paired, against the best), tied_with_best, trials, pruned, fit_seconds,
        error.
    """
    ranked = order(results, metric)
    best = ranked[0]
    rows = []
    for item in ranked:
        scores = np.array(item.fold_scores or (np.nan,))
        lower, upper = corrected_interval(scores, test_ratio, 1 - alpha)
        p_value = 1.0 if item is best else _p_value(item, best, test_ratio)
        rows.append(
            {
                "candidate": item.name,
                "label": item.label,
                "mean": item.mean,
                "lower": lower,
                "upper": upper,
                "std": float(scores.std(ddof=1)) if len(scores) > 1 else float("nan"),
                "gap": (item.train_mean - item.mean) * (1 if metric.greater_is_better else -1),
                "p_value": p_value,
                "tied_with_best": bool(p_value > alpha),
                "trials": item.trials,
                "pruned": item.pruned,
                "fit_seconds": item.fit_seconds,
                "error": item.error,
            }
        )
    return pd.DataFrame(rows)


def _p_value(item: CandidateResult, best: CandidateResult, test_ratio: float) -> float:
    if item.error or best.error:
        return float("nan")
    return corrected_t_test(best.fold_scores, item.fold_scores, test_ratio)
