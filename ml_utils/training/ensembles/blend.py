"""The fitted ensemble: one estimator that averages its members.

Averaging log-odds (predicted values in a regression) keeps explanations additive: what a column adds to the
ensemble's log-odds is the weighted sum of what it adds to each member's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import ParameterError

Array = npt.NDArray[np.float64]
TINY = 1e-12  # probabilities are held this far from 0 and 1 before their logarithm is taken


class _Blend(BaseEstimator):
    """What both blends share: members, fitted one after the other on the same features."""

    def __init__(
        self, members: Sequence[tuple[str, Any]], weights: Sequence[float], intercept: float = 0.0
    ) -> None:
        self.members = members
        self.weights = weights
        self.intercept = intercept

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Fit every member.

        Raises
        ------
        ParameterError
            If there are no members, or not one weight for each.
        """
        if not self.members or len(self.members) != len(self.weights):
            raise ParameterError(
                f"A blend takes one weight a member; got {len(self.members)} members and "
                f"{len(self.weights)} weights."
            )
        self.members_ = [(name, clone(member).fit(X, y)) for name, member in self.members]
        self.n_features_in_ = X.shape[1]
        return self


class LogOddsBlend(ClassifierMixin, _Blend):
    """Weighted average of classifiers in log-odds, or in normalised log-probabilities for several classes.

    Parameters
    ----------
    members : sequence of (str, estimator)
        Unfitted classifiers with `predict_proba`.
    weights : sequence of float
        One a member; those of an average add up to 1, those of stacking need not.
    intercept : float
        Added to the log-odds.

    Attributes
    ----------
    members_ : list of (str, fitted estimator)
    classes_ : ndarray

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]}), [0, 0, 1, 1]
    >>> both = LogOddsBlend([("a", LogisticRegression()), ("b", LogisticRegression(C=9.0))], [0.5, 0.5])
    >>> both.fit(X, y).predict(X).tolist()
    [0, 0, 1, 1]
    """

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Fit every member on the same rows."""
        super().fit(X, y)
        self.classes_ = np.unique(np.asarray(y))
        return self

    def decision_function(self, X: pd.DataFrame) -> Array:
        """Return the log-odds, shape (n_rows,), or the classes' scores, shape (n_rows, n_classes)."""
        check_is_fitted(self, "members_")
        found = np.zeros(len(X) if len(self.classes_) == 2 else (len(X), len(self.classes_)))
        for weight, (_, member) in zip(self.weights, self.members_, strict=True):
            found += weight * on_link(member.predict_proba(X))
        return found + self.intercept

    def predict_proba(self, X: pd.DataFrame) -> Array:
        """Return probabilities, shape (n_rows, n_classes)."""
        return from_link(self.decision_function(X))

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the likeliest class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class MeanBlend(RegressorMixin, _Blend):
    """Weighted average of regressors.

    Parameters
    ----------
    members, weights, intercept
        As in `LogOddsBlend`.
    """

    def predict(self, X: pd.DataFrame) -> Array:
        """Return the predicted values, shape (n_rows,)."""
        check_is_fitted(self, "members_")
        parts = [
            weight * np.asarray(member.predict(X), dtype=float)
            for weight, (_, member) in zip(self.weights, self.members_, strict=True)
        ]
        return np.sum(parts, axis=0) + self.intercept


def on_link(probabilities: npt.ArrayLike) -> Array:
    """Turn probabilities into what is averaged: log-odds of two classes, log-probabilities of several.

    Parameters
    ----------
    probabilities : array of shape (n_rows, n_classes), or (n_rows,) for P(positive)

    Returns
    -------
    ndarray of shape (n_rows,) for two classes, (n_rows, n_classes) for more
    """
    p = np.asarray(probabilities, dtype=float)
    if p.ndim == 2 and p.shape[1] > 2:
        return np.log(np.clip(p, TINY, 1.0))
    positive = np.clip(p[:, 1] if p.ndim == 2 else p, TINY, 1 - TINY)
    return np.log(positive) - np.log1p(-positive)


def from_link(scores: Array) -> Array:
    """Turn log-odds, or scores of several classes, back into probabilities of shape (n_rows, n_classes)."""
    if scores.ndim == 2:
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
    from scipy.special import expit

    positive = expit(scores)
    return np.column_stack([1 - positive, positive])
