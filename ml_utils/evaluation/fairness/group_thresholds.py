"""What a threshold of its own for each group would cost against one threshold for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import ParameterError, list_known
from ml_utils.evaluation.fairness.groups import MISSING, SMALL_CLASS, group_labels, ordered_groups
from ml_utils.evaluation.intervals import mean_interval
from ml_utils.evaluation.metrics import Array, check_scores
from ml_utils.evaluation.profit import row_gains
from ml_utils.problem import Decision
from ml_utils.wording import figure, money, percent

Goal = Literal["equal selection", "equal opportunity"]
Bools = npt.NDArray[np.bool_]
GOALS: tuple[Goal, ...] = ("equal selection", "equal opportunity")


@dataclass(frozen=True)
class GroupThresholds:
    """Thresholds by group, and what they cost.

    Parameters
    ----------
    attribute : str
    goal : {"equal selection", "equal opportunity"}
    level : float
        The selection rate, or the TPR, that one threshold for all gives and that each group is brought to.
    table : DataFrame
        group, rows, threshold, acted, acted_before, tpr, tpr_before. Missing values, and groups too small to
        set a threshold by, keep the threshold for all.
    cost, lower, upper : float
        Profit lost, in all, against one threshold for all, with its 95 % interval (paired by row, thresholds
        as they are); negative where profit is gained. NaN without a decision.
    decision : Decision or None
    """

    attribute: str
    goal: Goal
    level: float
    table: pd.DataFrame
    cost: float
    lower: float
    upper: float
    decision: Decision | None

    def to_frame(self) -> pd.DataFrame:
        """Return the groups as a table for a page."""
        table = self.table
        rate = {"acted": "acted on, %", "tpr": "positives found, %"}
        shown = {"group": table["group"], "threshold": table["threshold"].map(figure)}
        for name, label in rate.items():
            share = table[name] / table["rows"] if name == "acted" else table[name]
            before = table["acted_before"] / table["rows"] if name == "acted" else table["tpr_before"]
            shown[f"{label}, now"] = before.map(lambda value: percent(value))
            shown[f"{label}, then"] = share.map(lambda value: percent(value))
        return pd.DataFrame(shown)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return everything for the results file."""
        kept = {key: getattr(self, key) for key in ("attribute", "goal", "level", "cost", "lower", "upper")}
        return {**kept, "groups": self.table}

    def sentence(self) -> str:
        """Say what it would cost."""
        what = "acted on at one rate" if self.goal == "equal selection" else "found at one rate"
        start = (
            f"Thresholds by {self.attribute}, so that its groups are {what} ({percent(self.level)}), would"
        )
        if self.decision is None or not np.isfinite(self.cost):
            return f"{start} change decisions; without a price of an action their cost is not defined."
        currency = self.decision.currency
        low, high = money(self.lower, currency), money(self.upper, currency)
        if self.lower > 0:
            lost = f"{money(self.cost, currency)} on these rows ({low} to {high} with 95 % confidence)"
            return f"{start} cost {lost}."
        if self.upper < 0:
            gained = f"{money(-self.upper, currency)} to {money(-self.lower, currency)}"
            return (
                f"{start} bring {money(-self.cost, currency)} on these rows ({gained} with 95 % confidence)."
            )
        return (
            f"{start} cost nothing that can be told from chance: {money(self.cost, currency)} on these rows "
            f"({low} to {high} with 95 % confidence)."
        )


def group_thresholds(
    y: Array,
    score: Array,
    threshold: float,
    attribute: pd.Series,
    goal: Goal = "equal opportunity",
    decision: Decision | None = None,
) -> GroupThresholds:
    """Bring the groups of an attribute to one selection rate or one TPR by thresholds of their own.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
        The one for all; the rate that it gives in all is what each group is brought to.
    attribute : Series of shape (n_rows,)
    goal : {"equal selection", "equal opportunity"}
    decision : Decision, optional

    Returns
    -------
    GroupThresholds

    Raises
    ------
    ParameterError
        If the goal is unknown.
    DataError
        If lengths differ, a value is missing, or a score is no probability.

    Notes
    -----
    Hardt, Price & Srebro (2016), "Equality of opportunity in supervised learning", without randomised
    decisions: a group comes as near to the rate as its scores' ties allow. Deciding by a sensitive attribute
    may be unlawful even where it evens rates out.
    """
    if goal not in GOALS:
        raise ParameterError(f"There is no goal {goal!r}. {list_known(str(goal), GOALS)}")
    target, scores = check_scores(y, score, "binary")
    labels = group_labels(attribute)
    before, after = scores >= threshold, scores >= threshold
    level = _rate(before, target, goal)
    rows = []
    for group in ordered_groups(labels, attribute):
        keep = (labels == group).to_numpy()
        own = threshold
        if group != MISSING and _enough(target[keep], goal) and np.isfinite(level):
            own = _threshold_for(level, scores[keep], target[keep], goal)
        after[keep] = scores[keep] >= own
        rows.append(_row(group, own, target[keep], before[keep], after[keep]))
    cost, lower, upper = float("nan"), float("nan"), float("nan")
    if decision is not None:
        lost = row_gains(target, decision) * (before.astype(float) - after)
        low, high = mean_interval(lost)
        cost, lower, upper = float(lost.sum()), low * len(target), high * len(target)
    return GroupThresholds(str(attribute.name), goal, level, pd.DataFrame(rows), cost, lower, upper, decision)


def _enough(y: Array, goal: Goal) -> bool:
    return bool((len(y) if goal == "equal selection" else y.sum()) >= SMALL_CLASS)


def _rate(acted: Bools, y: Array, goal: Goal) -> float:
    among = acted if goal == "equal selection" else acted[y > 0]
    return float(among.mean()) if len(among) else float("nan")


def _threshold_for(level: float, score: Array, y: Array, goal: Goal) -> float:
    """Return the group's score from which on its rate comes nearest to `level`; above all scores for none."""
    among = np.sort(score if goal == "equal selection" else score[y > 0])[::-1]
    ends = np.flatnonzero(np.append(among[1:] != among[:-1], True))
    rates = np.append(0.0, (ends + 1) / len(among))
    nearest = int(np.abs(rates - level).argmin())
    return float(among[ends[nearest - 1]]) if nearest else float(np.nextafter(score.max(), np.inf))


def _row(group: str, own: float, y: Array, before: Bools, after: Bools) -> dict[str, object]:
    return {
        "group": group,
        "rows": len(y),
        "threshold": own,
        "acted": int(after.sum()),
        "acted_before": int(before.sum()),
        "tpr": _rate(after, y, "equal opportunity"),
        "tpr_before": _rate(before, y, "equal opportunity"),
    }
