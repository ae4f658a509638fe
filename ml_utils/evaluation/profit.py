"""What decisions are worth: the model's against acting on everyone and acting on no one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml_utils.evaluation.bootstrap import percentile_interval
from ml_utils.evaluation.metrics import Array, Counts
from ml_utils.problem import Decision

MODEL, EVERYONE, NO_ONE, ADVANTAGE = "model", "everyone", "no one", "model less the better of the two"


def profit_table(
    y: Array, score: Array, threshold: float, decision: Decision, resamples: dict[str, Array]
) -> pd.DataFrame:
    """Compare what the model's decisions earn with two policies that need no model.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
        Score at or above which the model acts.
    decision : Decision
        Gain of acting on a positive, loss of acting on a negative.
    resamples : dict
        From `bootstrap_binary`: tp, fp and positives of each resample.

    Returns
    -------
    DataFrame
        policy, acted (rows), total, lower, upper, per_row; the last row is the model less the better of the
        two others. Amounts in the decision's currency.
    """
    gain, loss = decision.benefit, decision.cost
    counts, n, n1 = Counts.of(y, score >= threshold), len(y), float(y.sum())
    tp, fp = float(counts.tp), float(counts.fp)
    model, everyone = gain * tp - loss * fp, gain * n1 - loss * (n - n1)
    model_draws = gain * resamples["tp"] - loss * resamples["fp"]
    everyone_draws = gain * resamples["positives"] - loss * (n - resamples["positives"])
    none_draws = np.zeros_like(model_draws)
    best, best_draws = (everyone, everyone_draws) if everyone > 0 else (0.0, none_draws)
    rows = [
        (MODEL, tp + fp, model, model_draws),
        (EVERYONE, n, everyone, everyone_draws),
        (NO_ONE, 0, 0.0, none_draws),
        (ADVANTAGE, np.nan, model - best, model_draws - best_draws),
    ]
    records = []
    for policy, acted, total, draws in rows:
        low, high = percentile_interval(draws)
        records.append((policy, acted, total, low, high, total / n))
    return pd.DataFrame(records, columns=["policy", "acted", "total", "lower", "upper", "per_row"])
