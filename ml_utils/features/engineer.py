"""FeatureEngineer: raw columns in, complete numeric features out, the same in training and serving."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ml_utils.features import creating
from ml_utils.features.assembly import Assembly
from ml_utils.features.blocks import Source
from ml_utils.features.dictionary import describe_features
from ml_utils.features.options import Options, check_options
from ml_utils.features.origins import name_features, trace_created
from ml_utils.features.roles import tell_roles
from ml_utils.features.selection import Reduction, Selection, needs_target, select_features
from ml_utils.features.tables import Tabular, missing_rates, read_table
from ml_utils.features.target import read_target
from ml_utils.features.unseen import find_unseen
from ml_utils.wording import listing

logger = logging.getLogger(__name__)


class FeatureEngineer(Tabular, TransformerMixin, Options):
    """Turn raw columns into the numeric features of a model.

    Roles are told from the values unless given: numbers (and truth values), dates, categories, text (several
    words a value, hardly any value twice). Another text column with a value for almost every row names rows
    and is left out, as are columns without any value. Everything is learnt from the training rows only.

    Parameters
    ----------
    numeric, categorical, dates, text : sequence of str, optional
        Columns whose role is given. Without `text`, text is told from the values; with an empty list there is
        none.
    encoding : {"auto", "onehot", "target", "ordinal", "frequency", "hashing"}
        Categories as one column each, as their cross-fitted target mean, their place in an order, their share
        of the rows, or `n_hashes` columns by a hash; `auto` takes one column each up to 20 categories and the
        target mean above.
    encodings : mapping of str to str, optional
        Columns with another encoding than `encoding`.
    orders : mapping of str to sequence, optional
        The categories of ordinal columns, the lowest first; by the alphabet unless given.
    imputation : {"median", "mean", "most_frequent", "constant", "knn", "iterative"}
        What stands for a missing number (constant is 0; knn and iterative ask the row's other numbers).
    indicators : bool
        Whether a further column says where a number was missing.
    outliers : float, "iqr", "winsor" or None
        What numbers are held within: fences in interquartile ranges, Tukey's inner fences, the values at 1 %
        and 99 %; see `fences`.
    scaling : {"none", "standard", "robust", "minmax", "maxabs", "quantile", "power"}
        Leave `none` before trees.
    date_parts, date_cycles : sequence of str, optional
    since : str or sequence of str, optional
        What dates become; see `DateFeatures`.
    formulas : mapping of str to str, optional
        New column: formula, as `balance / products`; see `Formulas`.
    places : mapping of str to mapping, optional
        Name: latitude and longitude columns, and points to take distances to; `n_areas` clusters them.
    ratios, differences : sequence of pairs of str, optional
    group_statistics : mapping of str to sequence of str, optional
        Category column: numeric columns, whose `statistics` are taken within it.
    bins : sequence of str, or mapping of str to sequence of float, optional
        Numbers that are also cut into `n_bins` categories, or at given edges.
    n_topics : int
        How many topics a text column gives.
    splines : sequence of str, optional
        Features that also become a spline of `n_knots`.
    interactions : int or sequence of str, optional
        How many products of features to keep, the best; or the features to multiply, to `degree`.
    selection : str or sequence of str
        How features are chosen, one method or several in turn; see `select_features`.
    n_features : int, optional
        How many features the selection keeps.
    reduction : {"none", "pca", "lda"}
        Components in place of the features; see `Reduction`.
    n_components : int or float, optional
    seed : int
        For whatever draws at random: cross-fitting, samples, trees.

    Attributes
    ----------
    roles_ : dict of str to list of str
        Columns by role: numeric, category (one column each), target, date and left_out always; ordinal,
        frequency, hashing and text where there are any.
    dictionary_ : DataFrame
        A row a feature: feature, source, kind, meaning, formula, type, missing_rate, importance.
    origins_ : list of Origin
        Where each feature comes from, before any is dropped.
    selected_ : list of str
        The features that the selection kept.
    selection_ : Selection or None
        What it found.
    created_ : list of Created
        The columns that were made from raw ones.
    columns_ : Assembly
        What was learnt of each column.
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> X = pd.DataFrame({"tenure": [1.0, None, 40.0, 8.0], "plan": ["a", "b", "a", "A "]})
    >>> FeatureEngineer().fit_transform(X).columns.tolist()
    ['tenure', 'tenure_missing', 'plan=a', 'plan=b']
    >>> FeatureEngineer(scaling="log").fit(X)
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: scaling is 'log'. Known: maxabs, minmax, none, power, ...
    """

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Learn everything from the training rows.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Or an array or list, whose columns are called x0, x1, ...
        y : array of shape (n_rows,), optional
            Needed by target encoding and by most selections.
        groups : array of shape (n_rows,), optional
            Rows of one group are not torn apart when the target encoding is cross-fitted or a selection tries
            features out.

        Raises
        ------
        ParameterError
            If an option is unknown, or needs a target that is not given.
        DataError
            If `X` is not a table with rows, or no column is left.
        """
        self.fit_transform(X, y, groups)
        return self

    def fit_transform(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        """Fit, and return the training rows' features (target encodings cross-fitted: no row sees itself)."""
        table = self._learn_columns(X)
        check_options(self, has_target=y is not None)
        missing = missing_rates(table)
        target = None if y is None else read_target(y, len(table), groups, self.seed)
        known = None if target is None else target.codes
        self.creators_ = creating.column_creators(self)
        raw = table
        table = creating.learn_columns(self.creators_, table, known)
        self.created_ = creating.created_by(self.creators_)
        if len(table.columns) > len(raw.columns):
            missing |= missing_rates(table.iloc[:, raw.shape[1] :])
        self.missing_ = missing
        source = Source(table)
        self.roles_ = tell_roles(source, self, has_target=y is not None)
        self.columns_ = Assembly(self, self.roles_)
        values = self.columns_.fit_write(source, target)
        self.origins_ = name_features(self.columns_.origins, self.created_)
        features = _frame(values, [origin.feature for origin in self.origins_], table.index)
        features = self._learn_features(features, known)
        features = self._learn_selection(features, None if target is None else target.y, groups)
        self._describe()
        return self._give(features, X)

    def transform(self, X: Any) -> Any:
        """Return the features of `X`.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Columns in any order; columns that were not there in training are left aside.

        Returns
        -------
        DataFrame of shape (n_rows, n_features), float64, complete and finite; an array where `X` is none

        Raises
        ------
        DataError
            If a column that was there in training is missing.
        """
        check_is_fitted(self, "columns_")
        table = self._read_columns(X)
        if table.shape[1] > self.n_features_in_:
            known = set(self.names_in_)
            extra = [name for name in table.columns if name not in known]
            logger.info("columns that were not there in training are left aside: %s", listing(extra))
            table = table[self.names_in_]
        table = creating.with_columns(self.creators_, table)
        values = self.columns_.write(Source(table))
        features = _frame(values, self.made_in_, table.index)
        features = creating.with_columns(self.feature_creators_, features)
        if len(self.selected_) < features.shape[1]:
            features = features[self.selected_]
        if self.reduction_ is not None:
            features = self.reduction_.transform(features)
        return self._give(features, X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the features' names."""
        check_is_fitted(self, "columns_")
        self._check_input_names(input_features)
        return np.asarray(self.dictionary_["feature"], dtype=object)

    def unseen(self, X: Any) -> pd.DataFrame:
        """Report what `X` holds that the training rows never did, and what is done about it.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Columns may be missing here.

        Returns
        -------
        DataFrame
            column, finding, rows, share, example, what is done; empty where there is nothing new.

        Examples
        --------
        >>> engineer = FeatureEngineer().fit(pd.DataFrame({"plan": ["a", "b"], "age": [20, 40]}))
        >>> report = engineer.unseen(pd.DataFrame({"plan": ["c", "b"], "age": [30, 400]}))
        >>> report[["column", "finding", "rows"]].to_numpy().tolist()
        [['age', 'out of the training range', 1], ['plan', 'unseen category', 1]]
        """
        check_is_fitted(self, "columns_")
        table = read_table(X, type(self).__name__)
        if not self.named_ and not isinstance(X, pd.DataFrame):
            table = self._read_columns(X)
        return find_unseen(table, self.columns_.blocks, self.missing_, self.names_in_)

    def with_importance(self, scores: Mapping[str, float] | pd.Series) -> Self:
        """Put importances, by feature, into the dictionary; features without one keep what they have.

        Returns
        -------
        self
        """
        check_is_fitted(self, "columns_")
        known = self.dictionary_["feature"].map(dict(scores)).astype(float)
        self.dictionary_["importance"] = known.fillna(self.dictionary_["importance"])
        return self

    def _learn_features(self, features: pd.DataFrame, y: np.ndarray | None) -> pd.DataFrame:
        """Create features out of features."""
        self.made_in_ = features.columns
        self.feature_creators_ = creating.feature_creators(self)
        features = creating.learn_columns(self.feature_creators_, features, y)
        for creator in self.feature_creators_:
            self.origins_ += trace_created(creator.created_, self.origins_)
        return features

    def _learn_selection(self, features: pd.DataFrame, y: np.ndarray | None, groups: Any) -> pd.DataFrame:
        """Choose features, and put components in their place."""
        self.selection_: Selection | None = None
        self.selected_ = [str(name) for name in features.columns]
        if self.selection not in ("none", ["none"], ("none",)):
            asked = y if needs_target(self.selection) else None
            self.selection_ = select_features(
                features, asked, self.selection, n_features=self.n_features, groups=groups, seed=self.seed
            )
            self.selected_ = list(self.selection_.kept)
            features = features[self.selected_]
        self.reduction_: Reduction | None = None
        if self.reduction != "none":
            self.reduction_ = Reduction(self.reduction, self.n_components, seed=self.seed)
            features = self.reduction_.fit_transform(features, y)
        return features

    def _describe(self) -> None:
        """Make the dictionary of what comes out."""
        by_name = {origin.feature: origin for origin in self.origins_}
        shown = [by_name[name] for name in self.selected_]
        if self.reduction_ is not None:
            shown = trace_created(self.reduction_.created_, self.origins_)
        self.dictionary_ = describe_features(shown, self, {new.name for new in self.created_}, self.missing_)
        if self.selection_ is not None and self.reduction_ is None:
            scores = self.selection_.scores
            self.with_importance(dict(zip(scores["feature"], scores["score"], strict=True)))

    def _give(self, features: pd.DataFrame, X: Any) -> Any:
        """Return a table for a table, an array for what came without names."""
        return features if isinstance(X, pd.DataFrame) else features.to_numpy()


def _frame(values: np.ndarray, names: Any, index: pd.Index) -> pd.DataFrame:
    """Make a table of features that stand in rows, without a copy."""
    return pd.DataFrame(values.T, columns=names, index=index, copy=False)
