"""One slice in figures: outcome, prediction, their gap with its interval, and the loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.intervals import wilson
from ml_utils.evaluation.metrics import Array, log_losses

Mask = npt.NDArray[np.bool_]
TOO_LOW, TOO_HIGH = "scores too low", "scores too high"
OVERSTATED, UNDERSTATED = "scores too far apart for what they tell", "scores too close together"
LARGER = "errors larger than elsewhere"
UNDER, OVER = "predictions too low", "predictions too high"
BIASED = (TOO_LOW, TOO_HIGH, UNDER, OVER)


def measure(
    y: Array, score: Array, inside: Mask, task: str, reach: float, outside: Mask | None = None
) -> dict[str, float]:
    """Measure a slice: outcome, prediction and their gap, and the loss beside that of the other rows.

    Parameters
    ----------
    y, score : ndarray of shape (n_rows,)
    inside : ndarray of bool of shape (n_rows,)
    task : {"binary", "regression"}
    reach : float
        Standard errors on either side of the gap; of Wilson's interval for a binary outcome.
    outside : ndarray of bool of shape (n_rows,), optional
        The rows to compare with; all others by default.

    Returns
    -------
    dict of str to float
        See `Slice`.
    """
    others = ~inside if outside is None else outside
    n, observed, expected = int(inside.sum()), float(y[inside].mean()), float(score[inside].mean())
    promised = float("nan")
    if task == "binary":
        losses = log_losses(y, score)
        p = np.clip(score[inside], 1e-12, 1 - 1e-12)
        promised = float(np.mean(-p * np.log(p) - (1 - p) * np.log1p(-p)))
        lower, upper = (float(edge) - expected for edge in wilson(observed * n, n, reach))
    else:
        losses = (y - score) ** 2
        spread = float((y - score)[inside].std(ddof=1)) if n > 1 else float("nan")
        half = reach * spread / np.sqrt(n)
        lower, upper = observed - expected - half, observed - expected + half
    return {
        "rows": float(n),
        "share": n / len(y),
        "observed": observed,
        "expected": expected,
        "gap": observed - expected,
        "gap_lower": lower,
        "gap_upper": upper,
        "loss": float(losses[inside].mean()),
        "promised": promised,
        "elsewhere": float(losses[others].mean()) if others.any() else float("nan"),
    }


def name_fault(figures: dict[str, float], bias: float, rest: float, task: str) -> str:
    """Name the larger of the two faults."""
    low = figures["gap"] > 0
    if task == "regression":
        return LARGER if rest > bias else (UNDER if low else OVER)
    if bias >= rest:
        return TOO_LOW if low else TOO_HIGH
    return OVERSTATED if figures["loss"] > figures["promised"] else UNDERSTATED
