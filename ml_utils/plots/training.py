"""Figures of notebook 02: leaderboard, search, learning, imbalance, threshold, calibration."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, COLOURS, GREEN, GREY, LIGHT, ORANGE, PURPLE, RED, figure
from ml_utils.wording import figure as number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.problem import Problem
    from ml_utils.training.curves import LearningCurve, ValidationCurve
    from ml_utils.training.holdout import HoldoutCheck
    from ml_utils.training.imbalance_comparison import ImbalanceComparison
    from ml_utils.training.trainer import ModelTrainer


_RULES = (GREEN, PURPLE, ORANGE, RED, GREY)


def leaderboard(trainer: ModelTrainer) -> Figure:
    """Draw each candidate's mean and interval, and its score on the rows it was fitted on.

    The baseline is written into the title: its distance would flatten the rest.
    """
    board = trainer.leaderboard_[trainer.leaderboard_["error"] == ""]
    shown = board[board["candidate"] != "baseline"][::-1]
    base = board.loc[board["candidate"] == "baseline", "mean"]
    made, (axes,) = figure(height=1.5 + 0.42 * len(shown))
    sign = 1 if trainer.metric_.greater_is_better else -1
    for place, row in enumerate(shown.itertuples()):
        colour = BLUE if row.tied_with_best else GREY
        spread = [[row.mean - row.lower], [row.upper - row.mean]]
        axes.errorbar(row.mean, place, xerr=spread, fmt="o", color=colour, capsize=3)
        axes.plot(row.mean + sign * row.gap, place, marker="|", markersize=14, color=ORANGE, linestyle="")
    axes.set_yticks(range(len(shown)), [_wrapped(label) for label in shown["label"]])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel(f"{trainer.metric_.label}, cross-validated, with 95 % interval (orange: on fitted rows)")
    note = f"; the baseline's is {number(float(base.iloc[0]))}" if len(base) else ""
    axes.set_title(f"Blue is the best and what is tied with it{note}")
    axes.grid(axis="y", visible=False)
    return made


def _wrapped(label: str, width: int = 32) -> str:
    """Break a long label, so that an ensemble's leaves room for the figure."""
    return "\n".join(textwrap.wrap(label, width))


def search_history(trainer: ModelTrainer) -> Figure | None:
    """Draw the trials of every search that had more than one; None when none had."""
    searches = [item for item in trainer.candidates_ if item.trials > 1 and not item.error]
    if not searches:
        return None
    from matplotlib.ticker import MaxNLocator

    made, (axes,) = figure(height=3.2)
    for colour, item in zip(COLOURS, searches, strict=False):
        _history(axes, trainer, item.name, item.label, colour)
    axes.set_xlabel("trial (the first is the prior)")
    axes.set_ylabel(f"{trainer.metric_.label}, cross-validated")
    axes.set_title("What the search found over what it started from (hollow: stopped early)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best", fontsize=9)
    return made


def _history(axes: Axes, trainer: ModelTrainer, name: str, label: str, colour: str) -> None:
    trials = trainer.studies_[name].trials
    done = [(trial.number + 1, trial.value) for trial in trials if trial.state.name == "COMPLETE"]
    cut = [
        (trial.number + 1, trial.intermediate_values[max(trial.intermediate_values)])
        for trial in trials
        if trial.state.name == "PRUNED" and trial.intermediate_values
    ]
    numbers, values = (np.array(column, dtype=float) for column in zip(*done, strict=True))
    best = np.maximum if trainer.metric_.greater_is_better else np.minimum
    line = best.accumulate(values)
    ends, last = np.append(numbers, len(trials)), np.append(line, line[-1])
    axes.step(ends, last, where="post", color=colour, label=label)
    axes.plot(numbers, values, "o", color=colour, markersize=4)
    if cut:
        axes.plot(*zip(*cut, strict=True), "o", color=colour, markersize=4, fillstyle="none", alpha=0.6)


def learning(curve: LearningCurve, validation: ValidationCurve | None) -> Figure:
    """Draw scores over the rows learnt from, and over the candidate's most important parameter."""
    made, found = figure(1, 1 if validation is None else 2, height=3.5)
    axes, points = found[0], curve.points
    _two_bands(axes, points["rows"], points)
    if curve.forecast is not None:
        sign = 1 if curve.metric.greater_is_better else -1
        ahead = np.geomspace(points["rows"].iloc[0], curve.forecast.factor * points["rows"].iloc[-1], 60)
        axes.plot(ahead, sign * curve.forecast.at(ahead), color=BLUE, linestyle=":", label="fitted power")
    axes.set_xscale("log")
    _plain_ticks(axes, points["rows"])
    axes.set_xlabel("rows learnt from (logarithmic)")
    axes.set_ylabel(curve.metric.label)
    axes.set_title("More rows" if curve.forecast is None else "More rows, and what they would bring")
    axes.legend(fontsize=9)
    if validation is not None:
        _two_bands(found[1], validation.points["value"], validation.points)
        found[1].axvline(validation.chosen, color=GREY, linestyle="--", linewidth=1)
        if validation.log:
            found[1].set_xscale("log")
            _plain_ticks(found[1], validation.points["value"])
        found[1].set_xlabel(f"{validation.parameter} (dashed: the search's choice)")
        found[1].set_title(f"{validation.label}: its main parameter")
    return made


def _two_bands(axes: Axes, x: pd.Series, points: pd.DataFrame) -> None:
    for what, colour, label in (("train", ORANGE, "on fitted rows"), ("valid", BLUE, "on the others")):
        axes.fill_between(x, points[f"{what}_lower"], points[f"{what}_upper"], color=colour, alpha=0.13)
        axes.plot(x, points[what], "o-", color=colour, markersize=4, label=label)


