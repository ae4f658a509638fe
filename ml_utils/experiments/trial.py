"""A trial of acting on the model's advice: who takes part, what happens to them, and what is known of it.

The built-in retailer knows what its offer does. A real table holds no experiment, so its outcomes are
simulated from the model's own scores and an effect that is assumed; every text says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.data.schema import features_and_target
from ml_utils.data.splits import read_split, truth_rows
from ml_utils.errors import DataError, ParameterError
from ml_utils.experiments.results import Goal
from ml_utils.model import Model
from ml_utils.paths import Workspace
from ml_utils.problem import Problem, RetailerSource
from ml_utils.wording import count, percent

LEAST = 120  # rows below which no experiment is worth showing; the best-scored quarter stands in
_HANDFUL = 50  # rows of the test split that a baseline is taken from at least
SCORE_LEVELS = ("1 low", "2 middle", "3 high")


@dataclass(frozen=True)
class Enrolment:
    """Who takes part.

    Attributes
    ----------
    rows : DataFrame
        One row an id, in the order of the period.
    ids : Series of str
    score : ndarray
        The model's score of each row, known before anybody is treated.
    selected : int
        Rows of the period that the model would act on; an id may have several.
    available : int
        Rows of the period.
    cutoff : float or None
        Score from which a row takes part; None where all do.
    sentence : str
        How they were chosen.
    """

    rows: pd.DataFrame
    ids: pd.Series
    score: np.ndarray
    selected: int
    available: int
    cutoff: float | None
    sentence: str

    def per_day(self, problem: Problem) -> float | None:
        """Return how many join a day; None where the table has no time."""
        if problem.time is None:
            return None
        days = (self.rows[problem.time].max() - self.rows[problem.time].min()).days
        return len(self.rows) / days if days > 0 else None


@dataclass(frozen=True)
class Baseline:
    """What happens without acting, among the rows of an earlier split that would have been enrolled."""

    n: int
    mean: float
    sd: float
    correlation: float  # of the outcome with the score


@dataclass(frozen=True)
class Outcomes:
    """What came of the trial.

    Attributes
    ----------
    outcome : ndarray
        Of each enrolled row.
    segments : DataFrame
        Columns to break the effect down by.
    truth : DataFrame
        The true average effect: segment, level, effect; first the row ("all", "all").
    simulated : bool
        Whether the effect was assumed, not the world's.
    sentence : str
        Where the outcomes come from.
    """

    outcome: np.ndarray
    segments: pd.DataFrame
    truth: pd.DataFrame
    simulated: bool
    sentence: str

    @property
    def true_effect(self) -> float:
        """The true average effect over all enrolled rows, treatment minus control."""
        return float(self.truth["effect"].iloc[0])


def enrol(frame: pd.DataFrame, problem: Problem, model: Model) -> Enrolment:
    """Choose who takes part: each id once, at its first row that the model would act on.

    A regression acts on nobody in particular, so everybody takes part.

    Parameters
    ----------
    frame : DataFrame
        A split, in the order of time.
    problem : Problem
    model : Model

    Returns
    -------
    Enrolment

    Raises
    ------
    DataError
        If `frame` is empty.
    """
    if frame.empty:
        raise DataError("The period has no rows, so nobody can take part.")
    score = model.predict_score(frame)
    cutoff, why = _cutoff(score, problem, model)
    mask = np.ones(len(frame), dtype=bool) if cutoff is None else score >= cutoff
    place, ids = _once(frame, mask, problem)
    twice = (
        "" if len(place) == mask.sum() else f"; each of {count(len(place))} takes part once, at the first one"
    )
    return Enrolment(
        rows=frame.iloc[place].reset_index(drop=True),
        ids=ids,
        score=score[place],
        selected=int(mask.sum()),
        available=len(frame),
        cutoff=cutoff,
        sentence=f"Of {count(len(frame))} rows in the period {why}{twice}.",
    )


def baseline(frame: pd.DataFrame, problem: Problem, model: Model, enrolled: Enrolment) -> Baseline:
    """Describe the outcome of those rows of a labelled split that would have been enrolled.

    Where fewer than a handful reach the cut-off, the rows with the highest scores stand in.
    """
    score = model.predict_score(frame)
    cutoff = -np.inf if enrolled.cutoff is None else enrolled.cutoff
    cutoff = min(cutoff, np.sort(score)[-min(_HANDFUL, len(score))])
    place, _ = _once(frame, score >= cutoff, problem)
    _, target = features_and_target(frame.iloc[place], problem)
    y, score = target.to_numpy(dtype=float), score[place]
    varied = y.std() > 0 and score.std() > 0
    correlation = float(np.corrcoef(y, score)[0, 1]) if varied else 0.0
    return Baseline(len(y), float(y.mean()), float(y.std(ddof=1)), correlation)


def draw_outcomes(
    enrolled: Enrolment,
    arm: pd.Series,
    problem: Problem,
    workspace: Workspace,
    model: Model,
    assumed_effect: float,
    goal: Goal,
    seed: int,
) -> Outcomes:
    """Let the trial happen.

    Parameters
    ----------
    enrolled : Enrolment
    arm : Series of str
        "control" or "treatment".
    problem : Problem
    workspace : Workspace
        Where the truth, and for a regression the test split, is read from.
    model : Model
    assumed_effect : float
        Relative size of the effect on a real table, above 0; the retailer has its own.
    goal : {"higher", "lower"}
        Direction of the assumed effect.
    seed : int

    Returns
    -------
    Outcomes
    """
    treated = (arm == "treatment").to_numpy()
    thirds = _thirds(enrolled.score)
    if isinstance(problem.source, RetailerSource):
        return _retailer(enrolled, treated, thirds, problem, problem.source.view, workspace, seed)
    if not 0 <= assumed_effect < 1:
        raise ParameterError(f"assumed_effect is a relative size from 0 to 1; got {assumed_effect!r}.")
    change = assumed_effect if goal == "higher" else -assumed_effect
    without = enrolled.score
    with_action = without * (1 + change)
    rng = np.random.default_rng(seed)
    if problem.task == "binary":
        with_action = np.clip(with_action, 0, 1)
        outcome = (rng.random(len(without)) < np.where(treated, with_action, without)).astype(float)
    else:
        outcome = np.where(treated, with_action, without) + _residuals(
            problem, workspace, model, rng, len(without)
        )
    segments = pd.DataFrame({"model score": thirds})
    share = percent(assumed_effect, 0)
    sentence = (
        "The table holds no experiment. The outcomes are SIMULATED: drawn from the model's own scores, with "
        f"an assumed effect of {share} of the outcome in the wanted direction, {goal} (the parameter "
        "`assumed_effect` and the problem file's `goal` say so). They show what an experiment of this size "
        "could tell, not what acting does."
    )
    return Outcomes(outcome, segments, _true_effects(with_action - without, segments), True, sentence)


def _cutoff(score: np.ndarray, problem: Problem, model: Model) -> tuple[float | None, str]:
    """Score from which a row takes part, and why."""
    if problem.task == "regression" or model.threshold is None:
        return None, "all take part"
    n = int((score >= model.threshold).sum())
    if n >= min(LEAST, len(score)):
        chance = percent(model.threshold)
        return model.threshold, f"the model would act on {count(n)} (probability of at least {chance})"
    quarter = float(np.quantile(score, 0.75))
    return quarter, (
        f"the model would act on {count(n)} only, too few for an experiment; the quarter with the highest "
        f"scores, {count((score >= quarter).sum())} rows, stands in"
    )


def _once(frame: pd.DataFrame, mask: np.ndarray, problem: Problem) -> tuple[np.ndarray, pd.Series]:
    """Return the places of each id's first row under the mask, and the ids."""
    place = np.flatnonzero(mask)
    ids = frame[problem.id].astype("str").iloc[place] if problem.id else pd.Series(place.astype("str"))
    first = ~ids.duplicated().to_numpy()
    return place[first], ids[first].reset_index(drop=True)


