"""The statistics of a comparison of two arms, on sufficient statistics.

Differences are treatment minus control throughout; `alpha` is two-sided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ml_utils.errors import DataError, ParameterError, list_known
from ml_utils.experiments.arms import Covaried, Mean, Proportion
from ml_utils.experiments.checks import check_share

__all__ = ["Covaried", "Cuped", "Effect", "Mean", "Proportion", "cuped", "two_means", "two_proportions"]


@dataclass(frozen=True)
class Effect:
    """A measured effect, with its interval.

    Attributes
    ----------
    control, treatment : float
        Mean of each arm (adjusted means under CUPED).
    n_control, n_treatment : int
        Rows.
    difference, low, high : float
        Treatment minus control, with its interval.
    standard_error : float
        Of the difference, unpooled.
    p_value : float
        Two-sided, of no difference.
    lift, lift_low, lift_high, lift_error : float
        Difference over the control's mean, its interval and standard error; NaN where that mean is 0.
    alpha : float
        One minus the level of the intervals.
    method : str
        The test, in words.
    """

    control: float
    treatment: float
    n_control: int
    n_treatment: int
    difference: float
    low: float
    high: float
    standard_error: float
    p_value: float
    lift: float
    lift_low: float
    lift_high: float
    lift_error: float
    alpha: float
    method: str

    def to_frame(self) -> pd.DataFrame:
        """Return the effect as one row."""
        return pd.DataFrame([self.__dict__])


@dataclass(frozen=True)
class Cuped:
    """A covariate-adjusted effect, what was subtracted, and what it bought."""

    effect: Effect
    theta: float
    variance_reduction: float


def two_proportions(
    control: Proportion,
    treatment: Proportion,
    alpha: float = 0.05,
    interval: Literal["newcombe", "wald"] = "newcombe",
) -> Effect:
    """Compare two shares.

    The p-value is that of the pooled z test (R's `prop.test(correct = FALSE)`). The interval does not use
    the pooled variance, so at the very edge of significance the two can disagree.

    Parameters
    ----------
    control, treatment : Proportion
    alpha : float
        One minus the level of the interval.
    interval : {"newcombe", "wald"}
        Newcombe's hybrid of two Wilson intervals (Newcombe 1998, method 10) keeps its level in small arms
        and near 0 and 1; Wald's is the unpooled normal one.

    Returns
    -------
    Effect

    Raises
    ------
    ParameterError
        If `alpha` or `interval` is not allowed.

    Examples
    --------
    >>> effect = two_proportions(Proportion(250, 1000), Proportion(200, 1000))
    >>> f"{effect.difference:.3f} ({effect.low:.3f} to {effect.high:.3f}), p = {effect.p_value:.4f}"
    '-0.050 (-0.086 to -0.013), p = 0.0074'
    """
    from scipy.special import ndtr
    from statsmodels.stats.proportion import confint_proportions_2indep

    check_share("alpha", alpha)
    if interval not in ("newcombe", "wald"):
        raise ParameterError(f"interval is {interval!r}. {list_known(str(interval), ['newcombe', 'wald'])}")
    difference = treatment.mean - control.mean
    pooled = (control.successes + treatment.successes) / (control.n + treatment.n)
    null_error = math.sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / treatment.n))
    p_value = 2 * float(ndtr(-abs(difference) / null_error)) if null_error > 0 else 1.0
    low, high = confint_proportions_2indep(
        treatment.successes,
        treatment.n,
        control.successes,
        control.n,
        method="newcomb" if interval == "newcombe" else "wald",
        compare="diff",
        alpha=alpha,
    )
    names = {"newcombe": "z test, Newcombe interval", "wald": "z test, Wald interval"}
    return _effect(control, treatment, (float(low), float(high)), p_value, math.inf, alpha, names[interval])


def two_means(control: Mean, treatment: Mean, alpha: float = 0.05) -> Effect:
    """Compare two means without supposing equal variances (Welch 1947).

    Parameters
    ----------
    control, treatment : Mean
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Effect

    Raises
    ------
    DataError
        If neither arm varies, so that no test can be made.
    """
    return _welch(control, treatment, alpha, "Welch's t test")


def cuped(
    control: Covaried,
    treatment: Covaried,
    alpha: float = 0.05,
    theta: Literal["pooled", "within"] = "pooled",
) -> Cuped:
    """Compare two means after taking out what a covariate from before the experiment explains.

    Parameters
    ----------
    control, treatment : Covaried
    alpha : float
        One minus the level of the interval.
    theta : {"pooled", "within"}
        The coefficient from all rows together (Deng, Xu, Kohavi & Walker 2013, eq. 2), or from the arms'
        own variances and covariances (the slope of an analysis of covariance; Lin 2013).

    Returns
    -------
    Cuped

    Raises
    ------
    DataError
        If neither arm varies.
    """
    check_share("alpha", alpha)
    coefficient = _theta(control, treatment, theta)
    centre = (
        control.covariate.mean * control.covariate.n + treatment.covariate.mean * treatment.covariate.n
    ) / (control.covariate.n + treatment.covariate.n)
    first, second = _adjust(control, coefficient, centre), _adjust(treatment, coefficient, centre)
    effect = _welch(first, second, alpha, "Welch's t test on CUPED-adjusted outcomes")
    plain = _squared_error(control.outcome) + _squared_error(treatment.outcome)
    saved = 1 - effect.standard_error**2 / plain if plain > 0 else 0.0
    return Cuped(effect, coefficient, saved)


def _welch(control: Mean, treatment: Mean, alpha: float, method: str) -> Effect:
    from scipy.stats import t as student

    check_share("alpha", alpha)
    a, b = _squared_error(control), _squared_error(treatment)
    if a + b == 0:
        raise DataError("The outcome has one value in each arm; a comparison of means needs some variation.")
    difference = treatment.mean - control.mean
    freedom = (a + b) ** 2 / (a**2 / (control.n - 1) + b**2 / (treatment.n - 1))
    reach = float(student.isf(alpha / 2, freedom)) * math.sqrt(a + b)
    p_value = 2 * float(student.sf(abs(difference) / math.sqrt(a + b), freedom))
    return _effect(
        control, treatment, (difference - reach, difference + reach), p_value, freedom, alpha, method
    )


def _effect(
    control: Mean | Proportion,
    treatment: Mean | Proportion,
    interval: tuple[float, float],
    p_value: float,
    freedom: float,
    alpha: float,
    method: str,
) -> Effect:
    difference = treatment.mean - control.mean
    lift, error = _lift(control, treatment)
    reach = _quantile(alpha, freedom) * error
    return Effect(
        control=control.mean,
        treatment=treatment.mean,
        n_control=control.n,
        n_treatment=treatment.n,
        difference=difference,
        low=interval[0],
        high=interval[1],
        standard_error=math.sqrt(_squared_error(control) + _squared_error(treatment)),
        p_value=p_value,
        lift=lift,
        lift_low=lift - reach,
        lift_high=lift + reach,
        lift_error=error,
        alpha=alpha,
        method=method,
    )


def _lift(control: Mean | Proportion, treatment: Mean | Proportion) -> tuple[float, float]:
    """Relative difference and its standard error by the delta method (Deng, Knoblich & Lu 2018, eq. 5)."""
    if control.mean == 0:
        return math.nan, math.nan
    ratio = treatment.mean / control.mean
    variance = (_squared_error(treatment) + ratio**2 * _squared_error(control)) / control.mean**2
    return (treatment.mean - control.mean) / abs(control.mean), math.sqrt(variance)


def _quantile(alpha: float, freedom: float) -> float:
    from scipy.stats import t as student

    return float(student.isf(alpha / 2, freedom))


def _squared_error(arm: Mean | Proportion) -> float:
    return arm.variance / arm.n


def _theta(control: Covaried, treatment: Covaried, kind: str) -> float:
    if kind not in ("pooled", "within"):
        raise ParameterError(f"theta is {kind!r}. {list_known(str(kind), ['pooled', 'within'])}")
    if kind == "within":
        spread = control.covariate.variance + treatment.covariate.variance
        return (control.covariance + treatment.covariance) / spread if spread > 0 else 0.0
    a, b = control.outcome.n, treatment.outcome.n
    step_x = treatment.covariate.mean - control.covariate.mean
    step_y = treatment.outcome.mean - control.outcome.mean
    between = a * b / (a + b)
    spread = (
        (a - 1) * control.covariate.variance + (b - 1) * treatment.covariate.variance + between * step_x**2
    )
    shared = (a - 1) * control.covariance + (b - 1) * treatment.covariance + between * step_x * step_y
    return shared / spread if spread > 0 else 0.0


def _adjust(arm: Covaried, theta: float, centre: float) -> Mean:
    y, x = arm.outcome, arm.covariate
    variance = y.variance + theta**2 * x.variance - 2 * theta * arm.covariance
    return Mean(y.n, y.mean - theta * (x.mean - centre), max(variance, 0.0))
