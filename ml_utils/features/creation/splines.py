"""Smooth curves over a number, for models that draw straight lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.features.creation.base import Creator, named_or_all, numbers, unique_names
from ml_utils.features.creation.created import Created

if TYPE_CHECKING:
    from sklearn.preprocessing import SplineTransformer

FARTHEST = 1e300


class Splines(Creator):
    """B-splines of numbers, with knots at quantiles; constant beyond the training rows' range.

    scikit-learn's SplineTransformer, a column at a time. The last of a column's splines follows from the
    others, which add up to 1 with it, and is left out.

    Parameters
    ----------
    columns : sequence of str, optional
        All columns that have as many different values as there are knots, unless given.
    n_knots : int
        2 or more; fewer where quantiles coincide.
    degree : int
        3 is cubic.

    Attributes
    ----------
    knots_ : dict of str to ndarray
    splines_ : dict of str to SplineTransformer
    """

    def __init__(self, columns: Sequence[str] | None = None, n_knots: int = 5, degree: int = 3) -> None:
        self.columns = columns
        self.n_knots = n_knots
        self.degree = degree

    def _learn(self, table: pd.DataFrame, y: Any) -> None:
        if self.n_knots < 2 or self.degree < 0:
            raise ParameterError(
                f"n_knots is {self.n_knots} and degree {self.degree}; they must be 2 or more, and 0 or more."
            )
        self.knots_: dict[str, np.ndarray] = {}
        self.splines_: dict[str, SplineTransformer] = {}
        for name in named_or_all(self.columns, table, "columns"):
            values = self._training_numbers(table, name)
            known = values[~np.isnan(values)]
            distinct = len(np.unique(known))
            if self.columns is None and distinct < self.n_knots:
                continue
            if distinct < 2:
                what = "is constant" if distinct else "has no value"
                raise DataError(f"{name!r} {what} in the training rows; no curve can be drawn. Take it out.")
            if np.ptp(known / FARTHEST) > 1:
                raise DataError(
                    f"{name!r} goes from {known.min():g} to {known.max():g}, too far for a curve. Mend the "
                    "values, or hold outliers back first."
                )
            self.knots_[name] = _knots(known, self.n_knots)
            self.splines_[name] = self._spline(self.knots_[name])
        plan = [(name, i) for name, knots in self.knots_.items() for i in range(self._width(knots))]
        names = unique_names([f"{name}_spline_{i + 1}" for name, i in plan], table.columns)
        self.created_ = [self._describe(new, name, i) for new, (name, i) in zip(names, plan, strict=True)]

    def _width(self, knots: np.ndarray) -> int:
        return len(knots) + self.degree - 2

    def _spline(self, knots: np.ndarray) -> SplineTransformer:
        from sklearn.preprocessing import SplineTransformer

        spline = SplineTransformer(
            degree=self.degree, knots=knots.reshape(-1, 1), extrapolation="constant", include_bias=False
        )
        return spline.fit(knots.reshape(-1, 1))

    def _describe(self, new: str, name: str, i: int) -> Created:
        knots = self.knots_[name]
        meaning = f"{name}, bent smoothly: part {i + 1} of {self._width(knots)}"
        places = ", ".join(f"{knot:.4g}" for knot in knots)
        return Created(
            new, (name,), "spline", meaning, f"B-spline {i + 1} of degree {self.degree}, knots {places}"
        )

    def _create(self, table: pd.DataFrame) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for name, spline in self.splines_.items():
            values = numbers(table[name])
            absent = np.isnan(values)
            if len(values) == 0:
                found += [values] * self._width(self.knots_[name])
                continue
            bent = spline.transform(np.where(absent, self.knots_[name][0], values).reshape(-1, 1))
            found += [np.where(absent, np.nan, part) for part in bent.T]
        return found


def _knots(known: np.ndarray, n: int) -> np.ndarray:
    """Return knots at quantiles, the outermost at the ends, each once."""
    return np.unique(np.quantile(known, np.linspace(0, 1, n)))
