"""95 % intervals by formula: proportions, means, and figures whose standard error is known.

Each holds the truth in 93 to 97 % of samples (`benchmarks/bench_evaluation.py` measures it), where the
percentile bootstrap of the same figures stays at 86 to 94 %.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.scores import Array

LEVEL = 0.95
Z95 = 1.959963984540054  # the quantile of the normal that goes with it
STEPS = 8  # of Newton's method; five reach 1e-13
Interval = tuple[float, float]
NOT_DEFINED: Interval = (float("nan"), float("nan"))


def t_quantile(df: float = np.inf, level: float = LEVEL) -> float:
    """Quantile of Student's t that leaves (1 − level) / 2 above it.

    Examples
    --------
    >>> round(t_quantile(), 6), round(t_quantile(24), 4)
    (1.959964, 2.0639)
    """
    from scipy.special import ndtri, stdtrit

    above = (1 + level) / 2
    return float(stdtrit(df, above) if np.isfinite(df) else ndtri(above))


def wilson(hits: npt.ArrayLike, rows: npt.ArrayLike, z: float = Z95) -> tuple[Array, Array]:
    """Wilson's intervals (1927) of proportions, `z` standard errors wide; NaN where there are no rows.

    Examples
    --------
    >>> [round(float(end), 4) for end in wilson(81, 263)]  # Newcombe's table I
    [0.2553, 0.3662]
    """
    found, number = np.asarray(hits, dtype=float), np.asarray(rows, dtype=float)
    n = np.where(number > 0, number, np.nan)
    share = found / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.where(share == 0, 0.0, centre - half), np.where(share == 1, 1.0, centre + half)


def proportion_interval(hits: float, rows: float, level: float = LEVEL) -> Interval:
    """Mid-P interval of a proportion; NaN where there are no rows.

    Wilson's interval holds only 91 to 92 % where about one case is expected on one side; the mid-P interval
    is never below 92.9 % from 25 rows on, and above 97 % only there, where counts leave no choice.

    Parameters
    ----------
    hits, rows : float
        Need not be whole: an estimated share with a known variance V enters with the number of rows that
        would give it, share · (1 − share) / V.
    level : float

    Notes
    -----
    Lancaster (1949); Newcombe (1998), Statistics in Medicine 17:857, method 6.

    Examples
    --------
    >>> [round(end, 4) for end in proportion_interval(81, 263)]  # Newcombe's table I
    [0.2544, 0.3658]
    """
    low, high = proportion_intervals([hits], [rows], level)
    return float(low[0]), float(high[0])


def proportion_intervals(
    hits: npt.ArrayLike, rows: npt.ArrayLike, level: float = LEVEL
) -> tuple[Array, Array]:
    """Mid-P intervals of many proportions; see `proportion_interval`."""
    found, number = np.asarray(hits, dtype=float), np.asarray(rows, dtype=float)
    ends = _mid_p_lower(found, number, level), 1 - _mid_p_lower(number - found, number, level)
    return np.where(number > 0, ends[0], np.nan), np.where(number > 0, ends[1], np.nan)


def _mid_p_lower(hits: Array, rows: Array, level: float) -> Array:
    """Solve P(more hits) + P(as many) / 2 = (1 − level) / 2 for the share, by Newton's method.

    The solution lies between those for "as many or more" (Clopper & Pearson) and for "more".
    """
    from scipy.special import betainc, betaincinv, betaln, xlog1py, xlogy

    tail, some = (1 - level) / 2, hits > 0
    x, left = np.where(some, hits, 1.0), np.where(some, np.maximum(rows - hits, 1e-9), 1.0)
    low, high = betaincinv(x, left + 1, tail), betaincinv(x + 1, left, tail)
    share = betaincinv(x + 0.5, left + 0.5, tail)
    for _ in range(STEPS):
        excess = (betainc(x, left + 1, share) + betainc(x + 1, left, share)) / 2 - tail
        first = xlogy(x - 1, share) + xlog1py(left, -share) - betaln(x, left + 1)
        second = xlogy(x, share) + xlog1py(left - 1, -share) - betaln(x + 1, left)
        share = np.clip(share - 2 * excess / (np.exp(first) + np.exp(second)), low, high)
    return np.where(some, share, 0.0)


def mean_interval(values: Array, level: float = LEVEL, heavier: float = 1.0) -> Interval:
    """Interval of a mean that allows for skewed values; NaN for fewer than two.

    Losses of rows are skewed, and Student's interval then misses on one side. Hall's transformation of the
    t statistic takes the skewness off.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    level : float
    heavier : float
        Factor on the skewness of the sample, which falls short of the population's where tails are heavy.

    Notes
    -----
    Hall (1992), "On the removal of skewness by transformation", JRSS B 54, eq. 2.3 with a = 1/3 and b = 1/6,
    the normal quantile replaced by Student's with `variance_df`. Needs a finite fourth moment to be worth
    anything: squared errors with tails like Student's t with 5 degrees of freedom are still fine.

    Examples
    --------
    >>> low, high = mean_interval(np.array([1.0, 2.0, 3.0]))
    >>> round(low, 2), round(high, 2)
    (-0.48, 4.48)
    """
    n = len(values)
    if n < 2:
        return NOT_DEFINED
    mean, centred = float(values.mean()), values - values.mean()
    spread = float(np.sqrt(centred @ centred / (n - 1)))
    if spread == 0:
        return mean, mean
    standard = centred / spread
    skewness = heavier * float(np.mean(standard**3))
    t = t_quantile(variance_df(standard), level)
    step = spread / np.sqrt(n)
    low, high = (mean - float(step) * untransform(end, skewness, n) for end in (t, -t))
    return low, high


def variance_df(standard: Array) -> float:
    """Degrees of freedom that a variance estimated from these standardised values is worth.

    n − 1 for normal values; fewer where heavy tails make the variance itself uncertain, as its relative
    variance is (kurtosis − 1) / n (Box 1953; Satterthwaite's matching).

    Examples
    --------
    >>> round(variance_df(np.array([-1.0, 1.0] * 50)))
    99
    """
    n = len(standard)
    kurtosis = float(np.mean(standard**4))
    return min(n - 1.0, max(2 * n / (kurtosis - 1), 6.0)) if kurtosis > 1 else n - 1.0


def untransform(x: float, skewness: float, n: int) -> float:
    """Return the t statistic that Hall's transformation takes to x."""
    a, b = skewness / 3, skewness / 6
    root = float(np.sqrt(n))
    if abs(a) < 1e-8:
        return x
    return float(root / a * (np.cbrt(1 + 3 * a * (x / root - b / n)) - 1))


def logit_interval(value: float, error: float, df: float = np.inf, level: float = LEVEL) -> Interval:
    """Interval of a figure between 0 and 1 from its standard error, taken on the log-odds.

    Examples
    --------
    >>> low, high = logit_interval(0.8, 0.05)
    >>> round(low, 4), round(high, 4)
    (0.6843, 0.8807)
    """
    if not (np.isfinite(value) and np.isfinite(error)):
        return NOT_DEFINED
    if error == 0 or not 0 < value < 1:
        return value, value
    half = t_quantile(df, level) * error / (value * (1 - value))
    odds = np.log(value / (1 - value))
    return float(1 / (1 + np.exp(half - odds))), float(1 / (1 + np.exp(-half - odds)))


def mean_of_proportions(hits: npt.ArrayLike, rows: npt.ArrayLike, level: float = LEVEL) -> Interval:
    """Interval of the plain mean of independent proportions, like balanced accuracy.

    Mid-P limits of each are combined by squaring and adding (Zou & Donner 2008, "MOVER"; Newcombe 1998).

    Examples
    --------
    >>> low, high = mean_of_proportions([8, 90], [10, 100])
    >>> 0.68 < low < 0.85 < high < 0.94
    True
    """
    number, found = np.asarray(rows, dtype=float), np.asarray(hits, dtype=float)
    if (number <= 0).any():
        return NOT_DEFINED
    shares = found / number
    low, high = proportion_intervals(found, number, level)
    down, up = np.sqrt(np.sum((shares - low) ** 2)), np.sqrt(np.sum((high - shares) ** 2))
    middle, k = float(shares.mean()), len(shares)
    return middle - float(down) / k, middle + float(up) / k


def difference_of_proportions(
    hits: tuple[float, float], rows: tuple[float, float], level: float = LEVEL
) -> Interval:
    """Interval of the first of two independent proportions less the second.

    Newcombe (1998), Statistics in Medicine 17:873, method 10, with mid-P limits of each.

    Examples
    --------
    >>> low, high = difference_of_proportions((56, 48), (70, 80))  # his table II, with Wilson's limits:
    >>> abs(low - 0.0524) < 0.005, abs(high - 0.3339) < 0.005
    (True, True)
    """
    if min(rows) <= 0:
        return NOT_DEFINED
    first, second = hits[0] / rows[0], hits[1] / rows[1]
    low, high = proportion_intervals(hits, rows, level)
    down, up = np.hypot(first - low[0], high[1] - second), np.hypot(high[0] - first, second - low[1])
    return float(first - second - down), float(first - second + up)


def pooled_df(parts: Array, dfs: Array) -> float:
    """Degrees of freedom of a sum of variances (Satterthwaite 1946, Welch 1947).

    Examples
    --------
    >>> round(pooled_df(np.array([1.0, 1.0]), np.array([10.0, 10.0])), 6)
    20.0
    """
    below = float(np.sum(parts**2 / np.maximum(dfs, 1)))
    return float(parts.sum() ** 2 / below) if below > 0 else np.inf


def profit_interval(
    y: Array, decided: Array, benefit: float, cost: float, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return the profit per row of decisions, with its interval.

    Parameters
    ----------
    y, decided : ndarray of shape (n_rows,)
        0 or 1.
    benefit, cost : float
        What acting on a positive gains, and on a negative loses.

    Returns
    -------
    per_row, lower, upper : float
        Multiply by the number of rows for the total.

    Examples
    --------
    >>> y, acted = np.array([1.0, 0, 0, 1] * 50), np.array([1.0, 1, 0, 0] * 50)
    >>> [round(part, 2) for part in profit_interval(y, acted, 40, 10)]
    [7.5, 4.94, 10.34]
    """
    gains = decided * np.where(y > 0, benefit, -cost)
    return (float(gains.mean()), *mean_interval(gains, level))
