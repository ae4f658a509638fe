"""Rows that stand on both sides of a split: exact twins, torn groups, entities that nobody named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from ml_utils.data.schema import as_text, groups
from ml_utils.leakage.report import LeakFinding
from ml_utils.leakage.sample import Array, Looked
from ml_utils.problem import Problem
from ml_utils.wording import count, listing, percent

MAX_OTHER_ROWS: Final = 30_000
LEVELS_LIMIT: Final = 0.5  # chance agreement above which a column says little about twins
EXCESS: Final = 1.4  # twins per twin expected by coincidence
MIN_EXCESS_SHARE: Final = 0.001
Z: Final = 6.0


def check_rows(looked: Looked, splits: Mapping[str, pd.DataFrame], seed: int) -> list[LeakFinding]:
    """Find rows of the later splits that stand in training already."""
    problem = looked.problem
    later = {name: split for name, split in splits.items() if name != "train" and len(split)}
    if not later:
        return []
    found = []
    for name, split in later.items():
        found += _twins(name, looked.train, split, problem, seed)
        found += _torn_group(name, looked.train, split, problem)
    if problem.time is None and groups(looked.train, problem) is None and problem.group is None:
        found += _entities(looked, pd.concat(list(later.values()), ignore_index=True), seed)
    return found


def _twins(
    name: str, train: pd.DataFrame, split: pd.DataFrame, problem: Problem, seed: int
) -> list[LeakFinding]:
    other = split.sample(min(len(split), MAX_OTHER_ROWS), random_state=seed)
    twins, expected, z = twins_beyond_chance(train, other, problem)
    if twins < 5 or z < Z or twins - expected < max(5, MIN_EXCESS_SHARE * len(other)):
        return []
    rows = round(twins * len(split) / len(other))
    evidence = (
        f"{count(twins)} of {count(len(other))} rows looked at ({percent(twins / len(other))}) repeat a "
        f"training row in every column and in the answer; as common as their values are, "
        f"{count(expected)} were to be expected"
    )
    advice = "Take repeated rows out before splitting, or keep them together by a group."
    kind = "rows repeated from training"
    share = twins / len(other)
    return [LeakFinding(f"rows of {name}", kind, "leak", evidence, share, advice, rows=rows)]


def twins_beyond_chance(
    train: pd.DataFrame, other: pd.DataFrame, problem: Problem
) -> tuple[int, float, float]:
    """Count the rows of `other` that repeat a training row, and how many would by coincidence.

    Rows may be alike because their values are common. That shows in rows that are alike but for one column:
    where such pairs agree on that last column no more often than its values are frequent, twins are
    coincidence. The column for which twins are least surprising decides.

    Parameters
    ----------
    train, other : DataFrame
    problem : Problem

    Returns
    -------
    twins : int
    expected : float
        By coincidence.
    z : float
        Standard errors that `twins` lies above `expected`.
    """
    left_out = {problem.id, problem.time, problem.group}
    names = [name for name in train.columns if name not in left_out and name in other]
    n = len(train)
    codes = [_codes(train[name], other[name]) for name in names]
    hashes = [_scatter(code, i) for i, code in enumerate(codes)]
    total: Array = np.asarray(hashes, dtype=np.uint64).sum(axis=0)
    is_twin = _found(total[:n], total[n:]) > 0
    twins = int(is_twin.sum())
    best = (0.0, np.inf)
    for code, part in zip(codes, hashes, strict=True):
        share = np.bincount(code[:n], minlength=int(code.max()) + 1) / n
        if not twins or (share**2).sum() > LEVELS_LIMIT:
            continue
        rest = total - part
        matches = _found(rest[:n], rest[n:])
        chance = 1 - (1 - share[code[n:]]) ** matches
        expected = float(chance.sum())
        z = (twins - expected) / max(float(np.sqrt((chance * (1 - chance)).sum())), 1.0)
        ratio_too_small = twins < EXCESS * expected
        if ratio_too_small or z < best[1]:
            best = (expected, 0.0 if ratio_too_small else z)
        if ratio_too_small:
            break
    return twins, best[0], best[1] if np.isfinite(best[1]) else 0.0


def _codes(first: pd.Series, second: pd.Series) -> Array:
    together = pd.concat([first, second], ignore_index=True)
    return pd.factorize(together, use_na_sentinel=False)[0]


def _scatter(codes: Array, salt: int) -> Array:
    """Spread codes over 64 bits, differently for each column, so that their sums tell rows apart."""
    mixed = (codes.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15 + 2 * salt * 0x2545F491)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0x94D049BB133111EB) + np.uint64(2 * salt)
    return mixed ^ (mixed >> np.uint64(31))


def _found(known: Array, asked: Array) -> Array:
    """Count how often each value of `asked` is among `known`."""
    values, counts = np.unique(known, return_counts=True)
    place = np.minimum(np.searchsorted(values, asked), len(values) - 1)
    return np.where(values[place] == asked, counts[place], 0)


def _torn_group(name: str, train: pd.DataFrame, split: pd.DataFrame, problem: Problem) -> list[LeakFinding]:
    """Find groups on both sides of a random split; in time, the same entity is met again by design."""
    column = problem.group or problem.id
    if problem.time is not None or column is None or column not in train or column not in split:
        return []
    both = split[column].isin(train[column]) & split[column].notna()
    if not both.any():
        return []
    n, whole = int(both.sum()), split.loc[both, column].nunique()
    evidence = (
        f"{count(n)} of {count(len(split))} rows belong to {count(whole)} values of {column} that stand in "
        f"training as well, such as {listing([str(v) for v in split.loc[both, column].unique()[:3]])}"
    )
    advice = f"Split by {column}: name it as group in the problem file and use data.split_frame."
    kind = "a group on both sides"
    return [LeakFinding(f"rows of {name}", kind, "leak", evidence, n / len(split), advice, rows=n)]


def _entities(looked: Looked, later: pd.DataFrame, seed: int) -> list[LeakFinding]:
    """Find a column whose values are entities: rows with the same value are alike in most other columns."""
    train = looked.train
    found = []
    for name in [*looked.columns, *([looked.problem.id] if looked.problem.id else [])]:
        if name not in later or not _may_be_entity(train[name]):
            continue
        alike, usual = alike_within(train, name, looked, seed)
        if alike < 0.8 or alike < usual + 0.25:
            continue
        both = later[name].isin(train[name]) & later[name].notna()
        if both.mean() < 0.1:
            continue
        evidence = (
            f"rows with the same {name} are alike in {percent(alike, 0)} of the other columns "
            f"({percent(usual, 0)} for any two rows), so it names an entity; {count(both.sum())} rows of the "
            "later splits belong to one that stands in training"
        )
        advice = f"Set group: {name} in the problem file, so that an entity's rows stay on one side."
        kind = "an entity on both sides"
        found.append(
            LeakFinding(
                name, kind, "suspect", evidence, alike, advice, used=looked.used(name), rows=int(both.sum())
            )
        )
    return found


def _may_be_entity(values: pd.Series) -> bool:
    if pd.api.types.is_float_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    distinct = int(values.nunique())
    return distinct >= 50 and 1.2 <= values.notna().sum() / max(distinct, 1) <= 50


def alike_within(frame: pd.DataFrame, column: str, looked: Looked, seed: int) -> tuple[float, float]:
    """Return how often other columns agree: for two rows with the same value of `column`, and for any two."""
    rng = np.random.default_rng(seed)
    who = pd.factorize(frame[column])[0]
    order = np.lexsort((rng.random(len(who)), who))
    same = np.flatnonzero(who[order][1:] == who[order][:-1])
    first, second = order[same][:5000], order[same + 1][:5000]
    any_first, any_second = rng.integers(0, len(who), 5000), rng.integers(0, len(who), 5000)
    within, anywhere = [], []
    for name in looked.columns:
        if name == column:
            continue
        codes = pd.factorize(as_text(frame[name]), use_na_sentinel=False)[0]
        usual = float((codes[any_first] == codes[any_second]).mean())
        if usual > 0.7:
            continue
        anywhere.append(usual)
        within.append(float((codes[first] == codes[second]).mean()))
    if len(within) < 2 or not len(first):
        return 0.0, 1.0
    return float(np.mean(within)), float(np.mean(anywhere))
