"""The figure of a regression's errors: predicted against observed, their width, their shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_utils.plots.style import BLUE, GREY, LIGHT, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.evaluation.result import Evaluation
    from ml_utils.problem import Problem

MIDDLE = "#b9cbdf"


def fit(evaluation: Evaluation, problem: Problem) -> Figure | None:
    """Draw a regression's predictions against what came, and its errors; None for other tasks."""
    if "fit" not in evaluation.curves:
        return None
    made, (left, middle, right) = figure(1, 3, height=3.0, width=10.0)
    points = evaluation.curves["fit"]
    low, high = float(points["predicted"].min()), float(points["predicted"].max())
    left.plot([low, high], [low, high], color=GREY, linestyle="--", linewidth=1)
    left.fill_between(points["predicted"], points["q25"], points["q75"], color=LIGHT, label="middle half")
    left.plot(points["predicted"], points["observed"], "o-", color=BLUE, markersize=4, label="mean")
    left.set_xlabel(f"mean predicted {problem.target}")
    left.set_ylabel(f"observed {problem.target}")
    left.set_title("What came, by what was predicted", fontsize=10)
    left.legend(fontsize=8)
    _error_bands(middle, evaluation, problem)
    _error_quantiles(right, evaluation)
    return made


def _error_bands(axes: Axes, evaluation: Evaluation, problem: Problem) -> None:
    bands = evaluation.curves["bands"]
    axes.fill_between(bands["predicted"], bands["q10"], bands["q90"], color=LIGHT, label="middle 80 %")
    axes.fill_between(bands["predicted"], bands["q25"], bands["q75"], color=MIDDLE, label="middle half")
    axes.plot(bands["predicted"], bands["q50"], "o-", color=BLUE, markersize=4, label="median")
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_xlabel(f"mean predicted {problem.target}")
    axes.set_ylabel("observed less predicted")
    tests = evaluation.residuals
    even = tests is None or not float(tests.tests["p_value"][1]) < 0.01
    axes.set_title("Errors equally wide" if even else "Errors not equally wide", fontsize=10)
    axes.legend(fontsize=8)


def _error_quantiles(axes: Axes, evaluation: Evaluation) -> None:
    """Quantiles of the error against those of a normal law of the same spread."""
    from scipy.special import ndtri

    errors = evaluation.curves["residuals"]
    middle, spread = np.median(errors["residual"]), np.diff(np.quantile(errors["residual"], [0.25, 0.75]))[0]
    normal = ndtri(errors["share"])
    axes.plot(normal, errors["residual"], color=BLUE)
    axes.plot(normal, middle + spread / 1.349 * normal, color=GREY, linestyle="--", linewidth=1)
    axes.set_xlabel("quantile of the bell curve")
    axes.set_ylabel("quantile of the error")
    tests = evaluation.residuals
    tails = "" if tests is None else f", excess kurtosis {tests.excess_kurtosis:.1f}"
    axes.set_title(f"How far off{tails}", fontsize=10)
