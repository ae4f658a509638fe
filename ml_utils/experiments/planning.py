"""Which difference an experiment is to find, and the rows and days that it takes."""

from __future__ import annotations

import math

from ml_utils.errors import ParameterError, list_known
from ml_utils.experiments.power import size_for_means, size_for_proportions
from ml_utils.experiments.results import Design, Metric


def wanted_difference(baseline: float, relative: float | None, absolute: float | None) -> float:
    """Return the effect worth having in the outcome's unit, from the one of the two that is given."""
    if (relative is None) == (absolute is None):
        raise ParameterError("Give one of mde_relative and mde_absolute, the effect worth having.")
    difference = absolute if absolute is not None else (relative or 0.0) * abs(baseline)
    if not math.isfinite(difference) or difference == 0:
        raise ParameterError(
            f"The effect worth having must differ from 0; got {difference!r} on a baseline of {baseline!r}."
        )
    return difference


def plan(
    metric: Metric,
    baseline: float,
    difference: float,
    alpha: float,
    power: float,
    share: float,
    sd: float | None,
    correlation: float,
    rows_per_day: float | None,
) -> Design:
    """Work out the rows of each arm; see `ABTestAnalyzer.design`."""
    if not -1 < correlation < 1:
        raise ParameterError(f"correlation lies between −1 and 1; got {correlation!r}.")
    if metric == "proportion":
        sd = None
        n = size_for_proportions(baseline, baseline + difference, alpha, power, share)
    elif metric == "mean" and sd is not None:
        n = size_for_means(difference, sd, alpha, power, share)
    elif metric == "mean":
        raise ParameterError("A mean needs `sd`, the outcome's standard deviation; it was not given.")
    else:
        raise ParameterError(f"metric is {metric!r}. {list_known(str(metric), ['proportion', 'mean'])}")
    n *= 1 - correlation**2
    arms = math.ceil(n * (1 - share) - 1e-9), math.ceil(n * share - 1e-9)
    days = sum(arms) / rows_per_day if rows_per_day else None
    return Design(metric, baseline, difference, alpha, power, share, sd, correlation, *arms, days)
