"""The quick models that features are judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_utils.features.selection.material import Task

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def quick_trees(task: Task, seed: int) -> Any:
    """Shallow boosted trees; the same bytes from run to run."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if task == "regression" else LGBMClassifier
    return kind(
        n_estimators=60,
        num_leaves=8,
        importance_type="gain",
        random_state=seed,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )


def quick_linear(task: Task) -> BaseEstimator:
    """A linear model with mild shrinkage, for standardised features."""
    from sklearn.linear_model import LogisticRegression, Ridge

    return Ridge(alpha=1.0) if task == "regression" else LogisticRegression(C=1.0, max_iter=500)
