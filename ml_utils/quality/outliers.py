"""Values and rows that lie far from the others: interquartile fences, z scores, an isolation forest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ml_utils.features.cleaning import NumericCleaner

FENCE, FAR_OUT = 1.5, 3.0  # interquartile ranges beyond the quartiles: outside, far out (Tukey 1977)
Z = 3.0
MAX_ROWS = 20_000  # rows that the forest looks at
UNUSUAL = 0.65  # the forest's anomaly score (Liu et al. 2008, eq. 2) from which a row is shown
SHOWN = 10


@dataclass(frozen=True)
class Outliers:
    """What lies far out.

    Attributes
    ----------
    columns : DataFrame
        column, lower and upper (fences at 1.5 interquartile ranges), outside (share beyond them), far_out
        (share beyond 3.0, and outside the central 99 %), beyond_z (share more than 3 standard deviations
        from the mean, both of the values that are not far out).
    rows : DataFrame
        The most unusual rows by the forest: row (from 0), score, unusual (columns that lie farthest out).
    looked_at : int
        Rows that the forest scored.
    n_unusual : int
        Of these, rows with a score of 0.65 or more.
    far : dict of str to ndarray of bool
        Column to its far-out rows.
    """

    columns: pd.DataFrame
    rows: pd.DataFrame
    looked_at: int
    n_unusual: int
    far: dict[str, np.ndarray] = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return the columns that have values outside their fences, the farthest first."""
        some = self.columns[self.columns["outside"] > 0]
        return some.sort_values(["far_out", "outside"], ascending=False, kind="stable").reset_index(drop=True)


def find_outliers(numeric: pd.DataFrame, seed: int = 42, forest: bool = True) -> Outliers:
    """Find what lies far out.

    Parameters
    ----------
    numeric : DataFrame of float64
        Missing values are left out; for the forest they are the median.
    seed : int
        For the rows that the forest looks at (20,000 at most) and for the forest.
    forest : bool
        Whether to look at rows as a whole.

    Returns
    -------
    Outliers
    """
    described, far = [], {}
    for name in numeric.columns:
        row, far[name] = _column(numeric[name])
        described.append((name, *row))
    names = ["column", "lower", "upper", "outside", "far_out", "beyond_z"]
    columns = pd.DataFrame(described, columns=names)
    rows, looked_at, n_unusual = pd.DataFrame(columns=["row", "score", "unusual"]), 0, 0
    useful = [name for name in numeric.columns if numeric[name].nunique() > 2]
    if forest and len(useful) > 1 and len(numeric) >= 100:
        rows, looked_at, n_unusual = _forest(numeric[useful], seed)
    return Outliers(columns, rows, looked_at, n_unusual, far)


def _column(column: pd.Series) -> tuple[tuple[float, ...], np.ndarray]:
    values = column.to_numpy(float)
    cleaner = NumericCleaner(FAR_OUT).fit(column.to_frame())
    with np.errstate(invalid="ignore"):
        far = (values < cleaner.lower_[0]) | (values > cleaner.upper_[0])
        inner = values[np.isfinite(values) & ~far]
        if len(inner) == 0:
            return (np.nan, np.nan, 0.0, 0.0, 0.0), far
        first, third = np.quantile(inner, [0.25, 0.75])
        lower, upper = first - FENCE * (third - first), third + FENCE * (third - first)
        spread = float(inner.std())
        outside = (values < lower) | (values > upper) if third > first else np.zeros(len(values), bool)
        beyond = np.abs(values - inner.mean()) > Z * spread if spread > 0 else np.zeros(len(values), bool)
    return (float(lower), float(upper), float(outside.mean()), float(far.mean()), float(beyond.mean())), far


def _forest(numeric: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, int, int]:
    from sklearn.ensemble import IsolationForest

    rng = np.random.default_rng(seed)
    looked = np.arange(len(numeric))
    if len(looked) > MAX_ROWS:
        looked = np.sort(rng.choice(looked, MAX_ROWS, replace=False))
    part = numeric.iloc[looked]
    filled = part.fillna(part.median()).fillna(0.0).to_numpy(float)
    forest = IsolationForest(n_estimators=100, random_state=seed, n_jobs=1).fit(filled)
    score = -forest.score_samples(filled)
    order = np.argsort(-score, kind="stable")
    order = order[score[order] >= UNUSUAL][:SHOWN]
    spread = np.quantile(filled, 0.75, axis=0) - np.quantile(filled, 0.25, axis=0)
    spread = np.where(spread > 0, spread, np.maximum(filled.std(axis=0), 1e-12))
    z = np.abs(filled - np.median(filled, axis=0)) / spread
    said = [_why(numeric.columns, filled[i], z[i]) for i in order]
    rows = pd.DataFrame({"row": looked[order], "score": score[order], "unusual": said})
    return rows, len(looked), int((score >= UNUSUAL).sum())


def _why(names: pd.Index, values: np.ndarray, z: np.ndarray) -> str:
    top = np.argsort(-z, kind="stable")[:3]
    return ", ".join(f"{names[i]} {values[i]:.6g}" for i in top)
