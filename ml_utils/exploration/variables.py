"""A table made ready for statistics: the kind of each column, and which rows are independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.data.schema import features_and_target, groups, word
from ml_utils.errors import DataError
from ml_utils.features.cleaning import usual_spelling
from ml_utils.problem import Problem
from ml_utils.wording import count, listing
from ml_utils.words import normal_form

MAX_LEVELS = 30  # rarer categories are taken together
OTHER = "(all others)"
MIN_ROWS = 10
LARGEST = 1e100  # the squares of larger numbers overflow; they count as infinite


@dataclass(frozen=True)
class Variable:
    """One column as statistics see it.

    Parameters
    ----------
    name : str
    kind : {"number", "category"}
        A number with two distinct values is a category.
    cells : ndarray of shape (n_rows,)
        Finite numbers or NaN; for a category the position of its level, −1 where missing.
    levels : tuple of str
        Names of the categories; empty for a number.
    """

    name: str
    kind: Literal["number", "category"]
    cells: npt.NDArray[np.float64] | npt.NDArray[np.int64] = field(repr=False, compare=False)
    levels: tuple[str, ...] = ()

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which rows have no value."""
        return np.isnan(self.cells) if self.kind == "number" else self.cells < 0

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Variable:
        """Return the same column on some rows."""
        return Variable(self.name, self.kind, self.cells[rows], self.levels)


@dataclass(frozen=True)
class Prepared:
    """Columns and target of the rows that are looked at.

    Parameters
    ----------
    variables : dict of str to Variable
        Columns that a model may see and that statistics can say something about.
    target : Variable
        A category of two levels, "other" and "positive", for a binary task; a number for a regression.
    left_out : dict of str to str
        Column to the reason why it is not among them.
    index : ndarray
        Positions of the rows in the table.
    n_rows : int
        Rows of the table.
    unit : str or None
        The column whose rows belong together, where one row for each was drawn.
    binary : bool
    """

    variables: dict[str, Variable]
    target: Variable
    left_out: dict[str, str]
    index: npt.NDArray[np.int64]
    n_rows: int
    unit: str | None
    binary: bool

    @property
    def rows(self) -> int:
        """Number of rows that are looked at."""
        return len(self.index)

    def sample(self, n_rows: int, rng: np.random.Generator) -> Prepared:
        """Return at most `n_rows` of the rows, in their order."""
        if self.rows <= n_rows:
            return self
        keep = np.sort(rng.choice(self.rows, n_rows, replace=False))
        return Prepared(
            {name: variable.take(keep) for name, variable in self.variables.items()},
            self.target.take(keep),
            self.left_out,
            self.index[keep],
            self.n_rows,
            self.unit,
            self.binary,
        )

    def sentence(self) -> str:
        """Say which rows were looked at."""
        if self.rows == self.n_rows:
            return f"All {count(self.n_rows)} training rows were looked at."
        how = "drawn at random"
        if self.unit:
            how = f"at most one for each {self.unit}, because rows of one {self.unit} are not independent"
        return f"Tests looked at {count(self.rows)} of {count(self.n_rows)} training rows, {how}."


def prepare(frame: pd.DataFrame, problem: Problem, seed: int = 42, max_rows: int = 50_000) -> Prepared:
    """Tell each column's kind and draw the rows on which tests are fair.

    Where an entity stands in several rows (a customer each month) its rows are not independent, and a test on
    all of them would find far too much. A row is then kept so that no entity has two, and that every row had
    the same chance: of an entity with m rows one is drawn with probability m / M, M being the number of rows
    of the entities that have most.

    Parameters
    ----------
    frame : DataFrame
        Training rows.
    problem : Problem
    seed : int
    max_rows : int
        More rows than these are sampled.

    Returns
    -------
    Prepared

    Raises
    ------
    DataError
        If there are too few rows, the target has one value, or no column is left.
    """
    if len(frame) < MIN_ROWS:
        raise DataError(
            f"A first look needs {MIN_ROWS} training rows or more; got {len(frame)}. Bring more rows."
        )
    rng = np.random.default_rng(seed)
    X, y = features_and_target(frame, problem)
    unit = groups(frame, problem)
    index = np.arange(len(frame)) if unit is None else one_per_unit(unit, rng)
    if len(index) > max_rows:
        index = np.sort(rng.choice(index, max_rows, replace=False))
    variables, left_out = {}, {}
    for name in X.columns:
        found = read_variable(X[name].iloc[index], problem)
        if isinstance(found, Variable):
            variables[name] = found
        else:
            left_out[name] = found
    binary = problem.task == "binary"
    values = y.to_numpy(np.int64 if binary else np.float64)[index]
    if len(np.unique(values)) < 2:
        raise DataError(
            f"The target {problem.target!r} has one value in the {len(values):,} training rows looked at; "
            "there is nothing that a column could tell. Bring more rows."
        )
    if not variables:
        raise DataError(
            f"No column can be looked at: {listing([f'{k} ({v})' for k, v in left_out.items()])}."
        )
    target = Variable(
        problem.target, "category" if binary else "number", values, ("other", "positive") if binary else ()
    )
    whose = str(unit.name) if unit is not None else None
    return Prepared(variables, target, left_out, index, len(frame), whose, binary)


