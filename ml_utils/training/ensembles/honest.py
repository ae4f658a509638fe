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
    oof: Mapping[str, Array],
    y: npt.ArrayLike,
    folds: Sequence[npt.NDArray[np.intp]],
    metric: Metric,
    seed: int = 42,
) -> EnsembleScores:
    """Score an ensemble fold by fold, each with weights from the other folds, and choose its final weights.

    Parameters
    ----------
    kind : {"voting", "blend", "greedy", "stacking"}
    oof : mapping of str to ndarray of shape (n_rows[, n_classes])
        Out-of-fold probabilities or predicted values by member.
    y : array of shape (n_rows,)
    folds : sequence of ndarray of int
        Positions of each fold's validation rows.
    metric : Metric
    seed : int

    Returns
    -------
    EnsembleScores
    """
    target = np.asarray(y, dtype=float)
    regression = metric.task == "regression"
    parts = np.array([score if regression else on_link(score) for score in oof.values()])
    scored = np.full(parts.shape[1:], np.nan)
    fold_scores = []
    known = np.zeros(len(target), dtype=bool)
    known[np.concatenate(folds)] = True  # a scheme by time leaves the first rows without a score
    for rows in folds:
        others = known.copy()
        others[rows] = False
        weights = _weights(kind, parts, target, others, metric, seed)
        here = Scored(parts[:, rows], target[rows], metric, seed)
        scored[rows] = here.score(weights.combine(parts[:, rows]))
        fold_scores.append(metric.value(target[rows], scored[rows]))
    final = _weights(kind, parts, target, known, metric, seed)
    kept = {name: weight for name, weight in zip(oof, final.each, strict=True) if weight > 0}
    return EnsembleScores(kind, kept, final.intercept, tuple(fold_scores), scored)


def _weights(
    kind: str, parts: Array, y: Array, rows: npt.NDArray[np.bool_], metric: Metric, seed: int
) -> Weights:
    return find_weights(kind, parts[:, rows], y[rows], metric, seed)
