"""An experiment told from its results: the answer, how sure it is, what to do, and what to keep."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ml_utils.experiments.decision import Value
from ml_utils.experiments.results import Analysis, Design
from ml_utils.experiments.trial import Enrolment, Outcomes
from ml_utils.experiments.words import amount, cents, chance_of, interval, subject
from ml_utils.problem import Problem
from ml_utils.wording import count, money, percent


@dataclass(frozen=True)
class Story:
    """Everything that the page's sentences are computed from."""

    problem: Problem
    enrolled: Enrolment
    outcomes: Outcomes
    design: Design
    analysis: Analysis
    value: Value | None

    @property
    def covered(self) -> bool:
        """Whether the true effect lies in the interval."""
        return self.analysis.effect.low <= self.outcomes.true_effect <= self.analysis.effect.high

    @property
    def verdict(self) -> str:
        """What follows, in a few words: whether acting pays, or works where no cost is known."""
        analysis, value = self.analysis, self.value
        if analysis.decision == "withheld":
            return "withheld"
        if self.outcomes.simulated:
            return f"{analysis.decision} (simulated)"
        if value is not None and value.cost > 0:
            words = {
                True: "Yes, acting pays",
                False: "No, acting does not pay",
                None: "Open whether acting pays",
            }
            return words[value.pays]
        shown = {"roll out": "Acting works", "keep as is": "No, acting does harm", "undecided": "Not shown"}
        return shown[analysis.decision]

    def answer(self) -> list[str]:
        """Return three sentences: the answer, how sure it is, what to do."""
        return [_answer(self), _how_sure(self), _what_to_do(self)]

    def headline(self) -> dict[str, str]:
        """Return the figures for the index."""
        effect, metric = self.analysis.effect, self.analysis.metric
        lines = {
            "effect": amount(effect.difference, metric, sign=True),
            "interval": interval(effect.low, effect.high, metric),
            "decision": self.verdict,
        }
        if self.value is not None:
            lines["gain a row"] = cents(self.value.per_row, self.value.currency)
        return lines

    def results(self) -> dict[str, object]:
        """Return what the page shows, for its results file."""
        analysis, design, n = self.analysis, self.design, len(self.enrolled.rows)
        return {
            "enrolled": {
                "rows": n,
                "selected": self.enrolled.selected,
                "available": self.enrolled.available,
            },
            "design": {
                "n_needed": design.n_total,
                "baseline": design.baseline,
                "difference": design.difference,
                "days": design.days,
                "correlation": design.correlation,
                "power_with_these_rows": design.power_at(n),
                "detectable_with_these_rows": design.detectable(n),
            },
            "goal": analysis.goal,
            "metric": analysis.metric,
            "effect": analysis.effect.__dict__,
            "unadjusted": analysis.unadjusted.__dict__,
            "variance_reduction": analysis.cuped.variance_reduction if analysis.cuped else None,
            "sample_ratio_p": analysis.sample_ratio.p_value,
            "segments": analysis.segments,
            "heterogeneity": analysis.heterogeneity,
            "decision": analysis.decision,
            "verdict": self.verdict,
            "reasons": analysis.reasons,
            "truth": self.outcomes.truth,
            "true_effect_in_interval": self.covered,
            "simulated": self.outcomes.simulated,
            "value": None if self.value is None else {**self.value.__dict__, "pays": self.value.pays},
        }


def effects_table(story: Story) -> pd.DataFrame:
    """Return the effect of each segment beside the true one, ready to show."""
    table = story.analysis.segments.merge(story.outcomes.truth, on=["segment", "level"], how="left")
    scale = 100 if story.analysis.metric == "proportion" else 1
    unit = " (points)" if story.analysis.metric == "proportion" else ""
    shown = pd.DataFrame(
        {
            "segment": table["segment"],
            "level": table["level"],
            "rows": table["n_control"] + table["n_treatment"],
            f"effect{unit}": (scale * table["difference"]).round(2),
            "low": (scale * table["low"]).round(2),
            "high": (scale * table["high"]).round(2),
            "p (Holm)": table["p_adjusted"].round(4),
            f"true effect{unit}": (scale * table["effect"]).round(2),
            "note": table["note"],
        }
    )
    return shown


def truth_sentence(story: Story) -> str:
    """Say whether the true effect lies in the interval."""
    effect, metric = story.analysis.effect, story.analysis.metric
    level = percent(1 - effect.alpha, 0)
    kind = "assumed" if story.outcomes.simulated else "true"
    inside = "lies inside" if story.covered else "lies OUTSIDE"
    tail = "" if story.covered else f", as happens in {percent(effect.alpha, 0)} of sound experiments"
    return (
        f"The {kind} effect on these rows, {amount(story.outcomes.true_effect, metric, sign=True)}, {inside} "
        f"the {level} interval, {interval(effect.low, effect.high, metric)}{tail}."
    )


