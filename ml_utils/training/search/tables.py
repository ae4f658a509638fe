"""The features of each fold, made once; samplers see a fold's training rows only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.features.engineer import FeatureEngineer
from ml_utils.training.imbalance import PriorShift, prior_shift, resample
from ml_utils.training.search.folds import Fold


@dataclass(frozen=True)
class FoldTable:
    """One fold as estimators see it.

    Parameters
    ----------
    Z, y : DataFrame, ndarray
        Training features and targets, resampled where that was asked for.
    valid : DataFrame
        Validation features; never resampled.
    shift : PriorShift
        How the resampling changed the classes' shares.
    plain : DataFrame
        Training features as they were.
    """

    Z: pd.DataFrame
    y: npt.NDArray[Any]
    valid: pd.DataFrame
    shift: PriorShift
    plain: pd.DataFrame


@dataclass
class FoldTables:
    """The features of each fold, made once and used by every trial of every candidate.

    FeatureEngineer is fitted, and rows are resampled, on the fold's training rows only; no trial changes
    what either does.

    Parameters
    ----------
    X : DataFrame
        Raw columns of the rows that are searched.
    y : ndarray of shape (n_rows,)
    folds : list of Fold
    engineer : FeatureEngineer
        Unfitted.
    sampler : str
        One of `imbalance.IMBALANCES`.
    seed : int
        For the sampler.
    groups : ndarray of shape (n_rows,), optional
        For inner divisions of the training rows, those that cross-fit target encodings too: whole groups
        stand on one side.
    times : ndarray of shape (n_rows,), optional
        For the same: the inner part is the latest.
    """

    X: pd.DataFrame
    y: npt.NDArray[Any]
    folds: list[Fold]
    engineer: FeatureEngineer
    sampler: str = "none"
    seed: int = 42
    groups: npt.NDArray[Any] | None = None
    times: npt.NDArray[Any] | None = None
    _made: list[FoldTable] = field(default_factory=list)

    def all(self) -> list[FoldTable]:
        """Return the folds' tables."""
        if not self._made:
            self._made = [self._make(fold) for fold in self.folds]
        return self._made

    def with_sampler(self, sampler: str) -> FoldTables:
        """Return the same folds and features with another sampler."""
        other = replace(self, sampler=sampler, _made=[])
        other._made = [
            self._resampled(sampler, table.plain, self.y[fold.train], table.valid)
            for fold, table in zip(self.folds, self.all(), strict=True)
        ]
        return other

    def thinned(self, max_rows: int) -> FoldTables:
        """Return the same folds with at most so many training rows each, a part drawn at random.

        For what is quick to be compared, not for a model that is kept; whatever the sampler was, the part
        is not resampled.
        """
        rng = np.random.default_rng(self.seed)
        folds, made = [], []
        for fold, table in zip(self.folds, self.all(), strict=True):
            n = len(fold.train)
            part = np.sort(rng.permutation(n)[:max_rows])
            plain, y = table.plain.iloc[part], self.y[fold.train[part]]
            folds.append(Fold(fold.train[part], fold.valid))
            made.append(FoldTable(plain, y, table.valid, PriorShift(), plain))
        return replace(self, folds=folds, sampler="none", _made=made)

    def _make(self, fold: Fold) -> FoldTable:
        rows = fold.train
        groups = None if self.groups is None else self.groups[rows]
        engineer, train = learn_features(self.engineer, self.X.iloc[rows], self.y[rows], groups)
        return self._resampled(self.sampler, train, self.y[rows], engineer.transform(self.X.iloc[fold.valid]))

    def _resampled(
        self, sampler: str, train: pd.DataFrame, y: npt.NDArray[Any], valid: pd.DataFrame
    ) -> FoldTable:
        Z, target = resample(sampler, train, y, self.seed)
        shift = PriorShift() if Z is train else prior_shift(y, target)
        return FoldTable(Z, target, valid, shift, train)


def learn_features(
    engineer: FeatureEngineer, X: pd.DataFrame, y: npt.NDArray[Any], groups: npt.NDArray[Any] | None = None
) -> tuple[FeatureEngineer, pd.DataFrame]:
    """Fit a copy of the engineer; return it, and the features of the rows that it was fitted on.

    Parameters
    ----------
    engineer : FeatureEngineer
    X : DataFrame of shape (n_rows, n_columns)
    y, groups : ndarray of shape (n_rows,)
        Whole groups stand on one side where the target encoding is cross-fitted. A single group cannot be
        divided, so that its rows are.
    """
    from sklearn.base import clone

    known = None if groups is None or len(np.unique(groups)) < 2 else groups
    learnt = clone(engineer)
    return learnt, learnt.fit_transform(X, y, known)
