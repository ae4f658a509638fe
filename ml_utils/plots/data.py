"""Figures of notebook 01: the table, its target, its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, COLOURS, GREY, ORANGE, RED, figure

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


def missingness(columns: pd.DataFrame, limit: int = 12) -> Figure | None:
    """Draw the share of empty cells of the columns that have any; None when the table is complete."""
    some = columns[columns["missing"] > 0].nlargest(limit, "missing")[::-1]
    if some.empty:
        return None
    made, (axes,) = figure(height=0.9 + 0.26 * len(some))
    axes.barh(some["column"], some["missing"] * 100, color=BLUE)
    axes.set_xlabel("empty cells, %")
    axes.set_title("Where values are missing")
    axes.grid(axis="y", visible=False)
    return made


def column_strength(screened: pd.DataFrame, problem: Problem, limit: int = 14) -> Figure:
    """Draw what each column alone says about the target; suspects in red, ignored columns pale.

    Parameters
    ----------
    screened : DataFrame
        From `leakage.screening.screen_columns`.
    problem : Problem
    limit : int
        How many columns, strongest first.
    """
    top = screened.head(limit)[::-1]
    colours = np.select([top["suspicious"], ~top["used"]], [RED, GREY], default=BLUE)
    base = 0.5 if problem.task == "binary" else 0.0
    made, (axes,) = figure(height=0.9 + 0.26 * len(top))
    axes.barh(top["column"], top["strength"] - base, left=base, color=list(colours))
    axes.set_xlim(base, 1.0)
    axes.set_xlabel("AUC of the column alone" if problem.task == "binary" else "absolute rank correlation")
    note = " (red: suspected leak)" if top["suspicious"].any() else ""
    axes.set_title(f"What each column alone says about {problem.target}{note}")
    axes.grid(axis="y", visible=False)
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
