"""Does a model hold from month to month? Its figures by period, whether alike, and whether they fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.evaluation.delong import delong_covariance
from ml_utils.evaluation.intervals import Z95
from ml_utils.evaluation.metrics import Array, check_scores
from ml_utils.exploration.series import TREND_MIN
from ml_utils.wording import count, figure, listing, percent, times

ALPHA = 0.05
MIN_CLASS = 10  # rows of each class below which a period's AUC has no standard error to rely on
MIN_ROWS = 30


@dataclass(frozen=True)
class Reading:
    """Whether one figure is the same in all periods.

    Parameters
    ----------
    name : str
        What the figure is called.
    alike_p : float
        That all periods are alike (Cochran's Q); NaN with fewer than two.
    trend_p : float
        That there is no trend.
    slope : float
        Change of the figure from one period to the next.
    test : str
        Which test of the trend was made.
    """

    name: str
    alike_p: float
    trend_p: float
    slope: float
    test: str


@dataclass(frozen=True)
class Stability:
    """A model's figures by period.

    Parameters
    ----------
    table : DataFrame
        period, rows, value (AUC, or root mean squared error), lower, upper, observed, expected, gap
        (observed less expected), gap_lower, gap_upper (95 %). NaN where a period has too few rows.
    readings : tuple of Reading
        Of the metric, and of the gap.
    task : str
    """

    table: pd.DataFrame
    readings: tuple[Reading, ...]
    task: str

    def to_frame(self) -> pd.DataFrame:
        """Return a row a period as a page shows it."""
        table, binary = self.table, self.task == "binary"
        say = percent if binary else figure
        scale, unit = (100, " points") if binary else (1, "")
        return pd.DataFrame(
            {
                "period": table["period"],
                "rows": table["rows"].map(count),
                self.readings[0].name: [
                    f"{figure(v)} ({figure(low)} to {figure(high)})" if np.isfinite(v) else "not defined"
                    for v, low, high in zip(table["value"], table["lower"], table["upper"], strict=True)
                ],
                "observed": table["observed"].map(say),
                "expected": table["expected"].map(say),
                "gap, 95 % interval": [
                    f"{low * scale:+.2f} to {high * scale:+.2f}{unit}" if np.isfinite(low) else "not defined"
                    for low, high in zip(table["gap_lower"], table["gap_upper"], strict=True)
                ],
            }
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return everything that a page shows, for the results file."""
        readings = [vars(item) for item in self.readings]
        return {"periods": self.table, "readings": readings, "sentence": self.sentence()}

    def sentence(self) -> str:
        """Say whether the model holds from period to period."""
        known = int(self.table["value"].notna().sum())
        if known < 2:
            return (
                f"{times(known, 'period').capitalize()} with enough rows: whether the model holds over time "
                f"cannot be told."
            )
        said = [self._say(item) for item in self.readings]
        wrong = [text for text in said if text]
        if not wrong:
            first, second = self.readings
            return (
                f"The model holds over {times(known, 'period')}: neither its {first.name} nor the "
                f"{second.name} was shown to change (p = {figure(first.alike_p, 2)} and "
                f"{figure(second.alike_p, 2)} that periods are alike)."
            )
        return f"The model does not hold over {times(known, 'period')}: {listing(wrong)}."

    def _say(self, item: Reading) -> str:
        if item.trend_p < ALPHA / 4:
            way = "rises" if item.slope > 0 else "falls"
            return (
                f"its {item.name} {way} by {figure(abs(item.slope), 4)} a period (p = {figure(item.trend_p)})"
            )
        if item.alike_p < ALPHA / 4:
            return (
                f"its {item.name} differs between periods more than chance would (p = {figure(item.alike_p)})"
            )
        return ""


def stability(y: npt.ArrayLike, score: npt.ArrayLike, periods: pd.Series, task: str = "binary") -> Stability:
    """Compare a model's figures from period to period.

    The metric (AUC with DeLong's standard error; root mean squared error by the delta method) and the gap
    between observed and expected are each tested for being alike in all periods (Cochran's Q) and for a
    trend: a weighted regression on the period's number with the known standard errors up to seven periods,
    Mann and Kendall's exact test (which needs no standard errors) from eight on.

    Parameters
    ----------
    y, score : array of shape (n_rows,)
    periods : Series of shape (n_rows,)
        Each row's period; sorted by name, which puts months in order.
    task : {"binary", "regression"}

    Returns
    -------
    Stability

    Raises
    ------
    DataError
        If lengths differ, or a row has no period.
    """
    target, scores = check_scores(y, score, task)
    if len(periods) != len(target):
        raise DataError(f"periods has {len(periods)} rows and y {len(target)}; they must be the same rows.")
    if periods.isna().any():
        raise DataError(f"{int(periods.isna().sum())} rows have no period; give every row one.")
    codes, names = pd.factorize(periods.astype("str"), sort=True)
    rows, errors = [], []
    for i, name in enumerate(names):
        here = codes == i
        row, error = _period(target[here], scores[here], task)
        rows.append({"period": str(name), "rows": int(here.sum()), **row})
        errors.append(error)
    table, spread = pd.DataFrame(rows), np.array(errors)
    metric = "AUC" if task == "binary" else "root mean squared error"
    readings = (
        _read(metric, table["value"].to_numpy(float), spread[:, 0]),
        _read("gap between observed and expected", table["gap"].to_numpy(float), spread[:, 1]),
    )
    return Stability(table, readings, task)


def _period(y: Array, score: Array, task: str) -> tuple[dict[str, float], tuple[float, float]]:
    value, error = _auc(y, score) if task == "binary" else _rmse(y, score)
    observed, expected, n = float(y.mean()), float(score.mean()), len(y)
    if task == "binary":
        spread = float(np.sqrt((score * (1 - score)).sum()) / n)
    else:
        spread = float((y - score).std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    if n < MIN_ROWS or spread <= 0:
        spread = float("nan")
    gap = observed - expected
    row = {
        "value": value,
        "lower": value - Z95 * error,
        "upper": min(value + Z95 * error, 1.0) if task == "binary" else value + Z95 * error,
        "observed": observed,
        "expected": expected,
        "gap": gap,
        "gap_lower": gap - Z95 * spread,
        "gap_upper": gap + Z95 * spread,
    }
    return row, (error, spread)


def _auc(y: Array, score: Array) -> tuple[float, float]:
    if min(y.sum(), len(y) - y.sum()) < MIN_CLASS:
        return float("nan"), float("nan")
    auc, covariance = delong_covariance(y, score[None, :])
    return float(auc[0]), float(np.sqrt(covariance[0, 0]))


def _rmse(y: Array, score: Array) -> tuple[float, float]:
    squared = (y - score) ** 2
    value = float(np.sqrt(squared.mean()))
    if len(y) < MIN_ROWS or value == 0:
        return float("nan"), float("nan")
    return value, float(squared.std(ddof=1) / (2 * value * np.sqrt(len(y))))


def _read(name: str, values: Array, errors: Array) -> Reading:
    from scipy import stats

    known = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    x, w, t = values[known], 1 / errors[known] ** 2, np.flatnonzero(known).astype(float)
    if len(x) < 2:
        return Reading(name, float("nan"), float("nan"), float("nan"), "too few periods")
    alike = float(stats.chi2.sf((w * (x - np.average(x, weights=w)) ** 2).sum(), len(x) - 1))
    centred = t - np.average(t, weights=w)
    slope = float((w * centred * x).sum() / (w * centred**2).sum())
    if len(x) >= TREND_MIN:
        p_value = float(stats.kendalltau(t, x).pvalue)
        return Reading(name, alike, p_value, float(stats.theilslopes(x, t).slope), "Mann–Kendall")
    z = slope * float(np.sqrt((w * centred**2).sum()))
    return Reading(name, alike, float(2 * stats.norm.sf(abs(z))), slope, "weighted regression")
