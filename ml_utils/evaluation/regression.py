"""Every figure of a regression with its 95 % interval."""

from __future__ import annotations

import numpy as np

from ml_utils.evaluation.intervals import NOT_DEFINED, Interval, mean_interval, t_quantile, variance_df
from ml_utils.evaluation.scores import Array
from ml_utils.wording import count, figure

HEAVIER = 1.5  # of squared errors; by simulation from normal to log-normal errors (bench_evaluation.py)


def regression_intervals(y: Array, predicted: Array) -> dict[str, Interval]:
    """Compute the interval of every metric of a regression.

    Errors are means over rows (`mean_interval`), the root of the squared one its root.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_rows,)

    Returns
    -------
    dict
        Name to interval; NaN where it is not defined.

    Examples
    --------
    >>> y = np.arange(20.0)
    >>> low, high = regression_intervals(y, y + np.tile([1.0, -1.0], 10))["mae"]
    >>> low, high
    (1.0, 1.0)
    """
    error = predicted - y
    low, high = mean_interval(np.abs(error))
    squares = mean_interval(error**2, heavier=HEAVIER)
    return {
        "mse": squares,
        "rmse": (float(np.sqrt(max(squares[0], 0.0))), float(np.sqrt(squares[1]))),
        "mae": (low, high),
        "pinball": (low / 2, high / 2),
        "r2": r2_interval(y, predicted),
        "mape": NOT_DEFINED if (y == 0).any() else mean_interval(np.abs(error / y)),
    }


def r2_interval(y: Array, predicted: Array) -> Interval:
    """Interval of R² from the jackknife of log(1 − R²); NaN for a constant target.

    Where the target has heavy tails, few rows carry its variance: what the figure becomes without each row
    shows them, and the degrees of freedom fall with their weight.
    """
    n = len(y)
    squared, around = (predicted - y) ** 2, (y - y.mean()) ** 2
    error, spread = float(squared.sum()), float(around.sum())
    if n < 3 or y.min() == y.max():
        return NOT_DEFINED
    if error == 0:
        return 1.0, 1.0
    left_error = np.maximum(error - squared, 1e-300)
    left_spread = np.maximum(spread - around * n / (n - 1), 1e-300)
    without = np.log(left_error) - np.log(left_spread)
    off = without - without.mean()
    deviation = float(np.sqrt((n - 1) / n * (off @ off)))
    if deviation == 0:
        return NOT_DEFINED
    df = variance_df(off / off.std())
    ratio, half = error / spread, t_quantile(df) * deviation
    return float(1 - ratio * np.exp(half)), float(1 - ratio * np.exp(-half))


def regression_notes(y: Array, predicted: Array) -> tuple[str, ...]:
    """Say what about these rows makes figures undefined; empty where all is well."""
    notes = []
    if y.min() == y.max():
        notes.append(f"The target is {figure(float(y[0]))} in every row: R² is not defined.")
    elif predicted.min() == predicted.max():
        notes.append(f"Every prediction is {figure(float(predicted[0]))}: the model tells no rows apart.")
    zeros = int((y == 0).sum())
    if zeros:
        notes.append(f"The target is 0 in {count(zeros)} rows: the percentage error is not defined.")
    return tuple(notes)
