"""Ensembles of a search's candidates, as candidates of the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ml_utils.evaluation.metrics import Array, Metric
from ml_utils.training.ensembles.blend import from_link, on_link
from ml_utils.training.ensembles.honest import score_ensemble
from ml_utils.training.ensembles.weights import ENSEMBLES, Weights
from ml_utils.training.leaderboard import CandidateResult
from ml_utils.wording import listing

if TYPE_CHECKING:
    from ml_utils.training.search.tables import FoldTables


def ensemble_results(
    kinds: Sequence[str],
    results: Sequence[CandidateResult],
    tables: FoldTables,
    metric: Metric,
    seed: int,
) -> list[CandidateResult]:
    """Make ensembles of all candidates that worked, the baseline apart.

    Parameters
    ----------
    kinds : sequence of str
        Names in `weights.ENSEMBLES`.
    results : sequence of CandidateResult
    tables : FoldTables
    metric : Metric
    seed : int

    Returns
    -------
    list of CandidateResult
        Empty with fewer than two members, without a kind whose weights fall on one member alone.
    """
    members = [item for item in results if not item.error and item.name != "baseline"]
    if len(members) < 2:
        return []
    found = [_ensemble(kind, members, tables, metric, seed) for kind in kinds]
    return [item for item in found if len(item.weights) > 1]


def _ensemble(
    kind: str, members: Sequence[CandidateResult], tables: FoldTables, metric: Metric, seed: int
) -> CandidateResult:
    folds = [fold.valid for fold in tables.folds]
    scored = score_ensemble(
        kind, {item.name: item.predictions for item in members}, tables.y, folds, metric, seed
    )
    kept = [item for item in members if item.name in scored.weights]
    return CandidateResult(
        f"ensemble_{kind}",
        f"{ENSEMBLES[kind][0]} of {listing([item.label for item in kept], len(kept))}",
        fold_scores=scored.fold_scores,
        train_scores=_train_scores(kept, scored.weights, scored.intercept, tables, metric),
        oof=scored.oof,
        fit_seconds=sum(item.fit_seconds for item in kept),
        predict_seconds=sum(item.predict_seconds for item in kept),
        size=sum(item.size for item in kept),
        weights=scored.weights,
        intercept=scored.intercept,
    )


def _train_scores(
    members: Sequence[CandidateResult],
    weights: dict[str, float],
    intercept: float,
    tables: FoldTables,
    metric: Metric,
) -> tuple[float, ...]:
    mixed = tuple(weights[item.name] for item in members)
    found = []
    for i, fold in enumerate(tables.folds):
        combined = combine_predictions([item.fitted[i] for item in members], mixed, intercept, metric)
        found.append(metric.value(tables.y[fold.train].astype(float), combined))
    return tuple(found)


def combine_predictions(
    predictions: Sequence[Array], weights: Sequence[float], intercept: float, metric: Metric
) -> Array:
    """Return an ensemble's probabilities, or predicted values, from its members'.

    Parameters
    ----------
    predictions : sequence of ndarray
        One a member.
    weights : sequence of float
    intercept : float
    metric : Metric
        Its task tells what is averaged.
    """
    if metric.task == "regression":
        return np.asarray(Weights(tuple(weights), intercept).combine(np.array(predictions)))
    combined = Weights(tuple(weights), intercept).combine(np.array([on_link(each) for each in predictions]))
    found = from_link(combined)
    return found if combined.ndim == 2 else found[:, 1]
