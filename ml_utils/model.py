"""A model as Octavo passes it around: one pipeline that takes raw columns, its threshold beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ml_utils.errors import DataError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Model:
    """A fitted pipeline and what is needed to decide with it.

    Parameters
    ----------
    pipeline : Pipeline
        FeatureEngineer → estimator; raw columns in.
    task : {"binary", "multiclass", "regression"}
    columns : tuple of str
        The raw columns that the pipeline was fitted on, in order.
    name : str
        The candidate that it came from, like "lightgbm".
    threshold : float or None
        Probability above which to act; None for a regression.
    """

    pipeline: Pipeline
    task: Literal["binary", "multiclass", "regression"]
    columns: tuple[str, ...]
    name: str
    threshold: float | None = None

    def predict_score(self, X: pd.DataFrame) -> np.ndarray:
        """Return P(positive) for a binary model, each class's probability, or the predicted value.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Raw columns; further columns are left aside.

        Returns
        -------
        ndarray of shape (n_rows,), or (n_rows, n_classes) for several classes, float64

        Raises
        ------
        DataError
            If a column that the model was fitted on is missing, or a classifier gives no probabilities.
        """
        missing = [column for column in self.columns if column not in X.columns]
        if missing:
            raise DataError(
                f"The model {self.name} needs the columns {', '.join(self.columns)}; the table lacks "
                f"{', '.join(missing)}. Add them (empty where unknown)."
            )
        table = X[list(self.columns)]
        if self.task != "regression" and not hasattr(self.pipeline, "predict_proba"):
            raise DataError(
                f"The model {self.name} has no predict_proba, so it gives no probabilities. "
                "Wrap its estimator, say in sklearn's CalibratedClassifierCV, before fitting."
            )
        if self.task == "binary":
            return np.asarray(self.pipeline.predict_proba(table)[:, 1], dtype=float)
        if self.task == "multiclass":
            return np.asarray(self.pipeline.predict_proba(table), dtype=float)
        return np.asarray(self.pipeline.predict(table), dtype=float)

    def decide(self, X: pd.DataFrame) -> np.ndarray:
        """Return for each row of `X` whether to act (score at or above the threshold).

        Raises
        ------
        DataError
            If the model has no threshold (a regression decides nothing), or lacks a column.
        """
        if self.threshold is None:
            raise DataError(f"The model {self.name} has no threshold; use predict_score.")
        return self.predict_score(X) >= self.threshold
