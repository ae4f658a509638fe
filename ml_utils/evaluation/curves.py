"""Points of the curves that show how a model ranks, how far its probabilities hold, and what they earn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.evaluation.intervals import proportion_intervals
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.ranking import gain_at, gain_intervals
from ml_utils.evaluation.scores import Array, calibration_bins
from ml_utils.problem import Decision

DECILES = np.arange(1, 11) / 10
MAX_POINTS = 200  # more are not seen on a page, and weigh


def binary_curves(
    y: Array, score: Array, decision: Decision | None, ranked: Ranked | None = None
) -> dict[str, pd.DataFrame]:
    """Compute the curves of a binary model.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    decision : Decision or None
        What acting is worth; without it there is no profit curve.
    ranked : Ranked, optional
        The same rows, where they are sorted already.

    Returns
    -------
    dict of str to DataFrame
        roc (fpr, tpr), pr (recall, precision), gain (share_of_rows, share_of_positives), calibration (score,
        rate, lower, upper, rows), and profit (threshold, share_of_rows, total). Empty where one class is
        missing, calibration and profit aside.
    """
    runs = ranked or Ranked.of(y, score)
    tp, fp = np.cumsum(runs.positives), np.cumsum(runs.negatives)
    n1, n0 = float(y.sum()), float(len(y) - y.sum())
    start = pd.DataFrame({"acted": [0.0], "tp": [0.0], "fp": [0.0], "threshold": [np.inf]})
    steps = pd.DataFrame({"acted": tp + fp, "tp": tp, "fp": fp, "threshold": runs.scores})
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
        score, rate, lower, upper (95 % mid-P interval of the rate), rows.
    """
    index = calibration_bins(score, bins)
    rows = np.bincount(index)
    filled = rows > 0
    hits, sums = np.bincount(index, weights=y)[filled], np.bincount(index, weights=score)[filled]
    lower, upper = proportion_intervals(hits, rows[filled])
    return pd.DataFrame(
        {
            "score": sums / rows[filled],
            "rate": hits / rows[filled],
            "lower": lower,
            "upper": upper,
            "rows": rows[filled],
        }
    )


def class_curves(y: Array, p: Array) -> dict[str, pd.DataFrame]:
    """Compute whether the probability of the likeliest class comes true.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class codes.
    p : ndarray of shape (n_rows, n_classes)

    Returns
    -------
    dict of str to DataFrame
        calibration, as `calibration_curve` of "the likeliest class is right".
    """
    right = (p.argmax(axis=1) == y).astype(float)
    return {"calibration": calibration_curve(right, p.max(axis=1))}


def regression_curves(y: Array, predicted: Array, bins: int = 10) -> dict[str, pd.DataFrame]:
    """Compute the curves of a regression.

    Returns
    -------
    dict of str to DataFrame
        fit: mean predicted and observed value over bins of the prediction, with the middle half of the
        observed values (q25, q75) and rows; residuals: quantiles (share, residual) of
        observed less predicted; bands: its quantiles (q10 to q90) over the same bins.
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
    table["residual"] = y - predicted
    within = table.groupby("bin")["residual"]
    quantiles = {f"q{share}": within.quantile(share / 100) for share in (10, 25, 50, 75, 90)}
    bands = pd.DataFrame({"predicted": grouped["predicted"].mean(), **quantiles}).reset_index(drop=True)
    return {"fit": fit, "residuals": residuals, "bands": bands}


def lift_table(y: Array, score: Array, ranked: Ranked | None = None) -> pd.DataFrame:
    """Return, for the rows with the highest scores, how many positives are among them.

    Returns
    -------
    DataFrame
        share_of_rows (0.1 to 1), share_of_positives (gain) with gain_lower and gain_upper, lift (rate among
        them over the rate in all) with lift_lower and lift_upper; NaN without positives.
    """
    found = ranked or Ranked.of(y, score)
    gain = gain_at(found, DECILES)
    limits = np.array(gain_intervals(found, DECILES))
    return pd.DataFrame(
        {
            "share_of_rows": DECILES,
            "share_of_positives": gain,
            "gain_lower": limits[:, 0],
            "gain_upper": limits[:, 1],
            "lift": gain / DECILES,
            "lift_lower": limits[:, 0] / DECILES,
            "lift_upper": limits[:, 1] / DECILES,
        }
    )


def thin(points: pd.DataFrame, most: int = MAX_POINTS) -> pd.DataFrame:
    """Keep at most `most` rows, evenly spread, the first and the last among them."""
    if len(points) <= most:
        return points.reset_index(drop=True)
    keep = np.unique(np.linspace(0, len(points) - 1, most).round().astype(int))
    return points.iloc[keep].reset_index(drop=True)
