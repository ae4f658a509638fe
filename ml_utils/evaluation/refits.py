"""Comparison of learners rather than of fitted models: tests on folds, and the 5×2 cross-validated tests.

Paired tests on one test split say which fitted model is better there. Whether the way of learning is better
needs fits on several training sets; scores of folds that share rows are not independent, which these tests
allow for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.metrics import Array, Metric, get_metric
from ml_utils.evaluation.paired import holm, p_text, wilcoxon_signed_rank
from ml_utils.wording import figure

REPEATS = 5


@dataclass(frozen=True)
class LearnerComparison:
    """Learners compared pair by pair over several fits.

    Parameters
    ----------
    metric : str
        Label of what they are compared in.
    by_learner : dict
        Learner to its mean score.
    pairs : DataFrame
        first, second, difference (means), then by test a p-value and its Holm adjustment.
    note : str
        What the tests can and cannot say.
    """

    metric: str
    by_learner: Mapping[str, float]
    pairs: pd.DataFrame
    note: str

    def to_frame(self) -> pd.DataFrame:
        """Return the pairs as a table for a page."""
        shown = pd.DataFrame({"learners": self.pairs["first"] + " less " + self.pairs["second"]})
        shown[f"difference in {self.metric}"] = self.pairs["difference"].map(lambda value: figure(value, 4))
        for name in self.pairs.columns:
            if name.startswith("p_"):
                label = name.removeprefix("p_").replace("_", " ")
                shown[f"p, {label}"] = self.pairs[name].map(p_text)
        return shown

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return everything for the results file."""
        return {"metric": self.metric, "means": dict(self.by_learner), "pairs": self.pairs, "note": self.note}


def compare_folds(
    fold_scores: Mapping[str, Sequence[float]], test_ratio: float, metric: str
) -> LearnerComparison:
    """Compare learners by their scores on the folds of one cross-validation.

    Parameters
    ----------
    fold_scores : mapping
        Learner to its score in each fold, the folds the same for all.
    test_ratio : float
        Validation rows over training rows of a fold; 1 / (k − 1) in k-fold cross-validation.
    metric : str
        Label of the score.

    Returns
    -------
    LearnerComparison
        p_corrected_t (corrected resampled t-test, Nadeau & Bengio 2003), p_wilcoxon, each with its Holm
        adjustment.

    Raises
    ------
    ParameterError
        If fewer than two learners are given.
    DataError
        If they have different numbers of folds, or fewer than two.

    Examples
    --------
    >>> found = compare_folds({"a": [0.80, 0.82, 0.81], "b": [0.70, 0.71, 0.72]}, 0.5, "AUC")
    >>> found.pairs[["difference", "p_corrected_t"]].round(4).to_numpy().tolist()
    [[0.1, 0.0082]]
    """
    from ml_utils.training.leaderboard import corrected_t_test

    if len(fold_scores) < 2:
        raise ParameterError(f"A comparison takes two learners or more; got {len(fold_scores)}.")
    sizes = {name: len(scores) for name, scores in fold_scores.items()}
    if len(set(sizes.values())) > 1 or min(sizes.values()) < 2:
        raise DataError(f"Every learner needs a score in each of the same two folds or more; got {sizes}.")
    scores = {name: np.asarray(values, dtype=float) for name, values in fold_scores.items()}
    rows = [
        {
            **_pair(first, second, scores),
            "p_corrected_t": corrected_t_test(scores[first], scores[second], test_ratio),
            "p_wilcoxon": wilcoxon_signed_rank(scores[first], scores[second]),
        }
        for first, second in combinations(scores, 2)
    ]
    n_folds = min(sizes.values())
    note = (
        f"Folds share training rows: the t-test allows for it, Wilcoxon's does not, and with {n_folds} folds "
        f"its p cannot be below {2.0 ** (1 - n_folds):.4g}."
    )
    return _found(metric, scores, rows, note)


def _pair(first: str, second: str, scores: Mapping[str, Array]) -> dict[str, Any]:
    gap = float(scores[first].mean() - scores[second].mean())
    return {"first": first, "second": second, "difference": gap}


def _found(
    metric: str, scores: Mapping[str, Array], rows: list[dict[str, Any]], note: str
) -> LearnerComparison:
    pairs = pd.DataFrame(rows)
    for name in [name for name in pairs.columns if name.startswith("p_")]:
        pairs[f"{name}_holm"] = holm(pairs[name].to_numpy(float))
    return LearnerComparison(metric, {name: float(each.mean()) for name, each in scores.items()}, pairs, note)


def dietterich_t(differences: Array) -> tuple[float, float]:
    """Return the 5×2 cross-validated paired t statistic and its two-sided p-value.

    Parameters
    ----------
    differences : ndarray of shape (5, 2)
        Score of the first learner less that of the second: five divisions in halves, each half tested once.

    Returns
    -------
    t, p_value : float
        p is 1 where no difference is there, 0 where the differences are one constant other than 0.

    Notes
    -----
    Dietterich (1998), "Approximate statistical tests for comparing supervised classification learning
    algorithms", Neural Computation 10: the first difference over the root of the mean variance of the five,
    with 5 degrees of freedom.
    """
    from scipy.special import stdtr

    spread = _variances(differences).mean()
    first = float(differences[0, 0])
    if spread == 0:
        return (0.0, 1.0) if first == 0 else (float(np.copysign(np.inf, first)), 0.0)
    t = first / float(np.sqrt(spread))
    return t, float(2 * stdtr(REPEATS, -abs(t)))


