"""Whom a binary model serves how well, summed up: differences with intervals, intersections, and costs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ml_utils.errors import DataError
from ml_utils.evaluation.fairness.by_group import binary_groups, compared_groups
from ml_utils.evaluation.fairness.differences import largest_difference, odds_difference, smallest_ratio
from ml_utils.evaluation.fairness.group_thresholds import GOALS, GroupThresholds, group_thresholds
from ml_utils.evaluation.fairness.groups import intersections
from ml_utils.evaluation.metrics import Array, check_scores
from ml_utils.problem import Decision
from ml_utils.wording import figure, listing

FOUR_FIFTHS = 0.8
_MEASURES = ("disparate_impact", "equal_opportunity", "equalised_odds")
ENOUGH_NOTE = "fewer than two groups with enough rows"


@dataclass(frozen=True)
class FairnessAudit:
    """Figures by group, and what compares the groups of each attribute.

    Parameters
    ----------
    groups : DataFrame
        From `binary_groups`, of the attributes and of every two of them crossed.
    summary : DataFrame
        attribute, crossed (whether it is two attributes), groups (compared), and disparate_impact,
        equal_opportunity and equalised_odds with their 95 % limits (…_lower, …_upper), least_selected and
        most_selected; NaN where fewer than two groups can be compared.
    thresholds : tuple of GroupThresholds
        Of each single attribute, for each goal.
    """

    groups: pd.DataFrame
    summary: pd.DataFrame
    thresholds: tuple[GroupThresholds, ...] = field(default=(), repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return the attributes as a table for a page."""
        names = {"disparate_impact": "disparate impact", "equal_opportunity": "difference in TPR"}
        shown = {"attribute": self.summary["attribute"], "groups": self.summary["groups"]}
        for measure in _MEASURES:
            label = names.get(measure, "equalised odds difference")
            shown[f"{label} (95 % interval)"] = [_span(row, measure) for _, row in self.summary.iterrows()]
        shown["80 % rule"] = [four_fifths(row) for _, row in self.summary.iterrows()]
        return pd.DataFrame(shown)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def cost_table(self) -> pd.DataFrame:
        """Return what thresholds by group would cost, a row an attribute and goal, in plain words."""
        return pd.DataFrame(
            {
                "attribute": [found.attribute for found in self.thresholds],
                "goal": [found.goal for found in self.thresholds],
                "what it would do": [found.sentence() for found in self.thresholds],
            }
        )

    def results(self) -> dict[str, object]:
        """Return everything for the results file."""
        return {
            "groups": self.groups,
            "summary": self.summary,
            "thresholds": [found.results() for found in self.thresholds],
        }

    def value(self, measure: str) -> float:
        """Return the worst figure over single attributes: lowest disparate impact, largest difference.

        NaN where no attribute can be compared.
        """
        single = self.summary.loc[~self.summary["crossed"].astype(bool), measure].dropna()
        if single.empty:
            return float("nan")
        return float(single.min() if measure == "disparate_impact" else single.max())

    def sentences(self) -> list[str]:
        """Say which attributes break the 80 % rule, and where that cannot be told."""
        said = []
        verdicts = [four_fifths(row) for _, row in self.summary.iterrows()]
        for verdict, words in (
            ("broken", "is below four fifths, beyond chance"),
            ("below, may be chance", "is below four fifths on these rows, which may be chance"),
        ):
            rows = [
                row
                for (_, row), found in zip(self.summary.iterrows(), verdicts, strict=True)
                if found == verdict
            ]
            for row in rows:
                ratio, who = _span(row, "disparate_impact"), f"By {row['attribute']}, {row['least_selected']}"
                said.append(
                    f"{who} are acted on {ratio} times as often as {row['most_selected']}: that {words}."
                )
        unknown = [str(row["attribute"]) for _, row in self.summary.iterrows() if row["groups"] < 2]
        if unknown:
            said.append(f"Not defined for {listing(unknown)}: {ENOUGH_NOTE}.")
        return said or ["No group is acted on less than four fifths as often as another."]


def four_fifths(row: pd.Series) -> str:
    """Say whether the 80 % rule is met, in the interval's light."""
    value, lower, upper = (row[f"disparate_impact{end}"] for end in ("", "_lower", "_upper"))
    if not np.isfinite(value):
        return "not defined"
    if value >= FOUR_FIFTHS:
        return "met" if lower >= FOUR_FIFTHS else "met, may be chance"
    return "broken" if upper < FOUR_FIFTHS else "below, may be chance"


def _span(row: pd.Series, measure: str) -> str:
    value, low, high = (float(row[f"{measure}{end}"]) for end in ("", "_lower", "_upper"))
    if not np.isfinite(value):
        return "not defined"
    return f"{figure(value, 2)} ({figure(low, 2)} to {figure(high, 2)})"


def audit(
    y: Array,
    score: Array,
    threshold: float,
    sensitive: pd.DataFrame,
    decision: Decision | None = None,
    crossed: bool = True,
) -> FairnessAudit:
    """Compare how a binary model's decisions fall on the groups of the sensitive attributes.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
        Score at or above which the model acts.
    sensitive : DataFrame of shape (n_rows, n_attributes)
        Missing values are a group that is shown and not compared.
    decision : Decision, optional
        Prices what thresholds by group would cost.
    crossed : bool
        Whether to look at every two attributes together, too.

    Returns
    -------
    FairnessAudit

    Raises
    ------
    DataError
        If lengths differ, a value is missing, a score is no probability, or there is no attribute.
    """
    target, scores = check_scores(y, score, "binary")
    if not sensitive.shape[1]:
        raise DataError("There is no sensitive attribute to compare groups by; name one in the problem file.")
    if len(sensitive) != len(target):
        raise DataError(
            f"sensitive has {len(sensitive)} rows and the scores {len(target)}; give the same rows."
        )
    both = intersections(sensitive) if crossed else pd.DataFrame(index=sensitive.index)
    tables = [binary_groups(target, scores, threshold, sensitive)]
    for name in both.columns:
        some = both[name].notna().to_numpy()
        tables.append(binary_groups(target[some], scores[some], threshold, both.loc[some, [name]]))
    groups = pd.concat(tables, ignore_index=True)
    rows = [
        {"attribute": name, "crossed": name in both.columns, **_compare(table)}
        for name, table in groups.groupby("attribute", sort=False)
    ]
    priced = tuple(
        group_thresholds(target, scores, threshold, sensitive[name], goal, decision)
        for name in sensitive.columns
        for goal in GOALS
    )
    return FairnessAudit(groups, pd.DataFrame(rows), priced)


def _compare(table: pd.DataFrame) -> dict[str, object]:
    large, judged = compared_groups(table), compared_groups(table, both_outcomes=True)
    n, n1 = (judged[name].to_numpy(float) for name in ("rows", "positives"))
    selected, found = (judged[name].to_numpy(float) for name in ("selected", "found"))
    row: dict[str, object] = {"groups": len(large)}
    for measure, values in (
        ("disparate_impact", smallest_ratio(*(large[key].to_numpy(float) for key in ("selected", "rows")))),
        ("equal_opportunity", largest_difference(found, n1)),
        ("equalised_odds", odds_difference(found, n1, selected - found, n - n1)),
    ):
        row |= dict(zip((measure, f"{measure}_lower", f"{measure}_upper"), values, strict=True))
    several = len(large) > 1
    row["least_selected"] = large.loc[large["selection_rate"].idxmin(), "group"] if several else ""
    row["most_selected"] = large.loc[large["selection_rate"].idxmax(), "group"] if several else ""
    return row
