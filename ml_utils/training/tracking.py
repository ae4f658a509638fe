"""What a tracker keeps of a search: a run for each candidate, with its trials, folds and curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ml_utils.evaluation.curves import thin
from ml_utils.registry.registry import CandidateRun
from ml_utils.training.leaderboard import VOLATILE, CandidateResult
from ml_utils.training.trainer import ModelTrainer

_SHOWN = ("log_loss", "ece", *VOLATILE)  # of the leaderboard, beside a candidate's own metrics


def candidate_runs(trainer: ModelTrainer) -> list[CandidateRun]:
    """Return one run a candidate, ensembles and failed ones included.

    Parameters
    ----------
    trainer : ModelTrainer
        Fitted.
    """
    board = trainer.leaderboard_.set_index("candidate")
    return [_run(trainer, item, board.loc[item.name]) for item in trainer.candidates_]


def search_tables(trainer: ModelTrainer) -> dict[str, pd.DataFrame]:
    """Return the tables of the search as a whole, by file name without its ending."""
    found = {
        "calibration_methods": trainer.calibration_.compared,
        "thresholds": trainer.thresholds_,
        "threshold_curve": trainer.threshold_curve_,
    }
    return {name: table for name, table in found.items() if table is not None and len(table)}


def _run(trainer: ModelTrainer, item: CandidateResult, row: pd.Series) -> CandidateRun:
    metrics = {**item.metrics(), **{name: float(row[name]) for name in _SHOWN}}
    tables = {"folds": _folds(item), "trials": _trials(trainer.studies_.get(item.name))}
    if trainer.task_ == "binary" and not item.error:
        tables |= _curves(trainer, item)
    return CandidateRun(
        item.name,
        item.params,
        metrics,
        weights={**item.weights, "intercept": item.intercept} if item.weights else {},
        tables={name: table for name, table in tables.items() if len(table)},
        tags={"label": item.label, **({"error": item.error} if item.error else {})},
    )


def _folds(item: CandidateResult) -> pd.DataFrame:
    folds = range(1, len(item.fold_scores) + 1)
    return pd.DataFrame({"fold": folds, "train": item.train_scores, "valid": item.fold_scores})


def _trials(study: Any) -> pd.DataFrame:
    """Each trial's state, score and parameters; of one stopped early the score at its last fold."""
    rows = []
    for trial in study.get_trials(deepcopy=False) if study is not None else []:
        reached = trial.intermediate_values
        score = trial.value if trial.value is not None else (reached[max(reached)] if reached else np.nan)
        rows.append({"trial": trial.number, "state": trial.state.name, "score": score, **trial.params})
    return pd.DataFrame(rows)


def _curves(trainer: ModelTrainer, item: CandidateResult) -> dict[str, pd.DataFrame]:
    """ROC and calibration on out-of-fold scores."""
    from sklearn.metrics import roc_curve

    from ml_utils.training.holdout import calibration_table

    known = np.isfinite(item.oof)
    y, score = trainer.tables_.y[known].astype(float), item.oof[known]
    fpr, tpr, _ = roc_curve(y, score)
    return {
        "roc": thin(pd.DataFrame({"false_positive_rate": fpr, "true_positive_rate": tpr})),
        "calibration": calibration_table(y, score, "binary"),
    }