def _retailer(
    enrolled: Enrolment,
    treated: np.ndarray,
    thirds: np.ndarray,
    problem: Problem,
    view: str,
    workspace: Workspace,
    seed: int,
) -> Outcomes:
    from ml_utils.synthetic.offers import OFFERS, offer_effect, offer_outcomes

    truth = truth_rows(enrolled.rows, problem, workspace)
    if truth is None:
        raise DataError(f"The truth of {view} is not beside its splits. Run notebook 1 again.")
    group = OFFERS[view].group
    segments = pd.DataFrame({group: truth[group].to_numpy(), "model score": thirds})
    lines = [{"segment": "all", "level": "all", "effect": offer_effect(view, truth)["effect"].iloc[0]}]
    for name in segments.columns:
        for level, rows in segments.groupby(name).indices.items():
            effect = offer_effect(view, truth.iloc[rows])["effect"].iloc[0]
            lines.append({"segment": name, "level": str(level), "effect": float(effect)})
    sentence = (
        "The retailer draws each outcome from its known probabilities under the offer, so the effect that "
        "the analysis should find is known."
    )
    outcome = offer_outcomes(view, truth, treated, seed)
    return Outcomes(outcome, segments, pd.DataFrame(lines), False, sentence)


def _true_effects(effect: np.ndarray, segments: pd.DataFrame) -> pd.DataFrame:
    lines = [{"segment": "all", "level": "all", "effect": float(effect.mean())}]
    for name in segments.columns:
        for level, rows in segments.groupby(name).indices.items():
            lines.append({"segment": name, "level": str(level), "effect": float(effect[rows].mean())})
    return pd.DataFrame(lines)


def _thirds(score: np.ndarray) -> np.ndarray:
    """Label each row with the third of the enrolled rows that its score falls into."""
    rank = pd.Series(score).rank(method="first").to_numpy()
    place = np.minimum((rank - 1) * 3 // len(score), 2).astype(int)
    return np.asarray(SCORE_LEVELS)[place]


def _residuals(
    problem: Problem, workspace: Workspace, model: Model, rng: np.random.Generator, n: int
) -> np.ndarray:
    """Draw what the model misses, from the test split."""
    test = read_split(workspace, "test")
    _, target = features_and_target(test, problem)
    return rng.choice(target.to_numpy(dtype=float) - model.predict_score(test), size=n)
