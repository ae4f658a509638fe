"""Figures of the first look that show columns together: what repeats, and where the rows lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_utils.plots.data import short
from ml_utils.plots.style import BLUE, GREY, ORANGE, WIDTH, figure
from ml_utils.wording import count, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    from ml_utils.exploration.projection import Projection
    from ml_utils.exploration.redundancy import Redundancy
    from ml_utils.problem import Problem


def association_matrix(found: Redundancy) -> Figure | None:
    """Draw how strongly columns are associated, like ones side by side; None with fewer than two columns."""
    matrix = found.strength
    n = len(matrix)
    if n < 2:
        return None
    names, size = [short(name, 26) for name in matrix.index], 9 if n <= 20 else 7.5
    room = 0.3 + 0.008 * size * max(map(len, names))  # inches that the labels take
    side = min(max(0.25 * n, 2.4), WIDTH - room - 1.0)
    made, (axes,) = figure(height=side + room + 0.3, width=side + room + 1.0)
    image = axes.imshow(matrix.to_numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set_yticks(range(n), names, fontsize=size)
    axes.set_xticks(range(n), names, rotation=90, fontsize=size)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    for i, j in zip(*np.nonzero(np.triu(matrix.to_numpy() >= 0.5, 1)), strict=True):
        value, colour = matrix.iloc[i, j], "white" if matrix.iloc[i, j] > 0.6 else "black"
        for y, x in ((i, j), (j, i)):
            axes.text(x, y, f"{value:.1f}".lstrip("0"), ha="center", va="center", fontsize=6.5, color=colour)
    made.colorbar(image, ax=axes, shrink=0.8, label="association, 0 to 1")
    groups = len(found.groups)
    axes.set_title(
        "No two columns say the same" if groups == 0 else f"Groups of columns that say the same: {groups}"
    )
    return made


def variance_inflation(found: Redundancy, limit: int = 14) -> Figure | None:
    """Draw how far each number can be computed from the others; None where there are fewer than two."""
    table = found.vif.head(limit)[::-1].reset_index(drop=True)
    if len(table) < 2:
        return None
    made, (axes,) = figure(height=1.1 + 0.27 * len(table))
    finite = table["vif"].where(np.isfinite(table["vif"]))
    top = max(float(np.nanmax(finite.to_numpy(), initial=1.0)), 12.0) * 1.5
    length = finite.fillna(top)
    colours = [ORANGE if value >= 10 else BLUE for value in table["vif"]]
    bars = axes.barh(range(len(table)), length, color=colours)
    labels = []
    for row in table.itertuples():
        partners = f", with {short(row.partners, 48)}" if row.partners else ""
        labels.append(f"{'exactly' if np.isinf(row.vif) else f'{row.vif:.1f}'}{partners}")
    axes.axvline(10, color=GREY, linestyle="--", linewidth=1)
    axes.bar_label(
        bars, labels, padding=4, fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}
    )
    axes.set_xscale("log")
    axes.set_xlim(1, top * 6)
    axes.set_xticks([1, 2, 5, 10, *([100] if top > 60 else [])])
    axes.get_xaxis().set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_yticks(range(len(table)), [short(name) for name in table["column"]], fontsize=9)
    axes.set_xlabel("variance inflation factor (10 and more: nearly computable from the others)")
    axes.set_title("Which numbers can be computed from others")
    axes.grid(axis="y", visible=False)
    return made


def projections(found: Projection | None, problem: Problem) -> Figure | None:
    """Draw the rows by principal components and by t-SNE, coloured by the target; None without any."""
    if found is None:
        return None
    near = found.scores["tsne1"].notna().all()
    made, places = figure(1, 2 if near else 1, height=3.7)
    left = places[0]
    share = found.explained["share"]
    last = _scatter(left, found.scores, "pc1", "pc2", problem)
    left.set_xlabel(f"first component, {percent(share.iloc[0], 0)} of variation")
    left.set_ylabel(f"second, {percent(share.iloc[1], 0)}")
    left.set_title("Principal components")
    if near:
        last = _scatter(places[1], found.scores, "tsne1", "tsne2", problem)
        places[1].set_xticks([])
        places[1].set_yticks([])
        places[1].set_xlabel("only nearness means something here")
        places[1].set_title("t-SNE")
    note = f"{count(found.shown)} rows" + (
        ", the rarer class shown oftener than it is" if found.enriched else ""
    )
    if problem.task == "binary":
        handles, labels = left.get_legend_handles_labels()
        made.legend(handles, labels, loc="outside upper left", ncols=2, title=note, fontsize=9, markerscale=2)
    elif last is not None:
        made.colorbar(last, ax=places[-1], label=f"{short(problem.target)} (percentile; {note})")
    return made


def _scatter(axes: Axes, scores: pd.DataFrame, x: str, y: str, problem: Problem) -> ScalarMappable | None:
    if problem.task != "binary":
        colour = scores["target"].rank(pct=True) * 100
        return axes.scatter(scores[x], scores[y], c=colour, cmap="viridis", s=9, linewidths=0, alpha=0.8)
    for value, colour, name in ((0, BLUE, "the others"), (1, ORANGE, str(problem.outcome or "positive"))):
        part = scores[scores["target"] == value]
        axes.scatter(part[x], part[y], color=colour, s=9, linewidths=0, alpha=0.7, label=short(name, 44))
    return None
