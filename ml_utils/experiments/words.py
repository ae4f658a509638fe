"""The parts of an experiment in words and small tables."""

from __future__ import annotations

import pandas as pd

from ml_utils.experiments.decision import Value, value_of
from ml_utils.experiments.results import Analysis, Design, Metric
from ml_utils.experiments.trial import Enrolment
from ml_utils.problem import Problem
from ml_utils.wording import count, percent


def amount(difference: float, metric: Metric, sign: bool = False) -> str:
    """Format an effect: points for shares, the outcome's unit for means.

    >>> amount(-0.0482, "proportion", sign=True), amount(12.3, "mean")
    ('−4.8 points', '12.30')
    """
    plus = "+" if sign else ""
    if metric == "proportion":
        return f"{100 * difference:{plus}.1f} points".replace("-", "−")
    return f"{difference:{plus},.2f}".replace("-", "−")


def interval(low: float, high: float, metric: Metric) -> str:
    """Format the interval of an effect.

    >>> interval(-0.076, -0.02, "proportion")
    '−7.6 to −2.0 points'
    """
    if metric == "proportion":
        return f"{100 * low:+.1f} to {100 * high:+.1f} points".replace("-", "−")
    return f"{low:+,.2f} to {high:+,.2f}".replace("-", "−")


def chance_of(p_value: float) -> str:
    """Format a p-value.

    >>> chance_of(0.00001), chance_of(0.0421)
    ('p < 0.001', 'p = 0.042')
    """
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def subject(problem: Problem) -> str:
    """Return what is compared, in words."""
    if problem.task == "regression":
        return f"the mean {problem.outcome or problem.target}"
    positive = f"have {problem.target} {problem.positive}"
    return f"the share of {problem.entity} that {problem.outcome or positive}"


def worth(problem: Problem, analysis: Analysis, rows: int) -> Value | None:
    """Return what acting is worth; None for a yes-or-no outcome without a `decision`.

    One outcome changed is worth `Decision.value_of_change`; one unit of a quantity is worth one.
    """
    if problem.task == "regression":
        return value_of(analysis, rows, worth=1.0)
    if problem.decision is None:
        return None
    choice = problem.decision
    return value_of(analysis, rows, choice.value_of_change, choice.cost, choice.currency)


def worth_sentence(value: Value | None, problem: Problem) -> str:
    """Say how the money is counted."""
    if value is None:
        return "The problem file has no `decision`, so nothing says what acting costs or earns."
    if problem.decision is None:
        return (
            "No cost of acting is known, so the gain is the effect itself: acting pays where it costs less a "
            "row than that."
        )
    decision = problem.decision
    one, cost = cents(decision.value_of_change, value.currency), cents(value.cost, value.currency)
    return (
        f"To {decision.action} costs {cost}, and one outcome changed is worth {one}, so acting pays from an "
        f"effect of {amount(value.break_even, 'proportion')}. The profit on page 3 believes that acting "
        f"turns {percent(decision.success_rate, 0)} of the outcomes it is meant for; this page measures it."
    )


def design_sentence(design: Design, enrolled: Enrolment) -> str:
    """Say whether there are rows enough, and what those there are can find."""
    n = len(enrolled.rows)
    verdict = "enough" if n >= design.n_total else "too few"
    found = design.detectable(n)
    finds = (
        f"{count(n)} rows find effects of {amount(found, design.metric)} and more with that power"
        if found == found
        else f"{count(n)} rows find no effect at all with that power"
    )
    least = amount(abs(design.difference), design.metric)
    return (
        f"{count(design.n_total)} rows find an effect of {least} with {percent(design.power, 0)} power; "
        f"{count(n)} take part, which is {verdict}. {finds}."
    )


def balance_table(arm: pd.Series, enrolled: Enrolment) -> pd.DataFrame:
    """Return the size of each arm and the model's score in it."""
    score = pd.Series(enrolled.score).groupby(arm.to_numpy())
    table = score.agg(["size", "mean", "std"]).reset_index()
    table.columns = ["arm", "rows", "mean score", "sd of the score"]
    return table.round(4)


def segments_sentence(analysis: Analysis, alpha: float) -> str:
    """Say whether the effect differs between the levels of each segment column."""
    if not analysis.heterogeneity:
        return "No segment has rows enough for an effect of its own."
    words = {True: "they differ by more than chance", False: "no difference is shown"}
    parts = [f"by {name} {words[p < alpha]} ({chance_of(p)})" for name, p in analysis.heterogeneity.items()]
    return f"Do the effects of the segments differ? {'; '.join(parts)}.".replace("? b", "? B")


def cents(value: float, currency: str) -> str:
    """Format an amount of money to the cent.

    >>> cents(-2.5, "EUR")
    '−EUR 2.50'
    """
    sign = "−" if value < -0.005 else ""
    return f"{sign}{currency}{' ' if currency else ''}{abs(value):,.2f}"
