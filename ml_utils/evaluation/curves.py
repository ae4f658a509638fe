"""Points of the curves that show how a model ranks, how far its probabilities hold, and what they earn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.evaluation.metrics import Array, calibration_bins
from ml_utils.problem import Decision

MAX_POINTS = 200  # more are not seen on a page, and weigh


def binary_curves(y: Array, score: Array, decision: Decision | None) -> dict[str, pd.DataFrame]:
    """Compute the curves of a binary model.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    decision : Decision or None
        What acting is worth; without it there is no profit curve.

    Returns
    -------
    dict of str to DataFrame
        roc (fpr, tpr), pr (recall, precision), gain (share_of_rows, share_of_positives), calibration (score,
        rate, lower, upper, rows), and profit (threshold, share_of_rows, total). Empty where one class is
        missing, calibration and profit aside.
    """
    order = np.argsort(-score, kind="stable")
    target, scores = y[order], score[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    tp, acted = np.cumsum(target)[ends], ends + 1.0
    fp = acted - tp
    n1, n0 = float(y.sum()), float(len(y) - y.sum())
    start = pd.DataFrame({"acted": [0.0], "tp": [0.0], "fp": [0.0], "threshold": [np.inf]})
    steps = pd.DataFrame({"acted": acted, "tp": tp, "fp": fp, "threshold": scores[ends]})
    points = thin(pd.concat([start, steps], ignore_index=True))
    curves = {"calibration": calibration_curve(y, score)}
    if n1 and n0:
        curves["roc"] = pd.DataFrame({"fpr": points["fp"] / n0, "tpr": points["tp"] / n1})
        cut = points.iloc[1:]
        curves["pr"] = pd.DataFrame({"recall": cut["tp"] / n1, "precision": cut["tp"] / cut["acted"]})
        curves["gain"] = pd.DataFrame(
            {"share_of_rows": points["acted"] / len(y), "share_of_positives": points["tp"] / n1}
        )
    if decision is not None:
        total = decision.benefit * points["tp"] - decision.cost * points["fp"]
        curves["profit"] = pd.DataFrame(
            {
                "threshold": points["threshold"].clip(upper=1.0),
                "share_of_rows": points["acted"] / len(y),
                "total": total,
            }
        )
    return curves


def calibration_curve(y: Array, score: Array, bins: int = 10) -> pd.DataFrame:
    """Compare mean score and observed rate over bins of about equal numbers of rows.

    Returns
    -------
    DataFrame
        score, rate, lower, upper (95 % Wilson interval of the rate), rows.
    """
    index = calibration_bins(score, bins)
    rows = np.bincount(index)
    filled = rows > 0
    hits, sums = np.bincount(index, weights=y)[filled], np.bincount(index, weights=score)[filled]
    lower, upper = wilson(hits, rows[filled])
    return pd.DataFrame(
        {
            "score": sums / rows[filled],
            "rate": hits / rows[filled],
            "lower": lower,
            "upper": upper,
            "rows": rows[filled],
        }
    )


def regression_curves(y: Array, predicted: Array, bins: int = 10) -> dict[str, pd.DataFrame]:
    """Compute the curves of a regression.

    Returns
    -------
    dict of str to DataFrame
        fit: mean predicted and observed value over bins of the prediction, with the middle half of the
        observed values (q25, q75) and rows; residuals: quantiles (share, residual) of
        observed less predicted.
    """
    table = pd.DataFrame({"y": y, "predicted": predicted, "bin": calibration_bins(predicted, bins)})
    grouped = table.groupby("bin")
    observed = grouped["y"]
    fit = pd.DataFrame(
        {
            "predicted": grouped["predicted"].mean(),
            "observed": observed.mean(),
            "q25": observed.quantile(0.25),
            "q75": observed.quantile(0.75),
            "rows": observed.size(),
        }
    ).reset_index(drop=True)
    share = np.linspace(0.01, 0.99, 99)
    residuals = pd.DataFrame({"share": share, "residual": np.quantile(y - predicted, share)})
    return {"fit": fit, "residuals": residuals}


def lift_table(y: Array, score: Array) -> pd.DataFrame:
    """Return, for the rows with the highest scores, how many positives are among them.

    Returns
    -------
    DataFrame
        share_of_rows (0.1 to 1), share_of_positives, lift (rate among them over the rate in all); NaN without
        positives.
    """
    order = np.argsort(-score, kind="stable")
    running = np.cumsum(y[order])
    shares = np.arange(1, 11) / 10
    upto = np.maximum(np.round(shares * len(y)).astype(int), 1)
    total = running[-1] if running[-1] > 0 else np.nan
    captured = running[upto - 1] / total
    return pd.DataFrame(
        {"share_of_rows": shares, "share_of_positives": captured, "lift": captured * len(y) / upto}
    )


def thin(points: pd.DataFrame, most: int = MAX_POINTS) -> pd.DataFrame:
    """Keep at most `most` rows, evenly spread, the first and the last among them."""
    if len(points) <= most:
        return points.reset_index(drop=True)
    keep = np.unique(np.linspace(0, len(points) - 1, most).round().astype(int))
    return points.iloc[keep].reset_index(drop=True)


def wilson(hits: npt.ArrayLike, rows: npt.ArrayLike) -> tuple[Array, Array]:
    """Return 95 % Wilson intervals of proportions; NaN where there are no rows."""
    from statsmodels.stats.proportion import proportion_confint

    counts, numbers = np.asarray(hits, dtype=float), np.asarray(rows, dtype=float)
    lower, upper = np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    some = numbers > 0
    if some.any():
        lower[some], upper[some] = proportion_confint(counts[some], numbers[some], method="wilson")
    return lower, upper
