"""A model's figures by period: does it hold from month to month?"""

from __future__ import annotations

import pandas as pd

from ml_utils.evaluation.intervals import proportion_interval
from ml_utils.evaluation.multiclass import class_log_losses
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.ranking import auc_interval
from ml_utils.evaluation.regression import regression_intervals
from ml_utils.evaluation.scores import Array, brier, rmse, roc_auc


def binary_periods(y: Array, score: Array, periods: pd.Series) -> pd.DataFrame:
    """Compute AUC with its interval, Brier score, rate and mean score by period, in order of appearance.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    periods : Series of shape (n_rows,)

    Returns
    -------
    DataFrame
        period, rows, roc_auc, lower, upper, rate, mean_score, brier.
    """
    rows = []
    labels = periods.to_numpy()
    for period in pd.unique(labels):
        keep = labels == period
        lower, upper = auc_interval(Ranked.of(y[keep], score[keep]))
        rows.append(
            {
                "period": str(period),
                "rows": int(keep.sum()),
                "roc_auc": roc_auc(y[keep], score[keep]),
                "lower": lower,
                "upper": upper,
                "rate": float(y[keep].mean()),
                "mean_score": float(score[keep].mean()),
                "brier": brier(y[keep], score[keep]),
            }
        )
    return pd.DataFrame(rows)


def regression_periods(y: Array, predicted: Array, periods: pd.Series) -> pd.DataFrame:
    """Compute RMSE (with its interval) and the means of each period, in order of appearance.

    Returns
    -------
    DataFrame
        period, rows, rmse, lower, upper, mean, mean_predicted.
    """
    rows = []
    labels = periods.to_numpy()
    for period in pd.unique(labels):
        keep = labels == period
        lower, upper = regression_intervals(y[keep], predicted[keep])["rmse"]
        rows.append(
            {
                "period": str(period),
                "rows": int(keep.sum()),
                "rmse": rmse(y[keep], predicted[keep]),
                "lower": lower,
                "upper": upper,
                "mean": float(y[keep].mean()),
                "mean_predicted": float(predicted[keep].mean()),
            }
        )
    return pd.DataFrame(rows)


def multiclass_periods(y: Array, p: Array, periods: pd.Series) -> pd.DataFrame:
    """Compute accuracy (with its interval) and log loss of each period, in order of appearance.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class codes.
    p : ndarray of shape (n_rows, n_classes)
    periods : Series of shape (n_rows,)

    Returns
    -------
    DataFrame
        period, rows, accuracy, lower, upper, log_loss.
    """
    rows = []
    labels = periods.to_numpy()
    right = p.argmax(axis=1) == y
    for period in pd.unique(labels):
        keep = labels == period
        n, hits = int(keep.sum()), float(right[keep].sum())
        lower, upper = proportion_interval(hits, n)
        loss = float(class_log_losses(y[keep], p[keep]).mean())
        row = {"period": str(period), "rows": n, "accuracy": hits / n, "lower": lower, "upper": upper}
        rows.append(row | {"log_loss": loss})
    return pd.DataFrame(rows)
