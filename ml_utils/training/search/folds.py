"""Which rows a search works on, and how they are divided into folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import ParameterError, list_known
from ml_utils.training.candidates import Task

Index = npt.NDArray[np.intp]
SCHEMES = ("shuffled", "time")


@dataclass(frozen=True)
class Fold:
    """Positions of a fold's training and validation rows."""

    train: Index
    valid: Index


def make_folds(
    y: npt.NDArray[Any],
    groups: npt.NDArray[Any] | None,
    n_folds: int,
    task: Task,
    seed: int,
    n_repeats: int = 1,
    scheme: str = "shuffled",
    times: pd.Series | None = None,
    gap: pd.DateOffset | None = None,
) -> list[Fold]:
    """Divide rows into folds.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    groups : ndarray of shape (n_rows,) or None
        Whole groups stand on one side of a shuffled fold.
    n_folds : int
    task : {"binary", "multiclass", "regression"}
    seed : int
    n_repeats : int
        Times that all rows are divided anew; the folds of all are returned.
    scheme : {"shuffled", "time"}
        Shuffled folds are stratified by classes. Folds by time grow: each is judged on the rows that follow
        those it learnt from, whole times on one side.
    times : Series of shape (n_rows,), optional
        Needed by the scheme "time".
    gap : DateOffset, optional
        How long after a row's time its target is known; rows whose target was not known when the validation
        rows begin are left out of training.

    Returns
    -------
    list of Fold

    Raises
    ------
    ParameterError
        If there are fewer than two folds, or more than rows, groups, times or rows of the rarest class.
    """
    if scheme not in SCHEMES:
        raise ParameterError(f"cv is {scheme!r}. {list_known(scheme, SCHEMES)}")
    if n_folds < 2:
        raise ParameterError(f"cv_folds is {n_folds}; cross-validation needs 2 or more.")
    if n_repeats < 1:
        raise ParameterError(f"cv_repeats is {n_repeats}; it must be 1 or more.")
    if scheme == "time":
        folds = _by_time(times, n_folds, gap)
    else:
        _check_enough(y, groups, n_folds, task)
        folds = [fold for i in range(n_repeats) for fold in _shuffled(y, groups, n_folds, task, seed + i)]
    if task != "regression":
        _check_classes(y, folds, n_folds)
    return folds


def _shuffled(
    y: npt.NDArray[Any], groups: npt.NDArray[Any] | None, n_folds: int, task: Task, seed: int
) -> list[Fold]:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    shuffled = {"n_splits": n_folds, "shuffle": True, "random_state": seed}
    if task == "regression":
        kind = KFold if groups is None else GroupKFold
    else:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    rows = np.zeros(len(y))
    return [Fold(train, valid) for train, valid in kind(**shuffled).split(rows, y, groups)]


def _by_time(times: pd.Series | None, n_folds: int, gap: pd.DateOffset | None) -> list[Fold]:
    if times is None:
        raise ParameterError("cv is 'time', which needs the rows' times; pass `times`, or take cv: shuffled.")
    stamps = pd.to_datetime(times).reset_index(drop=True)
    if stamps.isna().any():
        raise ParameterError(
            f"The time is missing in {int(stamps.isna().sum())} of {len(stamps)} rows; folds by time need it "
            "in every row. Leave those rows out, or take cv: shuffled."
        )
    distinct = np.sort(stamps.unique())
    if len(distinct) < n_folds + 1:
        raise ParameterError(
            f"cv_folds is {n_folds}, but there are only {len(distinct)} different times; folds by time need "
            f"one more time than folds. Take {max(len(distinct) - 1, 2)} or fewer."
        )
    reached = stamps.value_counts().sort_index().cumsum().to_numpy() / len(stamps)
    wanted = np.arange(1, n_folds + 1) / (n_folds + 1)
    starts = [int(np.argmin(np.abs(reached - share))) + 1 for share in wanted]  # each a time of its own
    for i in range(1, n_folds):
        starts[i] = max(starts[i], starts[i - 1] + 1)
    starts = [min(start, len(distinct) - n_folds + i) for i, start in enumerate(starts)]
    known = stamps if gap is None else stamps + gap
    folds = []
    for i, start in enumerate(starts):
        valid = stamps >= distinct[start]
        if i + 1 < n_folds:
            valid &= stamps < distinct[starts[i + 1]]
        train = (stamps < distinct[start]) & (known <= distinct[start])
        if not train.any():
            raise ParameterError(
                "The gap leaves no training rows in front of the first fold by time. Take fewer folds, a "
                "shorter gap, or bring earlier rows."
            )
        folds.append(Fold(np.flatnonzero(train), np.flatnonzero(valid)))
    return folds


def _check_classes(y: npt.NDArray[Any], folds: list[Fold], n_folds: int) -> None:
    classes = len(np.unique(y))
    for fold in folds:
        if any(len(np.unique(y[rows])) < classes for rows in (fold.train, fold.valid)):
            lacks = "one class only" if classes == 2 else "not all classes"
            raise ParameterError(
                f"With cv_folds={n_folds} a fold has {lacks}, because the groups of the rarer class "
                "are few. Take fewer folds, or bring more rows."
            )


def _check_enough(y: npt.NDArray[Any], groups: npt.NDArray[Any] | None, n_folds: int, task: Task) -> None:
    units, what = (len(y), "rows") if groups is None else (len(np.unique(groups)), "groups")
    if task != "regression":
        values, sizes = np.unique(y, return_counts=True)
        rare = y == values[np.argmin(sizes)]
        units = int(rare.sum()) if groups is None else len(np.unique(groups[rare]))
        what = f"{what} of the rarer class"
    if units < n_folds:
        raise ParameterError(
            f"cv_folds is {n_folds}, but there are only {units} {what}; every fold needs one. "
            f"Take {max(units, 2)} folds or fewer, or bring more rows."
        )


def search_rows(
    y: npt.NDArray[Any], groups: npt.NDArray[Any] | None, max_rows: int | None, task: Task, seed: int
) -> Index:
    """Choose the rows that a search works on: all, or a random part of about `max_rows`.

    Parts are stratified by class; where there are groups, whole groups are drawn instead.

    Returns
    -------
    ndarray of int
        Positions, ascending.
    """
    n = len(y)
    if max_rows is None or n <= max_rows:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    if groups is not None:
        codes, names = pd.factorize(groups)
        place = rng.permutation(len(names))
        sizes = np.bincount(codes)[np.argsort(place)]
        wanted = int(np.searchsorted(np.cumsum(sizes), max_rows, side="right"))
        return np.flatnonzero(place[codes] < max(wanted, 1))
    strata = [np.arange(n)] if task == "regression" else [np.flatnonzero(y == k) for k in np.unique(y)]
    share = max_rows / n
    drawn = [rng.choice(rows, max(round(share * len(rows)), 1), replace=False) for rows in strata]
    return np.sort(np.concatenate(drawn))