def read_variable(values: pd.Series, problem: Problem) -> Variable | str:
    """Turn a column into a `Variable`, or into the reason why statistics can say nothing about it."""
    name = str(values.name)
    if name in problem.columns.text:
        return "sentences"
    if values.isna().all():
        return "no values"
    if pd.api.types.is_datetime64_any_dtype(values):
        return _number(name, (values - values.min()).dt.total_seconds() / 86400)
    if pd.api.types.is_timedelta64_dtype(values):
        return _number(name, values.dt.total_seconds() / 86400)
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if name in problem.columns.numeric or (numeric and name not in problem.columns.categorical):
        return _number(name, pd.to_numeric(values, errors="coerce"))
    return _category(name, values)


def one_per_unit(unit: pd.Series, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw at most one row of each unit, every row with the same chance (those of the largest units less).

    Parameters
    ----------
    unit : Series
        Whose each row is; a missing value is a unit of its own.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray
        Positions, ascending.
    """
    codes = pd.factorize(unit)[0].astype(np.int64)
    codes[codes < 0] = codes.max() + 1 + np.arange((codes < 0).sum())
    sizes = np.bincount(codes)
    most = max(int(np.quantile(sizes[codes], 0.9)), 1)  # a single huge unit shall not empty the sample
    keep = rng.random(len(sizes)) < sizes / most
    order = rng.permutation(len(codes))
    units, first = np.unique(codes[order], return_index=True)
    return np.sort(order[first[keep[units]]]).astype(np.int64)


def code_categories(values: pd.Series) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Code categories, spellings of one taken together; missing is −1, the first level the most frequent."""
    codes, distinct = pd.factorize(values)
    spelling = usual_spelling(values)
    names = [spelling.get(normal_form(value), word(value)) for value in distinct]
    again, levels = pd.factorize(np.array(names, dtype=object))
    coded = np.where(codes >= 0, again[codes], -1) if len(again) else codes
    sizes = np.bincount(coded[coded >= 0], minlength=len(levels))
    order = sorted(range(len(levels)), key=lambda i: (-sizes[i], str(levels[i])))
    rank = np.empty(len(levels) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(levels)), -1
    return rank[coded], tuple(str(levels[i]) for i in order)


def is_usable(x: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell which numbers are finite and not so large that statistics overflow."""
    return np.isfinite(x) & (np.abs(x) <= LARGEST)


def _number(name: str, values: pd.Series) -> Variable | str:
    x = values.to_numpy(dtype=float, na_value=np.nan)
    x = np.where(is_usable(x), x, np.nan)
    distinct = np.unique(x[~np.isnan(x)])
    if len(distinct) < 2:
        return "one value only" if len(distinct) else "no values"
    if len(distinct) == 2:
        codes = np.where(np.isnan(x), -1, x == distinct[1]).astype(np.int64)
        return Variable(name, "category", codes, (f"{distinct[0]:g}", f"{distinct[1]:g}"))
    return Variable(name, "number", x)


def _category(name: str, values: pd.Series) -> Variable | str:
    codes, levels = code_categories(values)
    if len(levels) < 2:
        return "one value only"
    n = int((codes >= 0).sum())
    if len(levels) > max(20, n // 2):
        return f"{count(len(levels))} different texts in {count(n)} rows: it names rows"
    if len(levels) > MAX_LEVELS:
        codes = np.minimum(codes, MAX_LEVELS - 1)
        levels = (*levels[: MAX_LEVELS - 1], OTHER)
    return Variable(name, "category", codes, levels)


def split_by(values: npt.NDArray[np.float64], codes: Sequence[int] | np.ndarray) -> list[np.ndarray]:
    """Divide values by their group's code; groups in order of code, empty ones left out."""
    order = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(np.asarray(codes)[order])) + 1
    return np.split(np.asarray(values)[order], cuts)
