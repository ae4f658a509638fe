"""Scaling: features moved and stretched, or bent, by what scikit-learn's scalers learn."""

from __future__ import annotations

from typing import Any

import numpy as np

SCALINGS = ("none", "standard", "robust", "minmax", "maxabs", "quantile", "power")
AFFINE = ("standard", "robust", "minmax", "maxabs")


class Scaling:
    """One scikit-learn scaler over features that stand in rows.

    Affine scalers are kept as numbers: (x − minus) / by × times + plus, in the order of scikit-learn's own
    transform, so that the values are the same to the last bit.

    Parameters
    ----------
    kind : {"standard", "robust", "minmax", "maxabs", "quantile", "power"}
    seed : int

    Attributes
    ----------
    minus, by, times, plus : ndarray of shape (n_features, 1), or None
    scaler : QuantileTransformer or PowerTransformer, or None
    """

    def __init__(self, kind: str, seed: int) -> None:
        self.kind = kind
        self.seed = seed
        self.minus: np.ndarray | None = None
        self.by: np.ndarray | None = None
        self.times: np.ndarray | None = None
        self.plus: np.ndarray | None = None
        self.scaler: Any = None

    def fit(self, rows: np.ndarray) -> None:
        """Learn from complete features, (n_features, n_rows)."""
        if self.kind in AFFINE:
            fitted = [self._make(len(row)).fit(row.reshape(-1, 1)) for row in rows]
            read = {
                "standard": ("mean_", "scale_"),
                "robust": ("center_", "scale_"),
                "maxabs": (None, "scale_"),
            }
            if self.kind == "minmax":
                self.times, self.plus = _stack(fitted, "scale_"), _stack(fitted, "min_")
            else:
                minus, by = read[self.kind]
                self.minus = _stack(fitted, minus) if minus else None
                self.by = _stack(fitted, by)
        else:
            self.scaler = self._make(rows.shape[1]).fit(rows.T)

    def apply(self, rows: np.ndarray) -> None:
        """Scale features in place."""
        if self.scaler is not None:
            rows[:] = self.scaler.transform(rows.T).T
        with np.errstate(over="ignore"):
            if self.minus is not None:
                rows -= self.minus
            if self.by is not None:
                rows /= self.by
            if self.times is not None:
                rows *= self.times
            if self.plus is not None:
                rows += self.plus
        if not np.isfinite(rows).all():  # numbers at the end of what a float can hold
            np.nan_to_num(rows, copy=False)

    def _make(self, n_rows: int) -> Any:
        from sklearn import preprocessing

        if self.kind == "quantile":
            return preprocessing.QuantileTransformer(n_quantiles=min(1000, n_rows), random_state=self.seed)
        made = {
            "standard": preprocessing.StandardScaler,
            "robust": preprocessing.RobustScaler,
            "minmax": preprocessing.MinMaxScaler,
            "maxabs": preprocessing.MaxAbsScaler,
            "power": preprocessing.PowerTransformer,
        }
        return made[self.kind]()


def _stack(fitted: list[Any], name: str) -> np.ndarray:
    return np.array([getattr(item, name) for item in fitted], dtype=float).reshape(-1, 1)
