"""Figures of notebooks 05 and 07: what moved, what the model did, whether the new one is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.evaluation.intervals import Z95
from ml_utils.evaluation.metrics import METRICS
from ml_utils.plots.style import BLUE, GREEN, GREY, LIGHT, ORANGE, RED, figure
from ml_utils.wording import times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.monitoring.result import MonitorResult
    from ml_utils.problem import Problem
    from ml_utils.retraining.takeover import Gain, PromotionDecision


def drift_map(result: MonitorResult, most: int = 14) -> Figure:
    """Draw the stability index of the columns that moved most, by period; a dot marks drift."""
    index = result.drift.pivot_table(index="column", columns="period", values="psi", sort=False)
    index = index[result.periods]
    names = index.max(axis=1).sort_values(ascending=False, kind="stable").index[:most]
    flags = result.drift.pivot_table(index="column", columns="period", values="drifted", sort=False)
    shown, flagged = index.loc[names], flags.loc[names, result.periods].to_numpy(dtype=bool)
    made, (axes,) = figure(height=0.9 + 0.27 * len(names))
    image = axes.pcolormesh(
        np.log10(np.maximum(shown.to_numpy(), 1e-3)), cmap="Blues", vmin=-3, vmax=0, edgecolors="white"
    )
    rows, columns = np.nonzero(flagged)
    axes.plot(columns + 0.5, rows + 0.5, "o", color=ORANGE, markersize=5, linestyle="none")
    axes.set_xticks(np.arange(len(result.periods)) + 0.5, result.periods)
    axes.set_yticks(np.arange(len(names)) + 0.5, list(names))
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xlabel("period")
    bar = made.colorbar(image, ax=axes, ticks=[-3, -2, -1, 0], shrink=0.9)
    bar.ax.set_yticklabels(["0.001", "0.01", "0.1", "1"])
    bar.set_label("population stability index")
    n = int((result.drifted["column"] != "model score").sum())
    axes.set_title(f"{times(n, 'column')} drifted (orange: beyond chance and large enough)")
    return made


def column_shift(shares: pd.DataFrame, column: str) -> Figure:
    """Draw a column's values on the reference beside those of a period (from `ModelMonitor.shares`)."""
    period = str(shares.columns[2])
    made, (axes,) = figure(height=3.2)
    place = np.arange(len(shares))
    axes.bar(place - 0.2, 100 * shares["reference"], 0.4, color=GREY, label="reference")
    axes.bar(place + 0.2, 100 * shares[period], 0.4, color=BLUE, label=period)
    axes.set_xticks(place, shares["cell"], rotation=30, ha="right")
    axes.set_xlabel(column)
    axes.set_ylabel("share of rows, %")
    axes.set_title(f"{column}: reference and {period}")
    axes.legend()
    return made


def performance(result: MonitorResult) -> Figure:
    """Draw the deciding metric by period: realised with 95 % intervals, estimated without labels."""
    rows, before = result.of_metric(), result.reference.loc[result.metric]
    made, (axes,) = figure(height=3.4)
    place = np.arange(len(rows))
    axes.axhspan(before["lower"], before["upper"], color=LIGHT, label="reference, 95 %")
    axes.plot(place, rows["estimated"], "s--", color=ORANGE, label="estimated without labels")
    known = rows["value"].notna().to_numpy()
    spread = np.vstack([rows["value"] - rows["lower"], rows["upper"] - rows["value"]])[:, known]
    axes.errorbar(
        place[known],
        rows["value"][known],
        yerr=spread,
        fmt="o-",
        color=BLUE,
        capsize=3,
        label="realised, 95 %",
    )
    fallen = rows["fallen"].to_numpy(dtype=bool)
    axes.plot(place[fallen], rows["value"][fallen], "o", color=RED, markersize=9, label="fell")
    _period_axis(axes, list(rows["period"]))
    label = METRICS[result.metric].label
    axes.set_ylabel(label)
    n = int(fallen.sum())
    said = f"fell in {times(n, 'period')}" if n else "did not fall beyond chance and margin"
    axes.set_title(f"{label} {said}")
    axes.legend(ncols=2, fontsize=9)
    return made


def outcomes(result: MonitorResult, problem: Problem) -> Figure | None:
    """Draw the observed outcome by period beside the one that the scores lead to expect."""
    lines = result.calibration
    if lines.empty:
        return None
    scale, unit = (100, ", %") if problem.task == "binary" else (1, "")
    made, (axes,) = figure(height=3.2)
    place = np.arange(len(lines))
    axes.plot(place, scale * lines["expected"], "s--", color=ORANGE, label="expected from the scores")
    axes.plot(place, scale * lines["observed"], "o-", color=BLUE, label="observed")
    off = lines["shifted"].to_numpy(dtype=bool)
    axes.plot(place[off], scale * lines["observed"][off], "o", color=RED, markersize=9, label="off")
    _period_axis(axes, list(lines["period"]))
    axes.set_ylim(bottom=0)
    axes.set_ylabel(f"mean of {problem.target}{unit}")
    said = f"are off in {times(int(off.sum()), 'period')}" if off.any() else "follow the scores"
    axes.set_title(f"Outcomes {said}")
    axes.legend()
    return made


def takeover(decision: PromotionDecision) -> Figure:
    """Draw the challenger's gains over the incumbent with 95 % intervals, each against its limit."""
    made, axes = figure(1, len(decision.gains), height=1.9)
    for each, gain in zip(axes, decision.gains, strict=True):
        _gain(each, gain)
    return made


def reliability(table: pd.DataFrame, problem: Problem) -> Figure:
    """Draw what happened to rows by their score, for each model (from `takeover.reliability`)."""
    scale, unit = (100, ", %") if problem.task == "binary" else (1, "")
    made, (axes,) = figure(height=3.4)
    for (label, rows), colour in zip(table.groupby("model", sort=False), (GREY, BLUE, GREEN), strict=False):
        axes.errorbar(
            scale * rows["score"],
            scale * rows["outcome"],
            yerr=scale * Z95 * rows["error"],
            fmt="o-",
            color=colour,
            capsize=2,
            label=str(label),
        )
    top = scale * float(table["score"].max())
    axes.plot([0, top], [0, top], color=ORANGE, linestyle="--", linewidth=1, label="right")
    axes.set_xlabel(f"mean score of the group{unit}")
    axes.set_ylabel(f"observed {problem.target}{unit}")
    axes.set_title("What the scores promised and what happened, on the held-out rows")
    axes.legend()
    return made


def _gain(axes: Axes, gain: Gain) -> None:
    colour = GREEN if gain.better else GREY if gain.not_worse else RED
    if np.isfinite(gain.lower):
        spread = [[gain.value - gain.lower], [gain.upper - gain.value]]
        axes.errorbar([gain.value], [0], xerr=spread, fmt="o", color=colour, capsize=4)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.axvline(-gain.margin, color=RED, linestyle="--", linewidth=1)
    axes.set_yticks([])
    axes.set_ylim(-1, 1)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(f"gain in {gain.measure} (dashed: what may be lost)")
    said = "better beyond chance" if gain.better else "no worse" if gain.not_worse else "may be worse"
    axes.set_title(f"{gain.measure}: {said}")


def _period_axis(axes: Axes, periods: list[str]) -> None:
    axes.set_xticks(np.arange(len(periods)), periods)
    axes.set_xlabel("period")
