"""Figures of an experiment: its power, its effects, its course."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.experiments.words import amount
from ml_utils.plots.style import BLUE, GREEN, GREY, LIGHT, ORANGE, RED, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.experiments.results import Analysis, Design, Metric, Sequence
    from ml_utils.experiments.story import Story


def power_curve(design: Design, available: int) -> Figure:
    """Draw the power over the number of rows, with the rows needed and the rows there are.

    Parameters
    ----------
    design : Design
    available : int
        Rows that take part.
    """
    made, (axes,) = figure(height=3.0)
    curve = design.curve(largest=1.15 * available)
    axes.plot(curve["rows"], 100 * curve["power"], color=BLUE)
    axes.axhline(100 * design.power, color=GREY, linewidth=1, linestyle="--")
    for n, label, colour in ((design.n_total, "needed", GREY), (available, "there are", ORANGE)):
        axes.axvline(n, color=colour, linewidth=1.5)
        height = 4 if label == "needed" else 14
        axes.annotate(f"{label}: {n:,}", (n, height), xytext=(4, 0), textcoords="offset points", color=colour)
    axes.set(xlabel="rows in both arms", ylabel="power (%)", ylim=(0, 102), xlim=(0, None))
    axes.set_title(f"Power to find an effect of {amount(abs(design.difference), design.metric)}")
    return made


def effects(story: Story) -> Figure:
    """Draw the effect as observed and as adjusted, with the true one and the break-even."""
    analysis = story.analysis
    rows = {"as observed": analysis.unadjusted}
    if analysis.cuped is not None:
        rows["adjusted for\nthe score"] = analysis.cuped.effect
    table = pd.DataFrame(
        [
            {"label": name, "difference": e.difference, "low": e.low, "high": e.high}
            for name, e in rows.items()
        ]
    )
    made, (axes,) = figure(height=0.9 + 0.55 * len(table))
    _forest(axes, table, analysis.metric)
    scale = _scale(analysis.metric)
    kind = "assumed" if story.outcomes.simulated else "true"
    axes.axvline(scale * story.outcomes.true_effect, color=GREEN, linewidth=1.5, label=f"{kind} effect")
    _break_even(axes, story)
    _legend(axes)
    inside = "lies in the interval" if story.covered else "lies outside the interval"
    axes.set_title(f"The {kind} effect {inside}")
    return made


def segments(story: Story) -> Figure:
    """Draw the effect of each segment with its interval, beside the true one."""
    analysis = story.analysis
    table = analysis.segments.merge(story.outcomes.truth, on=["segment", "level"], how="left")
    table = table.dropna(subset=["difference"]).assign(label=lambda t: t["segment"] + ": " + t["level"])
    made, (axes,) = figure(height=1.0 + 0.36 * max(len(table), 1))
    _forest(axes, table, analysis.metric)
    if len(table):
        kind = "assumed" if story.outcomes.simulated else "true"
        places = np.arange(len(table))[::-1]
        true = _scale(analysis.metric) * table["effect"]
        axes.scatter(true, places, color=GREEN, marker="D", s=22, zorder=4, label=f"{kind} effect")
    _break_even(axes, story)
    _legend(axes)
    axes.set_title("Effect by segment")
    return made


def sequence(watched: Sequence, metric: Metric) -> Figure:
    """Draw the effect as rows arrive, with intervals for any number of looks and for one look only."""
    made, (axes,) = figure(height=3.2)
    looks, scale = watched.looks, _scale(metric)
    n = looks["n"]
    axes.fill_between(
        n, scale * looks["low"], scale * looks["high"], color=LIGHT, label="valid at every look"
    )
    for name in ("fixed_low", "fixed_high"):
        label = "valid at one look only" if name == "fixed_low" else None
        axes.plot(n, scale * looks[name], color=GREY, linewidth=1, linestyle="--", label=label)
    axes.plot(n, scale * looks["difference"], color=BLUE, marker="o", markersize=3, label="effect so far")
    axes.axhline(0, color="#3a4048", linewidth=1)
    if watched.stop_at is not None:
        axes.axvline(watched.stop_at, color=ORANGE, linewidth=1.5, label="first look that may stop")
    unit = "points" if metric == "proportion" else "the outcome's unit"
    axes.set(xlabel="rows so far", ylabel=f"effect ({unit})")
    axes.legend(loc="best", fontsize=9)
    stop = f"could have stopped at {watched.stop_at:,} rows" if watched.stop_at else "no look allows stopping"
    axes.set_title(f"Watched as it ran: {stop}")
    return made


def _forest(axes: Axes, table: pd.DataFrame, metric: Metric) -> None:
    scale, places = _scale(metric), np.arange(len(table))[::-1]
    axes.hlines(places, scale * table["low"], scale * table["high"], color=BLUE, linewidth=2)
    axes.scatter(scale * table["difference"], places, color=BLUE, zorder=3, label="estimate with interval")
    axes.set_yticks(places, table["label"].tolist())
    axes.set_ylim(-0.6, max(len(table), 1) - 0.4)
    axes.axvline(0, color="#3a4048", linewidth=1)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(_label(metric))


def _break_even(axes: Axes, story: Story) -> None:
    value = story.value
    if value is None or value.cost == 0:
        return
    side = 1 if story.analysis.goal == "higher" else -1
    place = side * _scale(story.analysis.metric) * value.break_even
    axes.axvline(place, color=RED, linewidth=1.2, linestyle=":", label="acting pays beyond")


def _legend(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)


def _scale(metric: Metric) -> float:
    return 100.0 if metric == "proportion" else 1.0


def _label(metric: Metric) -> str:
    unit = "percentage points" if metric == "proportion" else "the outcome's unit"
    return f"effect: treatment − control ({unit})"


def outcome_by_arm(analysis: Analysis, name: str) -> Figure:
    """Draw the mean outcome of each arm.

    Parameters
    ----------
    analysis : Analysis
    name : str
        What the outcome is, for the axis.
    """
    made, (axes,) = figure(height=2.0)
    effect, scale = analysis.effect, _scale(analysis.metric)
    means = [scale * effect.control, scale * effect.treatment]
    bars = axes.barh([1, 0], means, color=[GREY, BLUE], height=0.55)
    axes.bar_label(bars, fmt="%.1f", padding=4)
    axes.set_yticks([1, 0], [f"control\n({effect.n_control:,})", f"treatment\n({effect.n_treatment:,})"])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{name}{' (%)' if analysis.metric == 'proportion' else ''}")
    axes.set_title("What happened in each arm")
    return made
