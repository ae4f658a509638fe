"""Methods that ask many halves of the rows the same question, and count how often a feature is the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ml_utils.features.selection.embedded import indicators, linear_entries
from ml_utils.features.selection.material import Array, Material, Task
from ml_utils.features.selection.models import quick_trees
from ml_utils.features.selection.result import Step, join_notes, sampled_note, top
from ml_utils.wording import percent

OFTEN = 0.75  # share of the halves in which a feature must be selected
PERMUTATION_ROWS, STABILITY_ROWS = 5000, 10_000
PERMUTATION_PAIRS, STABILITY_PAIRS = 10, 25  # pairs of halves
FIRST_ENTRIES = 0.01  # of the L1 path, as a share of the largest penalty, stability selection needs no more
PROBES = 10  # shuffled copies that tell what chance reaches
STACKED = 10_000_000  # values that are predicted from at once
EXPECTED_FALSE = 1.0  # features that stability selection keeps by chance, on average, at most


def permutation(material: Material) -> Step:
    """Rank by how often a feature matters to trees on rows that they were not fitted on.

    The rows are halved at random ten times. Trees are fitted on each half, and every feature is shuffled in
    the other one (Breiman 2001). With a number, a feature is selected in a half where it is among so many
    that lose most; without one, where it loses more than any of ten shuffled copies of features, fitted
    beside them, does (Stoppiglia et al. 2003), and it stays where that happens in three quarters of the
    halves. Ties in the frequency go to the larger mean loss.
    """
    part = material.by_name().part(PERMUTATION_ROWS)
    rng = np.random.default_rng(part.seed)
    found = [
        _held_out_losses(part, fit, judge, rng)
        for pair in part.halves(PERMUTATION_PAIRS)
        for fit, judge in (pair, pair[::-1])
    ]
    losses = np.array([loss for loss, _ in found])
    if material.n_features is None:
        selected = losses > np.array([[chance] for _, chance in found])
    else:
        selected = _among_best(losses, material.n_features) & (losses > 0)
    details = pd.DataFrame(
        {
            "frequency": selected.mean(axis=0),
            "loss": losses.mean(axis=0),
            "loss_std": losses.std(axis=0, ddof=1),
        },
        index=part.names,
    ).loc[material.names]
    largest = max(float(details["loss"].abs().max()), 1e-300)
    score = details["frequency"] + 1e-3 * details["loss"] / largest
    note = sampled_note("permutation", len(part.features), len(material.features))
    return _by_frequency(material, "permutation", score, details, len(losses), note)


def stability(material: Material) -> Step:
    """Rank by how often a feature is among the first on the L1 path, over random halves of the rows.

    Stability selection (Meinshausen & Bühlmann 2010) on complementary halves (Shah & Samworth 2013), with
    the lasso on standardised features; classes are 0 and 1, as only the order of entry counts. With a
    number so many enter in each half, and so many that enter most often stay. Without one, q enter in each
    half, where q keeps the expected number of features that stay by chance at 1 or less (their theorem 1),
    and what enters in three quarters of the halves stays.
    """
    part = material.by_name().part(STABILITY_ROWS)
    p = len(part.names)
    q = material.n_features or allowed_entries(p)
    halves = [half for pair in part.halves(STABILITY_PAIRS) for half in pair]
    entries = np.array([_entry_order(part.rows(half)) for half in halves])
    selected = _among_best(entries, q) & (entries > 0)
    details = pd.DataFrame(
        {"frequency": selected.mean(axis=0), "entry": entries.mean(axis=0)}, index=part.names
    ).loc[material.names]
    score = details["frequency"] + 1e-3 * details["entry"] / max(float(details["entry"].max()), 1e-300)
    notes = [sampled_note("stability", len(part.features), len(material.features))]
    if material.n_features is None:
        bound = false_bound(q, p)
        notes.append(f"Of what stability selection keeps, {bound:.2g} is expected by chance at most.")
    return _by_frequency(material, "stability", score, details, len(halves), join_notes(notes))


def false_bound(q: int, p: int, often: float = OFTEN) -> float:
    """Bound the expected number of features that are kept by chance.

    Theorem 1, Meinshausen & Bühlmann 2010: q² / ((2π − 1) p).

    >>> false_bound(5, 50)
    1.0
    """
    return q**2 / ((2 * often - 1) * p)


def allowed_entries(p: int, often: float = OFTEN, expected: float = EXPECTED_FALSE) -> int:
    """Return how many features may enter in each half for at most `expected` that are kept by chance."""
    return max(int(np.sqrt(expected * (2 * often - 1) * p)), 1)


def _by_frequency(
    material: Material, method: str, score: pd.Series, details: pd.DataFrame, halves: int, note: str
) -> Step:
    frequency = details["frequency"]
    if material.n_features is None:
        kept = [name for name in material.names if frequency[name] >= OFTEN]
    else:
        kept = top(score, material.n_features)
    why = {
        name: f"selected in {percent(share, 0)} of {halves} halves of the rows"
        for name, share in frequency.items()
    }
    return Step(method, score, kept, why, details, note)


def _among_best(values: Array, n: int) -> Array:
    """Mark the `n` largest of each row, ties to the first."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :n]
    marked = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(marked, order, True, axis=1)
    return marked


