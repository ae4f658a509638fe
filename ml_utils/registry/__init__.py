"""Runs and versions in MLflow, hashes before unpickling, the log of promotions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_utils.lazily import importer

if TYPE_CHECKING:
    from ml_utils.registry.registry import CandidateRun, RegisteredModel, Registry

__all__ = ["CandidateRun", "RegisteredModel", "Registry"]

__getattr__ = importer(__name__, dict.fromkeys(__all__, "registry"))
