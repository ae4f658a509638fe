"""Figures of notebook 02: the leaderboard, the search, the threshold, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_utils.plots.style import BLUE, COLOURS, GREEN, GREY, LIGHT, ORANGE, PURPLE, RED, figure
from ml_utils.wording import figure as number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml_utils.problem import Problem
    from ml_utils.training.holdout import HoldoutCheck
    from ml_utils.training.trainer import ModelTrainer


def leaderboard(trainer: ModelTrainer) -> Figure:
    """Draw each candidate's mean and interval, and its score on the rows it was fitted on.

    The baseline is written into the title: its distance would flatten the rest.
    """
    board = trainer.leaderboard_[trainer.leaderboard_["error"] == ""]
    shown = board[board["candidate"] != "baseline"][::-1]
    base = board.loc[board["candidate"] == "baseline", "mean"]
    made, (axes,) = figure(height=1.3 + 0.42 * len(shown))
    sign = 1 if trainer.metric_.greater_is_better else -1
    for place, row in enumerate(shown.itertuples()):
        colour = BLUE if row.tied_with_best else GREY
        axes.errorbar(
            row.mean, place, xerr=[[row.mean - row.lower], [row.upper - row.mean]], fmt="o", color=colour
        )
        axes.plot(row.mean + sign * row.gap, place, marker="|", markersize=14, color=ORANGE, linestyle="")
    axes.set_yticks(range(len(shown)), shown["label"])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel(f"{trainer.metric_.label}, cross-validated, with 95 % interval (orange: on fitted rows)")
    note = f"; baseline {number(float(base.iloc[0]))}" if len(base) else ""
    axes.set_title(f"Blue: the best, and what is tied with it{note}")
    axes.grid(axis="y", visible=False)
    return made


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


def thresholds(trainer: ModelTrainer) -> Figure | None:
    """Draw profit (F1 without a decision) over thresholds, with each rule's choice; None in a regression."""
    curve, rules = trainer.threshold_curve_, trainer.thresholds_
    if curve is None or rules is None:
        return None
    value = "profit" if "profit" in curve else "f1"
    made, (axes,) = figure(height=3.4)
    axes.plot(curve["threshold"], curve[value], color=BLUE)
    for colour, row in zip((GREEN, PURPLE, ORANGE, RED), rules.to_dict("records"), strict=False):
        axes.plot(
            row["threshold"], row[value], "o", color=colour, label=f"{row['rule']}: {_amount(row[value])}"
        )
    currency = trainer.decision.currency if trainer.decision else ""
    axes.set_ylabel(f"profit, {currency or 'in units of the decision'}" if value == "profit" else "F1")
    axes.set_xlabel("threshold: score from which to act")
    if value == "profit":  # acting on everyone costs so much that the rest would be flat
        top = float(curve[value].max())
        axes.set_ylim(-0.6 * max(top, 1.0), 1.15 * max(top, 1.0))
        axes.axhline(0, color=GREY, linewidth=0.8)
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