def _held_out_losses(
    part: Material, fit: Array, judge: Array, rng: np.random.Generator
) -> tuple[Array, float]:
    """What each feature loses when it is shuffled, and the most that a shuffled copy does."""
    assert part.task is not None
    values, p = part.features.to_numpy(float), len(part.names)
    n_probes = 0 if part.n_features is not None else PROBES
    copied = rng.choice(p, n_probes, replace=n_probes > p)
    table = np.column_stack([values, rng.permuted(values[:, copied], axis=0)])
    trees = quick_trees(part.task, part.seed).fit(table[fit], part.target[fit])
    held, target = table[judge], part.target[judge]
    losses = np.zeros(table.shape[1])
    used = np.flatnonzero(trees.feature_importances_)  # what no split uses loses nothing
    usual = _scores(part.task, target, _predict(trees, held, part.task)[None])[0]
    at_once = max(STACKED // held.size, 1)
    for block in (used[start : start + at_once] for start in range(0, len(used), at_once)):
        stack = np.repeat(held[None], len(block), axis=0)
        for copy, i in zip(stack, block, strict=True):
            copy[:, i] = rng.permutation(copy[:, i])
        predicted = _predict(trees, stack.reshape(-1, table.shape[1]), part.task)
        losses[block] = usual - _scores(
            part.task, target, predicted.reshape(len(block), len(target), *predicted.shape[1:])
        )
    return losses[:p], max(float(losses[p:].max(initial=0.0)), 0.0)


def _predict(trees: Any, values: Array, task: Task) -> Array:
    if task == "regression":
        return np.asarray(trees.predict(values))
    chances = np.asarray(trees.predict_proba(values))
    return chances[:, 1] if task == "binary" else chances


def _scores(task: Task, target: Array, predicted: Array) -> Array:
    """AUC, mean log likelihood or R² of each of several predictions of the same rows."""
    from scipy.stats import rankdata

    if task == "regression":
        return 1 - ((predicted - target) ** 2).mean(axis=1) / target.var()
    if task == "multiclass":
        return np.log(np.clip(predicted[:, np.arange(len(target)), target], 1e-15, 1)).mean(axis=1)
    positive = target == 1
    m, n = int(positive.sum()), int((~positive).sum())
    ranked = rankdata(predicted, axis=1)[:, positive].sum(axis=1)
    return (ranked - m * (m + 1) / 2) / (m * n)


def _entry_order(half: Material) -> Array:
    found = linear_entries(half.standardised, indicators(half), FIRST_ENTRIES)
    return found[:, 0] + 1e-6 * found[:, 1]
