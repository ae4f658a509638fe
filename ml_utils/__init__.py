"""Octavo: from a table of customers to a model in production, in eight notebooks.

The six classes are imported on first use, so that `import ml_utils` is quick and has no side effect.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ml_utils.evaluation import ModelEvaluator
    from ml_utils.experiments import ABTestAnalyzer
    from ml_utils.features import FeatureEngineer
    from ml_utils.monitoring import ModelMonitor
    from ml_utils.params import load_params
    from ml_utils.results import open_run
    from ml_utils.serving import ModelDeployment
    from ml_utils.training import ModelTrainer

_HOMES = {
    "FeatureEngineer": "features",
    "ModelTrainer": "training",
    "ModelEvaluator": "evaluation",
    "ModelDeployment": "serving",
    "ModelMonitor": "monitoring",
    "ABTestAnalyzer": "experiments",
    "load_params": "params",
    "open_run": "results",
}

__all__ = [
    "ABTestAnalyzer",
    "FeatureEngineer",
    "ModelDeployment",
    "ModelEvaluator",
    "ModelMonitor",
    "ModelTrainer",
    "load_params",
    "open_run",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ml_utils' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ml_utils.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
