"""Does what was predicted come true in every part of the table? Observed against expected, band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.evaluation.failures.banding import band_columns
from ml_utils.evaluation.failures.measuring import measure
from ml_utils.evaluation.intervals import Z95
from ml_utils.evaluation.metrics import Array, check_scores
from ml_utils.wording import count, figure, percent, times

ALPHA = 0.05


@dataclass(frozen=True)
class BandCalibration:
    """Observed against expected in every band of every column.

    Parameters
    ----------
    table : DataFrame
        column, band, rows, observed, expected, gap, lower, upper (95 % of the gap), z, p_value, q_value
        (Benjamini and Yekutieli 2001: bands of different columns share rows). Largest |z| first.
    task : str
    """

    table: pd.DataFrame
    task: str

    def worst(self, n: int = 5) -> pd.DataFrame:
        """Return the bands whose gap is surest."""
        return self.table.head(n)

    def to_frame(self, n: int = 5) -> pd.DataFrame:
        """Return the worst bands as a page shows them."""
        table, binary = self.worst(n), self.task == "binary"
        say = percent if binary else figure
        spans = zip(table["lower"], table["upper"], strict=True)
        unit, scale = (" points", 100) if binary else ("", 1)
        return pd.DataFrame(
            {
                "band": table["band"],
                "rows": table["rows"].map(count),
                "observed": table["observed"].map(say),
                "expected": table["expected"].map(say),
                "gap, 95 % interval": [
                    f"{low * scale:+.2f} to {high * scale:+.2f}{unit}" for low, high in spans
                ],
                "q": table["q_value"].map(figure),
            }
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return everything that a page shows, for the results file."""
        return {"bands": self.table, "sentence": self.sentence()}

    def sentence(self) -> str:
        """Say in how many bands the predictions do not come true, and in which it is surest."""
        if self.table.empty:
            return "No column can be cut into bands."
        wrong = self.table[self.table["q_value"] < ALPHA]
        n, say = len(self.table), percent if self.task == "binary" else figure
        if wrong.empty:
            return f"Predictions are not shown to be off in any of {times(n, 'band')} of the columns."
        top = wrong.iloc[0]
        return (
            f"In {count(len(wrong))} of {times(n, 'band')} of the columns predictions do not come true; "
            f"surest where {top['band']}: {say(top['observed'])} observed, {say(top['expected'])} expected."
        )


def calibration_by_band(
    X: pd.DataFrame,
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    task: str = "binary",
    bands: int = 5,
    ignore: Sequence[str] = (),
) -> BandCalibration:
    """Compare what came with what was predicted in every band of every column.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
    y, score : array of shape (n_rows,)
    task : {"binary", "regression"}
    bands : int
        Of a number.
    ignore : sequence of str
        Columns not to look at.

    Returns
    -------
    BandCalibration

    Raises
    ------
    DataError
        If targets and scores do not fit together or to the table.
    """
    from scipy.special import ndtr
    from statsmodels.stats.multitest import multipletests

    target, scores = check_scores(y, score, task)
    if len(X) != len(target):
        raise DataError(f"X has {len(X)} rows and y {len(target)}; they must be the same rows.")
    columns, _ = band_columns(X, bands, max(30, len(X) // 200), ignore)
    rows = []
    for column in columns:
        for level in range(len(column.labels)):
            inside = column.codes == level
            if inside.any():
                found = measure(target, scores, inside, task, Z95)
                z = _z(target[inside], scores[inside], task)
                rows.append([column.name, column.phrase(level, level), *(found[k] for k in _TAKEN), z])
    names = ["column", "band", "rows", "observed", "expected", "gap", "lower", "upper", "z"]
    table = pd.DataFrame(rows, columns=names)
    table["p_value"] = 2 * ndtr(-table["z"].abs().astype(float)) if len(table) else []
    defined = table["p_value"].notna()
    table["q_value"] = np.nan
    if defined.any():
        table.loc[defined, "q_value"] = multipletests(table.loc[defined, "p_value"], method="fdr_by")[1]
    order = table["z"].abs().sort_values(ascending=False, na_position="last", kind="stable").index
    return BandCalibration(table.loc[order].reset_index(drop=True), task)


_TAKEN = ("rows", "observed", "expected", "gap", "gap_lower", "gap_upper")


def _z(y: Array, score: Array, task: str) -> float:
    """Standardise the gap: by p (1 − p) of a binary model (Cox 1958), else by the spread of the errors."""
    error = y - score
    if task == "binary":
        spread = float(np.sqrt((score * (1 - score)).sum()))
        return float(error.sum()) / spread if spread > 0 else float("nan")
    if len(error) < 3 or np.ptp(error) == 0:
        return float("nan")
    return float(error.mean() / (error.std(ddof=1) / np.sqrt(len(error))))
