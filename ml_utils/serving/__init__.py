"""ModelDeployment: the package, the scorer, the service, load test, batch, files for production."""

from __future__ import annotations

from ml_utils.serving.deployment import ModelDeployment

__all__ = ["ModelDeployment"]
