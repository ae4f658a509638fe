"""Calibration: scores turned into probabilities that mean what they say, learnt on out-of-fold scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.training.calibration_methods import isotonic, platt, row_loss, temperature, venn_abers
from ml_utils.training.ensembles.blend import from_link, on_link

Array = npt.NDArray[np.float64]

METHODS = ("none", "sigmoid", "isotonic", "venn_abers")
_COMPARED = ["method", "log_loss", "gain", "gain_error"]
CLEARLY_BETTER = 2.0  # standard errors of log loss, a row, that calibration must gain to be taken by `auto`


@dataclass(frozen=True)
class Calibrator:
    """A monotone map from scores to probabilities.

    Parameters
    ----------
    method : {"none", "sigmoid", "isotonic", "venn_abers"}
    slope, intercept : float
        Of a sigmoid: calibrated log-odds are slope · log-odds + intercept. For several classes the slope is
        one over the temperature (Guo et al. 2017), and there may be an intercept for each.
    steps : tuple of (ndarray, ndarray)
        Of the others: scores, ascending, and the probability at each; interpolated between them. One pair a
        class where there are several.
    """

    method: str
    slope: float = 1.0
    intercept: float | tuple[float, ...] = 0.0
    steps: tuple[tuple[Array, Array], ...] = field(default=(), repr=False)

    def apply(self, score: npt.ArrayLike) -> Array:
        """Return calibrated probabilities.

        Parameters
        ----------
        score : array of shape (n_rows,), P(positive), or (n_rows, n_classes)

        Returns
        -------
        ndarray of the same shape
        """
        p = np.asarray(score, dtype=float)
        if self.method == "none":
            return p
        if self.method == "sigmoid":
            found = from_link(self.slope * on_link(p) + np.asarray(self.intercept))
            return found if p.ndim == 2 else found[:, 1]
        if p.ndim == 1:
            return np.interp(p, *self.steps[0])
        each = np.column_stack([np.interp(p[:, k], *steps) for k, steps in enumerate(self.steps)])
        total = each.sum(axis=1, keepdims=True)  # one against the rest (Zadrozny & Elkan 2002)
        return np.where(total > 0, each / np.where(total > 0, total, 1), 1 / p.shape[1])


def fit_calibrator(method: str, y: npt.ArrayLike, score: npt.ArrayLike) -> Calibrator:
    """Learn a calibrator from scores of rows that the model was not fitted on.

    Parameters
    ----------
    method : {"none", "sigmoid", "isotonic", "venn_abers"}
        Platt (1999) with his smoothed targets on the log-odds, or temperature scaling for several classes;
        isotonic regression; inductive Venn–Abers predictors (Vovk et al. 2015) by the package `venn-abers`.
    y : array of shape (n_rows,)
        0 and 1, or class codes.
    score : array of shape (n_rows,) or (n_rows, n_classes)

    Raises
    ------
    ParameterError
        If the method is unknown, or its package is not installed.
    DataError
        If the target has one class only.

    Examples
    --------
    >>> sure = np.array([0.01, 0.01, 0.99, 0.99] * 50)  # right three times in four
    >>> fit_calibrator("sigmoid", [0, 0, 1, 1, 0, 1, 0, 1] * 25, sure).apply([0.01, 0.99]).round(2)
    array([0.25, 0.75])
    """
    if method not in METHODS:
        raise ParameterError(f"calibration is {method!r}. {list_known(method, METHODS)}")
    target, p = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    known = np.isfinite(p if p.ndim == 1 else p.sum(axis=1))
    target, p = target[known], p[known]
    if len(np.unique(target)) < 2:
        raise DataError("Calibration needs rows of more than one class; the out-of-fold scores have one.")
    if method == "none":
        return Calibrator("none")
    if method == "sigmoid":
        slope, intercept = platt(target, p) if p.ndim == 1 else (temperature(target, p), 0.0)
        return Calibrator("sigmoid", slope, intercept)
    steps = isotonic if method == "isotonic" else venn_abers
    if p.ndim == 1:
        return Calibrator(method, steps=(steps(target, p),))
    each = tuple(steps((target == k).astype(float), p[:, k]) for k in range(p.shape[1]))
    return Calibrator(method, steps=each)


@dataclass(frozen=True)
class CalibrationChoice:
    """Calibration methods, each judged on folds that it was not fitted on.

    Parameters
    ----------
    method : str
        The method that was taken.
    compared : DataFrame
        method, log_loss, gain (in log loss against none, more is better), gain_error (its standard error).
    calibrator : Calibrator
        Learnt on all out-of-fold scores.
    score : ndarray
        The scores, each fold's calibrated by what was learnt on the others.
    """

    method: str
    compared: pd.DataFrame
    calibrator: Calibrator = field(default_factory=lambda: Calibrator("none"), repr=False)
    score: Array = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    def to_frame(self) -> pd.DataFrame:
        """Return the comparison."""
        return self.compared


def choose_calibration(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    folds: Sequence[npt.NDArray[np.intp]],
    methods: Sequence[str] = ("sigmoid", "isotonic"),
) -> CalibrationChoice:
    """Take a calibration only where it clearly helps on rows that it was not fitted on.

    Parameters
    ----------
    y, score : array
        As in `fit_calibrator`.
    folds : sequence of ndarray of int
        Positions of each fold's rows.
    methods : sequence of str
        The simplest first; a later one must be clearly better than the one before it.

    Returns
    -------
    CalibrationChoice
    """
    target, p = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    rows = np.concatenate(list(folds))
    scores = {"none": p} | {method: _held_out(method, target, p, folds) for method in methods}
    losses = {method: row_loss(target[rows], score[rows]) for method, score in scores.items()}
    taken, table = "none", []
    for method, loss in losses.items():
        gain = losses["none"] - loss
        error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
        table.append((method, float(loss.mean()), float(gain.mean()), error))
        more = losses[taken] - loss
        if more.mean() > CLEARLY_BETTER * more.std(ddof=1) / np.sqrt(len(more)):
            taken = method
    compared = pd.DataFrame(table, columns=_COMPARED)
    return CalibrationChoice(taken, compared, fit_calibrator(taken, target[rows], p[rows]), scores[taken])


def calibrate(
    method: str, task: str, y: npt.ArrayLike, score: npt.ArrayLike, folds: Sequence[npt.NDArray[np.intp]]
) -> CalibrationChoice:
    """Choose a calibration, or take the one that is named.

    Parameters
    ----------
    method : {"auto", "none", "sigmoid", "isotonic", "venn_abers"}
    task : {"binary", "multiclass", "regression"}
        A regression has no probabilities to calibrate.
    y, score, folds
        As in `choose_calibration`.
    """
    p = np.asarray(score, dtype=float)
    if task == "regression":
        return CalibrationChoice("none", pd.DataFrame(columns=_COMPARED), score=p)
    if method == "auto":
        return choose_calibration(y, p, folds)
    judged = choose_calibration(y, p, folds, methods=() if method == "none" else (method,))
    target = np.asarray(y, dtype=float)
    rows = np.concatenate(list(folds))
    scores = p if method == "none" else _held_out(method, target, p, folds)
    return CalibrationChoice(method, judged.compared, fit_calibrator(method, target[rows], p[rows]), scores)


class Calibrated(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities a calibrator sets right.

    After a sigmoid its log-odds are an affine map of the classifier's, so that explanations still add up.

    Parameters
    ----------
    estimator : classifier with `predict_proba`
    calibrator : Calibrator
        Learnt beforehand, on out-of-fold scores.
    """

    def __init__(self, estimator: Any, calibrator: Calibrator) -> None:
        self.estimator = estimator
        self.calibrator = calibrator

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Fit the classifier; the calibrator stays as it is."""
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.classes_ = np.unique(np.asarray(y))
        self.n_features_in_ = X.shape[1]
        return self

    def predict_proba(self, X: pd.DataFrame) -> Array:
        """Return calibrated probabilities, shape (n_rows, n_classes)."""
        check_is_fitted(self, "estimator_")
        p = np.asarray(self.estimator_.predict_proba(X), dtype=float)
        if p.shape[1] > 2:
            return self.calibrator.apply(p)
        positive = self.calibrator.apply(p[:, 1])
        return np.column_stack([1 - positive, positive])

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the likeliest class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


def _held_out(method: str, y: Array, p: Array, folds: Sequence[npt.NDArray[np.intp]]) -> Array:
    """Calibrate each fold's scores by what the other folds' teach; NaN in rows that no fold holds."""
    found = np.full(p.shape, np.nan)
    rows = np.concatenate(list(folds))
    for fold in folds:
        others = np.setdiff1d(rows, fold)
        found[fold] = fit_calibrator(method, y[others], p[others]).apply(p[fold])
    return found
