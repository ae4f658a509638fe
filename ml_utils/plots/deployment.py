"""Figures of notebook 04: load and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_utils.plots.style import BLUE, GREY, ORANGE, PURPLE, RED, figure
from ml_utils.serving.load_test import LoadTest, milliseconds
from ml_utils.wording import count, times

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_curve(test: LoadTest) -> Figure:
    """Draw throughput and latency over the number of clients."""
    first, best = test.levels[0], test.best
    made, (left, right) = figure(1, 2, height=3.2)
    clients = [level.clients for level in test.levels]
    left.yaxis.set_major_formatter("{x:,.0f}")
    left.plot(clients, [level.throughput for level in test.levels], marker="o", color=BLUE)
    left.set(title=f"At most {count(best.throughput)} answers a second", ylabel="requests a second")
    left.set_ylim(0, 1.08 * best.throughput or 1)
    for name, colour in (("p50", BLUE), ("p95", ORANGE), ("p99", RED)):
        values = [getattr(level, name) for level in test.levels]
        right.plot(clients, values, marker="o", color=colour, label=name)
    alone = times(first.clients, "client")
    title = f"{alone}: half within {milliseconds(first.p50)} ms"
    right.set(title=title, ylabel="milliseconds", ylim=(0, None))
    right.legend()
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(clients, [str(number) for number in clients])
        axes.set_xlabel("clients at a time")
        axes.minorticks_off()
    return made


def score_distribution(
    test: np.ndarray, live: np.ndarray, threshold: float | None, what: str = "score"
) -> Figure:
    """Draw how the scores of the live period lie against those of the test split.

    Parameters
    ----------
    test, live : ndarray of shape (n_rows,)
        Scores.
    threshold : float or None
        Score above which to act.
    what : str
        What a score is, for the axis.
    """
    made, (axes,) = figure(height=3.0)
    both = np.concatenate([test, live])
    edges = np.linspace(both.min(), np.quantile(both, 0.999), 41).tolist()
    for values, colour, name in ((test, GREY, "test split"), (live, PURPLE, "live period")):
        weights = np.full(len(values), 100 / len(values))
        kept = np.clip(values, edges[0], edges[-1])
        axes.hist(kept, edges, weights=weights, histtype="step", linewidth=1.6, color=colour, label=name)
    title = "Scores of the live period, beside those of the test split"
    if threshold is not None:
        axes.axvline(threshold, color=RED, linestyle="--", label=f"act from {threshold:.2f}")
        share = 100 * float(np.mean(live >= threshold))
        title = f"{share:.1f} % of the live period reach the threshold"
    axes.set(title=title, xlabel=what, ylabel="% of rows", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend()
    return made
