"""Figures of the leak sentinel: what a leak would have promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_utils.plots.style import BLUE, GREY, ORANGE, RED, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ml_utils.leakage import LeakComparison


def leak_promise(comparison: LeakComparison) -> Figure:
    """Draw what the model with the leak promises, what the honest one does, and what the promise is worth.

    Parameters
    ----------
    comparison : LeakComparison
    """
    table = comparison.table
    made, (axes,) = figure(height=1.3 + 0.55 * len(table))
    y = np.arange(len(table))[::-1].astype(float)
    for what, colour, shift, label in (
        ("value", BLUE, 0.12, "cross-validated on training rows"),
        ("later", ORANGE, -0.12, "on the test split"),
    ):
        known = table[what].notna().to_numpy()
        value = table.loc[known, what].to_numpy()
        low, high = table.loc[known, f"{what}_lower"].to_numpy(), table.loc[known, f"{what}_upper"].to_numpy()
        place = y[known] + shift
        axes.errorbar(
            value, place, xerr=[value - low, high - value], fmt="o", color=colour, label=label, capsize=3
        )
        for x, at in zip(value, place, strict=True):
            axes.annotate(
                f"{x:.3f}", (x, at), (0, 6 if shift > 0 else -6), textcoords="offset points", ha="center",
                va="bottom" if shift > 0 else "top", fontsize=8, color=colour,
            )  # fmt: skip
    chance = 0.5 if comparison.metric == "AUC" else 0.0
    axes.axvline(1.0, color=RED, linewidth=0.8, linestyle=":")
    axes.set_xlim(min(chance, float(np.nanmin(table[["value", "later"]])) - 0.05), 1.02)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_yticks(y, [label.replace(", ", ",\n") for label in table["model"]])
    axes.set_xlabel(f"{comparison.metric}, with 95 % interval ({chance:g} is chance)")
    axes.set_title(f"What {comparison.leaking} would have promised")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", color=GREY)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.4, -0.35 if len(table) < 3 else -0.28), ncols=2, fontsize=9
    )
    return made
