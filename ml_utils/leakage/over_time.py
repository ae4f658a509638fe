"""Columns that change when the event happens, and columns that fade where the answers are fresh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from ml_utils.data.schema import features_and_target
from ml_utils.leakage.columns import MIN_EVENTS, View, check_view, named_afterwards
from ml_utils.leakage.report import LeakFinding
from ml_utils.leakage.sample import Array, Looked, bins, finite
from ml_utils.leakage.strength import PRIOR_ROWS, auc, by_bin, rank_correlation
from ml_utils.wording import figure

FADES_BY: Final = 0.15  # fall of the AUC (or rank correlation) from training to the newest rows
FADES_FROM: Final = {True: 0.70, False: 0.40}  # what is weaker than this in training is left aside


def check_changes(looked: Looked) -> list[LeakFinding]:
    """Find columns whose value changes with the event: each row against its entity's row before."""
    problem = looked.problem
    entity = next((name for name in (problem.group, problem.id) if name and _repeats(looked, name)), None)
    if entity is None or problem.time is None:
        return []
    before = row_before(looked.train, entity, problem.time)[looked.place]
    has = before >= 0
    earlier = np.maximum(before, 0)
    found: list[LeakFinding] = []
    for name in looked.columns:
        then, now = looked.train[name].to_numpy(), looked.frame[name].to_numpy()
        was, now_missing = pd.isna(then[earlier]), pd.isna(now)
        changed = np.where(was | now_missing, was != now_missing, then[earlier] != now).astype(float)
        kind = "changes with the event"
        views = [View(name, f"its change since the {problem.entity}' row before", changed, True, kind, has)]
        if looked.is_number(name):
            step = looked.numbers[name].to_numpy() - finite(looked.train[name])[earlier]
            views.append(View(name, "its step since the row before", step, False, kind, has))
        for view in views:
            found += check_view(view, looked)
    return found


def row_before(frame: pd.DataFrame, entity: str, time: str) -> Array:
    """Return, for each row, where the entity's row before it stands; -1 where it is the first.

    Examples
    --------
    >>> rows = pd.DataFrame({"who": ["a", "b", "a"], "when": [1, 1, 2]})
    >>> row_before(rows, "who", "when").tolist()
    [-1, -1, 0]
    """
    who = pd.factorize(frame[entity])[0]
    order = np.lexsort((frame[time].to_numpy(), who))
    same = np.r_[False, who[order][1:] == who[order][:-1]]
    before = np.full(len(frame), -1)
    before[order[same]] = order[np.flatnonzero(same) - 1]
    return before


def check_fading(
    looked: Looked, splits: Mapping[str, pd.DataFrame], seed: int, max_rows: int
) -> list[LeakFinding]:
    """Find columns that tell the answer in old rows and not in the newest: they are filled in later.

    A relation may change for all columns alike; so a column's fall is held against the fall of the others.
    """
    problem = looked.problem
    later = [split for name, split in splits.items() if name != "train" and len(split)]
    if problem.time is None or not later:
        return []
    newest = max(later, key=lambda split: split[problem.time].max())
    newest = newest.sample(min(len(newest), max_rows), random_state=seed)
    y_new = features_and_target(newest[[problem.target]], problem)[1].to_numpy(float)
    if looked.binary and min(y_new.sum(), len(y_new) - y_new.sum()) < 2 * MIN_EVENTS:
        return []
    measured = {}
    for name in looked.columns:
        if name in newest:
            measured[name] = _old_and_new(name, looked, newest, y_new)
    if len(measured) < 2:
        return []
    chance = 0.5 if looked.binary else 0.0
    falls = {name: old[0] - new[0] for name, (old, new) in measured.items()}
    strong = [name for name, (old, _) in measured.items() if old[0] - chance >= 0.08]
    found = []
    for name in strong:
        old, new = measured[name]
        error = float(np.hypot(old[1], new[1]))
        others = [falls[other] for other in strong if other != name]
        usual = float(np.median(others)) if others else 0.0
        kept = (new[0] - chance) / (old[0] - chance)
        if (
            old[0] < FADES_FROM[looked.binary]
            or falls[name] - max(usual, 0) < FADES_BY + 2 * error
            or kept > 0.5
        ):
            continue
        what = "AUC" if looked.binary else "rank correlation"
        evidence = (
            f"alone it reaches {what} {figure(old[0])} in training and {figure(new[0])} in the newest rows, "
            f"while the other strong columns fall by {figure(usual)} (median)" + named_afterwards(name)
        )
        advice = "Ask whether it is filled in with a delay; then take it as it was known at each row's time."
        kind = "fades where the answers are fresh"
        found.append(
            LeakFinding(name, kind, "suspect", evidence, falls[name], advice, used=looked.used(name))
        )
    return found


def _old_and_new(
    name: str, looked: Looked, newest: pd.DataFrame, y_new: Array
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Strength of a column, with its error, in training and in the newest rows."""
    both = pd.concat([looked.frame[name], newest[name]], ignore_index=True)
    n = len(looked.y)
    number = looked.is_number(name)
    codes = bins(finite(both)) if number else pd.factorize(both, use_na_sentinel=False)[0]
    size = int(codes.max()) + 1
    prior = looked.y.mean()
    rows = np.bincount(codes[:n], minlength=size)
    sums = np.bincount(codes[:n], weights=looked.y, minlength=size)
    mean = (sums + PRIOR_ROWS * prior) / (rows + PRIOR_ROWS)
    measure = auc if looked.binary else rank_correlation
    return measure(by_bin(codes[:n], looked.y, looked.fold), looked.y), measure(mean[codes[n:]], y_new)


def _repeats(looked: Looked, name: str) -> bool:
    return name in looked.train and not looked.train[name].is_unique
