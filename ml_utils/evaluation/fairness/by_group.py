"""Figures by group of the sensitive attributes, each with its 95 % interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.evaluation.fairness.groups import (
    MISSING,
    SMALL_CLASS,
    SMALL_ROWS,
    each_group,
)
from ml_utils.evaluation.intervals import mean_interval, t_quantile, wilson
from ml_utils.evaluation.metrics import Array, Counts


def binary_groups(y: Array, score: Array, threshold: float, sensitive: pd.DataFrame) -> pd.DataFrame:
    """Compute figures by group of a binary model's decisions.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
    sensitive : DataFrame of shape (n_rows, n_attributes)

    Returns
    -------
    DataFrame
        attribute, group, rows, positives, rate (observed), mean_score; selected (rows acted on), found
        (positives among them); selection_rate, tpr, fpr, precision and observed_to_expected (positives over
        the sum of scores), each with its 95 % limits (selection_lower, selection_upper, …); small. NaN where
        not defined.
    """
    acted = score >= threshold
    rows = []
    for group, keep in each_group(sensitive):
        rows.append({**group, **_figures(y[keep], score[keep], acted[keep])})
    table = pd.DataFrame(rows)
    negatives = table["rows"] - table["positives"]
    for name, hits, of in (
        ("selection", table["selected"], table["rows"]),
        ("tpr", table["found"], table["positives"]),
        ("fpr", table["selected"] - table["found"], negatives),
        ("precision", table["found"], table["selected"]),
    ):
        table[f"{name}_lower"], table[f"{name}_upper"] = wilson(hits, of)
    return table


def _figures(y: Array, score: Array, acted: npt.NDArray[np.bool_]) -> dict[str, object]:
    counts = Counts.of(y, acted)
    rates, n = counts.rates(), len(y)
    ratio, low, high = observed_to_expected(y, score)
    return {
        "rows": n,
        "positives": int(y.sum()),
        "rate": float(y.mean()),
        "mean_score": float(score.mean()),
        "selected": int(acted.sum()),
        "selection_rate": float(acted.mean()),
        "found": int(counts.tp),
        "tpr": float(rates["recall"]),
        "fpr": 1 - float(rates["specificity"]),
        "precision": float(rates["precision"]),
        "observed_to_expected": ratio,
        "calibration_lower": low,
        "calibration_upper": high,
        "small": n < SMALL_ROWS,
    }


def observed_to_expected(y: Array, score: Array) -> tuple[float, float, float]:
    """Return how many positives came for each that the scores add up to, with its 95 % interval.

    The interval is of the logarithm, its error from the rows' y − ratio · score (delta method). NaN without
    positives; the interval also with fewer than two rows.

    Examples
    --------
    >>> observed_to_expected(np.array([0.0, 1.0]), np.array([0.2, 0.3]))[0]
    2.0
    """
    hits, expected, n = float(y.sum()), float(score.sum()), len(y)
    if not hits or not expected:
        return float("nan"), float("nan"), float("nan")
    ratio = hits / expected
    if n < 2:
        return ratio, float("nan"), float("nan")
    error = float((y - ratio * score).std(ddof=1)) * np.sqrt(n) / hits
    half = t_quantile() * error
    return ratio, float(ratio * np.exp(-half)), float(ratio * np.exp(half))


def regression_groups(y: Array, predicted: Array, sensitive: pd.DataFrame) -> pd.DataFrame:
    """Compute figures by group of a regression.

    Returns
    -------
    DataFrame
        attribute, group, rows, mean (observed), mean_predicted, bias (predicted less observed) with its 95 %
        interval (lower, upper), mae, small.
    """
    error = predicted - y
    rows = []
    for group, keep in each_group(sensitive):
        low, high = mean_interval(error[keep])
        rows.append(
            {
                **group,
                "rows": int(keep.sum()),
                "mean": float(y[keep].mean()),
                "mean_predicted": float(predicted[keep].mean()),
                "bias": float(error[keep].mean()),
                "lower": low,
                "upper": high,
                "mae": float(np.abs(error[keep]).mean()),
                "small": int(keep.sum()) < SMALL_ROWS,
            }
        )
    return pd.DataFrame(rows)


def compared_groups(table: pd.DataFrame, both_outcomes: bool = False) -> pd.DataFrame:
    """Keep the groups of one attribute that are compared: large, known, and with enough of both outcomes."""
    large = table[~table["small"].astype(bool) & (table["group"] != MISSING)]
    if not both_outcomes:
        return large
    negatives = large["rows"] - large["positives"]
    return large[np.minimum(large["positives"], negatives) >= SMALL_CLASS]


def binary_fairness(groups: pd.DataFrame) -> pd.DataFrame:
    """Sum the groups up in one row an attribute, small groups left aside.

    Returns
    -------
    DataFrame
        attribute, groups (compared), disparate_impact (lowest over highest selection rate), least_selected,
        most_selected, equal_opportunity (largest difference in TPR), equalised_odds (the larger of the
        differences in TPR and FPR). NaN where fewer than two groups can be compared;
        rates of positives or negatives are compared between groups with ten or more of each.

    Notes
    -----
    Disparate impact below 0.8 is what the four-fifths rule flags (US EEOC 1978); equal opportunity and
    equalised odds after Hardt, Price & Srebro (2016).
    """
    rows = []
    for name, table in groups.groupby("attribute", sort=False):
        large, judged = compared_groups(table), compared_groups(table, both_outcomes=True)
        row = {"attribute": name, "groups": len(large), **dict.fromkeys(_FAIRNESS, np.nan)}
        if len(large) > 1:
            low, high = large["selection_rate"].min(), large["selection_rate"].max()
            row["disparate_impact"] = low / high if high > 0 else np.nan
            row["least_selected"] = large.loc[large["selection_rate"].idxmin(), "group"]
            row["most_selected"] = large.loc[large["selection_rate"].idxmax(), "group"]
        if len(judged) > 1:
            tpr, fpr = (float(np.ptp(judged[key])) for key in ("tpr", "fpr"))
            row["equal_opportunity"], row["equalised_odds"] = tpr, max(tpr, fpr)
        rows.append(row)
    return pd.DataFrame(rows)


_FAIRNESS = ("disparate_impact", "least_selected", "most_selected", "equal_opportunity", "equalised_odds")


def regression_fairness(groups: pd.DataFrame) -> pd.DataFrame:
    """Sum the groups of a regression up in one row an attribute, small groups left aside.

    Returns
    -------
    DataFrame
        attribute, groups (compared), bias_difference (largest less lowest bias), mae_ratio (lowest over
        highest mean absolute error). NaN where fewer than two groups can be compared.
    """
    rows = []
    for name, table in groups.groupby("attribute", sort=False):
        large = compared_groups(table)
        some = len(large) > 1
        rows.append(
            {
                "attribute": name,
                "groups": len(large),
                "bias_difference": float(np.ptp(large["bias"])) if some else np.nan,
                "mae_ratio": large["mae"].min() / large["mae"].max() if some else np.nan,
            }
        )
    return pd.DataFrame(rows)
