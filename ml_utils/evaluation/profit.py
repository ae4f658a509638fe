"""What decisions are worth: the model's against policies that need no model.

A policy's profit is a mean over rows, so that its interval, and that of a difference between two policies on
the same rows, comes from the rows' own gains (`intervals.mean_interval`; it allows for their skewness).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.evaluation.intervals import mean_interval
from ml_utils.evaluation.metrics import Array, check_scores
from ml_utils.problem import Decision
from ml_utils.wording import count, figure, listing, money, percent

MODEL, EVERYONE, NO_ONE, ADVANTAGE = "model", "everyone", "no one", "model less the better of the two"
TOP_SHARE = 0.1
TOP_BY_RULE = "top tenth by one rule"
_COLUMNS = ["policy", "acted", "total", "lower", "upper", "per_row"]


def row_gains(y: Array, decision: Decision) -> Array:
    """Return what acting on each row gains: the benefit on a positive, less the cost on a negative.

    Examples
    --------
    >>> row_gains(np.array([1.0, 0.0]), Decision(benefit=40.0, cost=10.0)).tolist()
    [40.0, -10.0]
    """
    return np.where(y > 0, decision.benefit, -decision.cost)


def profit_table(
    y: Array,
    score: Array,
    threshold: float,
    decision: Decision,
) -> pd.DataFrame:
    """Compare what the model's decisions earn with two policies that need no model.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
        Score at or above which the model acts.
    decision : Decision
        Gain of acting on a positive, loss of acting on a negative.

    Returns
    -------
    DataFrame
        policy, acted (rows), total, lower, upper (95 %), per_row; the last row is the model less the better
        of the two others. Amounts in the decision's currency.
    """
    gains = row_gains(y, decision)
    earned = {MODEL: gains * (score >= threshold), EVERYONE: gains, NO_ONE: np.zeros(len(y))}
    acted = {MODEL: float((score >= threshold).sum()), EVERYONE: len(y), NO_ONE: 0}
    best = EVERYONE if gains.sum() > 0 else NO_ONE
    rows = [_amounts(name, acted[name], each) for name, each in earned.items()]
    rows.append(_amounts(ADVANTAGE, np.nan, earned[MODEL] - earned[best]))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _amounts(name: str, acted: float, earned: Array) -> tuple[object, ...]:
    n = len(earned)
    low, high = mean_interval(earned)
    return name, acted, float(earned.sum()), n * low, n * high, float(earned.mean())


def top_share(score: Array, share: float = TOP_SHARE) -> Array:
    """Return the probability with which each row is acted on when the highest `share` of scores are.

    Rows that tie at the boundary, of which a rule with two answers has many, are drawn by lot.

    Examples
    --------
    >>> top_share(np.array([0.9, 0.2, 0.2, 0.1]), share=0.5).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    wanted = share * len(score)
    cut = np.sort(score)[::-1][max(int(np.ceil(wanted)) - 1, 0)]
    above, tied = score > cut, score == cut
    return above + tied * (wanted - above.sum()) / tied.sum()


