"""What notebook 03 says: should the model ship, how sure is that, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_utils.evaluation.baselines import ONE_RULE
from ml_utils.evaluation.fairness import FOUR_FIFTHS
from ml_utils.evaluation.metrics import METRICS, Array
from ml_utils.evaluation.profit import ADVANTAGE, EVERYONE, MODEL
from ml_utils.wording import count, figure, listing, money, percent

if TYPE_CHECKING:
    from ml_utils.evaluation.gate import GateDecision
    from ml_utils.evaluation.profit import PolicyValues
    from ml_utils.evaluation.result import Evaluation
    from ml_utils.explanation.explain import Explanation
    from ml_utils.problem import Problem


def answer(
    problem: Problem,
    evaluation: Evaluation,
    gate: GateDecision,
    explanation: Explanation,
    achievable: float | None = None,
    policies: PolicyValues | None = None,
) -> list[str]:
    """Answer notebook 03's question in three sentences.

    Parameters
    ----------
    problem : Problem
    evaluation : Evaluation
    gate : GateDecision
    explanation : Explanation
    achievable : float, optional
        The problem's metric for a model that knew the truth; synthetic tables only.
    policies : PolicyValues, optional
        What the model earns against every policy that needs no model, the top tenth by one rule among them;
        by default what the evaluation says of everyone and no one.

    Returns
    -------
    list of str
        The verdict with what it is worth; how sure that is; what to do.
    """
    return [
        _verdict(problem, evaluation, gate, policies),
        _how_sure(problem, evaluation, achievable),
        _to_do(problem, evaluation, gate, explanation),
    ]


def best_achievable(problem: Problem, y: Array, truth: Array | None) -> float | None:
    """Return the problem's metric for scores that are the truth itself; None where it is not known."""
    if truth is None or not np.isfinite(truth).all():
        return None
    return METRICS[problem.metric].value(y, truth)


def _verdict(
    problem: Problem, evaluation: Evaluation, gate: GateDecision, policies: PolicyValues | None
) -> str:
    start = (
        "Yes, it should ship" if gate.passed else f"No, it should not ship ({gate.sentence().rstrip('.')})"
    )
    return f"{start}: {worth(problem, evaluation, policies)}."


def worth(problem: Problem, evaluation: Evaluation, policies: PolicyValues | None = None) -> str:
    """Say what the model is worth: in money where the problem prices decisions, else against one rule."""
    if policies is not None:
        return policies.sentence(problem.entity)
    if evaluation.profit is None or problem.decision is None:
        return _against_rule(problem, evaluation)
    table = evaluation.profit.set_index("policy")
    currency = problem.decision.currency
    model, everyone, gain = (table.loc[policy] for policy in (MODEL, EVERYONE, ADVANTAGE))
    total, others = float(model["total"]), float(everyone["total"])
    low, high = (money(float(gain[key]), currency) for key in ("lower", "upper"))
    span = f"({low} to {high} with 95 % confidence)"
    acts = (
        f"to {problem.decision.action} for {count(model['acted'])} of {count(evaluation.n_rows)} "
        f"{problem.entity} earns {money(total, currency)}"
    )
    against = f"against {money(others, currency)} for everyone and nothing for no one"
    if others <= 0:
        return f"{acts} {span}, {against}"
    difference = float(gain["total"])
    how = "more" if difference >= 0 else "less"
    return f"{acts}, {against}; {money(abs(difference), currency)} {how} than without a model {span}"


def _against_rule(problem: Problem, evaluation: Evaluation) -> str:
    metric = METRICS[problem.metric]
    row = evaluation.metrics.set_index("metric").loc[problem.metric]
    text = f"its {metric.label} on {count(evaluation.n_rows)} {problem.entity} is {figure(row['value'])}"
    if ONE_RULE in row.index:
        text += f", that of the best rule on one column {figure(row[ONE_RULE])}"
    return text


def _how_sure(problem: Problem, evaluation: Evaluation, achievable: float | None) -> str:
    metric = METRICS[problem.metric]
    low, high = evaluation.interval(problem.metric)
    text = (
        f"On {count(evaluation.n_rows)} {problem.entity} that it had not seen its {metric.label} is "
        f"{figure(evaluation.value(problem.metric))} ({figure(low)} to {figure(high)} with 95 % confidence)"
    )
    if achievable is not None:
        text += f", where {figure(achievable)} is the best that any model could reach"
    if evaluation.task == "binary":
        return f"{text}; its probabilities are off by {percent(evaluation.value('ece'))} on average."
    return f"{text}; it explains {percent(evaluation.value('r2'), 0)} of the variance."


def _to_do(problem: Problem, evaluation: Evaluation, gate: GateDecision, explanation: Explanation) -> str:
    parts = ["Make it the champion" if gate.passed else "Keep the champion that there is, if any,"]
    if gate.passed and evaluation.threshold is not None:
        found = f"{problem.entity} that {problem.outcome or 'are positive'}"
        parts.append(
            f"act above a probability of {percent(evaluation.threshold)}, which reaches "
            f"{percent(evaluation.value('recall'), 0)} of the {found} with "
            f"{percent(evaluation.value('precision'), 0)} of actions on target"
        )
    if not gate.passed:
        parts.append("bring better columns or more rows before asking again")
    top = explanation.top(3)
    rests = f"it rests most on {listing(top)}" if top else "it uses no column"
    return f"{' and '.join(parts)}; {rests}{_fairness_note(evaluation)}."


def _fairness_note(evaluation: Evaluation) -> str:
    if evaluation.fairness is None or "disparate_impact" not in evaluation.fairness:
        return ""
    low = evaluation.fairness[evaluation.fairness["disparate_impact"] < FOUR_FIFTHS]
    if low.empty:
        return ""
    row = low.sort_values("disparate_impact").iloc[0]
    who = f"{row['attribute']} {row['least_selected']}"
    return (
        f", and have someone look at {row['attribute']}: {who} is acted on "
        f"{figure(float(row['disparate_impact']), 2)} times as often as {row['most_selected']}"
    )
