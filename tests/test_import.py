"""`import ml_utils` is light: no heavy library, no side effect."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("mlflow", "shap", "lightgbm", "xgboost", "optuna", "sklearn", "pandas", "matplotlib", "fastapi")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, ml_utils; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_six_classes_are_there() -> None:
    import ml_utils

    for name in ml_utils.__all__:
        assert callable(getattr(ml_utils, name))
    with pytest.raises(AttributeError, match="has no attribute 'Trainer'"):
        _ = ml_utils.Trainer
