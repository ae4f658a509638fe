"""New columns from old ones, each with its meaning and formula in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_utils.lazily import importer

if TYPE_CHECKING:
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

__getattr__ = importer(
    __name__,
    {
        "Bins": "bins",
        "Created": "created",
        "DateFeatures": "dates",
        "Differences": "combining",
        "Distances": "places",
        "Formulas": "formulas",
        "GroupStatistics": "groups",
        "Interactions": "interactions",
        "Ratios": "combining",
        "Splines": "splines",
        "TextFeatures": "text",
        "read_formulas": "formulas",
    },
)
