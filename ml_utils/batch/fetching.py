"""Rows that are elsewhere, brought here first: from a database, S3 or the web, in constant memory.

What was brought completely is there for a run that goes on after it was stopped, and stays the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from ml_utils.batch.journal import FETCHED
from ml_utils.credentials import REFUSED, expand, is_url, literal_credential, mask, public_address
from ml_utils.data.sources import plain, remote, sql
from ml_utils.errors import DataError
from ml_utils.problem import FileSource, Problem, SqlSource

logger = logging.getLogger(__name__)

_AT_ONCE = 50_000  # rows in a file of what a query returned
_FILES = ("s3", "http", "https")


@dataclass(frozen=True)
class _Here:
    """Stands for a problem file where none is: relative paths start in the working folder."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Place:
    """Where rows are, or scores go.

    Parameters
    ----------
    text : str
        A path or address, as it was given; ${NAME} stands for what the environment holds.
    query : str, optional
        What to read from a database, in place of a table.
    """

    text: str
    query: str | None = None

    def __post_init__(self) -> None:
        found = literal_credential(self.text)
        if found:
            raise DataError(
                f"{mask(self.text)} holds {found}; {REFUSED}: write ${{NAME}} in its place and set the "
                "variable NAME."
            )
        if self.is_database and not (self.query or self.table):
            raise DataError(
                f"{self.shown} names no table. Write #table behind the database's address, or give a query."
            )
        if not self.text.strip():
            raise DataError(
                "A name is empty. Name the rows to score, and a file, folder or table for the scores."
            )
        if self.query and not self.is_database:
            raise DataError(f"{self.shown} is no database; a query is for one. Leave the query out.")

    @property
    def is_database(self) -> bool:
        """Whether it is one for SQLAlchemy."""
        scheme = self.text.split(":", 1)[0].lower()
        return (is_url(self.text) and scheme not in _FILES) or self.text.startswith("sqlite:")

    @property
    def is_remote(self) -> bool:
        """Whether it is a file, but not on this machine."""
        return is_url(self.text) and not self.is_database

    @property
    def url(self) -> str:
        """The address of the database, without the table."""
        return self.text.partition("#")[0]

    @property
    def table(self) -> str:
        """Name of the table, perhaps with its schema's."""
        return self.text.partition("#")[2]

    @property
    def path(self) -> Path:
        """Where a file is on this machine."""
        return Path(expand(self.text)).expanduser()

    @property
    def shown(self) -> str:
        """What messages call it: no credentials."""
        if self.is_remote:
            return public_address(self.text)
        return mask(self.text)


def fetch(place: Place, folder: Path, problem: Problem | None = None) -> Path:
    """Bring rows into a folder, unless they are there already; return the file or folder of files.

    Parameters
    ----------
    place : Place
        A database's table or query, or a remote file.
    folder : Path
        Receives `rows/`, or the file.
    problem : Problem, optional
        Where relative paths of a database's file start.

    Raises
    ------
    DataError
        If it cannot be reached or read.
    """
    marker = folder / FETCHED
    if marker.exists():
        since = datetime.fromtimestamp(marker.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
        logger.warning(
            "Going on with the rows of %s as they were at %s; delete %s to read them anew.",
            place.shown,
            since,
            folder,
        )
        return folder / marker.read_text(encoding="utf-8")
    target = folder / "rows"
    target.mkdir(exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    if place.is_database:
        _spool(place, target, problem)
        name = target.name
    else:
        name = _copy(place, target).relative_to(folder).as_posix()
    marker.write_text(name, encoding="utf-8")
    return folder / name


def state(place: Place) -> str:
    """Tell whether a remote file is another one than before."""
    return remote.state(_file(place)) if place.is_remote else ""


def here(problem: Problem | None) -> Problem:
    """Return the problem, or what stands for one."""
    return problem or cast("Problem", _Here("score", Path.cwd()))


def sql_source(place: Place, query: str) -> SqlSource:
    """Return a source as problem files have it."""
    return SqlSource(kind="sql", url=place.url, query=query)


def quoted(table: str, quote: str = '"') -> str:
    """Quote a table's name for SQL, its schema's too.

    >>> quoted("shop.customers")
    '"shop"."customers"'
    """
    return ".".join(f"{quote}{part.replace(quote, 2 * quote)}{quote}" for part in table.split("."))


def _spool(place: Place, target: Path, problem: Problem | None) -> None:
    dialect = place.url.split(":", 1)[0].lower()
    sign = "`" if dialect.startswith(("mysql", "mariadb")) else '"'
    query = place.query or f"SELECT * FROM {quoted(place.table, sign)}"
    sql.check_reads(query)
    rows = 0
    with sql.connected(sql_source(place, query), here(problem)) as connection:
        result = sql.execute(connection, query)
        names = _distinct(list(result.keys()))
        for number, part in enumerate(result.partitions(_AT_ONCE)):
            columns = [plain.to_array(values) for values in zip(*part, strict=True)]
            pq.write_table(pa.Table.from_arrays(columns, names=names), target / f"{number:06d}.parquet")
            rows += len(part)
    if not rows:
        raise DataError(f"{place.shown} has no rows to score.")


def _distinct(names: Sequence[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"The query returns {', '.join(twice)} twice. Give each column a name with AS.")
    return list(names)


def _copy(place: Place, target: Path) -> Path:
    url = expand(place.text)
    with remote.said_plainly(url):
        return remote.fetch(url, _file(place), target)


def _file(place: Place) -> FileSource:
    path = place.text.partition("?")[0].lower()
    is_csv = any(path.endswith(end) for end in (".csv", ".csv.gz", ".tsv", ".txt"))
    return FileSource.model_validate({"kind": "csv" if is_csv else "parquet", "path": place.text})
