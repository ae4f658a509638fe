"""Figures of notebook 03: ranking, probabilities, money, groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.plots.residuals import fit
from ml_utils.plots.style import BLUE, GREEN, GREY, LIGHT, ORANGE, RED, figure
from ml_utils.wording import money, percent

__all__ = ["calibration_and_gain", "classes", "comparison", "curves", "fit", "groups", "profit", "ranking"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.evaluation.comparison import Comparison
    from ml_utils.evaluation.result import Evaluation
    from ml_utils.problem import Problem


def curves(evaluation: Evaluation) -> Figure | None:
    """Draw a binary model's curves as one figure; None where a class is missing.

    ROC, precision over recall, calibration, gain and lift with 95 % intervals, the confusion table.
    """
    if "roc" not in evaluation.curves or evaluation.lift is None:
        return None
    made, axes = figure(2, 3, height=2.7, width=10.0)
    _roc(axes[0], evaluation)
    _precision_recall(axes[1], evaluation)
    _confusion(axes[2], evaluation)
    _calibration(axes[3], evaluation)
    _gain(axes[4], evaluation.lift, float(evaluation.rate))
    _lift(axes[5], evaluation.lift)
    return made


def _roc(axes: Axes, evaluation: Evaluation) -> None:
    points = evaluation.curves["roc"]
    axes.plot(points["fpr"], points["tpr"], color=BLUE)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    _mark(axes, 1 - evaluation.value("specificity"), evaluation.value("recall"), evaluation.threshold)
    axes.set_xlabel("false-positive rate")
    axes.set_ylabel("true-positive rate (recall)")
    axes.set_title(f"ROC, AUC {_with_interval(evaluation, 'roc_auc')}", fontsize=10)


def _precision_recall(axes: Axes, evaluation: Evaluation) -> None:
    points = evaluation.curves["pr"]
    axes.plot(points["recall"], points["precision"], color=BLUE)
    axes.axhline(evaluation.rate, color=GREY, linestyle="--", linewidth=1)
    _mark(axes, evaluation.value("recall"), evaluation.value("precision"), evaluation.threshold)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    axes.set_ylim(0, 1.02)
    axes.set_title(f"AP {_with_interval(evaluation, 'average_precision')}", fontsize=10)


def _mark(axes: Axes, x: float, y: float, threshold: float | None) -> None:
    if threshold is not None and np.isfinite(x) and np.isfinite(y):
        axes.plot(x, y, "o", color=ORANGE, label=f"at {threshold:.2f}")
        axes.legend(loc="best", fontsize=8)


def _with_interval(evaluation: Evaluation, metric: str) -> str:
    low, high = evaluation.interval(metric)
    span = f" ({low:.3f} to {high:.3f})" if np.isfinite(low) else ""
    return f"{evaluation.value(metric):.3f}{span}"


def _confusion(axes: Axes, evaluation: Evaluation) -> None:
    """Rows by truth and decision; the shade is the share of each truth."""
    cells = evaluation.confusion
    if cells is None:
        return
    table = np.array([[cells.tp, cells.fn], [cells.fp, cells.tn]], dtype=float)
    _shaded(axes, table, ["positive", "negative"], ["acted on", "left alone"])
    axes.set_xlabel("decision")
    axes.set_ylabel("truth")
    axes.set_title(f"Decisions at {evaluation.threshold:.2f}", fontsize=10)


def _shaded(axes: Axes, table: npt.NDArray[np.float64], rows: list[str], columns: list[str]) -> None:
    totals = table.sum(axis=1, keepdims=True)
    share = np.divide(table, totals, out=np.zeros_like(table), where=totals > 0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    for i, j in np.ndindex(table.shape):
        axes.text(j, i, f"{table[i, j]:,.0f}\n{share[i, j]:.0%}", ha="center", va="center", fontsize=9)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows, rotation=90, va="center")
    axes.grid(visible=False)


def _calibration(axes: Axes, evaluation: Evaluation) -> None:
    bins = evaluation.curves["calibration"]
    spread = np.abs(np.vstack([bins["rate"] - bins["lower"], bins["upper"] - bins["rate"]]))
    top = float(max(bins["upper"].max(), bins["score"].max())) * 105
    axes.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1)
    axes.errorbar(
        bins["score"] * 100,
        bins["rate"] * 100,
        yerr=spread * 100,
        fmt="o-",
        color=BLUE,
        capsize=2,
        linewidth=1,
        markersize=4,
    )
    axes.set_xlabel("mean predicted probability, %")
    axes.set_ylabel("observed, %")
    low, high = evaluation.interval("ece")
    span = f" ({low * 100:.1f} to {high * 100:.1f})" if np.isfinite(low) else ""
    axes.set_title(f"Calibration error {percent(evaluation.value('ece'))}{span}", fontsize=10)


def _gain(axes: Axes, table: pd.DataFrame, rate: float) -> None:
    share = np.append(0.0, table["share_of_rows"]) * 100
    found = [np.append(0.0, table[name]) * 100 for name in ("share_of_positives", "gain_lower", "gain_upper")]
    axes.fill_between(share, found[1], found[2], color=LIGHT)
    axes.plot(share, found[0], "o-", color=BLUE, markersize=3)
    axes.plot([0, 100 * rate, 100], [0, 100, 100], color=GREY, linewidth=1, linestyle=":")
    axes.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1)
    axes.set_xlabel("rows with the highest scores, %")
    axes.set_ylabel("positives among them, %")
    axes.set_title(
        f"Gain: the top tenth holds {percent(float(table['share_of_positives'][0]), 0)}", fontsize=10
    )


def _lift(axes: Axes, table: pd.DataFrame) -> None:
    share = table["share_of_rows"] * 100
    axes.fill_between(share, table["lift_lower"], table["lift_upper"], color=LIGHT)
    axes.plot(share, table["lift"], "o-", color=BLUE, markersize=3)
    axes.axhline(1, color=GREY, linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("rows with the highest scores, %")
    axes.set_ylabel("lift over drawing at random")
    axes.set_title(f"Lift: {table['lift'][0]:.1f} in the top tenth", fontsize=10)


def classes(evaluation: Evaluation) -> Figure | None:
    """Draw a multi-class model: confusion, calibration, F1 by class with 95 % intervals; else None."""
    if evaluation.class_confusion is None or evaluation.classes is None:
        return None
    made, axes = figure(1, 3, height=3.0, width=10.0)
    names = [str(name) for name in evaluation.class_confusion.index]
    _shaded(axes[0], evaluation.class_confusion.to_numpy(float), names, names)
    axes[0].set_xlabel("decided")
    axes[0].set_ylabel("truth")
    axes[0].set_title(f"Accuracy {_with_interval(evaluation, 'accuracy')}", fontsize=10)
    bins = evaluation.curves["calibration"]
    axes[1].plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    spread = np.abs(np.vstack([bins["rate"] - bins["lower"], bins["upper"] - bins["rate"]]))
    axes[1].errorbar(bins["score"], bins["rate"], yerr=spread, fmt="o-", color=BLUE, capsize=2, markersize=4)
    axes[1].set_xlabel("probability of the likeliest class")
    axes[1].set_ylabel("share in which it is right")
    axes[1].set_title("Do the probabilities hold?", fontsize=10)
    table = evaluation.classes.iloc[::-1].reset_index(drop=True)
    _dots(axes[2], table["f1"], table["f1_lower"], table["f1_upper"], [BLUE] * len(table))
    axes[2].set_yticks(range(len(table)), table["class"].astype(str))
    axes[2].set_xlabel("F1, 95 % interval")
    axes[2].set_title("How well each class is found", fontsize=10)
    return made


def ranking(evaluation: Evaluation) -> Figure | None:
    """Draw how a binary model ranks: ROC, and precision over recall; None where a class is missing."""
    if "roc" not in evaluation.curves:
        return None
    made, (left, right) = figure(1, 2)
    _roc(left, evaluation)
    _precision_recall(right, evaluation)
    return made


def calibration_and_gain(evaluation: Evaluation) -> Figure | None:
    """Draw whether probabilities hold and the share of positives found by rank, with 95 % intervals."""
    if "gain" not in evaluation.curves or evaluation.lift is None:
        return None
    made, (left, right) = figure(1, 2)
    _calibration(left, evaluation)
    _gain(right, evaluation.lift, float(evaluation.rate))
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
