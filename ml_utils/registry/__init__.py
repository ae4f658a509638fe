"""Runs and versions in MLflow, hashes before unpickling, the log of promotions."""

from __future__ import annotations

from ml_utils.registry.registry import CandidateRun, RegisteredModel, Registry

__all__ = ["CandidateRun", "RegisteredModel", "Registry"]
