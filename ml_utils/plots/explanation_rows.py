"""Figures of single rows explained: waterfall and force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_utils.plots.style import BLUE, GREY, ORANGE, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.explanation.customers import Case, Cases


def waterfall(cases: Cases, n: int = 6) -> Figure:
    """Draw how each case comes from the usual row's output to its own, column by column.

    Parameters
    ----------
    cases : Cases
    n : int
        Columns named a case; the others are one bar.
    """
    made, axes = figure(len(cases.cases), 1, height=0.9 + 0.24 * n)
    for room, case in zip(axes, cases.cases, strict=True):
        _waterfall(room, case, n)
    axes[-1].set_xlabel(f"{cases.cases[-1].unit}; orange raises, blue lowers, grey is the usual row")
    return made


def _waterfall(axes: Axes, case: Case, n: int) -> None:
    labels, values = case.parts(n)
    ends = case.base + np.cumsum(values)
    starts = np.concatenate([[case.base], ends[:-1]])
    places = np.arange(len(values))
    colours = [ORANGE if value > 0 else BLUE for value in values]
    axes.barh(places, values, left=starts, color=colours, height=0.7)
    reach = max(float(np.ptp([*ends, case.base])), 1e-12)
    for place, start, end, value in zip(places, starts, ends, values, strict=True):
        axes.text(max(start, end) + 0.01 * reach, float(place), f"{value:+.2f}", va="center", fontsize=8)
    for place, end in zip(places[:-1], ends[:-1], strict=True):
        axes.plot([end, end], [place, place + 1], color=GREY, linewidth=0.7)
    axes.axvline(case.base, color=GREY, linewidth=1, linestyle=":")
    axes.margins(x=0.15)
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_title(_title(case), fontsize=10)


def _title(case: Case) -> str:
    kind = f"{case.kind[0].upper()}{case.kind[1:]}"
    came = f", came true: {case.outcome:g}" if np.isfinite(case.outcome) else ""
    return f"{kind}: score {case.score:.3f}{came}"


def force(cases: Cases, n: int = 5) -> Figure:
    """Draw what pushes each case up and down as one strip, meeting at its output.

    Parameters
    ----------
    cases : Cases
    n : int
        Columns named a case.
    """
    made, axes = figure(len(cases.cases), 1, height=1.35)
    for room, case in zip(axes, cases.cases, strict=True):
        _force(room, case, n)
    axes[-1].set_xlabel(f"{cases.cases[-1].unit}; orange pushes up, blue pushes down")
    return made


def _force(axes: Axes, case: Case, n: int) -> None:
    labels, values = case.parts(n)
    # raising parts end at the output, lowering ones start there; the largest are next to it
    edges = {1: case.output, -1: case.output}
    total = sum(abs(value) for value in values) or 1.0
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        side = 1 if value > 0 else -1
        start = edges[side] - value
        axes.barh(0, value, left=start, color=ORANGE if value > 0 else BLUE, height=0.5, edgecolor="white")
        if abs(value) / total > 0.08 and i < n:
            below = i % 2
            height, align = (-0.32, "top") if below else (0.32, "bottom")
            axes.text(start + value / 2, height, label, ha="center", va=align, fontsize=7)
        edges[side] = start
    axes.axvline(case.output, color="#3a4048", linewidth=1.5)
    axes.axvline(case.base, color=GREY, linewidth=1, linestyle=":")
    axes.set_ylim(-0.75, 0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title(_title(case), fontsize=10)
