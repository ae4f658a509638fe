"""How many rows an experiment needs, how likely it is to find an effect, and which effect it can find.

Sizes are not rounded; `share` is the treatment's share of all rows; tests are two-sided unless `sides=1`.
"""

from __future__ import annotations

import math

from ml_utils.errors import ParameterError
from ml_utils.experiments.checks import check_share


def size_for_proportions(
    control: float,
    treatment: float,
    alpha: float = 0.05,
    power: float = 0.8,
    share: float = 0.5,
    sides: int = 2,
) -> float:
    """Return the rows needed in all to tell two shares apart.

    The z test with the pooled variance under no difference (Fleiss, Levin & Paik 2003, eq. 4.14, without
    continuity correction; R's `power.prop.test`).

    Parameters
    ----------
    control, treatment : float
        Shares expected in each arm, between 0 and 1.
    alpha, power : float
    share : float
        Treatment's share of the rows.
    sides : {1, 2}

    Returns
    -------
    float
        Rows of both arms together.

    Raises
    ------
    ParameterError
        If a value is out of range or the shares are equal.

    Examples
    --------
    >>> round(size_for_proportions(0.10, 0.12) / 2)
    3841
    """
    _check_design(alpha, power, share, sides)
    _check_shares(control, treatment)
    null, actual = _errors_of_one(control, treatment, share)
    reach = _z(1 - alpha / sides) * null + _z(power) * actual
    return (reach / (treatment - control)) ** 2


def power_for_proportions(
    control: float, treatment: float, n: float, alpha: float = 0.05, share: float = 0.5, sides: int = 2
) -> float:
    """Return the chance to find the difference of two shares with `n` rows in all.

    As R's `power.prop.test`, the tail on the wrong side is left aside.

    Examples
    --------
    >>> round(power_for_proportions(0.5, 0.75, n=100), 3)
    0.74
    """
    from scipy.special import ndtr

    _check_design(alpha, 0.5, share, sides)
    _check_shares(control, treatment)
    null, actual = _errors_of_one(control, treatment, share)
    reach = abs(treatment - control) * math.sqrt(n) - _z(1 - alpha / sides) * null
    return float(ndtr(reach / actual))


def effect_for_proportions(
    control: float, n: float, alpha: float = 0.05, power: float = 0.8, share: float = 0.5, rise: bool = True
) -> float:
    """Return the smallest difference of shares that `n` rows find with the given power.

    Parameters
    ----------
    control : float
        Share expected in the control arm.
    n : float
        Rows of both arms together.
    rise : bool
        Whether the treatment's share is above the control's.

    Returns
    -------
    float
        Absolute difference, above 0; NaN where even the largest possible one would be missed.
    """
    from scipy.optimize import brentq

    _check_design(alpha, power, share, 2)
    check_share("control", control)
    sign, room = (1, 1 - control) if rise else (-1, control)
    low, high = room * 1e-6, room * (1 - 1e-9)

    def gap(difference: float) -> float:
        return power_for_proportions(control, control + sign * difference, n, alpha, share) - power

    if gap(high) < 0:
        return math.nan
    return float(brentq(gap, low, high, xtol=1e-10)) if gap(low) < 0 else low


def size_for_means(
    difference: float,
    sd: float,
    alpha: float = 0.05,
    power: float = 0.8,
    share: float = 0.5,
    sides: int = 2,
) -> float:
    """Return the rows needed in all to tell two means apart (R's `power.t.test`).

    Parameters
    ----------
    difference : float
        Of the means, in the outcome's unit; its sign does not matter.
    sd : float
        Standard deviation of the outcome within an arm, same unit.
    alpha, power, share : float
    sides : {1, 2}

    Returns
    -------
    float
        Rows of both arms together.

    Raises
    ------
    ParameterError
        If a value is out of range.

    Examples
    --------
    >>> round(size_for_means(0.1, 1.0) / 2)
    1571
    """
    from scipy.optimize import brentq

    _check_design(alpha, power, share, sides)
    effect = _standardised(difference, sd)
    normal = ((_z(1 - alpha / sides) + _z(power)) / effect) ** 2 / (share * (1 - share))
    least = 2.1 / min(share, 1 - share)  # two rows in the smaller arm
    high = max(normal, least) + 10 * least

    def gap(n: float) -> float:
        return power_for_means(effect, 1.0, n, alpha, share, sides) - power

    return float(brentq(gap, least, high)) if gap(least) < 0 else least


def power_for_means(
    difference: float, sd: float, n: float, alpha: float = 0.05, share: float = 0.5, sides: int = 2
) -> float:
    """Return the chance to find a difference of means with `n` rows in all (noncentral t).

    As R's `power.t.test`, the tail on the wrong side is left aside.
    """
    from scipy.special import nctdtr, stdtrit

    _check_design(alpha, 0.5, share, sides)
    freedom = n - 2
    shift = _standardised(difference, sd) * math.sqrt(n * share * (1 - share))
    return float(1 - nctdtr(freedom, shift, stdtrit(freedom, 1 - alpha / sides)))


def effect_for_means(
    sd: float, n: float, alpha: float = 0.05, power: float = 0.8, share: float = 0.5
) -> float:
    """Return the smallest difference of means, in the outcome's unit, that `n` rows find."""
    from scipy.optimize import brentq

    _check_design(alpha, power, share, 2)
    first = (_z(1 - alpha / 2) + _z(power)) / math.sqrt(n * share * (1 - share))
    found = brentq(lambda d: power_for_means(d, 1.0, n, alpha, share) - power, first * 0.5, first * 4)
    return float(found) * sd


def _errors_of_one(control: float, treatment: float, share: float) -> tuple[float, float]:
    """Standard errors of the difference for one row in all: under no difference, and as expected."""
    pooled = (1 - share) * control + share * treatment
    null = math.sqrt(pooled * (1 - pooled) * (1 / (1 - share) + 1 / share))
    actual = math.sqrt(control * (1 - control) / (1 - share) + treatment * (1 - treatment) / share)
    return null, actual


def _standardised(difference: float, sd: float) -> float:
    if not (math.isfinite(sd) and sd > 0):
        raise ParameterError(
            f"sd, the outcome's standard deviation within an arm, must be above 0; got {sd!r}."
        )
    if not math.isfinite(difference) or difference == 0:
        raise ParameterError(f"The difference to be found must not be 0; got {difference!r}.")
    return abs(difference) / sd


def _check_design(alpha: float, power: float, share: float, sides: int) -> None:
    for name, value in (("alpha", alpha), ("power", power), ("share", share)):
        check_share(name, value)
    if sides not in (1, 2):
        raise ParameterError(f"sides is 1 or 2; got {sides!r}.")


def _check_shares(control: float, treatment: float) -> None:
    check_share("control", control)
    check_share("treatment", treatment)
    if control == treatment:
        raise ParameterError(f"The two shares must differ; both are {control!r}.")


def _z(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))