@dataclass(frozen=True)
class PolicyValues:
    """What each policy earns on the same rows, and what the model adds.

    Parameters
    ----------
    table : DataFrame
        policy, acted, total, lower, upper (95 %), per_row.
    differences : DataFrame
        other, total, lower, upper: the model less each other policy, paired by row.
    best : str
        The other policy that earns most on these rows.
    n_rows : int
    precision : float
        Share of positives among those that the model acts on.
    decision : Decision
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    best: str
    n_rows: int
    precision: float
    decision: Decision

    @property
    def advantage(self) -> tuple[float, float, float]:
        """The model less the best other policy, in all: total, lower, upper.

        The lower limit is the lowest over all other policies, so that "more than any of them" is said wrongly
        in at most 2.5 % of samples whichever is truly best.
        """
        row = self.differences.set_index("other").loc[self.best]
        return float(row["total"]), float(self.differences["lower"].min()), float(row["upper"])

    @property
    def break_even_success(self) -> float:
        """The success rate at which the model's decisions earn nothing; NaN where it acts on no positive.

        Of `success_rate` r the benefit is r · value_of_change − cost, so that the total is 0 at
        cost / (precision · value_of_change).
        """
        found = self.precision * self.decision.value_of_change
        return self.decision.cost / found if found > 0 else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """Return the policies, and the model's advantage over each, as a table for a page."""
        currency, model = self.decision.currency, self.differences.set_index("other")
        span = [_span(row.lower, row.upper, currency) for row in self.table.itertuples()]
        more = [
            f"{money(model.loc[name, 'total'], currency)} "
            f"({_span(model.loc[name, 'lower'], model.loc[name, 'upper'], currency)})"
            if name in model.index
            else ""
            for name in self.table["policy"]
        ]
        return pd.DataFrame(
            {
                "policy": self.table["policy"],
                "acted on": self.table["acted"].map(count),
                "total": self.table["total"].map(lambda amount: money(amount, currency)),
                "95 % interval": span,
                f"{currency} a row".strip(): self.table["per_row"].map(lambda amount: figure(amount, 2)),
                "the model earns more by": more,
            }
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return everything for the results file."""
        total, low, high = self.advantage
        return {
            "policies": self.table,
            "differences": self.differences,
            "best_other": self.best,
            "advantage": {"total": total, "lower": low, "upper": high},
            "precision": self.precision,
            "break_even_success": self.break_even_success,
        }

    def sentence(self, entity: str = "rows") -> str:
        """Say in money what the model earns and what it adds to the best policy that needs no model."""
        currency, decision = self.decision.currency, self.decision
        table = self.table.set_index("policy")
        model, others = table.loc[MODEL], table.drop(index=MODEL)
        named = [f"{money(row.total, currency)} {_whom(str(name))}" for name, row in others.iterrows()]
        return (
            f"to {decision.action} for {count(model['acted'])} of {count(self.n_rows)} {entity} earns "
            f"{money(model['total'], currency)} ({_span(model['lower'], model['upper'], currency)} with 95 % "
            f"confidence), against {listing(named)}; {self._added()}"
        )

    def _added(self) -> str:
        currency = self.decision.currency
        total, low, high = self.advantage
        span = f"{_span(low, high, currency)} with 95 % confidence"
        others = "the best of these"
        if low > 0:
            return f"that is {money(total, currency)} more than {others} ({span})"
        if high < 0:
            return f"that is {money(-total, currency)} less than {others} ({_span(-high, -low, currency)})"
        return f"whether that is more than {others} cannot be told: {money(total, currency)} ({span})"

    def condition(self, outcome: str = "are positive") -> str:
        """Say what `success_rate` the figures count on, and at which one they would come to nothing."""
        least, believed = self.break_even_success, self.decision.success_rate
        if believed == 1.0 or not np.isfinite(least):
            return ""
        if least > 1:
            return "No share of successes would make these decisions pay."
        return (
            f"This counts on acting to turn {percent(believed, 0)} of those who would {outcome}; below "
            f"{percent(least)} the model's decisions lose money."
        )


def _whom(policy: str) -> str:
    return {EVERYONE: "for everyone", NO_ONE: "for no one", TOP_BY_RULE: "for the top tenth by one rule"}.get(
        policy, f"by {policy}"
    )


def _span(low: float, high: float, currency: str) -> str:
    if not np.isfinite(low) or not np.isfinite(high):
        return "interval not defined"
    return f"{money(low, currency)} to {money(high, currency)}"


def policy_values(
    y: Array,
    score: Array,
    threshold: float,
    decision: Decision,
    rule_score: Array | None = None,
    share: float = TOP_SHARE,
) -> PolicyValues:
    """Compare the model's decisions with everyone, no one, and the top share by one rule.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
        Score at or above which the model acts; chosen on other rows.
    decision : Decision
    rule_score : ndarray of shape (n_rows,), optional
        Scores of `baselines.baseline_models`'s one rule. Rows that tie are drawn by lot, and counted at what
        the lots earn on average.
    share : float
        Of rows that the rule acts on.

    Returns
    -------
    PolicyValues

    Raises
    ------
    DataError
        If lengths differ, a value is missing, or a score is no probability.
    ParameterError
        If `share` is not between 0 and 1.

    Examples
    --------
    >>> y, score = np.array([1.0, 0, 0, 1] * 50), np.array([0.8, 0.3, 0.1, 0.1] * 50)
    >>> found = policy_values(y, score, 0.2, Decision(benefit=40, cost=10), rule_score=score)
    >>> found.table[["policy", "acted", "total"]].to_numpy().tolist()[:2]
    [['model', 100.0, 1500.0], ['everyone', 200.0, 3000.0]]
    >>> found.best, found.advantage[0]
    ('everyone', -1500.0)
    """
    target, scores = check_scores(y, score, "binary")
    if not 0 < share <= 1:
        raise ParameterError(f"share is {share:g}; it is a share of rows, above 0 and at most 1.")
    acts = {MODEL: (scores >= threshold).astype(float), EVERYONE: np.ones(len(target))}
    acts[NO_ONE] = np.zeros(len(target))
    if rule_score is not None:
        rule = np.asarray(rule_score, dtype=float)
        if rule.shape != target.shape or not np.isfinite(rule).all():
            raise DataError(
                f"rule_score has shape {rule.shape}; it must be one finite number a row of {len(target)}."
            )
        name = TOP_BY_RULE if share == TOP_SHARE else f"the top {percent(share, 0)} by one rule"
        acts[name] = top_share(rule, share)
    gains = row_gains(target, decision)
    rows = [_amounts(name, float(each.sum()), gains * each) for name, each in acts.items()]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    pairs = [
        _amounts(name, 0.0, gains * (acts[MODEL] - each)) for name, each in acts.items() if name != MODEL
    ]
    differences = pd.DataFrame(pairs, columns=_COLUMNS).rename(columns={"policy": "other"})
    best = str(table.iloc[1:].sort_values("total", ascending=False, kind="stable")["policy"].iloc[0])
    acted = acts[MODEL] > 0
    precision = float(target[acted].mean()) if acted.any() else float("nan")
    return PolicyValues(table, differences.drop(columns="acted"), best, len(target), precision, decision)
