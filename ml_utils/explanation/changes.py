"""The search behind counterfactuals: values a column may take, and changes that cross the threshold."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError
from ml_utils.evaluation.metrics import Array
from ml_utils.explanation.columns import describe_column, scores_of
from ml_utils.model import Model

MOST_VALUES = 40  # tried a number; whole ones all, up to as many
MOST_LEVELS = 50  # of a category; more are names
BEAM = 12  # changes that are carried on to another column
_HALVINGS = 12
_MOST_DECIMALS = 4


@dataclass(frozen=True)
class Range:
    """What a column may be changed to.

    Parameters
    ----------
    column : str
    options : tuple
        Values to try, numbers ascending.
    number : bool
    deviation : float
        Standard deviation of a number's known values, each step's measure.
    decimals : int
        Of a number's known values; 0 for whole numbers.
    """

    column: str
    options: tuple[Hashable, ...]
    number: bool
    deviation: float = 1.0
    decimals: int = 0

    def distance(self, before: object, after: object) -> float:
        """Return the size of a change: in standard deviations, or 1 for a category and from missing."""
        if not self.number or pd.isna(before):
            return 1.0
        return abs(float(after) - float(before)) / self.deviation  # type: ignore[arg-type]


@dataclass(frozen=True)
class Change:
    """One column's change."""

    column: str
    before: object
    after: object
    distance: float


@dataclass(frozen=True)
class Goal:
    """The side of the threshold to come to."""

    threshold: float
    above: bool

    def met(self, score: Array) -> np.ndarray:
        """Tell which scores are there; acting starts at the threshold itself."""
        return score >= self.threshold if self.above else score < self.threshold

    def missing(self, score: Array) -> Array:
        """Return how far each score is from it."""
        return self.threshold - score if self.above else score - self.threshold


def learn_ranges(
    X: pd.DataFrame, names: Sequence[str], allowed: Mapping[str, Sequence[object]], named: bool
) -> list[Range]:
    """Learn from training rows what columns may be changed to.

    Parameters
    ----------
    X : DataFrame
    names : sequence of str
    allowed : mapping of str to sequence
        Narrower limits.
    named : bool
        Whether the user named the columns; otherwise texts with very many values are left out.

    Returns
    -------
    list of Range
        Only columns with a value to change to.

    Raises
    ------
    ParameterError
        If a limit holds no known value.
    """
    found = []
    for name in names:
        known = describe_column(X[name])
        if known.kind == "number":
            one = _number_range(X[name].dropna(), name, allowed.get(name))
        elif known.kind == "category" and (named or len(known.levels) <= MOST_LEVELS):
            one = _level_range(known.levels, name, allowed.get(name))
        else:
            continue
        if len(one.options) > 1 or name in allowed:
            found.append(one)
    return found


def _number_range(known: pd.Series, name: str, limits: Sequence[object] | None) -> Range:
    numbers = known.to_numpy(dtype=float)
    low, high = float(numbers.min()), float(numbers.max())
    if limits is not None:
        if len(limits) != 2 or not float(limits[0]) <= float(limits[1]):  # type: ignore[arg-type]
            raise ParameterError(
                f"allowed[{name!r}] is {list(limits)}; give its lowest and highest value, as [0, 10]."
            )
        low, high = max(low, float(limits[0])), min(high, float(limits[1]))  # type: ignore[arg-type]
    inside = np.unique(numbers[(numbers >= low) & (numbers <= high)])
    if not len(inside):
        raise ParameterError(
            f"allowed[{name!r}] leaves no known value; training rows run from {numbers.min():g} to "
            f"{numbers.max():g}."
        )
    decimals = _decimals(numbers)
    if decimals == 0 and high - low < MOST_VALUES:
        inside = np.arange(np.ceil(low), np.floor(high) + 1)
    elif len(inside) > MOST_VALUES:
        within = numbers[(numbers >= low) & (numbers <= high)]
        inside = np.unique(np.quantile(within, np.linspace(0, 1, MOST_VALUES), method="nearest"))
    deviation = float(numbers.std()) or 1.0
    return Range(name, tuple(inside.tolist()), True, deviation, decimals)


def _level_range(levels: tuple[Hashable, ...], name: str, limits: Sequence[object] | None) -> Range:
    unknown = [level for level in limits or () if level not in levels]
    if unknown:
        raise ParameterError(
            f"allowed[{name!r}] names {unknown[0]!r}, which no training row has. Known: "
            f"{', '.join(map(str, levels[:20]))}."
        )
    return Range(name, tuple(level for level in levels if limits is None or level in limits), False)


