"""Relations between columns: found where essentially all rows keep them and not by chance, and enforced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations, permutations

import numpy as np
import pandas as pd

from ml_utils.quality.rules import Relation
from ml_utils.quality.values import Kind, decimals

MIN_ROWS = 100  # rows in which all the columns are filled
LOOK = 2_000  # rows that a candidate must pass before all are looked at
MAY_BREAK = 0.0005  # of the reference rows
AT_BORDER = 10  # rows where a = b, away from the columns' ends, that make a <= b a border and no accident
SHUFFLED = 0.01  # of the rows must break the relation when one column is shuffled: else it says nothing
MAX_NUMERIC = 40  # columns looked at for sums


def broken(relation: Relation, clean: pd.DataFrame) -> np.ndarray:
    """Mark the rows that break a relation.

    Parameters
    ----------
    relation : Relation
    clean : DataFrame
        Numbers as float64, text in its normal form, dates as dates (`enforcement.prepare`).

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        A row in which one of the columns is empty breaks nothing, but for `missing_together`.
    """
    columns = [clean[name] for name in relation.columns]
    if relation.kind == "missing_together":
        return columns[0].isna().to_numpy() != columns[1].isna().to_numpy()
    if relation.kind == "determines":
        return _breaks_dependency(*columns)
    if relation.kind == "equal":
        return _differ(columns[0], columns[1], relation.tolerance)
    if relation.kind == "sum":
        total, first, second = (column.to_numpy(float) for column in columns)
        with np.errstate(invalid="ignore"):
            return np.abs(total - first - second) > relation.tolerance + 1e-9 * np.abs(total)
    first, second = columns
    if pd.api.types.is_datetime64_any_dtype(first):
        return (first > second).to_numpy()
    return (first > second + relation.tolerance).to_numpy()


def find_relations(
    clean: pd.DataFrame, kinds: Mapping[str, Kind], unique: set[str], seed: int = 42
) -> list[Relation]:
    """Find the relations that a table's rows keep.

    A relation must hold in all but one in 2,000 rows (100 or more), and must not be trivial: with one column
    shuffled, one row in a hundred or more would break it. `a <= b` must besides be a border that is reached
    (ten rows or more where a = b, away from the ends of both): two columns that just lie apart never meet.

    Parameters
    ----------
    clean : DataFrame
        Reference rows from `enforcement.prepare`, implausible values made empty.
    kinds : mapping of str to str
        Column to its type; columns that are not in it are not looked at.
    unique : set of str
        Columns that name rows: they determine the others by themselves.
    seed : int
        For shuffling.

    Returns
    -------
    list of Relation
    """
    names = [name for name in clean.columns if name in kinds and clean[name].nunique() >= 2]
    rng = np.random.default_rng(seed)
    equal = _equal(clean, names, kinds, rng)
    copies = {relation.columns[1] for relation in equal}
    single = [name for name in names if name not in copies]
    numeric = [name for name in single if kinds[name] in ("number", "whole number")]
    sums = _sums(clean, numeric[:MAX_NUMERIC])
    ordered = _ordered(clean, numeric, sums, rng)
    ordered += _ordered_dates(clean, [name for name in single if kinds[name] == "date"], rng)
    together = _missing_together(clean, [name for name in clean.columns if name in kinds])
    return [*equal, *sums, *ordered, *together, *_dependencies(clean, single, kinds, unique, rng)]


def _differ(first: pd.Series, second: pd.Series, tolerance: float) -> np.ndarray:
    filled = (first.notna() & second.notna()).to_numpy()
    if pd.api.types.is_float_dtype(first) and pd.api.types.is_float_dtype(second):
        with np.errstate(invalid="ignore"):
            gap = np.abs(first.to_numpy(float) - second.to_numpy(float))
        return filled & (gap > tolerance + 1e-9 * np.abs(first.to_numpy(float)))
    return filled & (first != second).to_numpy()


def _breaks_dependency(first: pd.Series, second: pd.Series) -> np.ndarray:
    """Mark rows whose value differs from the most frequent one of the rows with the same determinant."""
    return _torn(pd.factorize(first)[0], pd.factorize(second)[0])


def _codes(coded: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(coded), -1, coded).astype(np.int64)


def _torn(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Do the same on codes, -1 for missing."""
    filled = (x >= 0) & (y >= 0)
    marks = np.zeros(len(x), bool)
    if not filled.any():
        return marks
    n_values = int(y.max()) + 1
    pair = x[filled].astype(np.int64) * n_values + y[filled]
    pairs, place, counts = np.unique(pair, return_inverse=True, return_counts=True)
    owner = pairs // n_values
    if (owner[1:] != owner[:-1]).all():
        return marks
    order = np.lexsort((pairs, -counts, owner))
    usual = np.zeros(len(pairs), bool)
    usual[order[np.r_[True, owner[order][1:] != owner[order][:-1]]]] = True
    marks[filled] = ~usual[place]
    return marks


