"""Figures of notebook 03: ranking, probabilities, money, groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, GREEN, GREY, LIGHT, ORANGE, RED, figure
from ml_utils.wording import money, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.evaluation.comparison import Comparison
    from ml_utils.evaluation.result import Evaluation
    from ml_utils.problem import Problem


def ranking(evaluation: Evaluation) -> Figure | None:
    """Draw how a binary model ranks: ROC, and precision over recall; None where a class is missing."""
    if "roc" not in evaluation.curves:
        return None
    made, (left, right) = figure(1, 2)
    roc, pr = evaluation.curves["roc"], evaluation.curves["pr"]
    left.plot(roc["fpr"], roc["tpr"], color=BLUE)
    left.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    left.set_xlabel("false-positive rate")
    left.set_ylabel("true-positive rate (recall)")
    left.set_title(f"ROC curve, AUC {evaluation.value('roc_auc'):.3f}")
    right.plot(pr["recall"], pr["precision"], color=BLUE)
    right.axhline(evaluation.rate, color=GREY, linestyle="--", linewidth=1)
    right.set_xlabel("recall")
    right.set_ylabel("precision")
    right.set_ylim(0, 1.02)
    right.set_title(f"Precision and recall, AP {evaluation.value('average_precision'):.3f}")
    if evaluation.confusion is not None and evaluation.threshold is not None:
        tpr, fpr = evaluation.value("recall"), 1 - evaluation.value("specificity")
        left.plot(fpr, tpr, "o", color=ORANGE, label=f"at {evaluation.threshold:.2f}")
        right.plot(
            tpr, evaluation.value("precision"), "o", color=ORANGE, label=f"at {evaluation.threshold:.2f}"
        )
        left.legend(loc="lower right")
    return made


def calibration_and_gain(evaluation: Evaluation) -> Figure | None:
    """Draw whether probabilities hold, with 95 % intervals, and the share of positives found by rank."""
    if "gain" not in evaluation.curves:
        return None
    made, (left, right) = figure(1, 2)
    bins, gain = evaluation.curves["calibration"], evaluation.curves["gain"]
    spread = np.abs(np.vstack([bins["rate"] - bins["lower"], bins["upper"] - bins["rate"]]))
    top = float(max(bins["upper"].max(), bins["score"].max())) * 105
    left.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1)
    left.errorbar(
        bins["score"] * 100,
        bins["rate"] * 100,
        yerr=spread * 100,
        fmt="o-",
        color=BLUE,
        capsize=2,
        linewidth=1,
    )
    left.set_xlabel("mean predicted probability, %")
    left.set_ylabel("observed, %")
    left.set_title(f"Calibration error {percent(evaluation.value('ece'))}")
    right.plot(gain["share_of_rows"] * 100, gain["share_of_positives"] * 100, color=BLUE)
    right.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1)
    tenth = float(np.interp(0.1, gain["share_of_rows"], gain["share_of_positives"]))
    right.plot(10, tenth * 100, "o", color=ORANGE)
    right.set_xlabel("rows with the highest scores, %")
    right.set_ylabel("positives among them, %")
    right.set_title(f"The top tenth holds {percent(tenth, 0)} of positives")
    return made


def profit(evaluation: Evaluation, problem: Problem) -> Figure | None:
    """Draw what acting on ever more rows earns; None where the problem says nothing about money."""
    if problem.decision is None or "profit" not in evaluation.curves or evaluation.confusion is None:
        return None
    points, currency = evaluation.curves["profit"], problem.decision.currency
    made, (axes,) = figure(height=3.2)
    share = points["share_of_rows"] * 100
    axes.plot(share, points["total"], color=BLUE)
    axes.axhline(0, color=GREY, linewidth=1)
    acted = evaluation.confusion.tp + evaluation.confusion.fp
    total = (
        problem.decision.benefit * evaluation.confusion.tp - problem.decision.cost * evaluation.confusion.fp
    )
    axes.plot(acted / evaluation.n_rows * 100, total, "o", color=ORANGE)
    axes.annotate(
        f"threshold {evaluation.threshold:.2f}: {money(float(total), currency)}",
        (float(acted / evaluation.n_rows * 100), float(total)),
        textcoords="offset points",
        xytext=(8, 6),
    )
    best = float(points["total"].max())
    if best > 0:  # below the curve's own height nothing needs to be told apart
        axes.set_ylim(-1.2 * best, 1.3 * best)
    axes.set_xlabel(f"{problem.entity} acted on, highest scores first, %")
    axes.set_ylabel(f"profit, {currency}" if currency else "profit")
    axes.set_title(f"What it earns to {problem.decision.action}")
    return made


def fit(evaluation: Evaluation, problem: Problem) -> Figure | None:
    """Draw a regression's predictions against what came, and its errors; None for a binary task."""
    if "fit" not in evaluation.curves:
        return None
    made, (left, right) = figure(1, 2)
    points, errors = evaluation.curves["fit"], evaluation.curves["residuals"]
    low, high = float(points["predicted"].min()), float(points["predicted"].max())
    left.plot([low, high], [low, high], color=GREY, linestyle="--", linewidth=1)
    left.fill_between(points["predicted"], points["q25"], points["q75"], color=LIGHT, label="middle half")
    left.plot(points["predicted"], points["observed"], "o-", color=BLUE, label="mean")
    left.set_xlabel(f"mean predicted {problem.target}")
    left.set_ylabel(f"observed {problem.target}")
    left.set_title("What came, by what was predicted")
    left.legend()
    right.plot(errors["share"] * 100, errors["residual"], color=BLUE)
    right.axhline(0, color=GREY, linewidth=1)
    right.set_xlabel("share of rows, %")
    right.set_ylabel("observed less predicted")
    right.set_title("How far off: quantiles of the error")
    return made


