"""Figures of an explanation: which columns matter, and how each moves the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, GREY, ORANGE, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.explanation.explain import Explanation

_MOST_DOTS = 300  # a column; more make the page heavy and show nothing new


def drivers(explanation: Explanation, n: int = 10) -> Figure | None:
    """Draw the most important columns: their mean contribution, and every row's; None when none is used."""
    names = explanation.top(n)[::-1]
    if not names:
        return None
    made, (left, right) = figure(1, 2, height=1.0 + 0.3 * len(names))
    table = explanation.importance.set_index("source").loc[names]
    left.barh(range(len(names)), table["mean_abs"], color=BLUE)
    left.set_yticks(range(len(names)), names)
    left.set_xlabel(f"mean |contribution|, {explanation.unit}")
    left.set_title("How much each column moves it")
    left.grid(axis="y", visible=False)
    for i, name in enumerate(names):
        _swarm(right, i, explanation, name)
    right.set_yticks(range(len(names)), [""] * len(names))
    right.axvline(0, color=GREY, linewidth=1)
    right.set_xlabel(f"contribution, {explanation.unit}")
    right.set_title("Row by row (orange high, grey category)")
    right.grid(axis="y", visible=False)
    return made


def _swarm(axes: Axes, place: int, explanation: Explanation, name: str) -> None:
    """One column's contributions, spread where they are many, coloured by the rank of the value."""
    from matplotlib.colors import LinearSegmentedColormap

    spread = slice(None, None, -(-len(explanation.rows) // _MOST_DOTS))
    column = explanation.rows[name].iloc[spread]
    values = explanation.values[spread, explanation.sources.index(name)]  # noqa: PD011
    edges = np.linspace(values.min(), values.max() + 1e-12, 31)
    bins = np.digitize(values, edges)
    order = pd.Series(bins).groupby(bins).cumcount().to_numpy()
    crowd = np.bincount(bins)[bins]
    # alternately above and below, as high as the bin is full
    offset = np.where(order % 2, 1, -1) * (order + 1) / 2 / max(crowd.max(), 12) * 0.8
    if pd.api.types.is_numeric_dtype(column):
        colour = column.rank(pct=True).fillna(0.5).to_numpy(float)
        scale = LinearSegmentedColormap.from_list("low to high", ["#a9c4de", BLUE, ORANGE])
        axes.scatter(values, place + offset, c=colour, cmap=scale, s=5, linewidths=0, rasterized=True)
    else:
        axes.scatter(values, place + offset, color=GREY, s=5, linewidths=0, rasterized=True)


def dependence(explanation: Explanation, n: int = 3) -> Figure | None:
    """Draw how the first `n` columns' contributions depend on their values; None when none is used."""
    names = explanation.top(n)
    if not names:
        return None
    made, axes = figure(1, len(names), height=3.0)
    for i, (room, name) in enumerate(zip(axes, names, strict=True)):
        _dependence(room, explanation, name)
        room.axhline(0, color=GREY, linewidth=1)
        room.set_title(name)
        if i == 0:
            room.set_ylabel(f"contribution, {explanation.unit}")
    return made


def _dependence(axes: Axes, explanation: Explanation, name: str) -> None:
    from ml_utils.explanation.explain import category_effects

    column = explanation.rows[name]
    values = explanation.values[:, explanation.sources.index(name)]  # noqa: PD011
    if pd.api.types.is_numeric_dtype(column):
        known = column.dropna()
        low, high = known.quantile([0.005, 0.995])  # mistyped numbers would squeeze the rest
        keep = column.between(low, high).to_numpy()
        axes.scatter(column[keep], values[keep], s=5, color=BLUE, linewidths=0, alpha=0.5, rasterized=True)
        axes.set_xlabel(name)
        return
    means = category_effects(column, values).head(8)
    axes.bar(range(len(means)), means, color=BLUE)
    axes.set_xticks(range(len(means)), [str(label) for label in means.index], rotation=30, ha="right")
    axes.set_xlabel(f"{name}, mean of its rows")