def _holds(
    relation: Relation, clean: pd.DataFrame, rng: np.random.Generator, shuffled: bool = True
) -> tuple[bool, int]:
    """Tell whether a relation holds on enough rows and not trivially, and how many rows break it."""
    part = clean[relation.columns].dropna()
    if len(part) < MIN_ROWS:
        return False, 0
    n_broken = int(broken(relation, part).sum())
    if n_broken > MAY_BREAK * len(part):
        return False, n_broken
    if shuffled:
        last = relation.columns[-1]
        mixed = part.assign(**{last: part[last].to_numpy()[rng.permutation(len(part))]})
        if broken(relation, mixed).mean() < SHUFFLED:
            return False, n_broken
    return True, n_broken


def _allowed(relation: Relation, n_broken: int, n: int) -> Relation:
    """Let as many rows break the relation as twice those of the reference."""
    return relation.model_copy(update={"allow": float(f"{2 * n_broken / n:.2g}")}) if n_broken else relation


def _equal(
    clean: pd.DataFrame, names: list[str], kinds: Mapping[str, Kind], rng: np.random.Generator
) -> list[Relation]:
    found: list[Relation] = []
    look = clean[names].head(LOOK)
    copies: set[str] = set()
    for first, second in combinations(names, 2):
        if second in copies or _family(kinds[first]) != _family(kinds[second]):
            continue
        relation = Relation(equal=[first, second], tolerance=_step(clean, [first, second], kinds))
        if broken(relation, look).any() or not _holds(relation, clean, rng)[0]:
            continue
        if (clean[first].isna() == clean[second].isna()).mean() > 0.5:
            found.append(relation)
            copies.add(second)
    return found


def _family(kind: Kind) -> str:
    return "number" if kind in ("number", "whole number") else "text" if kind == "category" else kind


def _step(clean: pd.DataFrame, names: list[str], kinds: Mapping[str, Kind]) -> float:
    """Return how far rounding alone may move a sum: one and a half of the last decimal place."""
    if any(_family(kinds[name]) != "number" for name in names):
        return 0.0
    places = max(decimals(clean[name].to_numpy(float)) for name in names)
    return float(f"{1.5 * 10.0**-places:g}") if places else 0.0


