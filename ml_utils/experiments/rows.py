"""Rows of an experiment: checked once, cut into looks, summed up as they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.experiments.assign import ARMS
from ml_utils.experiments.results import Metric
from ml_utils.wording import listing

Values: TypeAlias = pd.Series | np.ndarray | Sequence[float]
Labels: TypeAlias = pd.Series | np.ndarray | Sequence[str]

MIN_LOOK = 30  # rows an arm before the first look; the confidence sequence is asymptotic


@dataclass(frozen=True)
class Rows:
    """Outcome, arm and covariate of each row."""

    outcome: np.ndarray
    treated: np.ndarray
    covariate: np.ndarray | None
    metric: Metric

    def only(self, mask: np.ndarray) -> Rows:
        """Return the rows where `mask` is true."""
        covariate = None if self.covariate is None else self.covariate[mask]
        return Rows(self.outcome[mask], self.treated[mask], covariate, self.metric)


def check_rows(outcome: Values, arm: Labels, covariate: Values | None) -> Rows:
    """Check the rows of an experiment.

    Raises
    ------
    DataError
        If the lengths differ, a value is missing or infinite, or an arm is empty or unknown.
    """
    y = _numbers("outcome", outcome)
    x = None if covariate is None else _numbers("covariate", covariate)
    labels = pd.Series(np.asarray(arm))
    for name, n in (("arm", len(labels)), ("covariate", len(y) if x is None else len(x))):
        if n != len(y):
            raise DataError(f"outcome has {len(y)} rows, {name} {n}; give one value a row.")
    if labels.isna().any():
        raise DataError(f"{int(labels.isna().sum())} rows have no arm; every row belongs to one.")
    known = set(labels.unique())
    if known - set(ARMS):
        strange = listing(sorted(str(item) for item in known - set(ARMS)))
        raise DataError(f"Arms are called control and treatment; got {strange}. Compare two arms at a time.")
    empty = [name for name in ARMS if name not in known]
    if empty:
        raise DataError(f"No row is in {listing(empty)}; a comparison needs rows in both arms.")
    metric: Metric = "proportion" if np.isin(y, (0.0, 1.0)).all() else "mean"
    return Rows(y, (labels == "treatment").to_numpy(), x, metric)


def segment_frame(segments: pd.DataFrame | pd.Series | None, n: int) -> pd.DataFrame:
    """Return the segments as a frame of `n` rows.

    Raises
    ------
    DataError
        If there are more or fewer rows.
    """
    if segments is None:
        return pd.DataFrame(index=range(n))
    frame = segments.to_frame(segments.name or "segment") if isinstance(segments, pd.Series) else segments
    if len(frame) != n:
        raise DataError(f"outcome has {n} rows, segments {len(frame)}; give one value a row.")
    return frame.reset_index(drop=True)


def look_sizes(treated: np.ndarray, looks: int) -> np.ndarray:
    """Return the numbers of rows at equally spaced looks, from the first one with enough rows in each arm.

    Raises
    ------
    DataError
        If not even the last look has enough.
    """
    n = len(treated)
    at = np.unique(np.linspace(0, n, looks + 1).round().astype(int)[1:])
    in_treatment = np.cumsum(treated)[at - 1]
    enough = at[np.minimum(in_treatment, at - in_treatment) >= MIN_LOOK]
    if enough.size == 0:
        raise DataError(
            f"A look needs {MIN_LOOK} rows in each arm; there are {int(n - treated.sum())} in control and "
            f"{int(treated.sum())} in treatment."
        )
    return enough


def running_effect(rows: Rows, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the difference of means and its standard error after the first `at` rows."""
    centre = rows.outcome.mean()  # sums of squares around it don't cancel
    y = rows.outcome - centre
    means, errors = [], []
    for mask in (rows.treated, ~rows.treated):
        n = np.cumsum(mask)[at - 1]
        total, squares = np.cumsum(y * mask)[at - 1], np.cumsum(y**2 * mask)[at - 1]
        mean = total / n
        means.append(mean)
        errors.append(np.maximum(squares - n * mean**2, 0) / (n - 1) / n)
    return means[0] - means[1], np.sqrt(errors[0] + errors[1])


def _numbers(name: str, values: Values) -> np.ndarray:
    series = pd.to_numeric(pd.Series(np.asarray(values)), errors="coerce")
    array = series.to_numpy(dtype=float, na_value=np.nan)
    wrong = int((~np.isfinite(array)).sum())
    if wrong:
        raise DataError(
            f"{name} has {wrong} rows of {len(array)} that are not finite numbers. Leave rows without a "
            "known value out in both arms alike, before looking at the result."
        )
    return array
