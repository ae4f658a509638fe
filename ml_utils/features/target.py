"""Categories as the mean of the target, cross-fitted: no training row sees its own answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.features.categories import Lookup
from ml_utils.features.origins import Origin

FOLDS = 5


@dataclass(frozen=True)
class Target:
    """The target of the training rows, and what kind it is.

    Two values are binary, text is multi-class, other numbers are continuous. `groups` are rows that must not
    be torn apart by a fold.
    """

    y: npt.NDArray[Any]
    kind: Literal["binary", "multiclass", "continuous"]
    groups: npt.NDArray[Any] | None
    seed: int

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Divide the rows for cross-fitting: shuffled, whole groups on one side."""
        from sklearn.model_selection import GroupKFold, KFold

        n_units = len(self.y) if self.groups is None else len(np.unique(self.groups))
        if n_units < 2:
            raise DataError(
                "Encoding by the target needs two rows or groups, or more; got one sample or group. "
                "Bring more rows, or use encoding='onehot'."
            )
        kind = KFold if self.groups is None else GroupKFold
        folds = kind(min(FOLDS, n_units), shuffle=True, random_state=self.seed)
        return list(folds.split(np.zeros(len(self.y)), groups=self.groups))

    @property
    def codes(self) -> np.ndarray:
        """The target as numbers, text in the order of the alphabet."""
        return np.unique(self.y, return_inverse=True)[1] if self.y.dtype.kind == "U" else self.y

    @property
    def classes(self) -> list[str]:
        """Names of the classes of a multi-class target, in scikit-learn's order."""
        return [str(value) for value in np.unique(self.y)] if self.kind == "multiclass" else []


def read_target(y: Any, n_rows: int, groups: Any, seed: int) -> Target:
    """Read a target, and the groups of its rows.

    Raises
    ------
    DataError
        If a length differs from the table's, or values are missing.
    """
    values = np.asarray(y)
    values = values.ravel() if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1 or len(values) != n_rows:
        raise DataError(f"y has shape {values.shape}; the table has {n_rows} rows. Give one value a row.")
    if pd.isna(values).any():
        raise DataError(f"y is missing in {int(pd.isna(values).sum()):,} rows. Leave those rows out.")
    if values.dtype == object:
        values = pd.Series(values).infer_objects().to_numpy()
    number = values.dtype.kind in "fiub"
    kind: Literal["binary", "multiclass", "continuous"] = "continuous" if number else "multiclass"
    if len(pd.unique(values)) <= 2:
        kind = "binary"
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0]
    if codes is not None and len(codes) != n_rows:
        raise DataError(f"groups has {len(codes)} values; the table has {n_rows} rows. Give one a row.")
    return Target(values if number else values.astype(str), kind, codes, seed)


def target_means(
    name: str, places: np.ndarray, n_values: int, target: Target
) -> tuple[Lookup, list[Origin], np.ndarray]:
    """Encode a column's categories by the target.

    scikit-learn's TargetEncoder: means drawn towards the overall mean by empirical Bayes; a category that was
    not seen gets the overall mean. A multi-class target gives a column for each class.

    Parameters
    ----------
    name : str
    places : ndarray of shape (n_rows,)
        The category of each training row.
    n_values : int
    target : Target

    Returns
    -------
    lookup : Lookup
        For later rows: learnt from all training rows.
    origins : list of Origin
    values : ndarray of shape (n_outputs, n_rows)
        The training rows' own, each learnt from the folds that the row is not in.

    Raises
    ------
    DataError
        If there are too few rows or groups to cross-fit.
    """
    from sklearn.preprocessing import TargetEncoder

    encoder = TargetEncoder(categories=[np.arange(n_values)], target_type=target.kind, cv=target.folds)
    values = encoder.fit_transform(places.astype(np.int64).reshape(-1, 1), target.y).T
    overall = np.atleast_1d(encoder.target_mean_)
    table = np.column_stack([np.vstack(encoder.encodings_), overall])
    if target.kind != "multiclass":
        return Lookup(table), [Origin(name, name, "target mean")], values
    origins = [Origin(f"{name}~{value}", name, "target mean", value) for value in target.classes]
    return Lookup(table), origins, values
