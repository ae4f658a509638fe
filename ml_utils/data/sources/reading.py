"""One entrance to all sources: a problem's table with its event features, and the tables beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from ml_utils.credentials import is_url
from ml_utils.data.sources import files, remote, sql
from ml_utils.errors import DataError
from ml_utils.problem import FileSource, Problem, RetailerSource, RetailerTable, SqlSource, locate

if TYPE_CHECKING:
    from ml_utils.data.events import EventsJoined


@dataclass(frozen=True)
class Table:
    """A table as it came from its source.

    Parameters
    ----------
    frame : DataFrame
        Raw rows, with the event features where the problem has `events`.
    origin : str
        Where it came from, for the page; holds no credentials.
    truth : DataFrame or None
        Each row's true probability or value, keyed like the rows; the built-in retailer only. For checking,
        never a feature.
    events : EventsJoined or None
        Which columns were made from event tables, and which events could not be used.
    """

    frame: pd.DataFrame
    origin: str
    truth: pd.DataFrame | None = None
    events: EventsJoined | None = None


def read_source(problem: Problem, n_customers: int = 10_000, seed: int = 42) -> Table:
    """Read the table that a problem file names, and join its event tables as of each row's time.

    Parameters
    ----------
    problem : Problem
    n_customers : int
        Size of the built-in retailer; other sources leave it aside.
    seed : int
        Seed of the built-in retailer.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        If the source cannot be reached, is not there, is empty, or is not what its problem file says.
    """
    if isinstance(problem.source, RetailerSource):
        table = _read_retailer(problem.source, n_customers, seed)
    else:
        table = Table(*_read(problem.source, problem))
    if not problem.events:
        return table
    from ml_utils.data.events import join_events

    joined = join_events(table.frame, problem, n_customers, seed)
    return replace(table, frame=joined.frame, events=joined)


def read_other(
    source: RetailerTable | FileSource | SqlSource,
    problem: Problem,
    n_customers: int = 10_000,
    seed: int = 42,
) -> pd.DataFrame:
    """Read a table that stands beside the problem's own: events, or a reference.

    Parameters
    ----------
    source : RetailerTable, FileSource or SqlSource
    problem : Problem
        Whose file names it; relative paths start there.
    n_customers, seed : int
        Of the built-in retailer; other sources leave them aside.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        As for `read_source`.
    """
    if isinstance(source, RetailerTable):
        from ml_utils.synthetic.retailer import generate

        tables: dict[str, pd.DataFrame] = vars(generate(n_customers, seed))
        return tables[source.table]
    return _read(source, problem)[0]


def _read_retailer(source: RetailerSource, n_customers: int, seed: int) -> Table:
    from ml_utils.synthetic.retailer import read_view

    frame, truth = read_view(source.view, n_customers, seed)
    origin = f"built-in retailer, view {source.view}, {n_customers:,} customers, seed {seed}"
    return Table(frame, origin, truth)


def _read(source: FileSource | SqlSource, problem: Problem) -> tuple[pd.DataFrame, str]:
    if isinstance(source, SqlSource):
        frame, origin = sql.read_query(source, problem)
    elif is_url(remote.address(source)):
        frame, origin = remote.read_remote(source)
    else:
        path = locate(source.path, problem)
        files.check_there(path, source, problem)
        frame, origin = files.read_file(path, source, str(path)), path.name
    if frame.empty:
        raise DataError(
            f"{origin} has {len(frame.columns)} columns but no rows. "
            + ("Check the query." if isinstance(source, SqlSource) else "Export it again with its rows.")
        )
    return frame, origin
