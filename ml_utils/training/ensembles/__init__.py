"""Several models as one: averages in log-odds, whose weights are chosen on out-of-fold scores."""

from __future__ import annotations

from ml_utils.training.ensembles.blend import LogOddsBlend, MeanBlend
from ml_utils.training.ensembles.honest import EnsembleScores, score_ensemble
from ml_utils.training.ensembles.results import combine_predictions, ensemble_results
from ml_utils.training.ensembles.weights import ENSEMBLES, Weights, find_weights

__all__ = [
    "ENSEMBLES",
    "EnsembleScores",
    "LogOddsBlend",
    "MeanBlend",
    "Weights",
    "combine_predictions",
    "ensemble_results",
    "find_weights",
    "score_ensemble",
]
