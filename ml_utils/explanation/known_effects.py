"""The built-in retailer's known effects beside what a model says: are its drivers the true ones?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.problem import Problem, RetailerSource
from ml_utils.wording import listing, percent

if TYPE_CHECKING:
    from ml_utils.explanation.explain import Explanation


@dataclass(frozen=True)
class Effect:
    """The true effect of one column: its direction, or its categories' multipliers."""

    direction: int = 0
    levels: Mapping[str, float] | None = None

    @property
    def text(self) -> str:
        """The effect in words, as `Explanation.importance` says it."""
        if self.levels is None:
            return "higher raises" if self.direction > 0 else "higher lowers"
        ordered = sorted(self.levels, key=lambda name: -self.levels[name])  # type: ignore[index]
        return f"raised by {ordered[0]}, lowered by {ordered[-1]}"


@dataclass(frozen=True)
class DriverCheck:
    """A model's most important columns held against the truth.

    Parameters
    ----------
    table : DataFrame
        rank, source, share, effect (as the model sees it), truth, true_driver, direction_right (None where
        there is no true effect).
    n_true, n_right : int
        How many of the listed columns are true drivers, and have the right direction.
    missed : tuple of str
        True drivers that are not among the listed.
    """

    table: pd.DataFrame
    n_true: int
    n_right: int
    missed: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the check as a table for a page."""
        shown = self.table.copy()
        shown["share"] = [percent(share).replace(" ", "\u00a0") for share in shown["share"]]
        shown["true_driver"] = shown["true_driver"].map({True: "yes", False: "no"})
        shown["direction_right"] = [
            "" if value is None else "yes" if value else "no" for value in shown["direction_right"]
        ]
        shown = shown.rename(
            columns={"source": "column", "effect": "the model says", "truth": "the truth is"}
        )
        return shown.rename(columns=lambda name: name.replace("_", " "))

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say how far model and truth agree."""
        n = len(self.table)
        right = "all of them in" if self.n_right == self.n_true else f"{self.n_right} of them in"
        proxies = self.table.loc[~self.table["true_driver"], "source"].tolist()
        rest = f"; {listing(proxies)} has no effect of its own" if len(proxies) == 1 else ""
        rest = f"; {listing(proxies)} have no effect of their own" if len(proxies) > 1 else rest
        return (
            f"Of the model's first {n} columns {self.n_true} are true drivers, {right} the right "
            f"direction{rest}."
        )


def known_effects(problem: Problem) -> dict[str, Effect] | None:
    """Return the true effect of each column that has one, before anything changes; None for a real table."""
    if not isinstance(problem.source, RetailerSource):
        return None
    return {"churn": _churn, "spend": _spend, "conversion": _conversion}[problem.source.view]()


def check_drivers(explanation: Explanation, effects: Mapping[str, Effect], n: int = 5) -> DriverCheck:
    """Hold the first `n` columns of an explanation against the true effects.

    Parameters
    ----------
    explanation : Explanation
    effects : mapping
        From `known_effects`.
    n : int

    Returns
    -------
    DriverCheck
    """
    top = explanation.importance[explanation.importance["mean_abs"] > 0].head(n)
    rows: list[dict[str, object]] = []
    for rank, row in enumerate(top.itertuples(), start=1):
        true = effects.get(str(row.source))
        rows.append(
            {
                "rank": rank,
                "source": row.source,
                "share": row.share,
                "effect": row.effect,
                "truth": true.text if true else "no effect of its own",
                "true_driver": true is not None,
                "direction_right": None if true is None else _same(true, str(row.effect)),
            }
        )
    columns = ["rank", "source", "share", "effect", "truth", "true_driver", "direction_right"]
    missed = tuple(name for name in effects if name not in set(top["source"]))
    n_right = sum(row["direction_right"] is True for row in rows)
    table = pd.DataFrame(rows, columns=columns).astype({"direction_right": object})
    return DriverCheck(table, int(table["true_driver"].sum()), n_right, missed)


def _same(true: Effect, effect: str) -> bool:
    if true.levels is None:
        return effect == true.text
    # levels with one multiplier are equally true as the lowest or the highest
    high, low = max(true.levels.values()), min(true.levels.values())
    raised, _, lowered = effect.removeprefix("raised by ").partition(", lowered by ")
    return true.levels.get(raised) == high and true.levels.get(lowered) == low


def _sign(ratio: float) -> Effect:
    return Effect(1 if ratio > 1 else -1)


def _flag(ratio: float) -> Effect:
    return Effect(levels={"yes": ratio, "no": 1.0})


def _churn() -> dict[str, Effect]:
    from ml_utils.synthetic.truth import TRUTH

    truth = TRUTH.churn
    return {
        "tenure_months": Effect(-1 if truth.new_customer > 1 else 1),
        "contract": Effect(levels=truth.contract),
        "price_rise_90d": _sign(truth.price_rise),
        **{name: _flag(ratio) for name, ratio in truth.services.items()},
        "support_contacts_90d": _sign(truth.support_contact),
        "usage_change": Effect(-1 if truth.usage_fall > 1 else 1),
        "payment_method": Effect(levels=truth.payment_method),
        "segment": Effect(levels=truth.segment),
    }


def _spend() -> dict[str, Effect]:
    from ml_utils.synthetic.truth import TRUTH

    truth = TRUTH.spend
    spending = {name: truth.segment[name] * truth.amount[name] for name in truth.segment}
    return {
        "segment": Effect(levels=spending),
        "income": Effect(1 if truth.income_elasticity > 0 else -1),
        "n_products": _sign(truth.product),
        "usage_hours": Effect(1 if truth.usage_elasticity > 0 else -1),
        "tenure_months": _sign(truth.tenure_year),
    }


def _conversion() -> dict[str, Effect]:
    from ml_utils.synthetic.truth import TRUTH

    truth = TRUTH.conversion
    return {
        "pages_before_decision": _sign(truth.page),
        "product_views_before_decision": _sign(truth.product_view),
        "cart_views_before_decision": _sign(truth.cart),
        "seconds_before_decision": Effect(1 if truth.seconds_elasticity > 0 else -1),
        "is_repeat_session": _sign(truth.repeat),
        "device_type": Effect(levels=truth.device),
        "utm_source": Effect(levels=truth.source),
        "landing_page": Effect(levels=truth.landing_page),
        "hour": _sign(truth.evening),
        "is_weekend": _sign(truth.weekend),
    }
