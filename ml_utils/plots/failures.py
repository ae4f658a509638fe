"""The figure of where a model fails: slices, what was expected in them and what came, month by month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, GREY, LIGHT, ORANGE, RED, figure
from ml_utils.wording import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.evaluation.failures import BandCalibration, Slices, Stability

MAX_LABEL = 36  # characters a line; longer names take two


def failures(
    slices: Slices, bands: BandCalibration | None = None, stability: Stability | None = None, n_bands: int = 8
) -> Figure:
    """Draw the slices where a model is wrong, the bands whose calibration is worst, and the months.

    Parameters
    ----------
    slices : Slices
    bands : BandCalibration, optional
    stability : Stability, optional
    n_bands : int
        Bands to draw.

    Returns
    -------
    Figure
        One panel for each of what is given.
    """
    drawn = 0 if bands is None else min(n_bands, len(bands.table))
    heights = [1.2 + 0.3 * max(len(slices.found), 1)]
    heights += [1.2 + 0.25 * drawn] if drawn else []
    heights += [2.4] if stability is not None else []
    made, axes = _grid(heights)
    _slices(axes[0], slices)
    if bands is not None and drawn:
        _bands(axes[1], bands, n_bands)
    if stability is not None:
        _months(axes[-1], stability)
    return made


def _grid(heights: list[float]) -> tuple[Figure, list[Axes]]:
    made, axes = figure(len(heights), 1, height=sum(heights) / len(heights))
    spec = axes[0].get_subplotspec()
    if spec is not None:
        spec.get_gridspec().set_height_ratios(heights)
    return made, axes


def _slices(axes: Axes, slices: Slices) -> None:
    table, scale, unit = _scaled(slices.table(), slices.task)
    if table.empty:
        axes.set_axis_off()
        axes.set_title("No slice was shown to be wrong")
        axes.text(0, 0.6, _wrapped(slices.sentence()), va="top", color=GREY)
        return
    axes.axvline(0, color=GREY, linewidth=1)
    _whiskers(axes, table["gap"] * scale, table["gap_lower"] * scale, table["gap_upper"] * scale, RED)
    names = [f"{_short(s)} ({percent(r, 0)})" for s, r in zip(table["slice"], table["share"], strict=True)]
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(f"observed less expected, {unit}; intervals hold for all slices at once")
    axes.set_title(f"Where the model is wrong, the surest first: {slices.found[0].kind}")


def _bands(axes: Axes, bands: BandCalibration, n: int) -> None:
    table, scale, _ = _scaled(bands.worst(n), bands.task)
    for i, row in enumerate(table.itertuples()):
        axes.plot([row.expected * scale, row.observed * scale], [i, i], color=LIGHT, linewidth=3, zorder=1)
    low = (table["expected"] + table["lower"]) * scale
    high = (table["expected"] + table["upper"]) * scale
    _whiskers(axes, table["observed"] * scale, low, high, BLUE, "observed, 95 % interval")
    axes.plot(table["expected"] * scale, range(len(table)), "D", color=ORANGE, markersize=5, label="expected")
    axes.set_yticks(range(len(table)), [_short(name) for name in table["band"]])
    axes.set_xlabel(f"mean of outcome and prediction{', %' if bands.task == 'binary' else ''}")
    wrong = int((bands.table["q_value"] < 0.05).sum())
    axes.set_title(f"Expected and observed: {wrong} of {len(bands.table)} bands are off, the surest here")
    axes.legend(loc="best", fontsize=8)


def _months(axes: Axes, stability: Stability) -> None:
    table = stability.table
    x = np.arange(len(table))
    axes.vlines(x, table["lower"], table["upper"], color=BLUE, linewidth=1.5)
    axes.plot(x, table["value"], "o-", color=BLUE, linewidth=1)
    every = max(1, len(table) // 12)
    axes.set_xticks(x[::every], list(table["period"].iloc[::every]))
    axes.set_xlim(-0.5, len(table) - 0.5)
    axes.set_ylabel(stability.readings[0].name)
    holds = stability.sentence().startswith("The model holds")
    known = table["value"].notna().sum() >= 2
    said = "holds" if holds else "does not hold" if known else "too few periods to tell whether it holds"
    axes.set_title(f"{stability.readings[0].name} by period: {said}")


def _whiskers(
    axes: Axes, value: pd.Series, lower: pd.Series, upper: pd.Series, colour: str, label: str = ""
) -> None:
    y = np.arange(len(value))
    axes.hlines(y, lower, upper, color=colour, linewidth=1.5)
    axes.plot(value, y, "o", color=colour, label=label or None)
    axes.set_ylim(len(value) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _scaled(table: pd.DataFrame, task: str) -> tuple[pd.DataFrame, float, str]:
    binary = task == "binary"
    return table, 100.0 if binary else 1.0, "percentage points" if binary else "in the target's unit"


def _short(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, MAX_LABEL, max_lines=2, placeholder=" …"))


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, 95))
