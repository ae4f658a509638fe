"""What every selection method works on: complete features, an encoded target, groups, and parts of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.wording import count, listing

Task = Literal["binary", "multiclass", "regression"]
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
Array = npt.NDArray[Any]

SCORING: dict[Task, str] = {"binary": "roc_auc", "multiclass": "neg_log_loss", "regression": "r2"}


@dataclass(frozen=True)
class Material:
    """The rows that a selection is learnt from.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features)
        Complete and finite.
    y : ndarray of shape (n_rows,) or None
        Class numbers from 0 on, or the number itself in a regression.
    task : {"binary", "multiclass", "regression"} or None
        None where there is no target.
    groups : ndarray of int of shape (n_rows,) or None
        Rows of one group never stand on both sides of an inner split.
    n_features : int or None
        How many to keep.
    seed : int
    """

    features: pd.DataFrame
    y: Array | None
    task: Task | None
    groups: Array | None
    n_features: int | None
    seed: int

    @property
    def names(self) -> list[str]:
        """Names of the features, in the table's order."""
        return list(self.features.columns)

    @property
    def target(self) -> Array:
        """The target; only methods that need one ask for it."""
        assert self.y is not None
        return self.y

    @property
    def classes(self) -> bool:
        """Whether the target is a class."""
        return self.task in ("binary", "multiclass")

    @cached_property
    def standardised(self) -> Array:
        """The features at mean 0 and standard deviation 1; constants are 0."""
        from sklearn.preprocessing import StandardScaler

        return np.asarray(StandardScaler().fit_transform(self.features.to_numpy(float)))

    def only(self, names: list[str]) -> Material:
        """Return the same rows with these features."""
        return replace(self, features=self.features[names])

    def by_name(self) -> Material:
        """Return the same with features by name, so that no tie depends on the order of the table."""
        return self.only(sorted(self.names))

    def rows(self, index: Array) -> Material:
        """Return these rows, by position."""
        y = None if self.y is None else self.y[index]
        groups = None if self.groups is None else self.groups[index]
        return replace(self, features=self.features.iloc[index], y=y, groups=groups)

    def part(self, max_rows: int) -> Material:
        """Return a random part of about `max_rows`: whole groups, or each class at its share."""
        n = len(self.features)
        if n <= max_rows:
            return self
        rng = np.random.default_rng(self.seed)
        place = self._places(rng)
        return self.rows(np.flatnonzero(place < max_rows / n))

    def halves(self, n_pairs: int) -> Iterator[tuple[Array, Array]]:
        """Divide the rows at random into two halves, again and again; groups whole, classes in both.

        Raises
        ------
        DataError
            If the rows of a class, or its groups, are too few for both halves.
        """
        rng = np.random.default_rng(self.seed)
        for _ in range(n_pairs):
            for _ in range(20):
                first = self._places(rng) < 0.5
                if self._both(first):
                    break
            else:
                raise DataError(
                    "The rows cannot be divided into halves that both hold every class: a class has too few "
                    "rows or groups. Bring more rows, or take a method without resampling, like importance."
                )
            yield np.flatnonzero(first), np.flatnonzero(~first)

    def folds(self, n_folds: int) -> list[tuple[Array, Array]]:
        """Return (training, validation) positions: shuffled, stratified by class, groups whole.

        Raises
        ------
        DataError
            If a class, or the groups, are fewer than two folds need.
        """
        from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

        units = len(self.target) if self.groups is None else len(np.unique(self.groups))
        if self.classes:
            units = min(self._units_of(label) for label in np.unique(self.target))
        if units < 2:
            raise DataError(
                "A class has a single row or group, so that no inner cross-validation can hold it on both "
                "sides. Bring more rows, or take a method without one, like importance."
            )
        options: dict[str, Any] = {
            "n_splits": min(n_folds, units),
            "shuffle": True,
            "random_state": self.seed,
        }
        if self.classes:
            kind = StratifiedKFold if self.groups is None else StratifiedGroupKFold
        else:
            kind = KFold if self.groups is None else GroupKFold
        return list(kind(**options).split(np.zeros(len(self.target)), self.target, self.groups))

    def _units_of(self, label: Any) -> int:
        rows = self.target == label
        return int(rows.sum()) if self.groups is None else len(np.unique(self.groups[rows]))

    def _places(self, rng: np.random.Generator) -> Array:
        """Give each row a place in (0, 1): rows of a group share theirs, classes are spread evenly."""
        n = len(self.features)
        if self.groups is not None:
            drawn = rng.permutation(int(self.groups.max()) + 1)
            return (drawn[self.groups] + 0.5) / len(drawn)
        place = np.empty(n)
        strata = self.target if self.classes else np.zeros(n)
        for label in np.unique(strata):
            rows = np.flatnonzero(strata == label)
            place[rng.permutation(rows)] = (np.arange(len(rows)) + rng.random()) / len(rows)
        return place

    def _both(self, first: Array) -> bool:
        if min(first.sum(), (~first).sum()) < 2:
            return False
        wanted = np.unique(self.target) if self.classes else np.empty(0)
        return all((self.target[side] == label).any() for side in (first, ~first) for label in wanted)