def alpaydin_f(differences: Array) -> tuple[float, float]:
    """Return the combined 5×2 cross-validated F statistic and its p-value.

    Parameters
    ----------
    differences : ndarray of shape (5, 2)
        As in `dietterich_t`.

    Notes
    -----
    Alpaydın (1999), "Combined 5×2 cv F test for comparing supervised classification learning algorithms",
    Neural Computation 11, eq. 3.2, with 10 and 5 degrees of freedom. All ten differences count, so that the
    order of the divisions does not.

    Examples
    --------
    >>> f, p = alpaydin_f(np.array([[0.02, 0.01], [0.03, 0.02], [0.01, 0.02], [0.02, 0.02], [0.03, 0.01]]))
    >>> round(f, 3), round(p, 3)
    (5.857, 0.032)
    """
    from scipy.special import fdtrc

    spread = float(_variances(differences).sum())
    squares = float((differences**2).sum())
    if spread == 0:
        return (0.0, 1.0) if squares == 0 else (float("inf"), 0.0)
    f = squares / (2 * spread)
    return f, float(fdtrc(2 * REPEATS, REPEATS, f))


def _variances(differences: Array) -> Array:
    centred = differences - differences.mean(axis=1, keepdims=True)
    return (centred**2).sum(axis=1)  # s² of a pair has one degree of freedom


def compare_learners(
    learners: Mapping[str, Any],
    X: pd.DataFrame,
    y: npt.ArrayLike,
    metric: str = "log_loss",
    task: str = "binary",
    max_rows: int = 2000,
    seed: int = 42,
) -> LearnerComparison:
    """Refit learners on halves of the rows, five times over, and test them pair by pair (5×2cv).

    Parameters
    ----------
    learners : mapping of str to estimator or Pipeline
        Cloned and fitted ten times each; what they learn of columns belongs into the pipeline.
    X : DataFrame of shape (n_rows, n_columns)
        Training rows.
    y : array of shape (n_rows,)
        0 or 1, or the value.
    metric : str
        A metric of scores, key of `METRICS`.
    task : {"binary", "regression"}
    max_rows : int
        Rows that take part, drawn at random where there are more: ten fits a learner cost time.
    seed : int

    Returns
    -------
    LearnerComparison
        p_5x2_t and p_5x2_F with their Holm adjustments.

    Raises
    ------
    ParameterError
        If fewer than two learners are given, or the metric is unknown or one of decisions.
    DataError
        If a half would lack a class, or a row.

    Notes
    -----
    Both tests are a little conservative: they tell equally good learners apart in 3 to 4 % of 2,000
    simulations at the 5 % level, the corrected resampled t-test on five folds in 1 to 2 %. A half of the
    rows is less than a model is fitted on in the end.
    """
    if len(learners) < 2:
        raise ParameterError(f"A comparison takes two learners or more; got {len(learners)}.")
    judge = get_metric(metric, task)
    if judge.kind != "score":
        raise ParameterError(f"{metric} judges decisions; compare learners by a metric of scores.")
    target = np.asarray(y, dtype=float)
    rng = np.random.default_rng(seed)
    kept = rng.permutation(len(target))[:max_rows]
    table, target = X.iloc[kept].reset_index(drop=True), target[kept]
    scores = {name: np.empty((REPEATS, 2)) for name in learners}
    for repeat in range(REPEATS):
        halves = _halves(target, task, rng)
        for side, (train, test) in enumerate((halves, halves[::-1])):
            for name, learner in learners.items():
                scores[name][repeat, side] = _score(learner, table, target, train, test, judge)
    rows = []
    for first, second in combinations(scores, 2):
        gaps = scores[first] - scores[second]
        t, f = dietterich_t(gaps), alpaydin_f(gaps)
        rows.append({**_pair(first, second, scores), "t": t[0], "p_5x2_t": t[1], "F": f[0], "p_5x2_F": f[1]})
    note = (
        f"Ten fits on halves of {len(target):,} training rows each; both tests are a little conservative, "
        "and the F test uses all ten differences."
    )
    return _found(judge.label, scores, rows, note)


Rows = npt.NDArray[np.intp]


def _halves(y: Array, task: str, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Divide rows in two at random, classes evenly."""
    classes = (
        [np.flatnonzero(y == value) for value in (0.0, 1.0)] if task == "binary" else [np.arange(len(y))]
    )
    smallest = min(len(rows) for rows in classes)
    if smallest < 2:
        what = "of each class " if task == "binary" else ""
        raise DataError(f"Halves need two rows {what}or more; the smallest has {smallest}. Give more rows.")
    first, second = [], []
    for rows in classes:
        mixed = rng.permutation(rows)
        first.append(mixed[: len(mixed) // 2])
        second.append(mixed[len(mixed) // 2 :])
    return np.concatenate(first), np.concatenate(second)


def _score(learner: Any, X: pd.DataFrame, y: Array, train: Rows, test: Rows, metric: Metric) -> float:
    from sklearn.base import clone

    fitted = clone(learner).fit(X.iloc[train], y[train])
    if metric.task == "binary":
        found = np.asarray(fitted.predict_proba(X.iloc[test]), dtype=float)[:, 1]
    else:
        found = np.asarray(fitted.predict(X.iloc[test]), dtype=float)
    return metric.value(y[test], found)
