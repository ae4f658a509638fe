"""The gate: may this model go into production? Every check with its figure, its limit and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.evaluation.comparison import Comparison
from ml_utils.evaluation.metrics import METRICS, get_metric
from ml_utils.wording import figure, listing, times

if TYPE_CHECKING:
    from ml_utils.evaluation.result import Evaluation
    from ml_utils.registry.registry import RegisteredModel, Registry

CHAMPION = "champion"


@dataclass(frozen=True)
class Check:
    """One condition and whether it is met."""

    name: str
    value: float
    limit: float
    passed: bool
    reason: str


@dataclass(frozen=True)
class GateDecision:
    """Whether a model passes, and every check that led there.

    Parameters
    ----------
    passed : bool
        Whether all checks passed.
    checks : tuple of Check
    """

    passed: bool
    checks: tuple[Check, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the checks as a table for a page."""
        return pd.DataFrame(
            {
                "check": [check.name for check in self.checks],
                "passed": ["yes" if check.passed else "no" for check in self.checks],
                "reason": [check.reason for check in self.checks],
            }
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say the decision and, where it is no, why."""
        if self.passed:
            return f"All {len(self.checks)} checks are met."
        failed = [check.name for check in self.checks if not check.passed]
        return f"{times(len(failed), 'check')} of {len(self.checks)} failed: {listing(failed)}."

    def results(self) -> dict[str, object]:
        """Return everything for the results file."""
        return {"passed": self.passed, "checks": [vars(check) for check in self.checks]}


def decide(
    evaluation: Evaluation,
    minimum: Mapping[str, float],
    comparison: Comparison | None = None,
    margin: float = 0.01,
    label: str = "challenger",
) -> GateDecision:
    """Hold an evaluation against its limits.

    Parameters
    ----------
    evaluation : Evaluation
        Of the model that wants to go into production.
    minimum : mapping
        Metric to its limit: a floor where more is better, a ceiling where less is (`{"ece": 0.05}`).
    comparison : Comparison, optional
        Of the model (`label`) with others. Against "champion" it must not be worse by more than `margin`;
        any other it must beat, its interval above zero.
    margin : float
        What may be lost against the champion: in the metric's units for a binary task (0.01 of AUC), as a
        share of the champion's error for a regression.
    label : str
        The model's label in `comparison`.

    Returns
    -------
    GateDecision

    Raises
    ------
    ParameterError
        If a metric is unknown, the margin is negative, or `label` was not compared.
    """
    if margin < 0:
        raise ParameterError(f"margin is {margin:g}; it says how much may be lost, so it is 0 or more.")
    checks = [_limit_check(evaluation, name, limit) for name, limit in minimum.items()]
    if comparison is not None:
        if label not in comparison.by_model:
            raise ParameterError(
                f"The comparison has no model {label!r}; it has {listing(list(comparison.by_model))}."
            )
        checks += [
            _pair_check(comparison, label, other, margin) for other in comparison.by_model if other != label
        ]
    if not checks:
        raise ParameterError("A gate needs a check: give `minimum`, a comparison, or both.")
    return GateDecision(all(check.passed for check in checks), tuple(checks))


def former_champion(registry: Registry, candidate: RegisteredModel) -> RegisteredModel | None:
    """Load the champion that a candidate would replace, where the two can be compared.

    Parameters
    ----------
    registry : Registry
    candidate : RegisteredModel

    Returns
    -------
    RegisteredModel or None
        None where there is no champion, it needs columns that the candidate's table lacks, or it was trained
        on the candidate's own snapshot: that one came from an earlier run of these very notebooks, and what
        a page says must not depend on how often it was run.
    """
    version = registry.alias(CHAMPION)
    if version is None or version == candidate.version:
        return None
    champion = registry.load(version)
    same_data = champion.manifest.snapshot_sha256 == candidate.manifest.snapshot_sha256
    known = set(candidate.model.columns)
    return None if same_data or not known.issuperset(champion.model.columns) else champion


def _limit_check(evaluation: Evaluation, name: str, limit: float) -> Check:
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


def _pair_check(comparison: Comparison, label: str, other: str, margin: float) -> Check:
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