def _plain_ticks(axes: Axes, values: pd.Series) -> None:
    """Name a logarithmic axis's points themselves, few enough to be read."""
    from matplotlib.ticker import NullFormatter, NullLocator

    reach = np.log(values.iloc[-1] / values.iloc[0]) or 1.0
    shown = [float(values.iloc[-1])]
    for value in values.iloc[-2::-1]:  # the last point is the one that matters, so it keeps its name
        if np.log(shown[-1] / value) > 0.18 * reach:
            shown.append(float(value))
    axes.set_xticks(shown, [f"{value:,.0f}" if value >= 10 else f"{value:.3g}" for value in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def imbalance(comparison: ImbalanceComparison) -> Figure:
    """Draw what treating a rare class does to the ranking, the probabilities and, with a decision, profit."""
    table = comparison.frame[::-1].reset_index(drop=True)
    money = "profit_raw" in table
    made, axes = figure(1, 3 if money else 2, height=1.3 + 0.32 * len(table))
    told = comparison.differences[comparison.differences["metric"] == "roc_auc"].set_index("method")
    for place, method in enumerate(table["method"]):
        if method in told.index:
            row = told.loc[method]
            colour = BLUE if row["p_value"] > comparison.alpha else (GREEN if row["better"] else RED)
            spread = [[row["difference"] - row["lower"]], [row["upper"] - row["difference"]]]
            axes[0].errorbar(row["difference"], place, xerr=spread, fmt="o", color=colour, capsize=3)
    axes[0].axvline(0, color=GREY, linewidth=1)
    axes[0].set_xlabel("AUC against none, 95 %")
    axes[0].set_title("Ranking")
    _raw_and_right(axes[1], table, "brier", "brier_set_right", "Brier score (less is better)")
    axes[1].set_title("Probabilities")
    if money:
        thousand = table.assign(raw=1000 * table["profit_raw"], right=1000 * table["profit_set_right"])
        currency = comparison.decision.currency if comparison.decision else ""
        _raw_and_right(axes[2], thousand, "raw", "right", f"{currency} per 1,000 rows".strip())
        axes[2].set_title("Profit")
    for i, each in enumerate(axes):
        each.set_yticks(range(len(table)), table["label"] if i == 0 else [""] * len(table))
        each.set_ylim(-0.6, len(table) - 0.4)
        each.locator_params(axis="x", nbins=4)
    handles, labels = axes[1].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=9)
    return made


def _raw_and_right(axes: Axes, table: pd.DataFrame, raw: str, right: str, label: str) -> None:
    """Draw each method's figure as the model gives it, and set right, joined by a line."""
    places = np.arange(len(table))
    axes.hlines(places, table[raw], table[right], color=LIGHT, linewidth=3, zorder=1)
    axes.plot(table[raw], places, "o", color=ORANGE, label="as the model gives them")
    axes.plot(table[right], places, "o", color=BLUE, markersize=4, label="set right for the changed shares")
    axes.set_xlabel(label)


def thresholds(trainer: ModelTrainer) -> Figure | None:
    """Draw profit (F1 without a decision) over thresholds, with each rule's choice; None in a regression."""
    curve, rules = trainer.threshold_curve_, trainer.thresholds_
    if curve is None or rules is None:
        return None
    value = "profit" if "profit" in curve else "f1"
    made, (axes,) = figure(height=3.4)
    axes.plot(curve["threshold"], curve[value], color=BLUE)
    for place, row in enumerate(rules.to_dict("records")):
        # rules that nearly agree are seen through each other
        size, colour = max(13 - 3 * place, 5), _RULES[place % len(_RULES)]
        label = f"{row['rule']}: {_amount(row[value])}"
        (mark,) = axes.plot(row["threshold"], row[value], "o", color=colour, markersize=size, label=label)
        mark.set(fillstyle="none", markeredgewidth=2)
    currency = trainer.decision.currency if trainer.decision else ""
    axes.set_ylabel(f"profit, {currency or 'in units of the decision'}" if value == "profit" else "F1")
    axes.set_xlabel("threshold: score from which to act")
    if value == "profit":  # acting on everyone costs so much that the rest would be flat
        top = float(curve[value].max())
        axes.set_ylim(-0.6 * max(top, 1.0), 1.15 * max(top, 1.0))
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(0, 1)
    axes.set_title(
        f"{'What' if value == 'profit' else 'F1 that'} each threshold earns, on out-of-fold scores"
    )
    axes.legend(loc="best", fontsize=9)
    return made


def calibration(check: HoldoutCheck, problem: Problem) -> Figure:
    """Draw what was observed over what was predicted, in bins of about equal numbers of rows."""
    bins = check.calibration
    made, (axes,) = figure(height=3.6)
    low = float(np.nanmin([bins["predicted"].min(), bins["lower"].min()]))
    high = float(np.nanmax([bins["predicted"].max(), bins["upper"].max()]))
    axes.plot([low, high], [low, high], color=GREY, linestyle="--", linewidth=1)
    axes.fill_between(bins["predicted"], bins["lower"], bins["upper"], color=LIGHT)
    axes.plot(bins["predicted"], bins["observed"], "o-", color=BLUE)
    binary = problem.task == "binary"
    axes.set_xlabel("mean score" if binary else f"mean predicted {problem.target}")
    axes.set_ylabel("share that was positive" if binary else f"mean {problem.target}")
    inside = _inside(bins)
    axes.set_title(f"The diagonal lies within the 95 % interval in {inside} of {len(bins)} bins")
    return made


def _inside(bins: pd.DataFrame) -> int:
    return int(bins["predicted"].between(bins["lower"], bins["upper"]).sum())


def _amount(value: float) -> str:
    return f"{value:,.0f}".replace("-", "−") if abs(value) >= 10 else number(value)
