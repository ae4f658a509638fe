"""Figures of the first look: what matters, how it is distributed, what repeats, what time does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_utils.exploration.effects import THRESHOLDS
from ml_utils.plots.data import short
from ml_utils.plots.exploration_relations import association_matrix, projections, variance_inflation
from ml_utils.plots.style import BLUE, GREEN, GREY, LIGHT, ORANGE, figure
from ml_utils.wording import count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.exploration.associations import Associations
    from ml_utils.exploration.columns import Distributions
    from ml_utils.exploration.missing import Missingness
    from ml_utils.exploration.over_time import OverTime
    from ml_utils.problem import Problem

__all__ = [
    "association_matrix",
    "distributions_by_class",
    "effect_sizes",
    "missing_patterns",
    "projections",
    "target_over_periods",
    "variance_inflation",
]

MOST_BARS = 8  # categories of one column that are drawn


def effect_sizes(found: Associations, problem: Problem, limit: int = 18) -> Figure:
    """Draw each column's effect on the target with its 95 % interval, on one scale; grey where not real.

    Parameters
    ----------
    found : Associations
    problem : Problem
    limit : int
        How many columns, strongest first.
    """
    table = found.table[found.table["size"].notna()].head(limit)[::-1].reset_index(drop=True)
    made, (axes,) = figure(height=1.3 + 0.24 * max(len(table), 3))
    real = set(found.real)
    low, high = table["size_low"].fillna(table["size"]), table["size_high"].fillna(table["size"])
    for i, row in table.iterrows():
        colour = BLUE if row["column"] in real else GREY
        axes.plot([low[i], high[i]], [i, i], color=colour, linewidth=2)
        axes.plot(row["size"], i, "o", color=colour, markersize=5)
    top = max(float(high.max()) * 1.05 if len(table) else 1.0, THRESHOLDS[found.scale][2] * 1.1)
    for limit_value, word in zip(THRESHOLDS[found.scale], ("small", "medium", "large"), strict=True):
        axes.axvline(limit_value, color=ORANGE, linewidth=1, linestyle=":")
        axes.annotate(
            f" {word}",
            (limit_value, 1),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            color=ORANGE,
            va="bottom",
        )
    axes.set_yticks(range(len(table)), [short(name, 34) for name in table["column"]], fontsize=9)
    axes.set_xlim(0, top)
    axes.set_ylim(-0.7, len(table) - 0.3)
    unit = "in standard deviations" if found.scale == "d" else "as a correlation"
    axes.set_xlabel(f"effect {unit}, 95 % interval; grey: negligible or not shown")
    title = f"{len(real)} of {len(found.table)} columns have to do with {short(problem.target, 30)}"
    axes.set_title(title, pad=18)
    axes.grid(axis="y", visible=False)
    return made


def distributions_by_class(found: Distributions) -> Figure | None:
    """Draw how each column that matters is distributed in each class; None without columns."""
    names = found.shares["column"].drop_duplicates().tolist()
    if not names:
        return None
    rows = -(-len(names) // 2)
    made, axes = figure(rows, 2, height=2.2)
    colours = dict(zip(found.classes, _class_colours(len(found.classes)), strict=True))
    for place, name in zip(axes, names, strict=False):
        part = found.shares[found.shares["column"] == name]
        if part["kind"].iloc[0] == "bars" and part["position"].nunique() <= MOST_BARS + 7:
            _bars(place, part, colours)
        else:
            _steps(place, part, colours)
        place.set_title(short(name, 44), fontsize=10)
        place.set_ylabel("share of class, %", fontsize=9)
    for place in axes[len(names) :]:
        place.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    made.legend(
        handles, [short(label, 40) for label in labels], loc="outside upper left", ncols=3, fontsize=9
    )
    return made


def missing_patterns(found: Missingness, limit: int = 10) -> Figure | None:
    """Draw the columns with empty cells and which are empty together; None for a complete table."""
    if found.columns.empty:
        return None
    names = found.columns["column"].head(limit).tolist()[::-1]
    drawn = [bool(set(names) & set(inside)) for inside in found.members]
    patterns = found.patterns[drawn].head(6)
    made, places = figure(1, 2 if len(names) > 1 else 1, height=1.2 + 0.27 * len(names))
    left = places[0]
    share = found.columns.set_index("column")["share"].reindex(names) * 100
    bars = left.barh(range(len(names)), share, color=BLUE)
    left.bar_label(bars, [f"{value:.1f}" for value in share], padding=3, fontsize=8)
    left.set_xlim(0, float(share.max()) * 1.18)
    left.set_yticks(range(len(names)), [short(name) for name in names], fontsize=9)
    left.set_xlabel("empty cells, %")
    left.set_title("Where values are missing")
    left.grid(axis="y", visible=False)
    if len(names) == 1:
        return made
    right = places[1]
    for i, inside in enumerate([found.members[k] for k in patterns.index]):
        here = [k for k, name in enumerate(names) if name in inside]
        right.plot([i] * len(names), range(len(names)), "o", color=LIGHT, markersize=7)
        right.plot([i] * len(here), here, "o-", color=BLUE, markersize=7, linewidth=2)
    right.set_xticks(range(len(patterns)), [f"{count(n)}" for n in patterns["rows"]], fontsize=9)
    right.set_yticks(range(len(names)), [""] * len(names))
    right.set_ylim(left.get_ylim())
    right.set_xlim(-0.6, max(len(patterns), 2) - 0.4)
    right.set_xlabel("rows with this pattern")
    right.set_title("What is missing together")
    right.grid(visible=False)
    return made


def target_over_periods(found: OverTime | None, problem: Problem) -> Figure | None:
    """Draw the target period by period with its trend, and how far it remembers; None without a time."""
    if found is None:
        return None
    reading, memory = found.target, found.target.memory
    has_memory = len(memory.acf) > 1
    made, places = figure(1, 2 if has_memory else 1, height=2.9)
    scale = 100 if problem.task == "binary" else 1
    _draw_series(places[0], found, problem, scale)
    places[0].set_title(f"{short(problem.target, 26)}: {reading.trend.reading}")
    if has_memory:
        lags = np.arange(1, len(memory.acf))
        places[1].axhspan(-memory.band, memory.band, color=LIGHT)
        places[1].vlines(lags, 0, memory.acf[1:], color=BLUE, linewidth=2)
        places[1].axhline(0, color=GREY, linewidth=1)
        reach = max(float(np.abs(memory.acf[1:]).max()), memory.band) * 1.3
        places[1].set_ylim(-reach, reach)
        places[1].set_xlabel(f"{found.grain}s before (band: 95 % under no memory)")
        places[1].set_ylabel("autocorrelation")
        places[1].set_title(memory.reading.split(":")[0].capitalize())
    return made


def _draw_series(axes: Axes, found: OverTime, problem: Problem, scale: float) -> None:
    reading, table = found.target, found.table
    x = np.arange(len(table))
    few = len(table) <= 40
    y = table[reading.name].to_numpy(float) * scale
    axes.plot(
        x,
        y,
        "o-" if few else "-",
        color=BLUE,
        linewidth=1,
        markersize=4,
        alpha=1 if few else 0.55,
        label="observed",
    )
    if reading.parts is not None:
        axes.plot(x, reading.parts["trend"] * scale, color=ORANGE, linewidth=2, label="without season")
    elif np.isfinite(reading.trend.slope):
        middle = float(np.median(reading.points - reading.trend.slope * x))
        line = (middle + reading.trend.slope * x) * scale
        style = "-" if reading.trend.reading in ("rises", "falls") else "--"
        axes.plot(x, line, style, color=ORANGE, linewidth=2, label="straight line (Sen)")
    ticks = np.unique(np.linspace(0, len(table) - 1, 5).round().astype(int))
    width = 7 if found.grain in ("month", "quarter") else 10
    axes.set_xticks(ticks, [table["period"].iloc[i][:width] for i in ticks], fontsize=8)
    low, high = float(np.nanmin(y)), float(np.nanmax(y))
    room = max(high - low, abs(high) * 0.05, 1e-12)
    axes.set_ylim(low - 0.1 * room, high + 0.35 * room)
    axes.set_ylabel(f"{short(problem.target)}, %" if scale == 100 else f"mean {short(problem.target)}")
    axes.set_xlabel(found.grain)
    axes.legend(fontsize=8, loc="upper left", ncols=2)


def _class_colours(n: int) -> tuple[str, ...]:
    return (BLUE, ORANGE) if n == 2 else (BLUE, GREEN, ORANGE)


def _bars(axes: Axes, part: pd.DataFrame, colours: dict[str, str]) -> None:
    width = 0.8 / len(colours)
    order = part.groupby("position")["share"].max()
    kept = sorted(order.nlargest(MOST_BARS if len(order) > MOST_BARS + 7 else len(order)).index)
    for i, (name, colour) in enumerate(colours.items()):
        shares = part[part["class"] == name].set_index("position")["share"].reindex(kept) * 100
        at = np.arange(len(kept)) + (i - (len(colours) - 1) / 2) * width
        axes.bar(at, shares, width, color=colour, label=name)
    labels = part.drop_duplicates("position").set_index("position")["label"].reindex(kept)
    long = max(len(label) for label in labels) * len(kept) > 42
    axes.set_xticks(
        range(len(kept)),
        [short(label, 16) for label in labels],
        fontsize=8,
        rotation=35 if long else 0,
        ha="right" if long else "center",
    )
    axes.grid(axis="x", visible=False)


def _steps(axes: Axes, part: pd.DataFrame, colours: dict[str, str]) -> None:
    for name, colour in colours.items():
        bins = part[part["class"] == name]
        edges = np.append(bins["low"].to_numpy(float), float(bins["high"].iloc[-1]))
        axes.stairs(bins["share"].to_numpy(float) * 100, edges, fill=True, color=colour, alpha=0.25)
        axes.stairs(bins["share"].to_numpy(float) * 100, edges, color=colour, linewidth=1.4, label=name)
    axes.locator_params(axis="x", nbins=5)
