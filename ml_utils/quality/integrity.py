"""Values that another table must have: the problem's references, and whose events its event tables hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ml_utils.data.schema import as_text
from ml_utils.errors import DataError, list_known
from ml_utils.problem import Problem


@dataclass(frozen=True)
class Link:
    """One column that must be found in another table.

    Attributes
    ----------
    column : str
        The table's own column.
    other : str
        The other table, in words.
    filled : int
        Rows of the table that have a value.
    unknown : ndarray of bool, shape (n_rows,)
        Rows whose value the other table lacks.
    orphans : int
        Rows of the other table whose value this one lacks, for events.
    events : int
        Rows of the other table, for events.
    examples : tuple of str
        Values of `orphans`.
    required : bool
        Whether an unknown value breaks a rule (references), or may be (nobody needs to have events).
    """

    column: str
    other: str
    filled: int
    unknown: np.ndarray = field(repr=False)
    orphans: int = 0
    events: int = 0
    examples: tuple[str, ...] = ()
    required: bool = True


def check_links(
    frame: pd.DataFrame,
    problem: Problem,
    n_customers: int = 10_000,
    seed: int = 42,
    others: Mapping[str, pd.DataFrame] | None = None,
) -> list[Link]:
    """Look the values of a table up in the tables that its problem file names.

    Parameters
    ----------
    frame : DataFrame
    problem : Problem
    n_customers, seed : int
        Of the built-in retailer's tables.
    others : mapping of str to DataFrame, optional
        Tables that are read already: by the column of `references`, or the name under `events`.

    Returns
    -------
    list of Link

    Raises
    ------
    DataError
        If another table cannot be read or lacks its column.
    """
    read = dict(others or {})
    links = []
    for column, reference in problem.references.items():
        if column not in frame.columns:
            continue
        other = _read(read, column, reference.source, problem, n_customers, seed)
        known = _column(other, reference.column, f"references.{column}", problem)
        links.append(_reference(frame[column], known, reference.column))
    for name, events in problem.events.items():
        key = events.key or problem.id
        own = key if key in frame.columns else problem.id
        if key is None or own is None or own not in frame.columns:
            continue
        other = _read(read, name, events.source, problem, n_customers, seed)
        links.append(_events(frame[own], _column(other, key, f"events.{name}", problem), name))
    return links


def _read(
    read: Mapping[str, pd.DataFrame],
    name: str,
    source: object,
    problem: Problem,
    n_customers: int,
    seed: int,
) -> pd.DataFrame:
    from ml_utils.data.sources import read_other

    if name in read:
        return read[name]
    return read_other(source, problem, n_customers, seed)  # type: ignore[arg-type]


def _column(other: pd.DataFrame, column: str, place: str, problem: Problem) -> pd.Series:
    if column not in other.columns:
        known = list_known(column, map(str, other.columns))
        raise DataError(
            f"{problem.name}.yaml: {place} names the column {column!r}, which that table lacks. {known}"
        )
    return other[column]


def _reference(values: pd.Series, known: pd.Series, column: str) -> Link:
    filled = values.notna().to_numpy()
    unknown = filled & ~as_text(values).isin(as_text(known.dropna()).unique()).to_numpy()
    return Link(str(values.name), f"the reference's {column}", int(filled.sum()), unknown)


def _events(values: pd.Series, keys: pd.Series, name: str) -> Link:
    ours, theirs = as_text(values), as_text(keys)
    without = values.notna().to_numpy() & ~ours.isin(theirs.dropna().unique()).to_numpy()
    lost = theirs[~theirs.isin(ours.dropna().unique())]
    examples = tuple(lost.dropna().drop_duplicates().head(3).astype(str))
    return Link(
        str(values.name), name, int(values.notna().sum()), without, len(lost), len(keys), examples, False
    )
