"""XGBoost with classes that weigh the same: the library has a weight for rows and for one class only."""

from __future__ import annotations

from typing import Any, Self

from sklearn.utils.class_weight import compute_sample_weight
from xgboost import XGBClassifier


class BalancedXGBClassifier(XGBClassifier):
    """XGBoost's classifier, fitted with rows weighted so that every class weighs the same."""

    def fit(self, X: Any, y: Any, **options: Any) -> Self:
        """Fit; options are those of `XGBClassifier.fit`."""
        super().fit(X, y, sample_weight=compute_sample_weight("balanced", y), **options)
        return self
