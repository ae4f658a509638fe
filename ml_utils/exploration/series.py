"""One series of numbers over equal periods: trend, season, stationarity, memory; or that it is too short."""

from __future__ import annotations

import math
import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import ParameterError, list_known
from ml_utils.evaluation.intervals import Z95
from ml_utils.exploration.series_reading import (
    CYCLE_NAME,
    TOO_SHORT,
    Grain,
    Memory,
    Season,
    SeriesReading,
    Stationarity,
    Trend,
)

Array = npt.NDArray[np.float64]

CYCLE: dict[Grain, int] = {"day": 7, "week": 52, "month": 12, "quarter": 4}
TREND_MIN = 8  # periods
REGRESSION_MIN = 30  # fewer: Mann and Kendall's exact test instead of a regression
STATIONARITY_MIN = 30
MEMORY_MIN = 20
MAX_TESTED_CYCLE = 12  # a test of 51 weeks' effects would need many years


def read_series(name: str, values: Array, grain: Grain, alpha: float = 0.05) -> SeriesReading:
    """Read trend, season, stationarity and memory off a series; what it is too short for says so.

    Parameters
    ----------
    name : str
    values : ndarray of shape (n_periods,)
        Without gaps, in order.
    grain : {"day", "week", "month", "quarter"}
    alpha : float

    Returns
    -------
    SeriesReading

    Raises
    ------
    ParameterError
        If `grain` is not known or a value is missing.
    """
    if grain not in CYCLE:
        raise ParameterError(f"grain is {grain!r}. {list_known(str(grain), CYCLE)}")
    if not np.isfinite(values).all():
        raise ParameterError(
            f"{name}: {int((~np.isfinite(values)).sum())} periods have no value; fill them first."
        )
    x = np.asarray(values, dtype=float)
    flat = len(x) > 0 and np.ptp(x) == 0
    parts = None if flat else decompose(x, CYCLE[grain])
    return SeriesReading(
        name,
        grain,
        x,
        _no_trend("does not change") if flat else trend(x, grain, alpha),
        season(x, grain, parts, alpha),
        _not_judged("does not change") if flat else stationarity(x, alpha),
        memory(x, grain, alpha),
        parts,
    )


def trend(x: Array, grain: Grain, alpha: float = 0.05) -> Trend:
    """Test a trend: Mann and Kendall's test with Sen's slope for a short series, else a regression.

    The regression has terms for the season where that is short, and autoregressive errors of order two
    (Cochrane & Orcutt 1949, iterated). In simulated years of days without a trend it claimed one in 3 to 6 %
    of series with a first-order autocorrelation of up to 0.6, where Newey and West's errors did in 5 to 11 %,
    and claimed weekly seasons in 17 to 27 % of autocorrelated series of 60 days. Where a series wanders for
    long, no test of a trend keeps its level (here 9 to 19 %): read it beside the stationarity.
    """
    from scipy import stats

    n = len(x)
    if n < TREND_MIN:
        return _no_trend(TOO_SHORT)
    t = np.arange(n, dtype=float)
    if n < REGRESSION_MIN:
        p_value = float(stats.kendalltau(t, x).pvalue)
        sen = stats.theilslopes(x, t, 1 - alpha)
        slope, low, high = float(sen.slope), float(sen.low_slope), float(sen.high_slope)
        return Trend("Mann–Kendall", slope, low, high, p_value, _direction(slope, p_value, alpha))
    fitted = _regression(x, grain)
    slope, p_value = float(fitted.params[1]), float(fitted.pvalues[1])
    low, high = map(float, fitted.conf_int(alpha)[1])
    return Trend(
        "regression, autocorrelated errors", slope, low, high, p_value, _direction(slope, p_value, alpha)
    )


def season(x: Array, grain: Grain, parts: pd.DataFrame | None, alpha: float = 0.05) -> Season:
    """Measure the season's strength (Wang, Smith & Hyndman 2006); test it where there are enough cycles."""
    cycle = CYCLE[grain]
    if parts is None:
        flat = len(x) >= 2 * cycle
        return Season(cycle, math.nan, "none", math.nan, "does not change" if flat else TOO_SHORT)
    rest, both = parts["rest"].to_numpy(), (parts["seasonal"] + parts["rest"]).to_numpy()
    strength = max(0.0, 1 - float(rest.var()) / float(both.var())) if both.var() > 0 else 0.0
    if cycle > MAX_TESTED_CYCLE or len(x) < max(REGRESSION_MIN, cycle + 15):
        return Season(cycle, strength, "none", math.nan, "measured, not tested")
    fitted = _regression(x, grain)
    terms = np.eye(len(fitted.params))[2:]
    p_value = float(fitted.f_test(terms).pvalue)
    name = CYCLE_NAME[grain]
    return Season(
        cycle,
        strength,
        "F test, autocorrelated errors",
        p_value,
        f"a {name} season" if p_value < alpha else f"no {name} season shown",
    )


