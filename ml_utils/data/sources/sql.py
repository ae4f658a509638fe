"""What a query returns, from any database that SQLAlchemy speaks to; read only, in chunks."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd

from ml_utils.credentials import expand, mask, secrets_in
from ml_utils.data.sources import plain
from ml_utils.errors import DataError, ProblemError
from ml_utils.files import sha256_bytes
from ml_utils.problem import Problem, SqlSource, locate

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection, CursorResult, Engine
    from sqlalchemy.engine import URL

CONNECT_SECONDS = 10
LOCK_SECONDS = 15
_CHUNK = 20_000  # rows fetched at a time
_READS = ("select", "with", "values", "table", "from")
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
# What PostgreSQL's codes mean, for the cure: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CURES = {
    "28": "Check user and password; they come from the environment.",
    "3D": "Check the database's name in the URL.",
    "42501": "Ask for the right to read it.",
    "42P01": "Check the table's name, and its schema.",
    "42703": "Check the column's name.",
    "25006": "A source's query may only read.",
    "55P03": "Something holds a lock on the table; try again later.",
    "57014": "Give the query less to do, or the database more time.",
}


def read_query(source: SqlSource, problem: Problem) -> tuple[pd.DataFrame, str]:
    """Run a query and return its rows.

    The connection is read only where the database allows it to be asked for (PostgreSQL, SQLite); elsewhere a
    query that does not begin like one that reads is refused, and nothing is ever committed.

    Parameters
    ----------
    source : SqlSource
    problem : Problem
        Whose file names it; a relative SQLite file starts there.

    Returns
    -------
    frame : DataFrame
        Decimals as floats, dates as times, truth values as such, NULL as missing.
    origin : str
        The database and a hash of the query; no credentials.

    Raises
    ------
    DataError
        If the database cannot be reached, refuses the credentials or the query, or lacks its driver.
    """
    check_reads(source.query)
    with connected(source, problem) as connection:
        table = _fetch(connection, source.query)
    origin = f"{_place(address_of(source, problem))}, query {query_hash(source.query)}"
    return plain.to_frame(table), origin


def state(source: SqlSource, problem: Problem) -> str:
    """Tell the state of what a query reads as cheaply as can be.

    Of SQLite the file's size and time; of others the answer to the source's `changed` query, or nothing but
    the query itself where it has none.

    Raises
    ------
    DataError
        As for `read_query`.
    """
    address = address_of(source, problem)
    if address.get_backend_name() == "sqlite":
        stats = [path.stat() for path in _sqlite_files(address) if path.exists()]
        return " ".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats) or "missing"
    if source.changed is None:
        return "by its query only"
    check_reads(source.changed)
    with connected(source, problem) as connection:
        rows = execute(connection, source.changed).fetchmany(1000)
    return sha256_bytes(repr([tuple(row) for row in rows]).encode())[:16]


def query_hash(query: str) -> str:
    """Name a query by its content; blanks and line ends do not count."""
    return sha256_bytes(" ".join(query.split()).encode())[:8]


def check_reads(query: str) -> None:
    """Refuse a query that does not begin like one that reads, or that is more than one.

    Raises
    ------
    DataError

    Examples
    --------
    >>> check_reads("SELECT * FROM customers;")
    >>> check_reads("DELETE FROM customers")
    Traceback (most recent call last):
    ml_utils.errors.DataError: The query begins with 'DELETE'. A source's query reads: ...
    """
    bare = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", " ", query, flags=re.S)
    words = re.findall(r"\w+", bare)
    if not words or words[0].lower() not in _READS:
        first = words[0] if words else ""
        raise DataError(
            f"The query begins with {first!r}. A source's query reads: begin it with SELECT, WITH, VALUES or "
            "TABLE."
        )
    if bare.rstrip().rstrip(";").count(";"):
        raise DataError("The query holds several statements (a ; stands inside). A source's query is one.")


def _fetch(connection: Connection, query: str) -> pa.Table:
    import pyarrow as pa

    result = execute(connection, query)
    names = list(result.keys())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"The query returns {', '.join(twice)} twice. Give each column a name of its own with AS."
        )
    parts = [pa.Table.from_arrays([pa.nulls(0)] * len(names), names=names)]
    for rows in result.partitions(_CHUNK):
        parts.append(
            pa.Table.from_arrays([plain.to_array(values) for values in zip(*rows, strict=True)], names=names)
        )
    return plain.concatenate(parts)


def execute(connection: Connection, query: str) -> CursorResult[Any]:
    """Run a query as it stands: a colon or a percent sign in it is not a parameter."""
    options = {"no_parameters": True, "stream_results": True, "max_row_buffer": _CHUNK}
    return connection.exec_driver_sql(query.rstrip().rstrip(";"), execution_options=options)


@contextmanager
def connected(source: SqlSource, problem: Problem) -> Iterator[Connection]:
    """Connect, read only where that can be asked for; turn what goes wrong into plain words."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    address = address_of(source, problem)
    secrets = secrets_in(expand(source.url)) | ({str(address.password)} if address.password else set())
    engine = None
    try:
        engine = _engine(address)
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        message = f"{_place(address)}: {what_happened(error)}"
        raise DataError(mask(message, secrets)) from None
    except (SQLAlchemyError, OSError) as error:
        raise DataError(mask(f"{_place(address)}: {error}", secrets)) from None
    finally:
        if engine is not None:
            engine.dispose()


