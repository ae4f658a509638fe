"""The next period, run as it would run by itself: what each step found, and whether a person is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml_utils import data
from ml_utils.evaluation.metrics import METRICS
from ml_utils.results import NotebookRun, read_measured
from ml_utils.retraining.triggers import choose_rows
from ml_utils.wording import count, figure, listing, money, percent, times

if TYPE_CHECKING:
    from ml_utils.evaluation.result import Evaluation
    from ml_utils.monitoring.result import MonitorResult
    from ml_utils.problem import Problem
    from ml_utils.quality.report import QualityReport
    from ml_utils.registry.registry import RegisteredModel, Registry
    from ml_utils.retraining.triggers import Trigger
    from ml_utils.serving.batch import BatchScore

EVALUATION, RETRAINING = "03-model-evaluation", "07-automated-retraining"


@dataclass(frozen=True)
class Step:
    """One step of the run: what it found, and whether it went as it should."""

    name: str
    found: str
    fine: bool


def champion(run: NotebookRun, registry: Registry) -> RegisteredModel:
    """Load the champion, or where no version has passed its gate, the one that notebook 03 judged."""
    version = registry.alias("champion")
    return registry.load(version or read_measured(run.workspace, EVALUATION)["version"])


def reference_rows(run: NotebookRun, registered: RegisteredModel) -> pd.DataFrame:
    """Return rows that a version was judged on and not trained on.

    The test split for the version of notebook 03; the holdout of notebook 07 for one that it retrained.
    """
    if registered.version == read_measured(run.workspace, EVALUATION)["version"]:
        return data.read_split(run.workspace, "test")
    periods = int(run.results(RETRAINING)["rows"]["holdout_periods"])
    names = ("train", "valid", "test", "production")
    splits = {name: data.read_split(run.workspace, name) for name in names}
    return choose_rows(splits, run.problem, periods).holdout


def arrival(arrived: pd.DataFrame, quality: QualityReport, batch: BatchScore) -> list[Step]:
    """Say whether the rows that arrived are as those before, and how they were scored."""
    unseen = listing(list(batch.unusual)) if batch.unusual else "none"
    acted = "" if batch.acted is None else f", {count(batch.acted)} of them to act on"
    return [
        Step(
            "rows arrived",
            f"{count(len(arrived))} rows, {arrived.shape[1]} columns; none is missing that the model needs",
            True,
        ),
        Step("checked", f"soundness {percent(quality.score)}; {quality.sentence()}", quality.score > 0.9),
        Step(
            "scored",
            f"{count(batch.rows)} rows{acted}; columns with values never seen before: {unseen}",
            batch.rows == len(arrived),
        ),
    ]


def watch(monitored: MonitorResult, due: Sequence[Trigger]) -> list[Step]:
    """Say what the monitor found in the rows, and whether a retraining is due."""
    grave = [alert for alert in monitored.alerts if alert.severity == "critical"]
    drifted = listing(list(monitored.drifted["column"])) if len(monitored.drifted) else "none"
    fired = [trigger for trigger in due if trigger.fired]
    said = " ".join(trigger.reason for trigger in fired) or "no rule says so"
    return [
        Step("monitored", f"{times(len(grave), 'critical alert')}; drifted: {drifted}", not grave),
        Step("retraining due?", f"{'yes' if fired else 'no'}: {said}", not fired),
    ]


def judge(evaluation: Evaluation, problem: Problem, advice: Mapping[str, Any]) -> list[Step]:
    """Say what the scores were worth once the outcomes are known, and what the experiment advised."""
    low, high = evaluation.interval(problem.metric)
    name = METRICS[problem.metric].label
    found = f"{name} {figure(evaluation.value(problem.metric))} ({figure(low)} to {figure(high)})"
    if evaluation.profit is not None and problem.decision is not None:
        found += f"; acting as advised earns {money(_total(evaluation, 'model'), problem.decision.currency)}"
    simulated = ", from a simulated experiment" if advice.get("simulated") else ""
    worth = _pays(advice.get("value"))
    return [
        Step("outcomes came in", found, True),
        Step(
            "advice of the experiment",
            f"{advice['decision']}{worth}{simulated}",
            advice["decision"] != "withheld",
        ),
    ]


def _pays(value: Mapping[str, Any] | None) -> str:
    if not value or not value["cost"]:
        return ""
    return {
        True: ", and it pays",
        False: ", but it does not pay its cost",
        None: ", while it is open whether it pays",
    }[value["pays"]]


@dataclass(frozen=True)
class NextPeriod:
    """The steps of one period, in order, and what a director should know of them.

    Parameters
    ----------
    problem : Problem
    steps : tuple of Step
    rows : int
        Rows that arrived.
    batch : BatchScore
    evaluation : Evaluation
    reference : float
        The problem's metric where the model was judged before.
    """

    problem: Problem
    steps: tuple[Step, ...]
    rows: int
    batch: BatchScore
    evaluation: Evaluation
    reference: float

    @property
    def open(self) -> list[Step]:
        """Steps that a person should look at."""
        return [step for step in self.steps if not step.fine]

    def to_frame(self) -> pd.DataFrame:
        """Return the steps, a row each."""
        rows = [(s.name, s.found, "went as it should" if s.fine else "needs a look") for s in self.steps]
        return pd.DataFrame(rows, columns=["step", "what it found", "state"])

    def sentences(self) -> list[str]:
        """Answer notebook 08's question in three sentences."""
        return [self._whole(), self._worth(), self._next()]

    def headline(self) -> dict[str, str]:
        """Return the figures for the index."""
        metric = self.problem.metric
        shown = {
            "steps as they should": f"{len(self.steps) - len(self.open)} of {len(self.steps)}",
            "rows scored": count(self.batch.rows),
            f"{METRICS[metric].label}, next period": figure(self.evaluation.value(metric)),
        }
        if self.evaluation.profit is not None and self.problem.decision is not None:
            shown["earned by acting"] = money(
                _total(self.evaluation, "model"), self.problem.decision.currency
            )
        return shown

    def results(self) -> dict[str, object]:
        """Return what the page shows, for its results file."""
        return {
            "steps": [vars(step) for step in self.steps],
            "scored": {
                "rows": self.batch.rows,
                "acted": self.batch.acted,
                "mean_score": self.batch.mean_score,
                "unusual": self.batch.unusual,
            },
            "reference": self.reference,
            "evaluation": self.evaluation.results(),
        }

    def _whole(self) -> str:
        ran = (
            f"all {len(self.steps)} steps ran without a hand on the {count(self.rows)} {self.problem.entity} "
            "that arrived last"
        )
        if not self.open:
            return f"Yes: {ran}, and none needs a look."
        names = listing([step.name.rstrip("?") for step in self.open])
        look = times(len(self.open), "step wants a look", "steps want a look")
        return f"Yes, and it calls for a person: {ran}, and {look} ({names})."

    def _worth(self) -> str:
        metric, name = self.problem.metric, METRICS[self.problem.metric].label
        low, high = self.evaluation.interval(metric)
        text = (
            f"Once their outcomes were known, the model's {name} was "
            f"{figure(self.evaluation.value(metric))} ({figure(low)} to {figure(high)} with 95 % "
            f"confidence), against {figure(self.reference)} where it was judged before"
        )
        if self.evaluation.profit is None or self.problem.decision is None:
            return f"{text}."
        currency = self.problem.decision.currency
        earned, all_ = (money(_total(self.evaluation, who), currency) for who in ("model", "everyone"))
        return f"{text}; acting as it advised earns {earned}, acting on everyone {all_}."

    def _next(self) -> str:
        acted = self.batch.acted
        act = ""
        if acted is not None and self.problem.decision is not None:
            act = f"Take the list of {count(acted)} to {self.problem.decision.action}, "
        due = next(step for step in self.steps if step.name == "retraining due?")
        then = "let the next period run by itself" if due.fine else "retrain before the next period (page 07)"
        advice = self.steps[-1].found
        return f"{act or 'Use the scores, '}{then}; the experiment on page 06 advised: {advice}."


def _total(evaluation: Evaluation, policy: str) -> float:
    table = evaluation.profit
    assert table is not None, "callers look first"
    return float(table.loc[table["policy"] == policy, "total"].iloc[0])
