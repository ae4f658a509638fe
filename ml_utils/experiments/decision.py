"""What follows from an experiment: whether to act, and what acting is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from ml_utils.experiments.results import SRM_ALPHA, Analysis, Goal, Verdict
from ml_utils.experiments.stats import Effect
from ml_utils.wording import count, percent


@dataclass(frozen=True)
class Value:
    """What acting is worth, with the interval of the effect carried over.

    Attributes
    ----------
    per_row, low, high : float
        Gain per row acted on, net of its cost, in the currency.
    rows : int
        Rows acted on.
    break_even : float
        Effect, in the wanted direction, from which acting pays.
    cost : float
        Per row acted on.
    currency : str
    """

    per_row: float
    low: float
    high: float
    rows: int
    break_even: float
    cost: float
    currency: str

    @property
    def total(self) -> tuple[float, float, float]:
        """Gain over all rows: estimate, lower and upper end."""
        return self.per_row * self.rows, self.low * self.rows, self.high * self.rows

    @property
    def pays(self) -> bool | None:
        """True or False where the whole interval is on one side of 0, None where it isn't."""
        return True if self.low > 0 else False if self.high < 0 else None

    def to_frame(self) -> pd.DataFrame:
        """Return the gain per row and in all, with intervals."""
        rows = [("per row", self.per_row, self.low, self.high), ("in all", *self.total)]
        return pd.DataFrame(rows, columns=["gain", "estimate", "low", "high"])

    def _repr_html_(self) -> str:
        return self.to_frame().round(2).to_html(index=False, border=0)


def value_of(analysis: Analysis, rows: int, worth: float, cost: float = 0.0, currency: str = "") -> Value:
    """Turn an effect into money.

    Parameters
    ----------
    analysis : Analysis
    rows : int
        Rows that would be acted on.
    worth : float
        What one unit of the wanted effect is worth: a lost customer kept, an order won, one unit of spend.
    cost : float
        Of acting on one row.
    currency : str

    Returns
    -------
    Value
    """
    ends = (analysis.effect.low, analysis.effect.high)
    low, high = ends if analysis.goal == "higher" else (-ends[1], -ends[0])
    return Value(
        per_row=analysis.wanted_effect * worth - cost,
        low=low * worth - cost,
        high=high * worth - cost,
        rows=rows,
        break_even=cost / worth if worth > 0 else math.nan,
        cost=cost,
        currency=currency,
    )


def decide(effect: Effect, ratio_p: float, goal: Goal, alpha: float) -> tuple[Verdict, tuple[str, ...]]:
    """Decide on the effect and say why; where the arms' sizes do not fit the plan, don't decide."""
    if ratio_p < SRM_ALPHA:
        return "withheld", (
            f"SAMPLE RATIO MISMATCH: {count(effect.n_control)} rows in control and "
            f"{count(effect.n_treatment)} in treatment do not fit the plan (p = {ratio_p:.1e}).",
            "Rows were lost or added in one arm, so the effect below cannot be trusted; mend the assignment "
            "or the logging and run the experiment again.",
        )
    sizes = f"The arms came out as planned (sample-ratio check: p = {ratio_p:.2f})."
    if effect.p_value >= alpha:
        found = f"No effect was shown at the {percent(alpha, 0)} level (p = {effect.p_value:.3f})."
        return "undecided", (sizes, found)
    up = effect.difference > 0
    p = "p < 0.001" if effect.p_value < 0.001 else f"p = {effect.p_value:.3f}"
    found = f"The treatment's outcome is {'higher' if up else 'lower'} than the control's ({p})."
    wanted = up == (goal == "higher")
    side = "That is the wanted direction." if wanted else "That is the wrong direction."
    return ("roll out" if wanted else "keep as is"), (sizes, found, side)
