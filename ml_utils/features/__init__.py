"""FeatureEngineer: the one definition of every feature, and its dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_utils.lazily import importer

if TYPE_CHECKING:
    from ml_utils.features.engineer import FeatureEngineer

__all__ = ["FeatureEngineer"]

__getattr__ = importer(__name__, {"FeatureEngineer": "engineer"})
