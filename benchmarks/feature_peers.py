"""What a person would write with scikit-learn's ColumnTransformer to do FeatureEngineer's work."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, TargetEncoder

MANY = 20  # categories from which a column is encoded by the target


class Fences(TransformerMixin, BaseEstimator):
    """Numbers within 3 interquartile ranges of the quartiles, never within the central 99 %."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the fences."""
        q = np.nanquantile(X.to_numpy(float), [0.005, 0.25, 0.75, 0.995], axis=0)
        width = 3 * (q[2] - q[1])
        self.lower_ = np.where(width > 0, np.minimum(q[0], q[1] - width), -np.inf)
        self.upper_ = np.where(width > 0, np.maximum(q[3], q[2] + width), np.inf)
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Hold numbers within the fences; infinities are missing."""
        values = X.to_numpy(float)
        return np.clip(np.where(np.isinf(values), np.nan, values), self.lower_, self.upper_)


class DateParts(TransformerMixin, BaseEstimator):
    """Year, month, day of week, and days since the first training row."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the first dates."""
        self.start_ = X.min()
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Return four numbers for each date."""
        parts = []
        for name in X.columns:
            date = X[name].dt
            days = (X[name] - self.start_[name]).dt.total_seconds() / 86400
            parts += [date.year, date.month, date.day_of_week, days]
        return np.column_stack([part.to_numpy(float) for part in parts])


def one_spelling(X: pd.DataFrame) -> pd.DataFrame:
    """Bring categories to one spelling; missing is one of them."""
    return X.apply(lambda column: column.str.strip().str.lower().str.replace("-", " ").fillna("(missing)"))


def no_missing(X: pd.DataFrame) -> pd.DataFrame:
    """Make missing a category."""
    return X.fillna("(missing)")


def hand_written() -> ColumnTransformer:
    """The same work."""
    return _transformer(Fences(), FunctionTransformer(one_spelling))


def bare_transformer() -> ColumnTransformer:
    """Less: no fences, and spellings as they come."""
    return _transformer("passthrough", FunctionTransformer(no_missing))


def _transformer(numbers: Any, words: Any) -> ColumnTransformer:
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.002, sparse_output=False)
    by_target = TargetEncoder(cv=KFold(5, shuffle=True, random_state=1))
    number = make_pipeline(numbers, SimpleImputer(strategy="median", add_indicator=True))
    return ColumnTransformer(
        [
            ("numbers", number, make_column_selector(dtype_include=["number", "bool"])),
            ("few", make_pipeline(words, one_hot), few_categories),
            ("many", make_pipeline(words, by_target), many_categories),
            (
                "dates",
                make_pipeline(DateParts(), SimpleImputer(strategy="median")),
                make_column_selector(dtype_include="datetime"),
            ),
        ]
    )


def few_categories(X: pd.DataFrame) -> list[str]:
    """Columns of text that get a column a category."""
    return [name for name in X.columns if X[name].dtype == "str" and X[name].nunique() <= MANY]


def many_categories(X: pd.DataFrame) -> list[str]:
    """Columns of text that are encoded by the target."""
    return [name for name in X.columns if X[name].dtype == "str" and X[name].nunique() > MANY]