def _sums(clean: pd.DataFrame, numeric: list[str]) -> list[Relation]:
    """Find a = b + c among numeric columns, b and c both at work."""
    values = clean[numeric].dropna()
    if len(values) < MIN_ROWS:
        return []
    active = (values != 0).mean()
    look = values.iloc[:: max(len(values) // 200, 1)].to_numpy(float)
    found: list[Relation] = []
    for i, j in combinations(range(len(numeric)), 2):
        total = look[:, [i]] + look[:, [j]]
        near = (np.abs(look - total) <= 0.02 * np.abs(total) + 1e-9).mean(axis=0)
        for k in np.flatnonzero(near > 0.98):
            columns = [numeric[k], numeric[i], numeric[j]]
            if k in (i, j) or min(active[columns[1]], active[columns[2]]) < 0.05:
                continue
            kinds: dict[str, Kind] = dict.fromkeys(columns, "number")
            relation = Relation(sum=columns, tolerance=_step(clean, columns, kinds))
            part = clean[columns].dropna()
            if broken(relation, part).mean() <= MAY_BREAK:
                found.append(_allowed(relation, int(broken(relation, part).sum()), len(part)))
    return found


def _ordered(
    clean: pd.DataFrame, numeric: list[str], sums: list[Relation], rng: np.random.Generator
) -> list[Relation]:
    implied = {(part, relation.columns[0]) for relation in sums for part in relation.columns[1:]}
    found: dict[tuple[str, str], Relation] = {}
    look = clean[numeric].iloc[:: max(len(clean) // LOOK, 1)]
    values = look.to_numpy(float)
    for i, j in permutations(range(len(numeric)), 2):
        first, second = numeric[i], numeric[j]
        if (first, second) in implied or (values[:, i] > values[:, j]).mean() > 0.002:
            continue
        relation = Relation(at_most=[first, second])
        holds, n_broken = _holds(relation, clean, rng)
        reached = _at_border(clean[first], clean[second]) if holds else 0
        if holds and reached >= max(AT_BORDER, 20 * n_broken):
            found[first, second] = _allowed(relation, n_broken, len(clean))
    return _without_detours(found)


def _at_border(first: pd.Series, second: pd.Series) -> int:
    """Count rows where both are equal, away from the smallest and the largest value of both."""
    x, y = first.to_numpy(float), second.to_numpy(float)
    with np.errstate(invalid="ignore"):
        inside = (x > max(np.nanmin(x), np.nanmin(y))) & (x < min(np.nanmax(x), np.nanmax(y)))
    return int((inside & (x == y)).sum())


def _ordered_dates(clean: pd.DataFrame, names: list[str], rng: np.random.Generator) -> list[Relation]:
    found = {}
    for first, second in permutations(names, 2):
        relation = Relation(at_most=[first, second])
        if not broken(relation, clean.head(LOOK)).any() and _holds(relation, clean, rng)[0]:
            found[first, second] = relation
    return _without_detours(found)


def _missing_together(clean: pd.DataFrame, names: list[str]) -> list[Relation]:
    empty = {name: clean[name].isna().to_numpy() for name in names}
    some = [name for name in names if MIN_ROWS / 5 <= empty[name].sum() <= len(clean) - MIN_ROWS / 5]
    found, seen = [], set()
    for first, second in combinations(some, 2):
        if second not in seen and (empty[first] == empty[second]).all():
            found.append(Relation(missing_together=[first, second]))
            seen.add(second)
    return found


def _dependencies(
    clean: pd.DataFrame,
    names: list[str],
    kinds: Mapping[str, Kind],
    unique: set[str],
    rng: np.random.Generator,
) -> list[Relation]:
    """Find columns that determine another one, as a postcode its city."""
    givers = [
        name
        for name in names
        if kinds[name] in ("category", "text", "whole number")
        and name not in unique
        and clean[name].nunique() <= clean[name].count() / 2
    ]
    takers = [name for name in names if kinds[name] in ("category", "text") and name not in unique]
    codes = {name: pd.factorize(clean[name])[0].astype(float) for name in {*givers, *takers}}
    coded = pd.DataFrame({name: np.where(code < 0, np.nan, code) for name, code in codes.items()})
    found: dict[tuple[str, str], Relation] = {}
    for first, second in ((a, b) for a in givers for b in takers if a != b):
        if not _may_determine(coded[first].to_numpy(), coded[second].to_numpy()):
            continue
        relation = Relation(determines=[first, second])
        holds, n_broken = _holds(relation, coded, rng)
        if holds:
            found[first, second] = _allowed(relation, n_broken, len(coded))
    return _without_detours(found)


def _may_determine(first: np.ndarray, second: np.ndarray) -> bool:
    """Rule a dependency out on the first rows, the quick way."""
    return _torn(_codes(first[:LOOK]), _codes(second[:LOOK])).sum() <= 0.002 * LOOK


def _without_detours(found: dict[tuple[str, str], Relation]) -> list[Relation]:
    """Leave out a → c where a → b and b → c are there (and b doesn't lead back)."""
    middle: Callable[[str, str, str], bool] = lambda a, b, c: (  # noqa: E731
        (a, b) in found and (b, c) in found and (b, a) not in found and (c, b) not in found
    )
    names = {name for pair in found for name in pair}
    return [
        relation
        for (a, c), relation in found.items()
        if not any(middle(a, b, c) for b in names if b not in (a, c))
    ]
