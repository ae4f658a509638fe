"""When to retrain, whether the new model takes over, and the next period by itself."""

from __future__ import annotations

from ml_utils.retraining.takeover import (
    PromotionDecision,
    decide_promotion,
    paired_loss,
    reliability,
    restore_incumbent,
    take_over,
    takeover_sentences,
)
from ml_utils.retraining.triggers import (
    RetrainingPolicy,
    Trigger,
    age_in_days,
    choose_rows,
    triggers,
    triggers_to_frame,
)

__all__ = [
    "PromotionDecision",
    "RetrainingPolicy",
    "Trigger",
    "age_in_days",
    "choose_rows",
    "decide_promotion",
    "paired_loss",
    "reliability",
    "restore_incumbent",
    "take_over",
    "takeover_sentences",
    "triggers",
    "triggers_to_frame",
]
