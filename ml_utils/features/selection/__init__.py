"""Which features stay (variance, correlation, tests, models, resampling), and components in their place."""

from __future__ import annotations

from ml_utils.features.selection.chain import SELECTIONS, needs_target, select_features
from ml_utils.features.selection.reduction import REDUCTIONS, Reduction
from ml_utils.features.selection.result import Selection

__all__ = ["REDUCTIONS", "SELECTIONS", "Reduction", "Selection", "needs_target", "select_features"]
