"""New columns from old ones, each with its meaning and formula in words."""

from __future__ import annotations

from ml_utils.features.creation.bins import Bins
from ml_utils.features.creation.combining import Differences, Ratios
from ml_utils.features.creation.created import Created
from ml_utils.features.creation.dates import DateFeatures
from ml_utils.features.creation.formulas import Formulas, read_formulas
from ml_utils.features.creation.groups import GroupStatistics
from ml_utils.features.creation.interactions import Interactions
from ml_utils.features.creation.places import Distances
from ml_utils.features.creation.splines import Splines
from ml_utils.features.creation.text import TextFeatures

__all__ = [
    "Bins",
    "Created",
    "DateFeatures",
    "Differences",
    "Distances",
    "Formulas",
    "GroupStatistics",
    "Interactions",
    "Ratios",
    "Splines",
    "TextFeatures",
    "read_formulas",
]
