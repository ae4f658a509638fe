"""ModelEvaluator: metrics with intervals, money, comparison, fairness, the gate, the model card."""

from __future__ import annotations

from ml_utils.evaluation.evaluator import ModelEvaluator

__all__ = ["ModelEvaluator"]
