"""What every creator shares: how columns are looked up, read as numbers, and given back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.features.creation.created import Created
from ml_utils.features.tables import MixedInput
from ml_utils.features.values import coded
from ml_utils.wording import listing
from ml_utils.words import word


class Creator(MixedInput, TransformerMixin, BaseEstimator, ABC):
    """A transformer that gives new columns only, made from the columns of a table.

    A subclass learns in `_learn`, which sets `created_`, and computes in `_create`, in the same order. What
    it learnt stands in plain attributes: arrays, dicts and dataclasses.

    Attributes
    ----------
    created_ : list of Created
        The new columns, in the order of the output.
    feature_names_in_ : ndarray of str
    """

    created_: list[Created]

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn from the training rows.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
        y : array of shape (n_rows,), optional
            Ignored, except where the class says otherwise.

        Raises
        ------
        DataError
            If `X` is no table with rows, lacks a column, or a column cannot be used as asked.
        ParameterError
            If a parameter is wrong.
        """
        table = self._table(X)
        if len(table) == 0:
            raise DataError(
                f"{type(self).__name__} was given a table without rows; it learns from one or more."
            )
        self.feature_names_in_ = np.asarray(table.columns, dtype=object)
        self.n_features_in_ = table.shape[1]
        self._learn(table, y)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the new columns of `X`, and only those.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Columns in any order; only those that the new ones are made from are needed.

        Returns
        -------
        DataFrame of shape (n_rows, n_created)
            float64 with NaN where a value is not defined, or text for categories; the index of `X`.

        Raises
        ------
        DataError
            If a column that is needed is missing.
        """
        check_is_fitted(self, "created_")
        table = self._table(X)
        self._need(table, dict.fromkeys(name for new in self.created_ for name in new.sources))
        columns = dict(zip((new.name for new in self.created_), self._create(table), strict=True))
        return pd.DataFrame(columns, index=table.index)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the new columns."""
        check_is_fitted(self, "created_")
        return np.asarray([new.name for new in self.created_], dtype=object)

    def to_frame(self) -> pd.DataFrame:
        """Return the new columns as a table: name, sources, kind, meaning, formula."""
        check_is_fitted(self, "created_")
        rows = [(new.name, listing(new.sources), new.kind, new.meaning, new.formula) for new in self.created_]
        return pd.DataFrame(rows, columns=["name", "sources", "kind", "meaning", "formula"])

    @abstractmethod
    def _learn(self, table: pd.DataFrame, y: Any) -> None: ...

    @abstractmethod
    def _create(self, table: pd.DataFrame) -> list[Any]: ...

    def _table(self, X: Any) -> pd.DataFrame:
        if not isinstance(X, pd.DataFrame):
            raise DataError(
                f"{type(self).__name__} takes a DataFrame with named columns; got {type(X).__name__}."
            )
        return X

    def _need(self, table: pd.DataFrame, names: Iterable[str]) -> None:
        for name in names:
            if name not in table.columns:
                raise DataError(
                    f"{type(self).__name__} needs the column {name!r}, which the table does not have. "
                    f"{list_known(str(name), map(str, table.columns))}"
                )

    def _training_numbers(self, table: pd.DataFrame, name: str) -> np.ndarray:
        """Read a column's training rows as numbers; a column of something else is an error."""
        self._need(table, [name])
        column = table[name]
        values = numbers(column)
        if np.isnan(values).all() and column.notna().any() and not pd.api.types.is_numeric_dtype(column):
            raise DataError(
                f"{type(self).__name__} needs numbers, but {name!r} ({column.dtype}) holds values like "
                f"{column.dropna().iloc[0]!r}. Take it out, or turn it into numbers first."
            )
        return values


def numbers(column: pd.Series) -> np.ndarray:
    """Read a column as float64, finite or missing.

    Truth values are 0 and 1, numbers written as text are read; other text, dates and infinities are missing.

    >>> numbers(pd.Series(["1.5", "n/a", None, "inf"]))
    array([1.5, nan, nan, nan])
    """
    if not pd.api.types.is_numeric_dtype(column):
        if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
            return np.full(len(column), np.nan)
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        column = pd.to_numeric(column, errors="coerce")
    values = column.to_numpy(dtype=float, na_value=np.nan)
    return finite(values)


def distinct_values(column: pd.Series) -> tuple[np.ndarray, list[object]]:
    """Return each row's place among the distinct values, -1 for missing, and those values.

    0 and False, which pandas takes for one value, are two where a column mixes both.
    """
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True).startswith("mixed"):
        column = column.map(word, na_action="ignore")
    told = coded(column)
    return np.asarray(told.codes, dtype=np.intp), told.distinct


def finite(values: np.ndarray) -> np.ndarray:
    """Return the values with infinities as NaN.

    >>> finite(np.array([1.0, -np.inf]))
    array([ 1., nan])
    """
    good = np.isfinite(values)
    return values if good.all() else np.where(good, values, np.nan)


def quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; NaN where the result is not defined or not finite.

    >>> quotient(np.array([6.0, 1.0, 0.0]), np.array([4.0, 0.0, 0.0]))
    array([1.5, nan, nan])
    """
    with np.errstate(all="ignore"):
        return finite(np.divide(above, below))


def unique_names(names: Sequence[str], taken: Iterable[str]) -> list[str]:
    """Number the names that stand twice, or that the table has already.

    >>> unique_names(["a_per_b", "x", "x"], ["a_per_b"])
    ['a_per_b (2)', 'x', 'x (2)']
    """
    used = {str(name) for name in taken}
    found = []
    for name in names:
        candidate, n = name, 1
        while candidate in used:
            n += 1
            candidate = f"{name} ({n})"
        used.add(candidate)
        found.append(candidate)
    return found


def pairs_of(
    pairs: Sequence[Sequence[str]], columns: Sequence[str] | None, who: str
) -> list[tuple[str, str]]:
    """Return the named pairs, then all pairs of `columns` in their order.

    Raises
    ------
    ParameterError
        If a pair is not two different columns.
    """
    found = []
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise ParameterError(f"{who} takes pairs of two different columns; got {pair!r}.")
        found.append((pair[0], pair[1]))
    listed = list(columns or ())
    if columns is not None and (isinstance(columns, str) or len(set(listed)) < 2):
        raise ParameterError(f"{who} makes pairs of two or more different columns; got {columns!r}.")
    found += [(a, b) for i, a in enumerate(listed) for b in listed[i + 1 :]]
    return list(dict.fromkeys(found))


def known_only(received: Sequence[str], known: Sequence[str], what: str) -> None:
    """Raise a ParameterError that names the first value that is not known."""
    if isinstance(received, str):
        raise ParameterError(f"{what} takes a list; got the text {received!r}. Write [{received!r}].")
    for name in received:
        if name not in known:
            raise ParameterError(f"{what} holds {name!r}. {list_known(str(name), known)}")


def named_or_all(columns: Sequence[str] | None, table: pd.DataFrame, what: str) -> list[str]:
    """Return the named columns, each once; all of the table's where none are named."""
    if isinstance(columns, str):
        raise ParameterError(
            f"{what} takes a list of columns; got the text {columns!r}. Write [{columns!r}]."
        )
    return list(dict.fromkeys(columns)) if columns is not None else [str(name) for name in table.columns]
