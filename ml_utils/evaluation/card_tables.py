"""Tables and lists of a model card, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.evaluation.baselines import CONSTANT, ONE_RULE
from ml_utils.wording import count, figure, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_utils.evaluation.fairness import FairnessAudit
    from ml_utils.evaluation.profit import PolicyValues
    from ml_utils.evaluation.result import Evaluation
    from ml_utils.explanation.explain import Explanation
    from ml_utils.problem import Problem


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a table in Markdown.

    Examples
    --------
    >>> markdown_table(["a", "b"], [["1", "x|y"]])
    ['| a | b |', '|---|---|', '| 1 | x\\\\|y |']
    """
    lines = [list(columns), *rows]
    texts = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in lines]
    return [texts[0], "|" + "---|" * len(columns), *texts[1:]]


def metric_table(evaluation: Evaluation) -> list[str]:
    """Every metric with its interval, and the baselines beside it."""
    names = [name for name in (CONSTANT, ONE_RULE) if name in evaluation.metrics]
    rows = []
    for _, row in evaluation.metrics.iterrows():
        known = pd.notna(row["lower"]) and pd.notna(row["upper"])
        span = f"{figure(row['lower'])} to {figure(row['upper'])}" if known else "not defined"
        rows.append([row["label"], figure(row["value"]), span, *(figure(row[name]) for name in names)])
    return markdown_table(["metric", "value", "95 % interval", *names], rows)


def fairness_lines(evaluation: Evaluation, audit: FairnessAudit | None, crossed: bool = False) -> list[str]:
    """What compares the groups, a line an attribute."""
    if audit is not None:
        table = audit.to_frame()[audit.summary["crossed"].astype(bool).to_numpy() == crossed]
        return [
            f"- {row.iloc[0]}: " + "; ".join(f"{name} {row[name]}" for name in table.columns[2:])
            for _, row in table.iterrows()
        ]
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


def group_table(evaluation: Evaluation, audit: FairnessAudit | None, crossed: bool = False) -> list[str]:
    """Figures by group with their intervals; nothing where there are no groups or no decisions."""
    table = audit.groups if audit is not None else evaluation.groups
    if table is None or "tpr" not in table:
        return []
    if audit is not None:
        flags = audit.summary.set_index("attribute")["crossed"].astype(bool)
        table = table[table["attribute"].map(flags) == crossed]
    columns = [
        "group",
        "rows",
        "acted on",
        "positives found",
        "false alarms",
        "precision",
        "observed / expected",
    ]
    rows = []
    for _, row in table.iterrows():
        shares = [
            _share(row, name, ends)
            for name, ends in (
                ("selection_rate", "selection"),
                ("tpr", "tpr"),
                ("fpr", "fpr"),
                ("precision", "precision"),
            )
        ]
        rows.append([f"{row['attribute']}: {row['group']}", count(row["rows"]), *shares, _ratio(row)])
    return markdown_table(columns, rows)


def _share(row: pd.Series, name: str, ends: str) -> str:
    if not np.isfinite(row[name]):
        return "not defined"
    return f"{percent(row[name])} ({percent(row[f'{ends}_lower'])} to {percent(row[f'{ends}_upper'])})"


def _ratio(row: pd.Series) -> str:
    if not np.isfinite(row["observed_to_expected"]):
        return "not defined"
    low, high = figure(row["calibration_lower"], 2), figure(row["calibration_upper"], 2)
    return f"{figure(row['observed_to_expected'], 2)} ({low} to {high})"


def driver_lines(explanation: Explanation) -> list[str]:
    """The columns that predictions rest on most."""
    top = explanation.importance[explanation.importance["mean_abs"] > 0].head(5)
    if top.empty:
        return ["No column is used."]
    return [f"- {row.source} ({percent(row.share, 0)}): {row.effect}" for row in top.itertuples()]


def policy_lines(policies: PolicyValues | None, problem: Problem) -> list[str]:
    """What each policy earns, and on what that rests."""
    if policies is None:
        return []
    table = policies.to_frame()
    lines = ["", *markdown_table(list(table.columns), table.astype(str).to_numpy().tolist())]
    condition = policies.condition(problem.outcome or "be positive")
    return [*lines, "", condition] if condition else lines
