"""Small transformers that bring raw columns into a state that scikit-learn's own can work on.

Each works on a DataFrame of its columns and gives one back, so that training and serving share them.
"""

from __future__ import annotations

import re
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ml_utils.data.schema import word

MISSING = "(missing)"
_BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")


def normal_form(value: object) -> str:
    """Bring spellings of one category together: case, outer blanks, blanks and hyphens between words.

    Examples
    --------
    >>> [normal_form(text) for text in ("Month-to-month ", "month to month", "A+", "A-")]
    ['month to month', 'month to month', 'a+', 'a-']
    """
    return _BETWEEN_WORDS.sub(" ", word(value).casefold())


class NumericCleaner(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Numbers, finite or missing, held within Tukey's far-out fences.

    What cannot be read as a number, and infinities, become missing. Values beyond `factor` interquartile
    ranges from the quartiles (Tukey 1977: "far out") are set to the fence. The fence never cuts into the
    central 99 % of the training values, so a long tail is kept, and a column whose quartiles coincide is
    left alone.

    Parameters
    ----------
    factor : float or None
        Width of the fences in interquartile ranges; None holds nothing back.
    """

    def __init__(self, factor: float | None = 3.0) -> None:
        self.factor = factor

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the fences of each column."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        values = self._numbers(X)
        n = values.shape[1]
        self.lower_, self.upper_ = np.full(n, -np.inf), np.full(n, np.inf)
        if self.factor is None:
            return self
        for i in range(n):
            column = values[:, i][np.isfinite(values[:, i])]
            if len(column) == 0:
                continue
            first, third = np.quantile(column, [0.25, 0.75])
            low = np.quantile(column, 0.005, method="higher")
            high = np.quantile(column, 0.995, method="lower")
            if third > first:
                width = self.factor * (third - first)
                self.lower_[i], self.upper_[i] = min(low, first - width), max(high, third + width)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the columns as float64, fenced."""
        check_is_fitted(self, "lower_")
        values = np.clip(self._numbers(X), self.lower_, self.upper_)
        return pd.DataFrame(values, columns=list(self.feature_names_in_), index=X.index)

    def _numbers(self, X: pd.DataFrame) -> np.ndarray:
        columns = []
        for i in range(X.shape[1]):
            column = X.iloc[:, i]
            if not pd.api.types.is_numeric_dtype(column):
                column = pd.to_numeric(column, errors="coerce")
            columns.append(column.to_numpy(dtype=float, na_value=np.nan))
        values = np.column_stack(columns) if columns else np.empty((len(X), 0))
        values[~np.isfinite(values)] = np.nan
        return values


class CategoryCleaner(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Categories as text in one spelling each: the one that is most frequent in the training rows.

    Missing values become a category of their own. A category that was not seen stays as it is, for the
    encoder after this to handle.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the usual spelling of each category."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.spelling_ = {name: usual_spelling(X.iloc[:, i]) for i, name in enumerate(X.columns)}
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the columns as text without missing values."""
        check_is_fitted(self, "spelling_")
        clean = {}
        for i, name in enumerate(self.feature_names_in_):
            # Distinct values only, in plain Python: one row is cleaned in microseconds, a million as quickly
            # as they are told apart.
            codes, distinct = pd.factorize(X.iloc[:, i])
            spelling = self.spelling_[name]
            words = [spelling.get(normal_form(value), word(value)) for value in distinct]
            clean[name] = np.array([*words, MISSING], dtype=object)[codes]  # code -1, missing, is the last
        return pd.DataFrame(clean, index=X.index, columns=list(self.feature_names_in_))


def usual_spelling(column: pd.Series) -> dict[str, str]:
    """Map the normal form of each category to its most frequent spelling, ties to the first by alphabet."""
    codes, distinct = pd.factorize(column)
    words = [word(value) for value in distinct]
    sizes = np.bincount(codes[codes >= 0], minlength=len(words))
    usual: dict[str, str] = {}
    for i in sorted(range(len(words)), key=lambda i: (-sizes[i], words[i])):
        usual.setdefault(normal_form(words[i]), words[i])
    return usual


class DateParts(TransformerMixin, BaseEstimator):
    """Year, month, day of week and days since the first training row, of each date column."""

    PARTS = ("year", "month", "day_of_week", "days_since_start")

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the first date of each column."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.start_ = {name: pd.to_datetime(X[name], errors="coerce").min() for name in X.columns}
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return four columns for each date column, float64."""
        check_is_fitted(self, "start_")
        parts: dict[str, pd.Series] = {}
        for i, name in enumerate(self.feature_names_in_):
            date = pd.to_datetime(X.iloc[:, i], errors="coerce")
            parts[f"{name}_year"] = date.dt.year
            parts[f"{name}_month"] = date.dt.month
            parts[f"{name}_day_of_week"] = date.dt.day_of_week
            parts[f"{name}_days_since_start"] = (date - self.start_[name]).dt.total_seconds() / 86400
        return pd.DataFrame(parts, index=X.index).astype("float64")

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that `transform` gives."""
        names = [f"{name}_{part}" for name in self.feature_names_in_ for part in self.PARTS]
        return np.asarray(names, dtype=object)
