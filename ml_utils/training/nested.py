"""Nested cross-validation: the whole search, its choice included, judged on rows that it never saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone

from ml_utils.evaluation.metrics import METRICS, Metric
from ml_utils.training.checks import check_target, tell_task
from ml_utils.training.leaderboard import corrected_interval
from ml_utils.training.search import Fold, make_folds
from ml_utils.training.trainer import ModelTrainer
from ml_utils.wording import figure


@dataclass(frozen=True)
class NestedScores:
    """What a search is worth on rows that took no part in any of its choices.

    Parameters
    ----------
    frame : DataFrame
        A row an outer fold: fold, candidate (the one that the search chose there), label, score (of the
        model that the search ended with, on the outer rows), inner_score (what the search said of it),
        calibration, threshold and, for two classes, acted (share of the outer rows) and f1 at the threshold,
        and profit (a row) where there is a decision.
    metric : Metric
    mean : float
        Mean of the score over the outer folds.
    interval : tuple of float
        95 %, corrected for the training rows that folds share.
    optimism : float
        How much better, in the metric's direction, the search said its choice was.
    """

    frame: pd.DataFrame
    metric: Metric
    mean: float
    interval: tuple[float, float]
    optimism: float

    def to_frame(self) -> pd.DataFrame:
        """Return the outer folds."""
        return self.frame

    def sentences(self) -> list[str]:
        """Say what the search is worth, and whether its own scores flatter it."""
        lower, upper = (figure(end) for end in self.interval)
        label = self.metric.label
        chosen = self.frame["label"].value_counts()
        often = f"{chosen.index[0]} in {chosen.iloc[0]} of {len(self.frame)} outer folds"
        flattered = self.optimism > 0 and figure(self.optimism) != figure(0.0)
        return [
            f"On rows that took no part in any choice, what the search ends with has {label} "
            f"{figure(self.mean)} (95 % interval {lower} to {upper}); it chose {often}.",
            f"The search's own score was better by {figure(self.optimism)}: so much does choosing flatter."
            if flattered
            else "The search's own score was not better: choosing did not flatter.",
        ]

    def _repr_html_(self) -> str:
        return self.frame.style.format(precision=4).hide().to_html()


def nested_scores(
    trainer: ModelTrainer,
    X: pd.DataFrame,
    y: pd.Series,
    groups: pd.Series | None = None,
    n_folds: int = 5,
    times: pd.Series | None = None,
    gap: pd.DateOffset | None = None,
) -> NestedScores:
    """Run a whole search on each outer fold's training rows and judge what it ends with on the others.

    Search, choice, ensemble, calibration and threshold all see the outer training rows only.

    Parameters
    ----------
    trainer : ModelTrainer
        Left as it is; copies of it are fitted. With a time budget each outer fold has the whole of it.
    X, y, groups, times, gap
        As in `ModelTrainer.fit`.
    n_folds : int
        Outer folds, made in the way that the trainer makes its own.

    Returns
    -------
    NestedScores
    """
    target = check_target(X, y, groups, times)
    task = tell_task(target) if trainer.task == "auto" else trainer.task
    codes = None if groups is None else pd.factorize(groups)[0]
    folds = make_folds(
        *(target, codes, n_folds, task, trainer.seed),  # type: ignore[arg-type]
        scheme=trainer.cv,
        times=times,
        gap=gap,
    )
    found = []
    for number, fold in enumerate(folds, start=1):
        inner = [None if each is None else each.iloc[fold.train] for each in (groups, times)]
        fitted = clone(trainer).fit(X.iloc[fold.train], y.iloc[fold.train], *inner, gap)
        found.append({"fold": number, **_judge(fitted, X, target, fold)})
    frame, metric = pd.DataFrame(found), fitted.metric_
    ratio = float(np.mean([len(fold.valid) / len(fold.train) for fold in folds]))
    sign = 1 if metric.greater_is_better else -1
    return NestedScores(
        frame,
        metric,
        float(frame["score"].mean()),
        corrected_interval(frame["score"], ratio),
        sign * float((frame["inner_score"] - frame["score"]).mean()),
    )


def _judge(fitted: ModelTrainer, X: pd.DataFrame, target: np.ndarray, fold: Fold) -> dict[str, object]:
    chosen, model = fitted.chosen_result_, fitted.best_
    score, y = model.predict_score(X.iloc[fold.valid]), target[fold.valid]
    row: dict[str, object] = {
        "candidate": chosen.name,
        "label": chosen.label,
        "score": fitted.metric_.value(y, score),
        "inner_score": chosen.mean,
        "calibration": fitted.calibration_.method,
    }
    if model.threshold is None:
        return row
    acted = score >= model.threshold
    row |= {"threshold": model.threshold, "acted": float(acted.mean())}
    row["f1"] = METRICS["f1"].value(y, score, threshold=model.threshold)
    if fitted.decision is not None:
        decision = fitted.decision
        row["profit"] = float(np.mean(acted * np.where(y == 1, decision.benefit, -decision.cost)))
    return row
