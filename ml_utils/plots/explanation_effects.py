"""Figures of how columns act on the score: alone, in pairs, and by which method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, COLOURS, GREY, LIGHT, ORANGE, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    from ml_utils.explanation.accumulated import AccumulatedEffects
    from ml_utils.explanation.agreement import Agreement
    from ml_utils.explanation.explain import Explanation
    from ml_utils.explanation.interactions import Interactions
    from ml_utils.explanation.partial_dependence import PartialDependence, Surface

_MOST_CURVES = 40


def effects(
    dependences: Sequence[PartialDependence], accumulated: Sequence[AccumulatedEffects]
) -> Figure | None:
    """Draw partial dependence over some rows' own curves, and accumulated effects below; None for no column.

    Parameters
    ----------
    dependences : sequence of PartialDependence
    accumulated : sequence of AccumulatedEffects
        Of the same columns.
    """
    if not dependences:
        return None
    n = len(dependences)
    made, axes = figure(2, n, height=2.6)
    for i, (one, other) in enumerate(zip(dependences, accumulated, strict=True)):
        _dependence(axes[i], one)
        _accumulated(axes[n + i], other)
        axes[n + i].set_xlabel(one.column)
        axes[i].set_title(one.column)
    axes[0].set_ylabel(dependences[0].unit)
    axes[n].set_ylabel("effect on it")
    return made


def _dependence(axes: Axes, found: PartialDependence) -> None:
    """Every row's curve in grey, their mean in blue."""
    if found.note:
        axes.text(0.5, 0.5, found.note, transform=axes.transAxes, ha="center", wrap=True, fontsize=8)
        return
    places = _places(found.kind, found.grid)
    spread = slice(None, None, -(-len(found.curves) // _MOST_CURVES))
    axes.plot(places, found.curves[spread].T, color=GREY, linewidth=0.5, alpha=0.4, rasterized=True)
    axes.plot(places, found.mean, color=BLUE, linewidth=2.2, marker="o" if len(places) < 8 else None)
    _label(axes, found.kind, found.grid)


def _accumulated(axes: Axes, found: AccumulatedEffects) -> None:
    """The effect with its interval; levels as bars."""
    axes.axhline(0, color=GREY, linewidth=1)
    if found.note:
        return
    places = _places(found.kind, found.points)
    if found.kind == "category":
        errors = np.array([found.effect - found.lower, found.upper - found.effect])
        axes.bar(places, found.effect, color=ORANGE, yerr=errors, error_kw={"linewidth": 1})
    else:
        axes.fill_between(places, found.lower, found.upper, color=ORANGE, alpha=0.25, linewidth=0)
        axes.plot(places, found.effect, color=ORANGE, linewidth=2)
    _label(axes, found.kind, found.points)


def _places(kind: str, values: pd.Series) -> np.ndarray:
    return np.arange(len(values)) if kind == "category" else values.to_numpy()


def _label(axes: Axes, kind: str, values: pd.Series) -> None:
    if kind == "category":
        axes.set_xticks(range(len(values)), [str(value) for value in values], rotation=30, ha="right")
    elif kind == "date":
        axes.tick_params(axis="x", rotation=30)


def interactions(found: Interactions, n: int = 8) -> Figure | None:
    """Draw the strongest pairs of columns as a table of their strength; None where there are none."""
    top = found.table.head(n)
    if top.empty or not float(top["strength"].max()):
        return None
    names = list(dict.fromkeys([*top["first"], *top["second"]]))[:9]
    place = {name: i for i, name in enumerate(names)}
    grid = np.full((len(names), len(names)), np.nan)
    for row in found.table.itertuples():
        if row.first in place and row.second in place:
            grid[place[row.first], place[row.second]] = grid[place[row.second], place[row.first]] = (
                row.strength
            )
    made, (axes,) = figure(1, 1, height=0.9 + 0.36 * len(names), width=6.4)
    image = axes.imshow(grid, cmap=_from_white(), vmin=0, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
    first = found.table.iloc[0]
    axes.set_title(f"Strongest together: {first['first']} and {first['second']}")
    made.colorbar(image, ax=axes, label=f"mean |interaction|, {found.unit}")
    return made


def _from_white() -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("from white", ["#ffffff", LIGHT, BLUE])


def surface(found: Surface) -> Figure:
    """Draw the mean score over two columns, where it crosses the threshold, and where rows are."""
    made, (axes,) = figure(1, 1, height=3.6, width=6.4)
    places = [
        _places(kind, values) for kind, values in zip(found.kinds, (found.first, found.second), strict=True)
    ]
    numbers = [pd.Series(place).rank(method="dense").to_numpy() - 1 for place in places]
    wide = min(found.mean.shape) > 1
    # values are drawn at equal distances: they are quantiles, so that every band has as many rows
    image = axes.pcolormesh(*numbers, found.mean.T, cmap=_from_white(), shading="nearest", rasterized=True)
    if found.threshold is not None and wide and found.mean.min() < found.threshold <= found.mean.max():
        axes.contour(*numbers, found.mean.T, levels=[found.threshold], colors=ORANGE, linewidths=2)
    for axis, values in ((axes.xaxis, found.first), (axes.yaxis, found.second)):
        shown = np.unique(np.linspace(0, len(values) - 1, min(len(values), 7)).astype(int))
        axis.set_ticks(shown, [_tick(values.iloc[i]) for i in shown])
    names = [
        f"{name}, at its quantiles" if kind == "number" else name
        for name, kind in zip(found.columns, found.kinds, strict=True)
    ]
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    axes.grid(visible=False)
    line = "; orange: where acting starts" if found.threshold is not None else ""
    axes.set_title(f"Mean score over two columns{line}")
    made.colorbar(image, ax=axes, label=found.unit)
    return made


def _tick(value: object) -> str:
    from ml_utils.explanation.labels import shown

    return shown(value)


def agreement(found: Agreement, n: int = 8) -> Figure:
    """Draw each column's rank by each method as lines: level where methods agree."""
    names = found.ranks.mean(axis=1).sort_values(kind="stable").index[:n]
    methods = list(found.ranks.columns)
    made, (axes,) = figure(1, 1, height=1.0 + 0.3 * n, width=6.8)
    for i, name in enumerate(names):
        apart = name in set(found.apart["column"])
        colour = COLOURS[i % len(COLOURS)] if apart else GREY
        ranks = found.ranks.loc[name]
        axes.plot(range(len(methods)), ranks, marker="o", color=colour, linewidth=2 if apart else 1)
        axes.text(len(methods) - 0.92, ranks.iloc[-1], str(name), va="center", fontsize=9, color=colour)
    axes.invert_yaxis()
    axes.set_xticks(range(len(methods)), methods)
    axes.set_xlim(-0.2, len(methods) - 0.1)
    axes.set_ylabel("rank, 1 is the strongest")
    shared = int((found.ranks <= found.n).all(axis=1).sum())
    axes.set_title(f"All methods share {shared} of the first {found.n} columns")
    return made


def shuffling(explanation: Explanation, n: int = 10) -> Figure | None:
    """Draw permutation importance with its intervals; None where it was not computed."""
    if explanation.permutation is None:
        return None
    top = explanation.permutation.head(n).iloc[::-1]
    made, (axes,) = figure(1, 1, height=1.0 + 0.26 * len(top), width=6.4)
    errors = np.array([top["loss"] - top["lower"], top["upper"] - top["loss"]])
    axes.errorbar(top["loss"], range(len(top)), xerr=errors, fmt="o", color=BLUE, markersize=4, linewidth=1.2)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(top)), list(top["source"]))
    loss = "loss of AUC" if explanation.unit.startswith("log-odds") else "gain of RMSE, the target's unit"
    axes.set_xlabel(f"{loss} when shuffled, with 95 % interval")
    axes.set_title(f"Shuffling {top['source'].iloc[-1]} costs most")
    return made
