"""Whom a model serves how well: figures by group of the sensitive attributes."""

from ml_utils.evaluation.fairness.auditing import FOUR_FIFTHS, FairnessAudit, audit
from ml_utils.evaluation.fairness.by_group import (
    binary_fairness,
    binary_groups,
    observed_to_expected,
    regression_fairness,
    regression_groups,
)
from ml_utils.evaluation.fairness.group_thresholds import GroupThresholds, group_thresholds
from ml_utils.evaluation.fairness.groups import (
    MISSING,
    SMALL_CLASS,
    SMALL_ROWS,
    group_labels,
    intersections,
    sensitive_columns,
)

__all__ = [
    "FOUR_FIFTHS",
    "MISSING",
    "SMALL_CLASS",
    "SMALL_ROWS",
    "FairnessAudit",
    "GroupThresholds",
    "audit",
    "binary_fairness",
    "binary_groups",
    "group_labels",
    "group_thresholds",
    "intersections",
    "observed_to_expected",
    "regression_fairness",
    "regression_groups",
    "sensitive_columns",
]
