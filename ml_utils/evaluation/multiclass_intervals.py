"""Intervals of the metrics of several classes, and the table by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ml_utils.evaluation.intervals import (
    NOT_DEFINED,
    Interval,
    logit_interval,
    mean_interval,
    mean_of_proportions,
    proportion_interval,
    proportion_intervals,
)
from ml_utils.evaluation.multiclass import (
    AVERAGES,
    averaged,
    class_confusion,
    class_log_losses,
    class_rates,
    class_squares,
)
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.ranking import auc_interval
from ml_utils.evaluation.scores import Array, roc_auc


def multiclass_intervals(y: Array, p: Array) -> dict[str, Interval]:
    """Compute the interval of every metric of several classes.

    Shares get mid-P intervals, losses that of a mean, averages over classes the delta method on the confusion
    table as one multinomial draw, on the log-odds.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class codes.
    p : ndarray of shape (n_rows, n_classes)

    Returns
    -------
    dict
        Name to interval; NaN where it is not defined.
    """
    table = class_confusion(y, p)
    right, n = np.diag(table), float(len(y))
    found = {
        "accuracy": proportion_interval(float(right.sum()), n),
        "balanced_accuracy": mean_of_proportions(right, table.sum(axis=1)),
        "log_loss": mean_interval(class_log_losses(y, p)),
        "brier": mean_interval(class_squares(y, p)),
        "roc_auc": _auc_interval(y, p),
    }
    for average in AVERAGES:
        for rate in ("precision", "f1"):
            found[f"{rate}_{average}"] = _averaged_interval(table, rate, average)
    return found


def _averaged_interval(table: Array, rate: str, average: str) -> Interval:
    value = averaged(table, rate, average)
    if not np.isfinite(value):
        return NOT_DEFINED
    n, cells = table.sum(), table / table.sum()
    values, true = class_rates(table)[rate], cells.sum(axis=1)
    k = len(table)
    total = np.zeros_like(cells)
    for i in range(k):
        if average == "weighted" and not true[i]:
            continue
        weight = 1 / k if average == "macro" else true[i]
        total += weight * _influence(cells, i, values[i], rate)
        if average == "weighted":
            total[i] += values[i]
    centred = total - np.sum(cells * total)
    error = float(np.sqrt(np.sum(cells * centred**2) / n))
    fewest = table.sum(axis=1)[table.sum(axis=1) > 0].min()
    return logit_interval(value, error, max(fewest - 1, 1) * k)


def _influence(cells: Array, i: int, value: float, rate: str) -> Array:
    """What a row in each cell of the confusion table adds to the rate of class i."""
    found = np.zeros_like(cells)
    if rate == "precision":
        found[:, i] -= value
        found[i, i] += 1
        return found / cells[:, i].sum()
    found[:, i] -= value
    found[i] -= value
    found[i, i] += 2
    return found / (cells[:, i].sum() + cells[i].sum())


def _auc_interval(y: Array, p: Array) -> Interval:
    """Interval of the mean AUC of one against the rest, from DeLong's components of each row."""
    from scipy.stats import rankdata

    rows = np.bincount(y.astype(int), minlength=p.shape[1])
    if rows.min() < 2 or (rows == len(y)).any():
        return NOT_DEFINED
    influence, values = np.zeros(len(y)), []
    for k, m in enumerate(rows):
        own, n = y == k, len(y) - m
        score = p[:, k] / p.sum(axis=1)
        among = rankdata(score)
        inside = np.empty(len(y))
        inside[own], inside[~own] = rankdata(score[own]), rankdata(score[~own])
        others = among - inside  # rows of the other side below, half of those that tie
        share = np.where(own, others / n, 1 - others / m)
        auc = float(share[own].mean())
        values.append(auc)
        influence += (share - auc) * np.where(own, len(y) / m, len(y) / n)
    k = p.shape[1]
    error = float(np.std(influence / k, ddof=1) / np.sqrt(len(y)))
    return logit_interval(float(np.mean(values)), error, float(rows.min() - 1) * k)


def by_class(y: Array, p: Array, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Lay out what is known of each class.

    Returns
    -------
    DataFrame
        class, rows, decided (rows for which it is likeliest), then value, _lower and _upper of precision,
        recall, f1 and roc_auc (against the rest); NaN where not defined.
    """
    table = class_confusion(y, p)
    right, true, decided = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    share_low, share_high = proportion_intervals(right, true + decided - right)
    limits = {
        "precision": proportion_intervals(right, decided),
        "recall": proportion_intervals(right, true),
        "f1": (2 * share_low / (1 + share_low), 2 * share_high / (1 + share_high)),
    }
    labels = list(names) if names is not None else [str(code) for code in range(p.shape[1])]
    columns: dict[str, object] = {"class": labels, "rows": true.astype(int), "decided": decided.astype(int)}
    for rate, values in class_rates(table).items():
        columns |= {rate: values, f"{rate}_lower": limits[rate][0], f"{rate}_upper": limits[rate][1]}
    own = [(y == k).astype(float) for k in range(p.shape[1])]
    spans = np.array([auc_interval(Ranked.of(up, p[:, k])) for k, up in enumerate(own)])
    columns["roc_auc"] = [roc_auc(up, p[:, k]) for k, up in enumerate(own)]
    columns |= {"roc_auc_lower": spans[:, 0], "roc_auc_upper": spans[:, 1]}
    return pd.DataFrame(columns)


def confusion_frame(y: Array, p: Array, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Count rows by true class (row) and likeliest class (column)."""
    labels = list(names) if names is not None else [str(code) for code in range(p.shape[1])]
    return pd.DataFrame(class_confusion(y, p).astype(int), index=labels, columns=labels)
