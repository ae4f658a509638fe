"""How sound a table is, held to rules that are inferred from the training rows and that a person may edit.

The names are imported on first use, so that what only asks for the rules' fingerprint stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_utils.quality.check import DataQuality
    from ml_utils.quality.inference import infer_rules, load_or_infer
    from ml_utils.quality.report import Finding, QualityReport, SplitsReport
    from ml_utils.quality.rules import Rules, rules_fingerprint, rules_path

_HOMES = {
    "DataQuality": "check",
    "Finding": "report",
    "QualityReport": "report",
    "Rules": "rules",
    "SplitsReport": "report",
    "infer_rules": "inference",
    "load_or_infer": "inference",
    "rules_fingerprint": "rules",
    "rules_path": "rules",
}

__all__ = [
    "DataQuality",
    "Finding",
    "QualityReport",
    "Rules",
    "SplitsReport",
    "infer_rules",
    "load_or_infer",
    "rules_fingerprint",
    "rules_path",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ml_utils.quality' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ml_utils.quality.{_HOMES[name]}"), name)
