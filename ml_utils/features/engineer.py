"""FeatureEngineer: raw columns in, complete numeric features out, the same in training and serving."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler, TargetEncoder
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.features.cleaning import CategoryCleaner, DateParts, NumericCleaner
from ml_utils.features.dictionary import category_name, describe_features, trace_features
from ml_utils.wording import listing

logger = logging.getLogger(__name__)

ENCODINGS = ("auto", "onehot", "target")
IMPUTATIONS = ("median", "mean", "most_frequent", "constant")
SCALINGS = ("none", "standard", "robust")
SELECTIONS = ("none", "variance", "importance")

ONE_HOT_LIMIT = 20  # categories; above it `auto` encodes by the target
RARE = 0.002  # share of rows below which a category joins the infrequent ones
IDENTIFIER_SHARE = 0.5  # distinct values per row above which a text column names rows, not kinds of rows


class FeatureEngineer(TransformerMixin, BaseEstimator):
    """Turn raw columns into the numeric features of a model.

    Roles are told from the values unless given: numbers (and truth values), dates, categories. A text column
    with a value for almost every row names rows and is left out, as are columns without any value.

    Parameters
    ----------
    numeric, categorical : sequence of str, optional
        Columns whose role is given.
    encoding : {"auto", "onehot", "target"}
        Categories as one column each, or as their cross-fitted target mean; `auto` takes the second above
        20 categories.
    imputation : {"median", "mean", "most_frequent", "constant"}
        What stands for a missing number (constant is 0); an indicator column says that it was missing.
    outliers : float or None
        Fences in interquartile ranges that numbers are held within; see `NumericCleaner`.
    scaling : {"none", "standard", "robust"}
        Leave `none` before trees.
    selection : {"none", "variance", "importance"}
        Drop constant features, or keep the `n_features` that shallow boosted trees gain most from.
    n_features : int, optional
        How many features `importance` keeps.
    seed : int
        For the cross-fitting and the trees.

    Attributes
    ----------
    roles_ : dict of str to list of str
        Columns by role: numeric, category, target (encoded by the target), date, left_out.
    dictionary_ : DataFrame
        A row a feature: feature, source, kind, meaning, formula, missing_rate.
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> X = pd.DataFrame({"tenure": [1.0, None, 40.0, 8.0], "plan": ["a", "b", "a", "A "]})
    >>> FeatureEngineer().fit_transform(X).columns.tolist()
    ['tenure', 'tenure_missing', 'plan=a', 'plan=b']
    >>> FeatureEngineer(scaling="log").fit(X)
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: scaling is 'log'. Known: none, robust, standard.
    """

    def __init__(
        self,
        numeric: Sequence[str] | None = None,
        categorical: Sequence[str] | None = None,
        encoding: str = "auto",
        imputation: str = "median",
        outliers: float | None = 3.0,
        scaling: str = "none",
        selection: str = "none",
        n_features: int | None = None,
        seed: int = 42,
    ) -> None:
        self.numeric = numeric
        self.categorical = categorical
        self.encoding = encoding
        self.imputation = imputation
        self.outliers = outliers
        self.scaling = scaling
        self.selection = selection
        self.n_features = n_features
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn everything from the training rows.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
        y : array of shape (n_rows,), optional
            Needed by target encoding and by `selection="importance"`.

        Raises
        ------
        ParameterError
            If an option is unknown, or needs a target that is not given.
        DataError
            If `X` is not a table with rows, or no column is left.
        """
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: Any = None) -> pd.DataFrame:
        """Fit, and return the training rows' features (target encodings cross-fitted: no row sees itself)."""
        self._check_options()
        table = _as_table(X)
        self.feature_names_in_ = np.asarray(table.columns, dtype=object)
        self.n_features_in_ = table.shape[1]
        self.roles_ = self._tell_roles(table, y)
        self.columns_ = self._column_transformer()
        values = self.columns_.fit_transform(table, y)
        self.origins_ = trace_features(self.columns_, self.roles_)
        features = self._frame(values, table.index)
        self.selected_ = self._select(features, y)
        self.dictionary_ = describe_features(self, table)
        return features[self.selected_]

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the features of `X`.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_columns)
            Columns in any order; columns that were not there in training are left aside.

        Returns
        -------
        DataFrame of shape (n_rows, n_features), float64, complete and finite

        Raises
        ------
        DataError
            If a column that was there in training is missing.
        """
        check_is_fitted(self, "columns_")
        table = _as_table(X)
        missing = [name for name in self.feature_names_in_ if name not in table.columns]
        if missing:
            raise DataError(
                f"The table lacks {listing(missing)}, which the features are made from. "
                "Add the column, empty where the value is unknown."
            )
        extra = [str(name) for name in table.columns if name not in self.feature_names_in_]
        if extra:
            logger.info("columns that were not there in training are left aside: %s", listing(extra))
        features = self.columns_.transform(table[list(self.feature_names_in_)])
        return self._frame(features, table.index)[self.selected_]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the features' names."""
        check_is_fitted(self, "columns_")
        return np.asarray(self.selected_, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _check_options(self) -> None:
        for name, known in {
            "encoding": ENCODINGS,
            "imputation": IMPUTATIONS,
            "scaling": SCALINGS,
            "selection": SELECTIONS,
        }.items():
            value = getattr(self, name)
            if value not in known:
                raise ParameterError(f"{name} is {value!r}. {list_known(str(value), known)}")
        if self.n_features is not None and self.n_features < 1:
            raise ParameterError(f"n_features is {self.n_features}; it must be 1 or more.")

    def _tell_roles(self, table: pd.DataFrame, y: Any) -> dict[str, list[str]]:
        roles: dict[str, list[str]] = {
            "numeric": [],
            "category": [],
            "target": [],
            "date": [],
            "left_out": [],
        }
        for name in table.columns:
            roles[self._role(table[name])].append(name)
        if len(roles["left_out"]) == table.shape[1]:
            raise DataError("No column is left: all are empty, or name rows. Bring others.")
        if y is None and roles["target"]:
            if self.encoding == "target":
                raise ParameterError("encoding='target' needs y. Pass the target, or use encoding='onehot'.")
            roles["category"] += roles["target"]
            roles["target"] = []
        if roles["left_out"]:
            logger.info("left out, empty or naming rows: %s", listing(roles["left_out"]))
        return roles

    def _role(self, column: pd.Series) -> str:
        name, present = column.name, column.dropna()
        if present.empty:
            return "left_out"
        if name in (self.numeric or ()):
            return "numeric"
        is_number = pd.api.types.is_numeric_dtype(column)
        if name not in (self.categorical or ()):
            if is_number:
                return "numeric"
            if pd.api.types.is_datetime64_any_dtype(column):
                return "date"
            if present.nunique() > max(ONE_HOT_LIMIT, IDENTIFIER_SHARE * len(present)):
                return "left_out"
        many = present.nunique() > ONE_HOT_LIMIT
        by_target = self.encoding == "target" or (self.encoding == "auto" and many)
        return "target" if by_target else "category"

    def _column_transformer(self) -> ColumnTransformer:
        one_hot = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=RARE,
            sparse_output=False,
            feature_name_combiner=category_name,
        )
        impute = {"fill_value": 0.0} if self.imputation == "constant" else {}
        imputer = SimpleImputer(strategy=self.imputation, add_indicator=True, **impute)
        target = TargetEncoder(cv=KFold(5, shuffle=True, random_state=self.seed))
        steps = {
            "numeric": [
                ("clean", NumericCleaner(self.outliers)),
                ("impute", imputer),
                ("scale", self._scaler()),
            ],
            "category": [("clean", CategoryCleaner()), ("encode", one_hot)],
            "target": [("clean", CategoryCleaner()), ("encode", target), ("scale", self._scaler())],
            "date": [
                ("parts", DateParts()),
                ("impute", SimpleImputer(strategy="median")),
                ("scale", self._scaler()),
            ],
        }
        return ColumnTransformer(
            [
                (role, Pipeline(parts), self.roles_[role])
                for role, parts in steps.items()
                if self.roles_[role]
            ],
            verbose_feature_names_out=False,
        )

    def _scaler(self) -> Any:
        return {"standard": StandardScaler(), "robust": RobustScaler(), "none": "passthrough"}[self.scaling]

    def _frame(self, features: np.ndarray, index: pd.Index) -> pd.DataFrame:
        names = [origin.feature for origin in self.origins_]
        return pd.DataFrame(np.asarray(features, dtype=float), columns=names, index=index)

    def _select(self, features: pd.DataFrame, y: Any) -> list[str]:
        names = list(features.columns)
        if self.selection == "none":
            return names
        varying = [name for name in names if (features[name] != features[name].iloc[0]).any()]
        if not varying:
            raise DataError("Every feature is constant; there is nothing to learn from.")
        if self.selection == "variance" or self.n_features is None or len(varying) <= self.n_features:
            return varying
        if y is None:
            raise ParameterError("selection='importance' needs y. Pass the target, or use 'variance'.")
        gains = _gains(features[varying], np.asarray(y), self.seed)
        kept = set(gains.nlargest(self.n_features).index)
        return [name for name in varying if name in kept]


def _as_table(X: Any) -> pd.DataFrame:
    if not isinstance(X, pd.DataFrame):
        raise DataError(f"FeatureEngineer takes a DataFrame with named columns; got {type(X).__name__}.")
    if X.empty:
        raise DataError(f"The table has {X.shape[0]} rows and {X.shape[1]} columns; both must be 1 or more.")
    return X


def _gains(features: pd.DataFrame, y: np.ndarray, seed: int) -> pd.Series:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if len(np.unique(y)) == 2 else LGBMRegressor
    trees = kind(
        n_estimators=60,
        num_leaves=8,
        importance_type="gain",
        random_state=seed,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )
    trees.fit(features.to_numpy(), y)
    return pd.Series(trees.feature_importances_, index=features.columns)