def make_material(
    features: pd.DataFrame,
    y: npt.ArrayLike | None,
    *,
    task: str | None,
    groups: npt.ArrayLike | None,
    n_features: int | None,
    seed: int,
) -> Material:
    """Check what a selection is to be learnt from, and encode it.

    Raises
    ------
    DataError
        If the features are not a complete table of numbers with names of their own, or the target or the
        groups do not fit them.
    ParameterError
        If the task is unknown, or `n_features` is below 1.
    """
    if n_features is not None and (
        isinstance(n_features, bool) or n_features != int(n_features) or n_features < 1
    ):
        raise ParameterError(f"n_features is {n_features}; it must be 1 or more.")
    if task is not None and task not in TASKS:
        raise ParameterError(f"task is {task!r}. {list_known(str(task), TASKS)}")
    _check_features(features)
    target, told = (None, None) if y is None else encode_target(y, task)
    if target is not None and len(target) != len(features):
        raise DataError(f"There are {len(features)} rows of features and {len(target)} of the target.")
    codes = None if groups is None else _group_codes(groups, len(features))
    return Material(features, target, told, codes, n_features, seed)


def encode_target(y: npt.ArrayLike, task: str | None = None) -> tuple[Array, Task]:
    """Tell the task from the target unless given, and turn classes into numbers from 0 on.

    Two values are a binary target; text, categories and truth values are classes; other numbers are a
    regression.

    Raises
    ------
    DataError
        If the target is missing or infinite somewhere, or has a single value.

    Examples
    --------
    >>> encode_target(["no", "yes", "no"])
    (array([0, 1, 0]), 'binary')
    >>> encode_target([0.5, 2.0, 7.25])[1]
    'regression'
    """
    values = pd.Series(np.asarray(y) if not isinstance(y, pd.Series) else y).reset_index(drop=True)
    missing = int(values.isna().sum())
    if missing:
        raise DataError(f"The target is missing in {missing} of {len(values)} rows; select on the others.")
    codes, distinct = pd.factorize(values, sort=True)
    if len(distinct) < 2:
        raise DataError("The target has one value in every row; there is nothing to select by.")
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if task is None:
        told: Task = "binary" if len(distinct) == 2 else "regression" if number else "multiclass"
    else:
        told = next(known for known in TASKS if known == task)
    if told == "regression":
        if not number or not np.isfinite(values.to_numpy(float)).all():
            raise DataError("The target of a regression must be finite numbers. Mend them, or set the task.")
        return values.to_numpy(float), told
    if told == "binary" and len(distinct) > 2:
        raise DataError(
            f"A binary target has two values; this one has {len(distinct)}. Set task='multiclass'."
        )
    return codes, told


def _check_features(features: pd.DataFrame) -> None:
    if not isinstance(features, pd.DataFrame):
        raise DataError(f"A selection takes a DataFrame with named features; got {type(features).__name__}.")
    if features.empty:
        raise DataError(
            f"The features have {features.shape[0]} rows and {features.shape[1]} columns; "
            "both must be 1 or more."
        )
    twice = features.columns[features.columns.duplicated()].astype(str).tolist()
    if twice:
        raise DataError(f"Features stand twice in the table: {listing(twice)}. Give each a name of its own.")
    kinds = {str(name): kind for name, kind in features.dtypes.items()}
    odd = [name for name, kind in kinds.items() if not pd.api.types.is_numeric_dtype(kind)]
    if odd:
        raise DataError(f"A selection works on numbers; {listing(odd)} are not. Encode them first.")
    bad = ~np.isfinite(features.to_numpy(dtype=float, na_value=np.nan))
    if bad.any():
        named = features.columns[bad.any(axis=0)].astype(str).tolist()
        raise DataError(
            f"A selection works on complete, finite numbers; {listing(named)} miss them in "
            f"{count(bad.any(axis=1).sum())} rows. Impute first."
        )


def _group_codes(groups: npt.ArrayLike, n: int) -> Array:
    codes, _ = pd.factorize(pd.Series(np.asarray(groups)), use_na_sentinel=False)
    if len(codes) != n:
        raise DataError(f"There are {n} rows of features and {len(codes)} of the groups.")
    return codes
