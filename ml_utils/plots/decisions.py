"""Figures of decisions: what thresholds and policies earn, and how decisions fall on groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, GREEN, GREY, LIGHT, ORANGE, RED, figure
from ml_utils.wording import money

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.evaluation.fairness import FairnessAudit
    from ml_utils.evaluation.profit import PolicyValues
    from ml_utils.evaluation.profit_curve import ProfitCurve

_PANELS = (
    ("selection_rate", "selection", "acted on, %", "Who is selected"),
    ("tpr", "tpr", "positives found (TPR), %", "Who is found"),
    ("fpr", "fpr", "negatives acted on (FPR), %", "Who is hit wrongly"),
    ("observed_to_expected", "calibration", "positives over sum of scores", "Do scores hold?"),
)


def profit(curve: ProfitCurve, policies: PolicyValues, entity: str = "rows") -> Figure:
    """Draw profit over thresholds with its band and the best threshold's interval, and the policies."""
    made, (left, right) = figure(1, 2, height=3.4, width=9.0)
    _curve(left, curve, entity)
    _policies(right, policies)
    return made


def _curve(axes: Axes, curve: ProfitCurve, entity: str) -> None:
    points, currency = curve.points, curve.decision.currency
    axes.fill_between(
        points["threshold"], points["lower"], points["upper"], color=LIGHT, label="95 % interval"
    )
    axes.plot(points["threshold"], points["total"], color=BLUE)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.axvspan(curve.best_lower, curve.best_upper, color=GREEN, alpha=0.15, label="best threshold, 95 %")
    axes.plot(curve.threshold, curve.total, "o", color=ORANGE, label=f"in use, {curve.threshold:.2f}")
    height = float(points["upper"].max())
    if height > 0:  # below the curve's own height nothing needs to be told apart
        axes.set_ylim(-0.6 * height, 1.6 * height)
    last = max(3 * curve.best_upper, 1.5 * curve.threshold)
    axes.set_xlim(0, min(1.0, last))
    axes.set_xlabel(f"threshold: score from which {entity} are acted on")
    axes.set_ylabel(f"profit, {currency}" if currency else "profit")
    axes.set_title(f"{money(curve.total, currency)} at the threshold in use")
    axes.legend(fontsize=8, loc="upper right")


def _policies(axes: Axes, policies: PolicyValues) -> None:
    table, currency = policies.table.iloc[::-1].reset_index(drop=True), policies.decision.currency
    colours = [
        BLUE if name == "model" else RED if total < 0 else GREY
        for name, total in zip(table["policy"], table["total"], strict=True)
    ]
    axes.barh(range(len(table)), table["total"], color=colours, height=0.6)
    spread = np.vstack([table["total"] - table["lower"], table["upper"] - table["total"]])
    axes.errorbar(
        table["total"], range(len(table)), xerr=np.nan_to_num(spread), fmt="none", ecolor="#3a4048", capsize=3
    )
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(table)), table["policy"])
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"profit, {currency}, with 95 % interval" if currency else "profit, with 95 % interval")
    axes.locator_params(axis="x", nbins=5)
    total, low, high = policies.advantage
    how = "above" if total >= 0 else "below"
    gap = f"{money(abs(total), currency)} {how} the best other"
    axes.set_title(gap if low > 0 or high < 0 else "Not told apart from the best other")


def fairness(found: FairnessAudit, crossed: bool = False) -> Figure | None:
    """Draw figures by group with 95 % intervals in four panels; None where there are no such groups.

    Groups too small to be compared are grey.
    """
    flags = found.summary.set_index("attribute")["crossed"].astype(bool)
    table = found.groups[found.groups["attribute"].map(flags) == crossed]
    if table.empty:
        return None
    table = table.iloc[::-1].reset_index(drop=True)
    names = table["attribute"] + ": " + table["group"] + " (" + table["rows"].map("{:,}".format) + ")"
    made, axes = figure(1, 4, height=1.1 + 0.26 * len(table), width=11.0)
    for i, (panel, (name, ends, label, title)) in enumerate(zip(axes, _PANELS, strict=True)):
        scale = 1.0 if name == "observed_to_expected" else 100.0
        _dots(panel, table, name, ends, scale)
        panel.set_yticks(range(len(table)), names if i == 0 else [""] * len(table))
        panel.set_xlabel(label)
        panel.set_title(title)
    axes[-1].axvline(1, color=GREY, linewidth=1, linestyle="--")
    return made


def _dots(axes: Axes, table: pd.DataFrame, name: str, ends: str, scale: float) -> None:
    for i, row in table.iterrows():
        if not np.isfinite(row[name]):
            axes.annotate("not defined", (0.02, float(i)), xycoords=("axes fraction", "data"), fontsize=8)
            continue
        colour = GREY if row["small"] else BLUE
        span = [row[f"{ends}_lower"] * scale, row[f"{ends}_upper"] * scale]
        axes.plot(span, [i, i], color=colour, linewidth=1.5)
        axes.plot(row[name] * scale, i, "o", color=colour, markersize=5)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.grid(axis="y", visible=False)
