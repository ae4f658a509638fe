"""What the steps of an experiment return: a design, an analysis, a sequence of looks, a value."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ml_utils.experiments.checks import SampleRatio
from ml_utils.experiments.power import (
    effect_for_means,
    effect_for_proportions,
    power_for_means,
    power_for_proportions,
)
from ml_utils.experiments.stats import Cuped, Effect
from ml_utils.wording import count, percent

Metric = Literal["proportion", "mean"]
Goal = Literal["higher", "lower"]
Verdict = Literal["roll out", "keep as is", "undecided", "withheld"]

SRM_ALPHA = 0.001  # a broken assignment shows far below it; a sound one crosses it once in 1,000 tests


@dataclass(frozen=True)
class Design:
    """How large an experiment has to be.

    Attributes
    ----------
    metric : {"proportion", "mean"}
    baseline : float
        The control's expected mean.
    difference : float
        Effect worth having, treatment minus control, in the outcome's unit.
    alpha, power, share : float
        `share` is the treatment's.
    sd : float or None
        Standard deviation of the outcome within an arm; None for a proportion.
    correlation : float
        Of the outcome with the covariate that the analysis adjusts for; the size shrinks by 1 − its square.
    n_control, n_treatment : int
        Rows needed, rounded up.
    days : float or None
        How long it takes to gather them.
    """

    metric: Metric
    baseline: float
    difference: float
    alpha: float
    power: float
    share: float
    sd: float | None
    correlation: float
    n_control: int
    n_treatment: int
    days: float | None

    @property
    def n_total(self) -> int:
        """Rows of both arms together."""
        return self.n_control + self.n_treatment

    def power_at(self, n: float, difference: float | None = None) -> float:
        """Return the power with `n` rows in all, for the design's difference or another one."""
        effect = self.difference if difference is None else difference
        rows = n / (1 - self.correlation**2)
        if self.sd is None:
            treatment = self.baseline + effect
            return power_for_proportions(self.baseline, treatment, rows, self.alpha, self.share)
        return power_for_means(effect, self.sd, rows, self.alpha, self.share)

    def detectable(self, n: float) -> float:
        """Return the smallest absolute difference that `n` rows in all find with the design's power.

        NaN where even the largest possible one would be missed.
        """
        rows = n / (1 - self.correlation**2)
        if self.sd is not None:
            return effect_for_means(self.sd, rows, self.alpha, self.power, self.share)
        return effect_for_proportions(
            self.baseline, rows, self.alpha, self.power, self.share, rise=self.difference > 0
        )

    def curve(self, largest: float | None = None, points: int = 60) -> pd.DataFrame:
        """Return the power over the number of rows.

        Returns
        -------
        DataFrame
            Columns rows and power.
        """
        end = max(largest or 0.0, 2.0 * self.n_total)
        least = min(4 / min(self.share, 1 - self.share), end / 2)
        rows = [least + (end - least) * i / (points - 1) for i in range(points)]
        return pd.DataFrame({"rows": rows, "power": [self.power_at(n) for n in rows]})

    def to_frame(self) -> pd.DataFrame:
        """Return the design as a table of two columns."""
        shown = percent if self.metric == "proportion" else "{:,.2f}".format
        rows = [
            ("expected without acting", shown(self.baseline)),
            ("effect worth having", f"{_signed(self.difference, self.metric)}"),
            ("relative to what is expected", percent(self.difference / abs(self.baseline))),
            ("significance level", percent(self.alpha, 0)),
            ("power", percent(self.power, 0)),
            ("rows in control", count(self.n_control)),
            ("rows in treatment", count(self.n_treatment)),
            ("rows in all", count(self.n_total)),
        ]
        if self.days is not None:
            rows.append(("days to gather them", f"{self.days:,.0f}"))
        return pd.DataFrame(rows, columns=["design", "value"])

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False, border=0)


@dataclass(frozen=True)
class Analysis:
    """What an experiment found.

    Attributes
    ----------
    metric : {"proportion", "mean"}
    goal : {"higher", "lower"}
        The wanted direction of the outcome.
    effect : Effect
        The one that decides: adjusted where a covariate was given.
    unadjusted : Effect
        From the outcomes alone.
    cuped : Cuped or None
        The adjustment.
    sample_ratio : SampleRatio
    segments : DataFrame
        One row a level: segment, level, n_control, n_treatment, control, treatment, difference, low, high,
        p_value, p_adjusted, note.
    heterogeneity : dict of str to float
        Segment column to the p-value that the effect is the same in all its levels (Cochran's Q).
    decision : {"roll out", "keep as is", "undecided", "withheld"}
    reasons : tuple of str
        Sentences that say why.
    """

    metric: Metric
    goal: Goal
    effect: Effect
    unadjusted: Effect
    cuped: Cuped | None
    sample_ratio: SampleRatio
    segments: pd.DataFrame
    heterogeneity: Mapping[str, float]
    decision: Verdict
    reasons: tuple[str, ...]

    @property
    def trustworthy(self) -> bool:
        """Whether the sizes of the arms fit the plan (p ≥ SRM_ALPHA)."""
        return self.sample_ratio.p_value >= SRM_ALPHA

    @property
    def wanted_effect(self) -> float:
        """The difference, positive where it goes in the wanted direction."""
        return self.effect.difference if self.goal == "higher" else -self.effect.difference

    def to_frame(self) -> pd.DataFrame:
        """Return the estimates, one row each: as observed, and adjusted where there is a covariate."""
        rows = {"as observed": self.unadjusted}
        if self.cuped is not None:
            rows["adjusted for the covariate"] = self.cuped.effect
        names = ["control", "treatment", "difference", "low", "high", "p_value"]
        names += ["lift", "lift_low", "lift_high"]
        return pd.DataFrame(
            [
                {"estimate": label, **{name: getattr(row, name) for name in names}}
                for label, row in rows.items()
            ]
        )

    def _repr_html_(self) -> str:
        words = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.reasons)
        return (
            f"{self.to_frame().round(4).to_html(index=False, border=0)}"
            f"<p><b>Decision: {self.decision}</b></p><ul>{words}</ul>"
        )


@dataclass(frozen=True)
class Sequence:
    """An experiment watched as it runs.

    Attributes
    ----------
    looks : DataFrame
        One row a look: n, difference, low, high (valid at all looks at once), p_value (running minimum),
        fixed_low, fixed_high (valid at one look only, for contrast).
    stop_at : int or None
        Rows at the first look whose always-valid interval leaves 0 out.
    planned : int
        Rows for which the intervals are tightest.
    alpha : float
    """

    looks: pd.DataFrame
    stop_at: int | None
    planned: int
    alpha: float

    def to_frame(self) -> pd.DataFrame:
        """Return the looks."""
        return self.looks.copy()

    def summary(self) -> dict[str, object]:
        """Return when one could have stopped, and the looks, for a results file."""
        return {"stop_at": self.stop_at, "planned": self.planned, "looks": self.looks}

    def _repr_html_(self) -> str:
        return self.looks.round(4).to_html(index=False, border=0)


def _signed(difference: float, metric: Metric) -> str:
    if metric == "mean":
        return f"{difference:+,.2f}".replace("-", "−")
    return f"{100 * difference:+.1f} points".replace("-", "−")
