"""Figures of a quality check: how sound the table is, and which rules later rows break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_utils.plots.style import BLUE, COLOURS, ORANGE, RED, figure
from ml_utils.wording import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ml_utils.quality import QualityReport, SplitsReport

_MEANING = {
    "completeness": "completeness\n(cells that are filled)",
    "validity": "validity\n(values that fit their type and range)",
    "consistency": "consistency\n(spellings, relations between columns)",
    "uniqueness": "uniqueness\n(rows that repeat no other)",
    "integrity": "integrity\n(values that other tables have)",
    "timeliness": "timeliness\n(periods that are whole)",
    "outliers": "outliers\n(numbers that do not lie far out)",
}


def quality_scores(report: QualityReport) -> Figure:
    """Draw what is not sound, a bar a dimension: the share of cells, rows or periods with a finding.

    Parameters
    ----------
    report : QualityReport
    """
    table = report.scores_frame()[::-1]
    bad = (1 - table["score"]) * 100
    colours = np.select([table["errors"] > 0, table["warnings"] > 0], [RED, ORANGE], default=BLUE)
    made, (axes,) = figure(height=0.9 + 0.42 * len(table))
    names = [_MEANING.get(name, name) for name in table["dimension"]]
    axes.barh(names, bad, color=list(colours), height=0.6)
    top = max(float(bad.max()), 0.1)
    for y, row in enumerate(table.itertuples()):
        axes.text(float(bad.iloc[y]) + top * 0.015, y, _label(row), va="center", fontsize=9)
    axes.set_xlim(0, top * 1.45)
    axes.tick_params(axis="y", labelsize=9)
    axes.set_xlabel("share with a finding, %")
    axes.set_title(f"How sound the table is: {percent(report.score)} at its weakest side")
    axes.grid(axis="y", visible=False)
    return made


def broken_rules(report: SplitsReport, limit: int = 12) -> Figure | None:
    """Draw the share of rows that break a rule, a group of bars a rule, a colour a split; None where none do.

    Parameters
    ----------
    report : SplitsReport
    limit : int
        How many rules, the most broken first.
    """
    table = report.to_frame()
    if table.empty:
        return None
    rule = table["column"] + ": " + table["check"]
    shares = table.assign(rule=rule).pivot_table(index="rule", columns="split", values="share", aggfunc="max")
    shares = shares.reindex(columns=[name for name in report.reports if name in shares.columns]).fillna(0.0)
    shares = shares.loc[shares.max(axis=1).nlargest(limit).index][::-1] * 100
    made, (axes,) = figure(height=1.2 + 0.42 * len(shares))
    step = 0.8 / shares.shape[1]
    for i, (colour, split) in enumerate(zip(COLOURS, shares.columns, strict=False)):
        place = np.arange(len(shares)) + 0.4 - step * (i + 0.5)
        axes.barh(place, shares[split], height=step, color=colour, label=str(split))
    axes.set_yticks(np.arange(len(shares)), [_short(name) for name in shares.index], fontsize=9)
    axes.set_xlabel("rows that break the rule, %")
    axes.set_title("Which rules are broken, split by split")
    axes.legend(
        ncols=5,
        loc="lower center",
        bbox_to_anchor=(0.4, -0.02 - 1.1 / (1.2 + 0.42 * len(shares))),
        fontsize=9,
    )
    axes.grid(axis="y", visible=False)
    return made


def _label(row: object) -> str:
    score, errors, warnings = (float(getattr(row, name)) for name in ("score", "errors", "warnings"))
    parts = [percent(1 - score, 2) if score < 1 else "none"]
    parts += [f"{errors:.0f} error{'s' if errors != 1 else ''}"] if errors else []
    parts += [f"{warnings:.0f} warning{'s' if warnings != 1 else ''}"] if warnings else []
    return ", ".join(parts)


def _short(name: str, limit: int = 48) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"
