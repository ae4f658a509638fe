"""A model's figures by period: does it hold from month to month?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.evaluation.bootstrap import bootstrap_regression, percentile_interval
from ml_utils.evaluation.delong import delong_interval
from ml_utils.evaluation.metrics import METRICS, Array


def binary_periods(y: Array, score: Array, periods: pd.Series) -> pd.DataFrame:
    """Compute AUC (DeLong interval), Brier score, rate and mean score of each period, in order of appearance.

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
        auc, lower, upper = delong_interval(y[keep], score[keep])
        rows.append(
            {
                "period": str(period),
                "rows": int(keep.sum()),
                "roc_auc": auc,
                "lower": lower,
                "upper": upper,
                "rate": float(y[keep].mean()),
                "mean_score": float(score[keep].mean()),
                "brier": METRICS["brier"].function(y[keep], score[keep]),
            }
        )
    return pd.DataFrame(rows)


def regression_periods(
    y: Array, predicted: Array, periods: pd.Series, n_bootstrap: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Compute RMSE (bootstrap interval) and the means of each period, in order of appearance.

    Returns
    -------
    DataFrame
        period, rows, rmse, lower, upper, mean, mean_predicted.
    """
    rows = []
    labels = periods.to_numpy()
    for period in pd.unique(labels):
        keep = labels == period
        draws = bootstrap_regression(y[keep], predicted[keep], n_bootstrap, rng)
        lower, upper = percentile_interval(draws["rmse"])
        rows.append(
            {
                "period": str(period),
                "rows": int(keep.sum()),
                "rmse": METRICS["rmse"].function(y[keep], predicted[keep]),
                "lower": lower,
                "upper": upper,
                "mean": float(y[keep].mean()),
                "mean_predicted": float(predicted[keep].mean()),
            }
        )
    return pd.DataFrame(rows)