def address_of(source: SqlSource, problem: Problem) -> URL:
    """Return where the database is, credentials filled in from the environment."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    text = expand(source.url)
    try:
        address = make_url(text)
    except (ArgumentError, ValueError):
        raise ProblemError(
            f"{problem.name}.yaml: {mask(text, secrets_in(text))!r} is not the address of a database; write "
            "dialect://user:${PASSWORD}@host/database."
        ) from None
    address = address.set(drivername=_DRIVERS.get(address.drivername, address.drivername))
    if address.get_backend_name() != "sqlite":
        return address
    return address.set(database=str(locate(address.database or "", problem).absolute()), query={})


def _engine(address: URL) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import NoSuchModuleError
    from sqlalchemy.pool import NullPool

    backend, options = address.get_backend_name(), {}
    if backend == "sqlite":
        path = _sqlite_files(address)[0]
        if not path.is_file():
            raise DataError(f"There is no database file {path}. Put it there, or mend source.url.")
        address = address.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
        options = {"timeout": LOCK_SECONDS}
    elif address.drivername == "postgresql+psycopg":
        options = _postgresql(address)
    else:
        _check_answers(address)
    try:
        engine = create_engine(address, poolclass=NullPool, hide_parameters=True, connect_args=options)
    except NoSuchModuleError:
        raise DataError(
            f"SQLAlchemy knows no database {address.drivername!r}. Known without more: postgresql, sqlite; "
            "for others install their dialect."
        ) from None
    except ModuleNotFoundError as error:
        raise DataError(
            f"Reading {backend} needs the package {error.name}. Install it: pip install {error.name}"
        ) from None
    return engine


def _postgresql(address: URL) -> dict[str, Any]:
    """Read only, and no waiting for a server that is gone or for somebody else's lock."""
    settings = f"-c default_transaction_read_only=on -c lock_timeout={LOCK_SECONDS}s"
    given = address.query.get("options", "")
    return {
        "connect_timeout": CONNECT_SECONDS,
        "options": f"{settings} {given if isinstance(given, str) else ' '.join(given)}".strip(),
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "application_name": "octavo",
    }


def _check_answers(address: URL) -> None:
    """Drivers differ in how to say how long to wait, so the port is tried first."""
    if address.host and address.port:
        try:
            socket.create_connection((address.host, address.port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise DataError(
                f"{_place(address)} cannot be reached: {error}. Check the host, the port, and that it runs."
            ) from None


def _sqlite_files(address: URL) -> list[Path]:
    path = Path(address.database or "")
    return [path, path.with_name(path.name + "-wal")]


def _place(address: URL) -> str:
    """Name a database without its credentials."""
    backend = address.get_backend_name()
    database = address.database or ""
    if backend == "sqlite":
        return f"sqlite database {Path(database).name}"
    port = f":{address.port}" if address.port else ""
    return f"{backend} database {database} on {address.host or 'this machine'}{port}"


def what_happened(error: Any) -> str:
    """Take the driver's own words, in one line, with a cure where its code has one."""
    original = error.orig
    said = " ".join(str(original).split())
    code = str(getattr(original, "sqlstate", None) or "")
    cure = _CURES.get(code) or _CURES.get(code[:2], "")
    if not code and type(original).__name__ == "ConnectionTimeout":
        return f"did not answer within {CONNECT_SECONDS} s. Check the host, the port, and that it runs."
    if "connection" in said and not code:
        return f"cannot be reached: {said}"
    if "not a database" in said:
        return "is not an SQLite database. Check source.url."
    return f"refuses: {said}. {cure}".rstrip()