def _answer(story: Story) -> str:
    analysis, value = story.analysis, story.value
    if analysis.decision == "withheld":
        return "No answer: the arms did not come out in the planned ratio, so no effect is reported."
    levels = f"from {_level(story, 'control')} to {_level(story, 'treatment')}"
    moved = f"acting moved {subject(story.problem)} {levels}"
    moved += ", which may be chance" if analysis.decision == "undecided" else ""
    if value is not None and value.cost > 0:
        gain, cost = cents(value.per_row, value.currency), cents(value.cost, value.currency)
        moved += f"; after a cost of {cost} that is {gain} a row"
    if story.outcomes.simulated:
        return (
            "This table holds no experiment, so it can't say whether acting pays; in a SIMULATED one, with "
            f"an effect that is assumed, {moved}."
        )
    return f"{story.verdict}: {moved}."


def _how_sure(story: Story) -> str:
    if story.analysis.decision == "withheld":
        return story.analysis.reasons[0]
    effect, metric = story.analysis.effect, story.analysis.metric
    kind = "assumed" if story.outcomes.simulated else "true"
    ends = interval(effect.low, effect.high, metric).replace(" to ", " and ")
    rows = f"{count(effect.n_control + effect.n_treatment)} {story.problem.entity}"
    truth = amount(story.outcomes.true_effect, metric, sign=True)
    return (
        f"With {rows} the effect lies between {ends} at {percent(1 - effect.alpha, 0)} confidence "
        f"({chance_of(effect.p_value)}); the {kind} effect, {truth}, lies "
        f"{'inside' if story.covered else 'outside'} that interval."
    )


def _what_to_do(story: Story) -> str:
    decision, value, design = story.analysis.decision, story.value, story.design
    if decision == "withheld":
        return "Mend the assignment or the logging and run the experiment again."
    if story.outcomes.simulated:
        return (
            f"Run the real experiment before acting at scale: about {count(design.n_total)} "
            f"{story.problem.entity}, some of them left alone, find a change of "
            f"{percent(abs(design.difference / design.baseline), 0)}."
        )
    if decision == "keep as is":
        return "Leave things as they are, and look for another action."
    if value is not None and value.cost > 0:
        return _worth_doing(story, value)
    if decision == "undecided":
        return _go_on(story)
    return "Roll it out." if value is None else _worth_at_most(story, value)


def _go_on(story: Story) -> str:
    design, n = story.design, len(story.enrolled.rows)
    least, chance = amount(abs(design.difference), design.metric), percent(design.power_at(n), 0)
    if n >= design.n_total:
        return (
            f"Leave things as they are for now: an effect of {least}, the least worth having, would have "
            f"been found with {chance} power; a smaller one needs more {story.problem.entity}."
        )
    return (
        f"Go on until about {count(design.n_total)} {story.problem.entity} have taken part: {count(n)} find "
        f"an effect of {least} with {chance} power only."
    )


def _worth_at_most(story: Story, value: Value) -> str:
    """Where no cost is known: how much acting may cost."""
    total, low, high = (money(item, value.currency) for item in value.total)
    return (
        f"Roll it out where acting costs less than {cents(value.low, value.currency)} a row, the lower end "
        f"of what it brings ({cents(value.per_row, value.currency)} is the best estimate); these "
        f"{count(value.rows)} {story.problem.entity} bring {total} more ({low} to {high})."
    )


def _worth_doing(story: Story, value: Value) -> str:
    total, low, high = (money(item, value.currency) for item in value.total)
    brings = f"over these {count(value.rows)} {story.problem.entity} it brings {total} ({low} to {high})"
    if value.pays:
        return f"Roll it out: {brings}."
    best = _paying_levels(story, value)
    if best:
        return f"Act on {best} only, where the whole interval pays; acting on all: {brings}."
    if value.pays is None:
        return f"Go on before rolling it out: {brings}, so the interval holds both a gain and a loss."
    gross, metric = value.per_row + value.cost, story.analysis.metric
    cheap = f"less than {cents(gross, value.currency)} (now {cents(value.cost, value.currency)})"
    cheaper = f"its cost fell to {cheap} or " if gross > 0 else ""
    return (
        f"Don't roll it out as it is: {brings}; it would pay if {cheaper}its effect reached "
        f"{amount(value.break_even, metric)}."
    )


def _paying_levels(story: Story, value: Value) -> str:
    """Levels whose whole interval lies beyond the break-even effect, and whose effect stands after Holm."""
    table = story.analysis.segments.dropna(subset=["difference"])
    least = table["low"] if story.analysis.goal == "higher" else -table["high"]
    sure = table[(least > value.break_even) & (table["p_adjusted"] < story.analysis.effect.alpha)]
    return " or ".join(f"{row.segment} {row.level}" for row in sure.itertuples())


def _level(story: Story, arm: str) -> str:
    mean = getattr(story.analysis.effect, arm)
    return percent(mean) if story.analysis.metric == "proportion" else f"{mean:,.2f}"
