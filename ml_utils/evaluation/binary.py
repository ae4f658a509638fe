"""Every figure of a binary model with its 95 % interval, from rows that are sorted once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.evaluation.calibration_error import BrierParts, calibration_intervals
from ml_utils.evaluation.counts import Counts
from ml_utils.evaluation.intervals import (
    NOT_DEFINED,
    Interval,
    mean_interval,
    mean_of_proportions,
    pooled_df,
    proportion_intervals,
    t_quantile,
)
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.ranking import auc_interval, average_precision_interval, ks_interval
from ml_utils.evaluation.scores import Array, log_losses
from ml_utils.wording import count, figure

FEW = 10  # positives or negatives; below, intervals are too rough to lean on


def binary_intervals(
    y: Array, score: Array, threshold: float, ranked: Ranked, rng: np.random.Generator
) -> dict[str, Interval]:
    """Compute the interval of every binary metric and of the parts of the Brier score.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
        Score at or above which a row is acted on.
    ranked : Ranked
        The same rows.
    rng : Generator

    Returns
    -------
    dict
        Name to interval; NaN where it is not defined.
    """
    found = decision_intervals(Counts.of(y, score >= threshold))
    found["roc_auc"] = auc_interval(ranked)
    found["average_precision"] = average_precision_interval(ranked)
    found["ks"] = ks_interval(ranked)
    found["log_loss"] = mean_interval(log_losses(y, score))
    found["brier"] = mean_interval((score - y) ** 2)
    return found | calibration_intervals(y, score, rng)


def decision_intervals(counts: Counts) -> dict[str, Interval]:
    """Compute the intervals of the metrics of decisions from their confusion table.

    Shares get mid-P intervals; so does F1, which is 2 J / (1 + J) of the share J = tp / (tp + fp + fn).

    Examples
    --------
    >>> low, high = decision_intervals(Counts(30.0, 10.0, 20.0, 140.0))["recall"]
    >>> round(low, 3), round(high, 3)
    (0.46, 0.728)
    """
    tp, fp, fn, tn = (float(cell) for cell in (counts.tp, counts.fp, counts.fn, counts.tn))
    names = ("accuracy", "precision", "recall", "specificity", "jaccard")
    low, high = proportion_intervals(
        [tp + tn, tp, tp, tn, tp], [tp + fp + fn + tn, tp + fp, tp + fn, tn + fp, tp + fp + fn]
    )
    found = {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}
    first, last = found.pop("jaccard")
    return found | {
        "f1": (2 * first / (1 + first), 2 * last / (1 + last)),
        "balanced_accuracy": mean_of_proportions([tp, tn], [tp + fn, tn + fp]),
        "mcc": _mcc_interval(tp, fp, fn, tn),
    }


def _mcc_interval(tp: float, fp: float, fn: float, tn: float) -> Interval:
    """Interval of Matthews' correlation on Fisher's z (Itaya et al. 2025, Statistics in Medicine 44:e10303).

    The variance is that of the four cells as one multinomial draw, by the delta method.
    """
    n = tp + fp + fn + tn
    cells = np.array([tp, fp, fn, tn]) / n
    acted, up = cells[0] + cells[1], cells[0] + cells[2]
    spread = acted * (1 - acted) * up * (1 - up)
    if spread <= 0:
        return NOT_DEFINED
    covariance = cells[0] - acted * up
    mcc = float(covariance / np.sqrt(spread))
    if abs(mcc) >= 1:
        return mcc, mcc
    in_acted, in_up = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
    a, u = in_acted - acted, in_up - up  # influence of a row in each cell
    influence = (a * u - covariance) / np.sqrt(spread) - mcc / 2 * (
        (a**2 - acted * (1 - acted)) / (acted * (1 - acted)) + (u**2 - up * (1 - up)) / (up * (1 - up))
    )
    parts = np.array([cells[[0, 2]] @ influence[[0, 2]] ** 2, cells[[1, 3]] @ influence[[1, 3]] ** 2]) / n
    df = pooled_df(parts, np.array([tp + fn - 1, fp + tn - 1]))
    half = t_quantile(df) * float(np.sqrt(parts.sum())) / (1 - mcc**2)
    centre = float(np.arctanh(mcc))
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def brier_table(y: Array, score: Array, intervals: dict[str, Interval]) -> pd.DataFrame:
    """Lay out the parts of the Brier score.

    Returns
    -------
    DataFrame
        part, value, lower, upper, meaning; reliability − resolution + uncertainty + within bins is the score.
    """
    parts = BrierParts.of(y, score)
    meanings = {
        "reliability": "gaps between probability and rate; 0 is best",
        "resolution": "how far the rates of the bins lie apart; more is better",
        "uncertainty": "the outcome's own variance; no model changes it",
        "within_bins": "what the scores tell inside the bins; less is better",
    }
    rows = [
        {
            "part": name,
            "value": getattr(parts, name),
            "lower": intervals[name][0],
            "upper": intervals[name][1],
            "meaning": meaning,
        }
        for name, meaning in meanings.items()
    ]
    return pd.DataFrame(rows)


def binary_notes(y: Array, score: Array, threshold: float) -> tuple[str, ...]:
    """Say what about these rows makes figures undefined or rough; empty where all is well."""
    n1 = int(y.sum())
    n0, acted = len(y) - n1, int((score >= threshold).sum())
    notes = []
    if not n1 or not n0:
        notes.append(
            f"All {count(len(y))} rows are {'negative' if n0 else 'positive'}: figures that set positives "
            "against negatives are not defined."
        )
    elif min(n1, n0) < FEW:
        fewer, what = min((n1, "positive"), (n0, "negative"))
        notes.append(
            f"Only {fewer} of {count(len(y))} rows {'is' if fewer == 1 else 'are'} {what}: with fewer than "
            f"{FEW}, intervals are too rough to lean on."
        )
    if score.min() == score.max():
        notes.append(
            f"Every row has the same score, {figure(float(score[0]))}: the model ranks nothing. An AUC of "
            "0.5 and a Kolmogorov–Smirnov distance of 0 say just that."
        )
    if not acted or acted == len(y):
        who = "No row is" if not acted else "Every row is"
        notes.append(f"{who} acted on at the threshold {figure(threshold)}.")
    return tuple(notes)
