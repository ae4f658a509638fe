"""ModelTrainer: candidates, search inside folds, leaderboard, threshold."""

from __future__ import annotations

from ml_utils.training.trainer import ModelTrainer

__all__ = ["ModelTrainer"]
