"""The model card: what a model is, for whom, how good, and what to beware of, filled from results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.evaluation.baselines import CONSTANT, ONE_RULE
from ml_utils.evaluation.metrics import METRICS
from ml_utils.evaluation.verdict import FOUR_FIFTHS, worth
from ml_utils.wording import count, figure, listing, percent

if TYPE_CHECKING:
    from ml_utils.evaluation.gate import GateDecision
    from ml_utils.evaluation.result import Evaluation
    from ml_utils.explanation.explain import Explanation
    from ml_utils.problem import Problem
    from ml_utils.registry.registry import RegisteredModel


def model_card(
    problem: Problem,
    registered: RegisteredModel,
    evaluation: Evaluation,
    explanation: Explanation,
    gate: GateDecision,
) -> str:
    """Write the card of a registered model.

    Parameters
    ----------
    problem : Problem
    registered : RegisteredModel
    evaluation, explanation, gate
        What notebook 03 found for it.

    Returns
    -------
    str
        Markdown, in the sections of Mitchell et al. (2019), "Model cards for model reporting".
    """
    sections = {
        f"Model card: {problem.title}": _details(problem, registered),
        "Intended use": _use(problem, evaluation),
        "Metrics": _metrics(evaluation),
        "Data": _data(problem, evaluation, registered),
        "Groups": _groups(evaluation),
        "What it rests on": _drivers(explanation),
        "Decision": [gate.sentence(), *(f"- {check.reason}" for check in gate.checks)],
        "Caveats": _caveats(problem, evaluation),
    }
    lines = []
    for i, (title, body) in enumerate(sections.items()):
        lines += [f"{'##' if i else '#'} {title}", "", *body, ""]
    return "\n".join(lines)


def _details(problem: Problem, registered: RegisteredModel) -> list[str]:
    manifest = registered.manifest
    return [
        f"- {registered.model.name}, a {problem.task} model; {registered.name} version {registered.version}",
        f"- {len(registered.model.columns)} columns in; snapshot `{manifest.snapshot_sha256[:16]}`",
        f"- Python {manifest.python}, code {manifest.code}",
    ]


def _use(problem: Problem, evaluation: Evaluation) -> list[str]:
    outcome = problem.outcome or problem.target
    lines = [
        f"Scores {problem.entity} by {'the probability that they ' if problem.outcome else ''}{outcome}."
    ]
    if problem.task == "regression":
        lines = [f"Predicts {problem.target} of {problem.entity} ({outcome})."]
    if problem.decision is not None:
        lines.append(
            f"Meant to decide whether to {problem.decision.action}: at a score of "
            f"{percent(evaluation.threshold or 0.0)} or more. Not meant for decisions about people's rights, "
            "nor for other tables than the one it was trained on."
        )
    return lines


def _metrics(evaluation: Evaluation) -> list[str]:
    names = [name for name in (CONSTANT, ONE_RULE) if name in evaluation.metrics]
    lines = ["| metric | value | 95 % interval |" + "".join(f" {name} |" for name in names)]
    lines.append("|---" * (3 + len(names)) + "|")
    for _, row in evaluation.metrics.iterrows():
        beside = "".join(f" {figure(row[name])} |" for name in names)
        span = (
            f"{figure(row['lower'])} to {figure(row['upper'])}" if pd.notna(row["lower"]) else "not defined"
        )
        lines.append(f"| {row['label']} | {figure(row['value'])} | {span} |{beside}")
    return lines


def _data(problem: Problem, evaluation: Evaluation, registered: RegisteredModel) -> list[str]:
    about = percent(evaluation.rate) if evaluation.task == "binary" else figure(evaluation.rate)
    what = "are positive" if evaluation.task == "binary" else f"is the mean {problem.target}"
    when = "after the training period" if problem.time else "drawn at random, not used in training"
    return [
        f"Judged once on {count(evaluation.n_rows)} {problem.entity} {when}; {about} {what}. Trained on the "
        f"train split of the same snapshot, `{registered.manifest.snapshot_sha256[:16]}`."
    ]


def _groups(evaluation: Evaluation) -> list[str]:
    if evaluation.groups is None or evaluation.fairness is None:
        return ["The problem file names no sensitive attribute; nothing was compared."]
    if evaluation.task == "regression":
        return [
            f"- {row.attribute}: bias differs by {figure(row.bias_difference, 1)} between groups; lowest "
            f"over highest error {figure(row.mae_ratio, 2)}"
            for row in evaluation.fairness.itertuples()
        ]
    return [
        f"- {row.attribute}: disparate impact {figure(row.disparate_impact, 2)}, difference in TPR "
        f"{figure(row.equal_opportunity, 2)}, equalised odds difference {figure(row.equalised_odds, 2)}"
        for row in evaluation.fairness.itertuples()
    ]


def _drivers(explanation: Explanation) -> list[str]:
    top = explanation.importance[explanation.importance["mean_abs"] > 0].head(5)
    if top.empty:
        return ["No column is used."]
    return [f"- {row.source} ({percent(row.share, 0)}): {row.effect}" for row in top.itertuples()]


def _caveats(problem: Problem, evaluation: Evaluation) -> list[str]:
    lines = [f"- What it is worth: {worth(problem, evaluation)}."]
    undefined = [
        METRICS[str(row["metric"])].label
        for _, row in evaluation.metrics.iterrows()
        if not pd.notna(row["value"])
    ]
    if undefined:
        lines.append(f"- Not defined on these rows: {listing(undefined)}.")
    if evaluation.groups is not None and evaluation.groups["small"].any():
        small = evaluation.groups[evaluation.groups["small"]]
        named = [f"{row.attribute} {row.group}" for row in small.itertuples()]
        lines.append(f"- Too few rows to judge: {listing(named)}.")
    if evaluation.fairness is not None and "disparate_impact" in evaluation.fairness:
        low = evaluation.fairness[evaluation.fairness["disparate_impact"] < FOUR_FIFTHS]
        lines += [
            f"- {name}: the lowest selection rate is below four fifths of the highest."
            for name in low["attribute"]
        ]
    lines.append("- Columns that a prediction rests on need not cause the outcome.")
    return lines
