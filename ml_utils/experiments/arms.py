"""One arm of an experiment, as the few numbers that its comparison needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_utils.errors import DataError


@dataclass(frozen=True)
class Proportion:
    """One arm of a yes-or-no outcome.

    Parameters
    ----------
    successes : int
        Rows whose outcome is 1.
    n : int
        Rows of the arm.

    Raises
    ------
    DataError
        If the arm is empty or `successes` lies outside 0 to `n`.
    """

    successes: int
    n: int

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.successes <= self.n:
            raise DataError(f"An arm needs 0 ≤ successes ≤ n and n ≥ 1; got {self.successes} of {self.n}.")

    @property
    def mean(self) -> float:
        """Share of successes."""
        return self.successes / self.n

    @property
    def variance(self) -> float:
        """Variance of one row, p (1 − p)."""
        return self.mean * (1 - self.mean)


@dataclass(frozen=True)
class Mean:
    """One arm of a numeric outcome; `variance` has the denominator n − 1.

    Raises
    ------
    DataError
        If the arm has fewer than two rows, or a value is not finite.

    Examples
    --------
    >>> Mean.of([1.0, 2.0, 3.0])
    Mean(n=3, mean=2.0, variance=1.0)
    """

    n: int
    mean: float
    variance: float

    def __post_init__(self) -> None:
        if self.n < 2:
            raise DataError(f"An arm needs at least 2 rows for a variance; got {self.n}.")
        if not (math.isfinite(self.mean) and math.isfinite(self.variance) and self.variance >= 0):
            raise DataError(f"An arm needs a finite mean and variance; got {self.mean}, {self.variance}.")

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Mean:
        """Summarise the rows of an arm."""
        array = np.asarray(values, dtype=float)
        if array.size < 2:
            raise DataError(f"An arm needs at least 2 rows for a variance; got {array.size}.")
        return cls(array.size, float(array.mean()), float(array.var(ddof=1)))


@dataclass(frozen=True)
class Covaried:
    """One arm of a numeric outcome beside a covariate that was known before the experiment."""

    outcome: Mean
    covariate: Mean
    covariance: float

    @classmethod
    def of(cls, outcome: np.ndarray, covariate: np.ndarray) -> Covaried:
        """Summarise the rows of an arm."""
        y, x = Mean.of(outcome), Mean.of(covariate)
        return cls(y, x, float(np.cov(outcome, covariate, ddof=1)[0, 1]))
