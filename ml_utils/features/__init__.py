"""FeatureEngineer: the one definition of every feature, and its dictionary."""

from __future__ import annotations

from ml_utils.features.engineer import FeatureEngineer

__all__ = ["FeatureEngineer"]
