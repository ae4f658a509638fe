"""Figures of notebook 01: the table, its target, its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, COLOURS, GREY, ORANGE, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ml_utils.problem import Problem


def target_over_time(rates: pd.DataFrame, problem: Problem) -> Figure:
    """Draw the target over periods, coloured by split.

    Parameters
    ----------
    rates : DataFrame
        period, split, rows, target.
    problem : Problem
    """
    made, (axes,) = figure(height=2.8)
    labels = rates["period"].drop_duplicates().tolist()
    place = {label: i for i, label in enumerate(labels)}
    scale = 100 if problem.task == "binary" else 1
    for colour, (split, part) in zip(COLOURS, rates.groupby("split", sort=False), strict=False):
        x = part["period"].map(place)
        axes.bar(x, part["target"] * scale, color=colour, label=str(split), width=0.8)
    axes.set_xticks(range(len(labels)), labels, rotation=60 if len(labels) > 8 else 0)
    axes.set_ylabel(f"{problem.target}, %" if problem.task == "binary" else f"mean {problem.target}")
    axes.set_title("The target, period by period, and which split it went to")
    axes.grid(axis="x", visible=False)
    axes.set_ylim(top=float(rates["target"].max()) * scale * 1.25)
    axes.legend(ncols=5, loc="upper center", fontsize=9)
    return made


def target_by_values(tables: dict[str, pd.DataFrame], problem: Problem) -> Figure | None:
    """Draw how the target runs over the values of a few columns, with 95 % intervals; None without columns.

    The dashed line is the mean over all rows.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Column to its table from `exploration.target_by_value`.
    problem : Problem
    """
    if not tables:
        return None
    rows = -(-len(tables) // 2)
    most = max(len(table) for table in tables.values())
    made, axes = figure(rows, 2, height=max(2.2, 0.9 + 0.24 * most))
    scale = 100 if problem.task == "binary" else 1
    for place, (column, table) in zip(axes, tables.items(), strict=False):
        y = np.arange(len(table))[::-1]
        mean = float((table["target"] * table["rows"]).sum() / table["rows"].sum()) * scale
        place.axvline(mean, color=GREY, linestyle="--", linewidth=1)
        place.hlines(y, table["lower"] * scale, table["upper"] * scale, color=BLUE, alpha=0.3, linewidth=6)
        place.plot(table["target"] * scale, y, "o", color=ORANGE, markersize=5)
        place.set_yticks(y, [short(value) for value in table["value"]], fontsize=8)
        place.set_title(short(column, 44), fontsize=10)
        place.set_xlabel(f"{problem.target}, %" if problem.task == "binary" else f"mean {problem.target}")
        place.set_ylim(-0.7, len(table) - 0.3)
        place.grid(axis="y", visible=False)
    for place in axes[len(tables) :]:
        place.set_visible(False)
    return made


def short(value: str, limit: int = 24) -> str:
    """Cut a long name in its middle: names often differ in how they end.

    >>> short("a name that is far too long", 14)
    'a name t… long'
    """
    if len(value) <= limit:
        return value
    tail = limit // 3 + 1
    return f"{value[: limit - tail - 1]}…{value[-tail:]}"
