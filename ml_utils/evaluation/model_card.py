"""The model card: what a model is, for whom, how good, and what to beware of, filled from results.

Sections after Mitchell et al. (2019), "Model cards for model reporting", in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml_utils.evaluation.card_tables import (
    driver_lines,
    fairness_lines,
    group_table,
    metric_table,
    policy_lines,
)
from ml_utils.evaluation.fairness import FOUR_FIFTHS
from ml_utils.evaluation.metrics import METRICS
from ml_utils.evaluation.verdict import worth
from ml_utils.wording import count, figure, listing, percent

if TYPE_CHECKING:
    from ml_utils.evaluation.comparison import Comparison
    from ml_utils.evaluation.fairness import FairnessAudit
    from ml_utils.evaluation.gate import GateDecision
    from ml_utils.evaluation.profit import PolicyValues
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
    *,
    policies: PolicyValues | None = None,
    audit: FairnessAudit | None = None,
    comparison: Comparison | None = None,
    training: Mapping[str, object] | None = None,
) -> str:
    """Write the card of a registered model.

    Parameters
    ----------
    problem : Problem
    registered : RegisteredModel
    evaluation, explanation, gate
        What notebook 03 found for it.
    policies : PolicyValues, optional
    audit : FairnessAudit, optional
    comparison : Comparison, optional
    training : mapping, optional
        Facts of the training rows, such as `{"rows": 44925, "share of positives": "7.1 %"}`.

    Returns
    -------
    str
        Markdown; `card_html` makes a page of it.
    """
    sections = {
        f"Model card: {problem.title}": _details(problem, registered),
        "Intended use": _use(problem, evaluation),
        "Factors": _factors(problem, evaluation, audit),
        "Metrics": _metrics(problem, evaluation),
        "Evaluation data": _data(problem, evaluation),
        "Training data": _training(registered, training or {}),
        "Quantitative analyses": [],
        "### On all rows": metric_table(evaluation),
        "### By group (unitary)": [*fairness_lines(evaluation, audit), "", *group_table(evaluation, audit)],
        "### By two attributes (intersectional)": _crossed(evaluation, audit),
        "### What it rests on": driver_lines(explanation),
        "### In money": [
            f"{_sentence(worth(problem, evaluation, policies))}",
            *policy_lines(policies, problem),
        ],
        "### Against other models": _others(comparison),
        "Decision": [gate.sentence(), "", *(f"- {check.reason}" for check in gate.checks)],
        "Ethical considerations": _ethics(problem, evaluation, audit),
        "Caveats and recommendations": _caveats(evaluation, audit),
    }
    lines = []
    for i, (title, body) in enumerate(sections.items()):
        level = "" if title.startswith("#") else "## " if i else "# "
        lines += [f"{level}{title}", "", *body, ""] if body else [f"{level}{title}", ""]
    return "\n".join(lines)


def card_html(markdown: str, title: str = "Model card") -> str:
    """Turn a card into one HTML page that needs nothing else.

    Parameters
    ----------
    markdown : str
        From `model_card`. HTML in it, as a category may hold, is shown and not obeyed.
    title : str
    """
    import html

    import mistune

    body = mistune.create_markdown(escape=True, plugins=["table"])(markdown)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    )


_STYLE = (
    "body{font:15px/1.5 sans-serif;color:#22272e;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.6rem 0}td,th{border-bottom:1px solid #d8dde3;padding:.2rem .7rem;"
    "text-align:left}h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:1.6rem}h3{font-size:1rem}"
)


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


def _details(problem: Problem, registered: RegisteredModel) -> list[str]:
    manifest = registered.manifest
    packages = getattr(manifest, "packages", {})
    with_them = [f"{name} {packages[name]}" for name in sorted(packages)]
    lines = [
        f"- {registered.model.name}, a {problem.task} model; {registered.name} version {registered.version}",
        f"- {len(registered.model.columns)} columns in; snapshot `{manifest.snapshot_sha256[:16]}`",
        f"- Python {manifest.python}, code {manifest.code}",
    ]
    return [*lines, f"- Packages: {', '.join(with_them)}"] if with_them else lines


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
            f"{percent(evaluation.threshold or 0.0)} or more."
        )
    lines.append(
        "Out of scope: decisions about people's rights, and other tables than the one it was trained on."
    )
    return lines


def _factors(problem: Problem, evaluation: Evaluation, audit: FairnessAudit | None) -> list[str]:
    groups = audit.groups if audit is not None else evaluation.groups
    if groups is None:
        return ["The problem file names no sensitive attribute; figures are not broken down by group."]
    lines = []
    for name, table in groups.groupby("attribute", sort=False):
        if audit is None or not audit.summary.set_index("attribute").loc[name, "crossed"]:
            lines.append(f"- {name}: {listing(table['group'].tolist(), 12)}")
    when = ["- Time: figures by period stand on the page of notebook 03"] if problem.time else []
    return ["Figures are broken down by:", "", *lines, *when]


def _metrics(problem: Problem, evaluation: Evaluation) -> list[str]:
    chosen = METRICS[problem.metric].label
    lines = [f"Chosen and compared by {chosen}. Every figure has a 95 % interval; baselines stand beside it."]
    if evaluation.threshold is not None:
        lines.append(f"Decisions are judged at a score of {percent(evaluation.threshold)}.")
    return lines


def _data(problem: Problem, evaluation: Evaluation) -> list[str]:
    about = percent(evaluation.rate) if evaluation.task == "binary" else figure(evaluation.rate)
    what = "are positive" if evaluation.task == "binary" else f"is the mean {problem.target}"
    when = "after the training period" if problem.time else "drawn at random, not used in training"
    return [f"Judged once on {count(evaluation.n_rows)} {problem.entity} {when}; {about} {what}."]


def _training(registered: RegisteredModel, facts: Mapping[str, object]) -> list[str]:
    lines = [f"The train split of the snapshot `{registered.manifest.snapshot_sha256[:16]}`."]
    said = [f"- {name.replace('_', ' ')}: {_fact(value)}" for name, value in facts.items()]
    return [*lines, "", *said] if said else lines


def _fact(value: object) -> str:
    if isinstance(value, float):
        return figure(value)
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _crossed(evaluation: Evaluation, audit: FairnessAudit | None) -> list[str]:
    if audit is None or not audit.summary["crossed"].any():
        return ["No two attributes have groups in common that are large enough to compare."]
    return [
        *fairness_lines(evaluation, audit, crossed=True),
        "",
        *group_table(evaluation, audit, crossed=True),
    ]


def _others(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return ["Not compared."]
    first = next(iter(comparison.by_model))
    return [f"- {comparison.sentence(first, other)}" for other in comparison.by_model if other != first]


def _ethics(problem: Problem, evaluation: Evaluation, audit: FairnessAudit | None) -> list[str]:
    used = [name for name in problem.sensitive if audit is not None or evaluation.groups is not None]
    lines = ["- It scores people; a person should be able to ask why, and to have a decision looked at."]
    if used:
        lines.append(
            f"- Groups of {listing(used)} were compared. Equal figures are not the same as a fair use, and "
            "deciding by these attributes may be unlawful even where it evens figures out."
        )
    if audit is not None:
        lines += [f"- {sentence}" for sentence in audit.sentences()]
        lines += [f"- {found.sentence()}" for found in audit.thresholds]
    return lines


def _caveats(evaluation: Evaluation, audit: FairnessAudit | None) -> list[str]:
    lines = []
    rows = [row for _, row in evaluation.metrics.iterrows()]
    undefined = [str(row["label"]) for row in rows if row["value"] != row["value"]]
    if undefined:
        lines.append(f"- Not defined on these rows: {listing(undefined)}.")
    groups = audit.groups if audit is not None else evaluation.groups
    if groups is not None and groups["small"].any():
        named = [f"{row.attribute} {row.group}" for row in groups[groups["small"]].itertuples()]
        lines.append(f"- Too few rows to judge: {listing(named)}.")
    if audit is None and evaluation.fairness is not None and "disparate_impact" in evaluation.fairness:
        low = evaluation.fairness[evaluation.fairness["disparate_impact"] < FOUR_FIFTHS]
        lines += [
            f"- {name}: the lowest selection rate is below four fifths of the highest."
            for name in low["attribute"]
        ]
    lines.append("- Columns that a prediction rests on need not cause the outcome.")
    lines.append("- Judge it again when the table or the use changes; notebook 05 watches for it.")
    return lines