def stationarity(x: Array, alpha: float = 0.05) -> Stationarity:
    """Read Dickey and Fuller's test and KPSS together, as statsmodels' documentation does."""
    from statsmodels.tsa.stattools import adfuller, kpss

    if len(x) < STATIONARITY_MIN:
        return _not_judged(TOO_SHORT)
    with warnings.catch_warnings():  # KPSS says aloud that its p-values end at 0.01 and 0.1
        warnings.simplefilter("ignore")
        root = adfuller(x, regression="c", autolag="AIC")
        level = kpss(x, regression="c", nlags="auto")
    return Stationarity(
        float(root[0]),
        float(root[1]),
        float(level[0]),
        float(level[1]),
        joint_reading(float(root[1]), float(level[1]), alpha),
    )


def joint_reading(adf_p: float, kpss_p: float, alpha: float = 0.05) -> str:
    """Read the two tests together.

    >>> joint_reading(0.001, 0.1)
    'keeps to a steady level'
    """
    returns, steady = adf_p < alpha, kpss_p >= alpha
    if returns and steady:
        return "keeps to a steady level"
    if returns:
        return "returns to a level that itself shifts"
    if steady:
        return "undecided: neither a steady level nor wandering is shown"
    return "wanders: its past level does not bind it"


def memory(x: Array, grain: Grain, alpha: float = 0.05) -> Memory:
    """Measure autocorrelation; Ljung and Box's test over two cycles, at most a fifth of the periods."""
    n = len(x)
    if n < MEMORY_MIN or np.ptp(x) == 0:
        why = "does not change" if n >= MEMORY_MIN else TOO_SHORT
        return Memory(np.empty(0), math.nan, 0, math.nan, math.nan, why)
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.tsa.stattools import acf

    lags = max(1, min(2 * CYCLE[grain] if grain != "week" else 10, n // 5))
    tested = acorr_ljungbox(x, lags=[lags])
    p_value = float(tested["lb_pvalue"].iloc[0])
    found = np.asarray(acf(x, nlags=min(max(lags, 3 * CYCLE[grain]), n // 2), fft=True))
    reading = "remembers: periods resemble those before" if p_value < alpha else "no memory shown"
    return Memory(found, Z95 / math.sqrt(n), lags, float(tested["lb_stat"].iloc[0]), p_value, reading)


def decompose(x: Array, cycle: int) -> pd.DataFrame | None:
    """Part a series into trend, season and rest (STL, Cleveland et al. 1990); None under two cycles."""
    if len(x) < 2 * cycle:
        return None
    from statsmodels.tsa.seasonal import STL

    found = STL(x, period=cycle, robust=True).fit()
    return pd.DataFrame({"trend": found.trend, "seasonal": found.seasonal, "rest": found.resid})


def _regression(x: Array, grain: Grain):  # type: ignore[no-untyped-def]  # statsmodels' results have no type
    """Regress on time and, where that is short, on the season, with errors that remember two periods."""
    import statsmodels.api as sm

    n, cycle = len(x), CYCLE[grain]
    t = np.arange(n, dtype=float)
    columns = [np.ones(n), t]
    if cycle <= MAX_TESTED_CYCLE and n >= max(2 * cycle, cycle + 15):
        columns += [(np.arange(n) % cycle == k).astype(float) for k in range(1, cycle)]
    X = np.column_stack(columns)
    plain = sm.OLS(x, X).fit()
    if plain.ssr <= 1e-20 * float(
        ((x - x.mean()) ** 2).sum()
    ):  # nothing is left that could be autocorrelated
        return plain
    return sm.GLSAR(x, X, rho=2).iterative_fit(6)


def _direction(slope: float, p_value: float, alpha: float) -> str:
    if p_value >= alpha:
        return "no steady trend shown"
    return "rises" if slope > 0 else "falls"


def _no_trend(reading: str) -> Trend:
    return Trend("none", math.nan, math.nan, math.nan, math.nan, reading)


def _not_judged(reading: str) -> Stationarity:
    return Stationarity(math.nan, math.nan, math.nan, math.nan, reading)
