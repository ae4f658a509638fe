"""The checks of a gate: limits of metrics, comparisons, the gap to cross-validation, and fairness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_utils.evaluation.comparison import Comparison
from ml_utils.evaluation.metrics import METRICS, get_metric
from ml_utils.wording import figure

if TYPE_CHECKING:
    from ml_utils.evaluation.fairness import FairnessAudit
    from ml_utils.evaluation.result import Evaluation

CHAMPION = "champion"


@dataclass(frozen=True)
class Check:
    """One condition and whether it is met; one that does not block is reported only."""

    name: str
    value: float
    limit: float
    passed: bool
    reason: str
    blocks: bool = True


@dataclass(frozen=True)
class CrossValidated:
    """A metric in cross-validation, with its 95 % interval; numbers of notebook 02."""

    metric: str
    mean: float
    lower: float
    upper: float


@dataclass(frozen=True)
class FairnessLimits:
    """What is asked of the groups; a limit that is None is reported at its usual value and does not block.

    Parameters
    ----------
    minimum_disparate_impact : float or None
        Of any sensitive attribute; 0.8 is the four-fifths rule.
    maximum_equalised_odds : float or None
        Largest difference in TPR or FPR between two groups.
    """

    minimum_disparate_impact: float | None = None
    maximum_equalised_odds: float | None = None

    @classmethod
    def of(cls, minimum_disparate_impact: float = 0.0, maximum_equalised_odds: float = 1.0) -> FairnessLimits:
        """Make limits from plain numbers, as a notebook's parameters are: 0 and 1 ask for nothing."""
        return cls(
            minimum_disparate_impact if minimum_disparate_impact > 0 else None,
            maximum_equalised_odds if maximum_equalised_odds < 1 else None,
        )


def limit_check(evaluation: Evaluation, name: str, limit: float) -> Check:
    """Hold a metric against its floor or ceiling; one that is not defined does not pass."""
    metric = get_metric(name, evaluation.task)
    value = evaluation.value(name)
    above = metric.greater_is_better
    passed = bool(np.isfinite(value) and (value >= limit if above else value <= limit))
    wanted = f"{'at least' if above else 'at most'} {limit:g}"
    if not np.isfinite(value):
        reason = f"{metric.label} is not defined on these rows; {wanted} is asked for."
    else:
        reason = f"{metric.label} is {figure(value)}; {wanted} is asked for."
    return Check(f"{metric.label} {wanted}", value, limit, passed, reason)


def pair_check(comparison: Comparison, label: str, other: str, margin: float) -> Check:
    """Ask for a gain over another model, or for no more than the margin lost to the champion."""
    value, low, _ = comparison.gain(label, other)
    name = METRICS[comparison.metric].label
    if other != CHAMPION:
        passed = bool(low > 0)
        reason = (
            f"{name} is better by {figure(value)}, at least {figure(low)} with 95 % confidence; "
            "more than 0 is asked for."
        )
        return Check(f"better than {other}", low, 0.0, passed, reason)
    allowed = margin * (comparison.by_model[other] if comparison.task == "regression" else 1.0)
    passed = bool(low > -allowed)
    reason = (
        f"{name} differs by {figure(value)} in its favour, at least {figure(low)} with 95 % confidence; "
        f"more than {figure(-allowed)} is asked for."
    )
    return Check("not worse than the champion", low, -allowed, passed, reason)


def gap_check(evaluation: Evaluation, trained: CrossValidated, limit: float) -> Check:
    """Compare the test split with cross-validation: overfitting, or a table that has changed since."""
    metric = get_metric(trained.metric, evaluation.task)
    sign = 1 if metric.greater_is_better else -1
    value, (low, high) = evaluation.value(trained.metric), evaluation.interval(trained.metric)
    gap = sign * (trained.mean - value)
    # two independent estimates: squares of half-widths add up
    half = float(np.hypot((trained.upper - trained.lower) / 2, (high - low) / 2))
    allowed = limit * (abs(trained.mean) if evaluation.task == "regression" else 1.0)
    name = f"overfitting gap at most {limit:g}"
    if not np.isfinite(gap) or not np.isfinite(half):
        reason = f"{metric.label} in cross-validation or on the test split is not defined."
        return Check(name, gap, allowed, False, reason)
    beyond = "beyond chance" if gap - half > 0 else "within chance"
    reason = (
        f"{metric.label} is {figure(trained.mean)} in cross-validation and {figure(value)} on the test "
        f"split: a gap of {figure(gap)} ({figure(gap - half)} to {figure(gap + half)}), {beyond}; at most "
        f"{figure(allowed)} beyond chance is asked for."
    )
    return Check(name, gap, allowed, bool(gap <= allowed or gap - half <= 0), reason)


def fairness_checks(audit: FairnessAudit, limits: FairnessLimits) -> list[Check]:
    """Hold the worst figures of the sensitive attributes against their limits, or note them."""
    wanted = (
        ("disparate_impact", "disparate impact", limits.minimum_disparate_impact, 0.8, True),
        ("equalised_odds", "equalised odds difference", limits.maximum_equalised_odds, 0.1, False),
    )
    found = []
    for measure, label, limit, usual, above in wanted:
        value, cut, blocks = audit.value(measure), usual if limit is None else limit, limit is not None
        asked = f"{'at least' if above else 'at most'} {cut:g}"
        met = bool(np.isfinite(value) and (value >= cut if above else value <= cut))
        ends = "is asked for" if blocks else "is usual; no limit is set, so it does not block"
        shown = (
            "is not defined: no attribute has two groups to compare"
            if np.isnan(value)
            else f"is {figure(value, 2)}"
        )
        reason = f"The worst {label} of the sensitive attributes {shown}; {asked} {ends}."
        found.append(Check(f"{label} {asked}", value, cut, met, reason, blocks))
    return found


def state(check: Check) -> str:
    """Say in a word whether a check is met, and whether it counts."""
    if check.blocks:
        return "yes" if check.passed else "no"
    return "yes, noted only" if check.passed else "no, noted only"
