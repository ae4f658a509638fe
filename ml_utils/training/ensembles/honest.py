"""What an ensemble would score on rows that neither its members nor its weights were fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.metrics import Metric
from ml_utils.training.ensembles.blend import on_link
from ml_utils.training.ensembles.weights import Scored, Weights, find_weights

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EnsembleScores:
    """An ensemble over out-of-fold scores.

    Parameters
    ----------
    kind : str
    weights : dict of str to float
        By member, chosen on all rows; members of weight 0 are left out.
    intercept : float
    fold_scores : tuple of float
        The metric on each fold's rows, with weights that were chosen on the other folds' rows.
    oof : ndarray of shape (n_rows[, n_classes])
        Probabilities or predicted values, made in the same way.
    """

    kind: str
    weights: dict[str, float]
    intercept: float
    fold_scores: tuple[float, ...]
    oof: Array = field(repr=False, compare=False)


def score_ensemble(
    kind: str,
    predictions: Mapping[str, Sequence[Array]],
    y: npt.ArrayLike,
    folds: Sequence[npt.NDArray[np.intp]],
    metric: Metric,
    seed: int = 42,
) -> EnsembleScores:
    """Score an ensemble fold by fold, each with weights from the other rows, and choose its final weights.

    Parameters
    ----------
    kind : {"voting", "blend", "greedy", "stacking"}
    predictions : mapping of str to sequence of ndarray
        Probabilities or predicted values of each fold's validation rows, by member.
    y : array of shape (n_rows,)
    folds : sequence of ndarray of int
        Positions of each fold's validation rows; repeated folds overlap.
    metric : Metric
    seed : int

    Returns
    -------
    EnsembleScores
    """
    target = np.asarray(y, dtype=float)
    each = [_on_link([scores[i] for scores in predictions.values()], metric) for i in range(len(folds))]
    parts, known = _pool(each, folds, len(target))
    scored, times = np.zeros(parts.shape[1:]), np.zeros(len(target))
    fold_scores = []
    for rows, here in zip(folds, each, strict=True):
        others = known.copy()
        others[rows] = False
        if not others.any():
            others = known  # a single fold has no others to learn weights from
        weights = _weights(kind, parts, target, others, metric, seed)
        score = Scored(here, target[rows], metric, seed).score(weights.combine(here))
        scored[rows] += score
        times[rows] += 1
        fold_scores.append(metric.value(target[rows], score))
    final = _weights(kind, parts, target, known, metric, seed)
    kept = {name: weight for name, weight in zip(predictions, final.each, strict=True) if weight > 0}
    with np.errstate(invalid="ignore"):
        mean = scored / times.reshape(-1, *(1,) * (scored.ndim - 1))
    return EnsembleScores(kind, kept, final.intercept, tuple(fold_scores), mean)


def _on_link(scores: Sequence[Array], metric: Metric) -> Array:
    regression = metric.task == "regression"
    return np.array([score if regression else on_link(score) for score in scores])


def _pool(
    each: Sequence[Array], folds: Sequence[npt.NDArray[np.intp]], n: int
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Put the folds' scores in the rows' order (of repeated folds the mean), and say which rows have one."""
    total = np.zeros((each[0].shape[0], n, *each[0].shape[2:]))
    times = np.zeros(n)
    for rows, here in zip(folds, each, strict=True):
        total[:, rows] += here
        times[rows] += 1
    known = times > 0  # a scheme by time leaves the first rows without a score
    total[:, known] /= times[known].reshape(-1, *(1,) * (total.ndim - 2))
    return total, known


def _weights(
    kind: str, parts: Array, y: Array, rows: npt.NDArray[np.bool_], metric: Metric, seed: int
) -> Weights:
    return find_weights(kind, parts[:, rows], y[rows], metric, seed)
