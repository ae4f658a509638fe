"""What transformers here are given: tables, arrays or lists, brought to one table of named columns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array

from ml_utils.errors import DataError, ParameterError
from ml_utils.wording import listing


def read_table(X: Any, who: str) -> pd.DataFrame:
    """Bring what was given to a DataFrame whose columns have text for names, each its own.

    Columns of arrays and lists are called x0, x1, ...

    Parameters
    ----------
    X : DataFrame, array or list of lists, of shape (n_rows, n_columns)
    who : str
        Who asks, for messages.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        If `X` is no table, has no row or no column, is sparse or complex, or names a column twice.
    """
    table = X if isinstance(X, pd.DataFrame) else _from_array(X, who)
    n_rows, n_columns = table.shape
    if n_rows == 0:
        raise DataError(f"The table has 0 rows and {n_columns} columns; both must be 1 or more.")
    if n_columns == 0:
        raise DataError(
            f"The table has {n_rows} rows and 0 columns; both must be 1 or more: 0 feature(s) "
            f"(shape={table.shape}) while a minimum of 1 is required."
        )
    if not (isinstance(table.columns.dtype, pd.StringDtype) and not table.columns.hasnans):
        table = table.set_axis([str(name) for name in table.columns], axis=1)
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise DataError(f"Columns stand twice in the table: {listing(list(twice))}. Rename one of each.")
    return table


def _from_array(X: Any, who: str) -> pd.DataFrame:
    if isinstance(X, list | tuple):
        X = np.array(X, dtype=object)  # each column keeps a type of its own
    try:
        values = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=0, estimator=who)
    except (TypeError, ValueError) as error:
        raise DataError(f"{who} takes a table of rows and columns. {error}") from error
    if len(values) == 0:
        raise DataError(
            f"Found array with 0 sample(s) (shape={values.shape}) while a minimum of 1 is required."
        )
    table = pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])
    return table.infer_objects() if values.dtype == object else table


class MixedInput:
    """Tells scikit-learn that a transformer takes numbers and text, missing values too."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]  # BaseEstimator's, which comes after it
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class Tabular(MixedInput):
    """The columns of a transformer: read from what it is given, learnt in fit, asked for in transform.

    Tables are taken with their columns in any order; columns of arrays and lists are told by their place.
    """

    n_features_in_: int
    feature_names_in_: np.ndarray

    def _learn_columns(self, X: Any) -> pd.DataFrame:
        """Read the training table, and keep the names of its columns."""
        table = read_table(X, type(self).__name__)
        _refuse_complex(table)
        self.names_in_ = [str(name) for name in table.columns]
        self.named_ = isinstance(X, pd.DataFrame)
        self.n_features_in_ = table.shape[1]
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if self.named_:
            self.feature_names_in_ = np.asarray(self.names_in_, dtype=object)
        self.index_in_ = table.columns
        return table

    def _read_columns(self, X: Any) -> pd.DataFrame:
        """Read a later table; it has all columns of the training table, in any order, and maybe others."""
        if isinstance(X, pd.DataFrame) and len(X) and X.columns.equals(self.index_in_):
            return X
        table = read_table(X, type(self).__name__)
        if self.named_ and isinstance(X, pd.DataFrame):
            missing = [name for name in self.names_in_ if name not in table.columns]
            if missing:
                raise DataError(
                    f"The table lacks {listing(missing)}, which the features are made from. "
                    "Add the column, empty where the value is unknown."
                )
            return table
        if self.named_:
            warnings.warn(
                "X does not have valid feature names, but "
                f"{type(self).__name__} was fitted with feature names",
                UserWarning,
                stacklevel=4,
            )
        if table.shape[1] != self.n_features_in_:
            raise DataError(
                f"X has {table.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input. Columns without names are told by their place."
            )
        return table.set_axis(self.index_in_, axis=1)

    def _check_input_names(self, given: Sequence[str] | None) -> None:
        """Hold the names that `get_feature_names_out` was given against those of the training table."""
        if given is None:
            return
        if len(given) != self.n_features_in_:
            raise ParameterError(
                f"input_features should have length equal to number of features ({self.n_features_in_}), "
                f"got {len(given)}."
            )
        if self.named_ and list(given) != self.names_in_:
            raise ParameterError(
                f"input_features is not equal to feature_names_in_: {listing(self.names_in_)}."
            )


def _refuse_complex(table: pd.DataFrame) -> None:
    if any(getattr(kind, "kind", "") == "c" for kind in table.dtypes):
        raise DataError(
            "Complex data not supported: a column holds complex numbers. Give their parts as two columns."
        )


def missing_rates(table: pd.DataFrame) -> dict[str, float]:
    """Return the share of rows in which each column is missing."""
    return {str(name): float(column.isna().mean()) for name, column in table.items()}
