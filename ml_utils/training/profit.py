"""Profit as a metric: what acting on a model's probabilities earns a row."""

from __future__ import annotations

import numpy as np

from ml_utils.evaluation.metrics import Array, Metric
from ml_utils.problem import Decision


def profit_metric(decision: Decision) -> Metric:
    """Return mean profit a row, acting from the threshold at which acting begins to pay.

    Examples
    --------
    >>> profit_metric(Decision(benefit=40.0, cost=10.0)).value([1, 0, 0, 0], [0.9, 0.3, 0.1, 0.0])
    7.5
    """

    def profit(y: Array, score: Array) -> float:
        acted = score >= decision.threshold
        return float(np.mean(acted * (decision.benefit * y - decision.cost * (1 - y))))

    unit = f", {decision.currency}" if decision.currency else ""
    return Metric("profit", f"profit a row{unit}", True, "binary", "score", profit)