def _decimals(numbers: Array) -> int:
    """Return how many decimals the known values have, four at most."""
    for places in range(_MOST_DECIMALS):
        if np.allclose(numbers, np.round(numbers, places), rtol=0, atol=1e-9 * max(1, np.abs(numbers).max())):
            return places
    return _MOST_DECIMALS


Found = tuple[tuple[Change, ...], float]  # changes, and the score after them
State = dict[str, object]  # column to its new value


class Search:
    """Changes of one row, scored by the pipeline in batches."""

    def __init__(self, model: Model, row: pd.DataFrame, ranges: Sequence[Range], goal: Goal) -> None:
        self.model, self.row, self.goal = model, row, goal
        self.ranges = {one.column: one for one in ranges}

    def run(self, max_changes: int, n: int) -> list[Found]:
        """Return the best changes of as few columns as cross, at most `n`."""
        beam: list[State] = [{}]
        for _ in range(max_changes):
            states = self._neighbours(beam)
            if not states:
                return []
            scores = self._score(states)
            crossing = np.flatnonzero(self.goal.met(scores))
            if len(crossing):
                return self._best([states[i] for i in crossing], n)
            beam = self._nearest(states, scores)
        return []

    def _neighbours(self, beam: list[State]) -> list[State]:
        """Return every change of one more column, no set of changes twice."""
        found: dict[frozenset[tuple[str, object]], State] = {}
        for state in beam:
            for name, one in self.ranges.items():
                if name not in state:
                    for value in one.options:
                        if not _same(value, self.row[name].iloc[0]):
                            new = {**state, name: value}
                            found.setdefault(frozenset(new.items()), new)
        return list(found.values())

    def _score(self, states: list[State]) -> Array:
        table = self.row.loc[np.zeros(len(states), dtype=int)].reset_index(drop=True)
        for name in {name for state in states for name in state}:
            before = self.row[name].iloc[0]
            values = [state.get(name, before) for state in states]
            table[name] = as_dtype(pd.Series(values), self.row[name].dtype)
        return scores_of(self.model, table)

    def _nearest(self, states: list[State], scores: Array) -> list[State]:
        """Keep the changes that come nearest, at most three of one set of columns."""
        kept: list[State] = []
        sets: dict[frozenset[str], int] = {}
        for i in np.argsort(self.goal.missing(scores), kind="stable"):
            columns = frozenset(states[i])
            if sets.get(columns, 0) < 3:
                sets[columns] = sets.get(columns, 0) + 1
                kept.append(states[i])
            if len(kept) == BEAM:
                break
        return kept

    def _best(self, states: list[State], n: int) -> list[Found]:
        """Take the nearest change of each set of columns, move its numbers back, and order them."""
        nearest: dict[frozenset[str], State] = {}
        for state in sorted(states, key=self._distance):
            nearest.setdefault(frozenset(state), state)
        shrunk = [self._shrink(state) for state in list(nearest.values())[: 3 * n]]
        shrunk = sorted(shrunk, key=self._distance)[:n]
        scores = self._score(shrunk)
        return [(self._changes(state), float(score)) for state, score in zip(shrunk, scores, strict=True)]

    def _shrink(self, state: State) -> State:
        """Halve the way back to the row, number by number, as long as the decision holds."""
        for name in sorted(state, key=lambda column: -self._step(column, state)):
            one, before = self.ranges[name], self.row[name].iloc[0]
            if not one.number or pd.isna(before):
                continue
            inner, outer = float(before), float(state[name])  # type: ignore[arg-type]
            for _ in range(_HALVINGS):
                middle = round((inner + outer) / 2, one.decimals)
                if middle in (inner, outer):
                    break
                if self.goal.met(self._score([{**state, name: middle}]))[0]:
                    outer = middle
                else:
                    inner = middle
            state = {**state, name: outer}
        return state

    def _step(self, name: str, state: State) -> float:
        return self.ranges[name].distance(self.row[name].iloc[0], state[name])

    def _distance(self, state: State) -> float:
        return sum(self._step(name, state) for name in state)

    def _changes(self, state: State) -> tuple[Change, ...]:
        ordered = sorted(state, key=lambda name: -self._step(name, state))
        return tuple(
            Change(name, self.row[name].iloc[0], state[name], self._step(name, state)) for name in ordered
        )


def _same(value: object, before: object) -> bool:
    return not pd.isna(before) and value == before


def as_dtype(column: pd.Series, dtype: object) -> pd.Series:
    """Return a column in a dtype, or as it is where a value does not fit it."""
    try:
        fitting = column.astype(dtype)
    except (TypeError, ValueError):
        return column
    same = fitting.eq(column) | (fitting.isna() & column.isna())
    return fitting if bool(same.all()) else column
