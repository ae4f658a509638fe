"""The gate: may this model go into production? Every check with its figure, its limit and its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.evaluation.comparison import Comparison
from ml_utils.evaluation.gate_checks import (
    CHAMPION,
    Check,
    CrossValidated,
    FairnessLimits,
    fairness_checks,
    gap_check,
    limit_check,
    pair_check,
    state,
)
from ml_utils.wording import listing, times

if TYPE_CHECKING:
    from ml_utils.evaluation.fairness import FairnessAudit
    from ml_utils.evaluation.result import Evaluation
    from ml_utils.registry.registry import RegisteredModel, Registry

__all__ = [
    "CHAMPION",
    "Check",
    "CrossValidated",
    "FairnessLimits",
    "GateDecision",
    "cross_validated",
    "decide",
    "former_champion",
]


@dataclass(frozen=True)
class GateDecision:
    """Whether a model passes, and every check that led there.

    Parameters
    ----------
    passed : bool
        Whether all checks that block passed.
    checks : tuple of Check
    """

    passed: bool
    checks: tuple[Check, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the checks as a table for a page."""
        return pd.DataFrame(
            {
                "check": [check.name for check in self.checks],
                "passed": [state(check) for check in self.checks],
                "reason": [check.reason for check in self.checks],
            }
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say the decision and, where it is no, why."""
        binding = [check for check in self.checks if check.blocks]
        noted = [check.name for check in self.checks if not check.blocks and not check.passed]
        verb = "are" if len(noted) > 1 else "is"
        note = f" Noted, without blocking: {listing(noted)} {verb} not met." if noted else ""
        if self.passed:
            met = f"All {len(binding)} checks are met" if len(binding) > 1 else "The one check is met"
            return f"{met}.{note}"
        failed = [check.name for check in binding if not check.passed]
        return f"{times(len(failed), 'check')} of {len(binding)} failed: {listing(failed)}.{note}"

    def results(self) -> dict[str, object]:
        """Return everything for the results file."""
        return {"passed": self.passed, "checks": [vars(check) for check in self.checks]}


def decide(
    evaluation: Evaluation,
    minimum: Mapping[str, float],
    comparison: Comparison | None = None,
    margin: float = 0.01,
    label: str = "challenger",
    *,
    trained: CrossValidated | None = None,
    maximum_gap: float = 0.02,
    audit: FairnessAudit | None = None,
    fairness: FairnessLimits | None = None,
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
    trained : CrossValidated, optional
        The model in cross-validation: on the test split it must not be worse by more than `maximum_gap`
        beyond chance.
    maximum_gap : float
        In the metric's units for a binary task, as a share of the cross-validated error for a regression.
    audit : FairnessAudit, optional
        Figures by group; reported, and blocking where `fairness` states a limit.
    fairness : FairnessLimits, optional

    Returns
    -------
    GateDecision

    Notes
    -----
    "Not worse than the champion" is a test of non-inferiority: it passes when the lower limit of the paired
    95 % interval is above −margin. A model that truly loses the margin is meant to
    pass in 2.5 % of samples (one-sided), as is an equal model that is asked to be better. Simulated in
    `tests/test_gate.py`: 1.7 % for the AUC (1,500 rows), 3.2 % for the root mean squared error (500 rows,
    whose errors' skewness the interval does not allow for).

    Raises
    ------
    ParameterError
        If a metric is unknown, the margin is negative, or `label` was not compared.
    """
    if margin < 0:
        raise ParameterError(f"margin is {margin:g}; it says how much may be lost, so it is 0 or more.")
    checks = [limit_check(evaluation, name, limit) for name, limit in minimum.items()]
    if comparison is not None:
        if label not in comparison.by_model:
            raise ParameterError(
                f"The comparison has no model {label!r}; it has {listing(list(comparison.by_model))}."
            )
        checks += [
            pair_check(comparison, label, other, margin) for other in comparison.by_model if other != label
        ]
    if trained is not None:
        checks.append(gap_check(evaluation, trained, maximum_gap))
    if audit is not None:
        checks += fairness_checks(audit, fairness or FairnessLimits())
    if not any(check.blocks for check in checks):
        raise ParameterError("A gate needs a check: give `minimum`, a comparison, or both.")
    return GateDecision(all(check.passed for check in checks if check.blocks), tuple(checks))


def cross_validated(
    leaderboard: Iterable[Mapping[str, Any]], best: str, metric: str
) -> CrossValidated | None:
    """Find a candidate's cross-validated score in the leaderboard that notebook 02 recorded.

    Parameters
    ----------
    leaderboard : iterable of mapping
        One a candidate: candidate, mean, lower, upper.
    best : str
        The candidate.
    metric : str

    Returns
    -------
    CrossValidated or None
        None where the candidate has no score.
    """
    for row in leaderboard:
        if row.get("candidate") == best and row.get("mean") is not None:
            low, high = (
                float("nan") if row.get(end) is None else float(row[end]) for end in ("lower", "upper")
            )
            return CrossValidated(metric, float(row["mean"]), low, high)
    return None


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
