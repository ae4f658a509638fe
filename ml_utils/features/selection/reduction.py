"""Reduction: few uncorrelated or discriminating components in place of many features."""

from __future__ import annotations

import logging
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.features.creation.created import Created
from ml_utils.features.selection.material import Array, make_material
from ml_utils.wording import listing, percent

logger = logging.getLogger(__name__)

REDUCTIONS = ("pca", "lda")
NAMED = 3  # features that a component's meaning names
BLOCK = 8192  # rows that are worked on at a time


class Reduction(TransformerMixin, BaseEstimator):
    """Principal components, or linear discriminants, of standardised features.

    Parameters
    ----------
    method : {"pca", "lda"}
        Directions of largest variance, or those that part the classes of the target best.
    n_components : int or float, optional
        How many; for pca a share below 1 takes as many as explain that share of the variance. None explains
        95 % (pca) or takes all (lda, at most one less than there are classes). More than there can be are cut
        to what there is.
    seed : int
        Kept for one way to call both; neither method draws at random.

    Attributes
    ----------
    created_ : list of Created
        What each component is made of.
    center_, scale_ : ndarray of shape (n_features,)
    weights_ : ndarray of shape (n_features, n_components)
        A component is the sum of the standardised features times these.
    explained_ : ndarray of shape (n_components,)
        Share of the variance (pca), or of the variance between the classes (lda), of each.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> size = rng.normal(size=50)
    >>> table = pd.DataFrame({"width": size, "height": 2 * size + 0.1 * rng.normal(size=50)})
    >>> Reduction("pca", 0.9).fit_transform(table).columns.tolist()
    ['pca_1']
    >>> Reduction("umap").fit(table)
    Traceback (most recent call last):
    ml_utils.errors.ParameterError: method is 'umap'. Known: lda, pca.
    """

    def __init__(self, method: str = "pca", n_components: float | None = None, seed: int = 42) -> None:
        self.method = method
        self.n_components = n_components
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the components from the training rows.

        Parameters
        ----------
        X : DataFrame of shape (n_rows, n_features)
            Complete, finite numbers.
        y : array of shape (n_rows,), optional
            Needed by lda.

        Raises
        ------
        ParameterError
            If an option is wrong, or lda is asked for without classes.
        DataError
            If the table is not complete, or every feature is constant.
        """
        self._check_options(y)
        target = y if self.method == "lda" else None
        material = make_material(X, target, task=None, groups=None, n_features=None, seed=self.seed)
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        scaled, varies = self._standardise(X.to_numpy(dtype=float))
        if self.method == "pca":
            weights, self.explained_ = self._principal(scaled)
        elif material.classes:
            weights, self.explained_ = self._discriminant(scaled, material.target)
        else:
            raise ParameterError(
                "method='lda' parts classes; the target is a number with many values. Use 'pca'."
            )
        self.weights_ = np.where(varies[:, None], weights, 0.0)
        self.created_ = [self._describe(i) for i in range(self.weights_.shape[1])]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the components of each row; a row's do not depend on the rows beside it, to the last bit.

        Raises
        ------
        DataError
            If a feature that was there in training is missing, or a value is.
        """
        check_is_fitted(self, "weights_")
        missing = [str(name) for name in self.feature_names_in_ if name not in X.columns]
        if missing:
            raise DataError(f"The features lack {listing(missing)}, which the components are made from.")
        values = X[list(self.feature_names_in_)].to_numpy(dtype=float)
        if not np.isfinite(values).all():
            raise DataError("Components need complete, finite numbers. Impute first.")
        made = np.empty((len(values), self.weights_.shape[1]))
        for start in range(0, len(values), BLOCK):
            rows = slice(start, start + BLOCK)
            made[rows] = self._project((values[rows] - self.center_) / self.scale_)
        return pd.DataFrame(made, columns=[item.name for item in self.created_], index=X.index)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the components' names: pca_1, pca_2, …"""
        check_is_fitted(self, "weights_")
        return np.asarray([item.name for item in self.created_], dtype=object)

    def _project(self, scaled: Array) -> Array:
        # Feature by feature: a matrix product adds in an order that depends on how many rows there are.
        made = np.zeros((len(scaled), self.weights_.shape[1]))
        for j in range(scaled.shape[1]):
            made += scaled[:, j, None] * self.weights_[j]
        return made

    def _standardise(self, values: Array) -> tuple[Array, Array]:
        """Learn centre and scale; return the standardised values, and which features vary."""
        varies = (values != values[0]).any(axis=0)
        if not varies.any():
            raise DataError("Every feature is constant; there are no components to find.")
        self.center_, spread = values.mean(axis=0), values.std(axis=0)
        self.scale_ = np.where(varies & (spread > 0), spread, 1.0)
        return np.where(varies, (values - self.center_) / self.scale_, 0.0), varies

    def _check_options(self, y: Any) -> None:
        if self.method not in REDUCTIONS:
            raise ParameterError(f"method is {self.method!r}. {list_known(str(self.method), REDUCTIONS)}")
        n = self.n_components
        whole = n is None or (not isinstance(n, bool) and n >= 1 and n == int(n))
        share = self.method == "pca" and n is not None and 0 < n < 1
        if not whole and not share:
            allowed = "a whole number, or for pca a share between 0 and 1"
            raise ParameterError(f"n_components is {n}; it must be {allowed}.")
        if self.method == "lda" and y is None:
            raise ParameterError("method='lda' needs y, the classes to tell apart. Pass it, or use 'pca'.")

    def _principal(self, scaled: Array) -> tuple[Array, Array]:
        from sklearn.decomposition import PCA

        wanted = 0.95 if self.n_components is None else self.n_components
        most = int(np.linalg.matrix_rank(scaled.T @ scaled, hermitian=True))
        n = float(wanted) if wanted < 1 else self._at_most(int(wanted), most)
        solver = "full" if len(scaled) <= 10 * scaled.shape[1] else "covariance_eigh"
        found = PCA(n_components=n, svd_solver=solver).fit(scaled)
        return np.asarray(found.components_.T), np.asarray(found.explained_variance_ratio_)

    def _discriminant(self, scaled: Array, classes: Array) -> tuple[Array, Array]:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        found = LinearDiscriminantAnalysis(solver="svd").fit(scaled, classes)
        n = self._at_most(int(self.n_components or found.scalings_.shape[1]), found.scalings_.shape[1])
        if n == 0:
            raise DataError("The classes do not differ in any feature's mean; lda finds no direction.")
        return np.asarray(found.scalings_[:, :n]), np.asarray(found.explained_variance_ratio_[:n])

    def _at_most(self, wanted: int, there: int) -> int:
        if wanted > there:
            logger.info("%s: %d components were asked for, %d are there", self.method, wanted, there)
        return min(wanted, there)

    def _describe(self, i: int) -> Created:
        weights, names = self.weights_[:, i], [str(name) for name in self.feature_names_in_]
        order = sorted(range(len(names)), key=lambda j: (-abs(float(f"{weights[j]:.9e}")), names[j]))
        used = [j for j in order if weights[j] != 0]
        terms = " ".join(
            f"{'−' if weights[j] < 0 else '+'} {abs(weights[j]):.3g} {names[j]}" for j in used[:NAMED]
        )
        more = f" and {len(used) - NAMED} more" if len(used) > NAMED else ""
        share = percent(float(self.explained_[i]))
        what = (
            f"principal component {i + 1}, {share} of the variance"
            if self.method == "pca"
            else f"discriminant {i + 1}, {share} of what parts the classes"
        )
        meaning = f"{what}; mostly {listing([names[j] for j in used[:NAMED]])}"
        sources = tuple(names[j] for j in used)
        return Created(
            f"{self.method}_{i + 1}", sources, self.method, meaning, f"{terms}{more} (standardised)"
        )
