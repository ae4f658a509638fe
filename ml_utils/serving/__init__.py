"""ModelDeployment: the package, the scorer, the service, load test, batch, files for production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_utils.lazily import importer

if TYPE_CHECKING:
    from ml_utils.serving.deployment import ModelDeployment

__all__ = ["ModelDeployment"]

__getattr__ = importer(__name__, {"ModelDeployment": "deployment"})