def groups(evaluation: Evaluation) -> Figure | None:
    """Draw figures by group of the sensitive attributes with 95 % intervals; None where there are none."""
    table = evaluation.groups
    if table is None or table.empty:
        return None
    table = table.iloc[::-1].reset_index(drop=True)
    names = table["attribute"] + ": " + table["group"] + " (" + table["rows"].map("{:,}".format) + ")"
    colours = [GREY if small else BLUE for small in table["small"]]
    height = 1.0 + 0.28 * len(table)
    if evaluation.task == "regression":
        made, (axes,) = figure(height=height)
        _dots(axes, table["bias"], table["lower"], table["upper"], colours)
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_xlabel("mean of predicted less observed, in the target's unit")
        axes.set_title("Bias by group")
        axes.set_yticks(range(len(table)), names)
        return made
    made, (left, right) = figure(1, 2, height=height)
    _dots(left, table["selection_rate"], table["selection_lower"], table["selection_upper"], colours, 100)
    _dots(right, table["tpr"], table["tpr_lower"], table["tpr_upper"], colours, 100)
    left.set_yticks(range(len(table)), names)
    right.set_yticks(range(len(table)), [""] * len(table))
    left.set_xlabel("acted on, %")
    left.set_title("Who is selected")
    right.set_xlabel("positives found (TPR), %")
    right.set_title("Whose positives are found")
    return made


def _dots(
    axes: Axes, value: pd.Series, lower: pd.Series, upper: pd.Series, colours: list[str], scale: float = 1.0
) -> None:
    for i, colour in enumerate(colours):
        if np.isfinite(value[i]):
            axes.plot([lower[i] * scale, upper[i] * scale], [i, i], color=colour, linewidth=1.5)
            axes.plot(value[i] * scale, i, "o", color=colour)
    axes.set_ylim(-0.6, len(colours) - 0.4)
    axes.grid(axis="y", visible=False)


def comparison(found: Comparison, label: str) -> Figure:
    """Draw how much better one model is than each other, with 95 % intervals."""
    others = [name for name in found.by_model if name != label][::-1]
    made, (axes,) = figure(height=1.2 + 0.35 * len(others))
    for i, other in enumerate(others):
        value, low, high = found.gain(label, other)
        colour = GREEN if low > 0 else RED if high < 0 else GREY
        axes.plot([low, high], [i, i], color=colour, linewidth=2)
        axes.plot(value, i, "o", color=colour)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(others)), [f"over {name}" for name in others])
    axes.set_ylim(-0.6, len(others) - 0.4)
    unit = "AUC" if found.task == "binary" else "root mean squared error saved"
    axes.set_xlabel(f"gain in {unit}, 95 % interval")
    axes.set_title(f"How much better the {label} is")
    axes.grid(axis="y", visible=False)
    return made
