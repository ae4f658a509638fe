"""What a finished search leaves for a results file, and what it tells on the way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import DataError
from ml_utils.evaluation.metrics import Metric
from ml_utils.training.leaderboard import VOLATILE, CandidateResult
from ml_utils.wording import count, figure

if TYPE_CHECKING:
    from ml_utils.training.trainer import ModelTrainer

logger = logging.getLogger(__name__)


def search_summary(trainer: ModelTrainer) -> dict[str, Any]:
    """Return what a fitted trainer found, without what differs from run to run."""
    check_is_fitted(trainer, "best_")
    calibration = trainer.calibration_
    return {
        "metric": trainer.metric_.name,
        "greater_is_better": trainer.metric_.greater_is_better,
        "best": trainer.candidates_[0].name,
        "chosen": trainer.best_.name,
        "simplest_tied": trainer.simplest_tied().name,
        "threshold": trainer.best_.threshold,
        "rows_searched": len(trainer.rows_),
        "leaderboard": trainer.leaderboard_.drop(columns=list(VOLATILE)),
        "params": {item.name: item.params for item in trainer.candidates_},
        "weights": {item.name: item.weights for item in trainer.candidates_ if item.weights},
        "fold_scores": {item.name: item.fold_scores for item in trainer.candidates_},
        "calibration": {"method": calibration.method, "compared": calibration.compared},
        "thresholds": trainer.thresholds_,
    }


def line(result: CandidateResult, metric: Metric) -> str:
    """Say in a line what was found about a candidate."""
    found = f"failed ({result.error})" if result.error else f"{metric.label} {figure(result.mean, 4)}"
    text = f"{result.label}: {found}; trials: {count(result.trials)}, stopped early: {result.pruned}"
    return f"{text}; {result.cut}" if result.cut and not result.error else text


def teller(
    metric: Metric, progress: Callable[[str], object] | str | None
) -> Callable[[CandidateResult], None]:
    """Return what is called as each candidate is done: a line for the log and for who listens."""

    def tell(result: CandidateResult) -> None:
        found = line(result, metric)
        logger.info(found)
        if callable(progress):
            progress(found)

    return tell


def out_of_fold_scores(
    results: Sequence[CandidateResult], rows: npt.NDArray[np.intp], index: pd.Index
) -> pd.DataFrame:
    """Return out-of-fold scores by candidate; NaN in rows that were not searched. Not for several classes."""
    scores = {}
    for item in results:
        if not item.error and item.oof.ndim == 1:
            scores[item.name] = np.full(len(index), np.nan)
            scores[item.name][rows] = item.oof
    return pd.DataFrame(scores, index=index)


def check_any_left(results: Sequence[CandidateResult]) -> None:
    """Warn where time was left for the baseline only.

    Raises
    ------
    DataError
        If every model failed.
    """
    failed = [item for item in results if item.error]
    if not failed or len(failed) < len(results) - 1:
        return
    reasons = "; ".join(f"{item.name}: {item.error}" for item in failed)
    if not all(item.cut for item in failed):
        raise DataError(f"Every model failed, only the baseline is left. {reasons}")
    logger.warning("the baseline is all that the time budget left room for: %s", reasons)
