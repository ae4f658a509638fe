"""Scores into a database's table: all of them, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pc

from ml_utils.batch.fetching import Place, here, sql_source
from ml_utils.batch.parts import tables
from ml_utils.credentials import expand, mask, secrets_in
from ml_utils.data.sources import sql
from ml_utils.errors import DataError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

_AT_ONCE = 5_000  # rows of an INSERT


def check_table(place: Place, names: Sequence[str], replace: bool) -> None:
    """Refuse, before anything is scored, a table that could not be written in the end.

    Raises
    ------
    DataError
        If the database cannot be reached, or the table is there and may not be replaced, or has other
        columns.
    """
    from sqlalchemy import inspect

    with _said_plainly(place), _begin(place) as connection:
        schema, name = _split(place.table)
        inspector = inspect(connection)
        if not inspector.has_table(name, schema=schema):
            return
        if not replace:
            raise DataError(
                f"{place.shown} is there already. Name a new table, or say --replace (REPLACE=1 for make) to "
                "put the scores in the place of its rows."
            )
        have = {column["name"] for column in inspector.get_columns(name, schema=schema)}
        if have != set(names):
            raise DataError(
                f"{place.shown} has the columns {', '.join(sorted(have))}, the scores "
                f"{', '.join(names)}: it is another table. Drop it, or name a new one."
            )


def write_table(place: Place, parts: Sequence[Path], replace: bool) -> None:
    """Put parts into a table, in one transaction: into a new one beside it that is then renamed.

    The rows of a table that is replaced are removed and added in one transaction, so that what depends on
    it (views, grants) stays and whoever reads it meanwhile sees the old rows.

    Raises
    ------
    DataError
        If the database refuses; it is as it was before then.
    """
    from sqlalchemy import inspect, text

    schema_name, name = _split(place.table)
    schema, found = tables(parts)
    with _said_plainly(place), _begin(place) as connection:
        if inspect(connection).has_table(name, schema=schema_name):
            if not replace:
                raise DataError(f"{place.shown} came to be while this ran. Name another, or say --replace.")
            table = _table(name, schema_name, schema)
            connection.execute(table.delete())
            _fill(connection, table, found)
            return
        aside = _table(f"{name}_octavo_new", schema_name, schema)
        aside.drop(connection, checkfirst=True)  # of a run that was stopped where DDL commits at once
        aside.create(connection)
        _fill(connection, aside, found)
        preparer = connection.dialect.identifier_preparer
        connection.execute(
            text(f"ALTER TABLE {preparer.format_table(aside)} RENAME TO {_renamed(connection, aside, name)}")
        )


def _renamed(connection: Connection, aside: Table, name: str) -> str:
    """Return the new name; MySQL's needs the schema, others must not have it."""
    preparer = connection.dialect.identifier_preparer
    own = preparer.quote(name)
    if connection.dialect.name in ("mysql", "mariadb") and aside.schema:
        return f"{preparer.quote(aside.schema)}.{own}"
    return own


def _fill(connection: Connection, table: Table, found: Iterator[pa.Table]) -> None:
    if connection.dialect.driver == "psycopg":
        _copy(connection, table, found)
        return
    for part in found:
        for start in range(0, len(part), _AT_ONCE):
            connection.execute(table.insert(), part.slice(start, _AT_ONCE).to_pylist())


def _copy(connection: Connection, table: Table, found: Iterator[pa.Table]) -> None:
    """Copy CSV: ten times as quick as INSERT. Null is nothing between commas, empty text is quoted."""
    preparer = connection.dialect.identifier_preparer
    columns = ", ".join(preparer.quote(column.name) for column in table.columns)
    command = f"COPY {preparer.format_table(table)} ({columns}) FROM STDIN (FORMAT csv)"
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(command.encode()) as copy:
        for part in found:
            sink = pa.BufferOutputStream()
            pc.write_csv(part, sink, pc.WriteOptions(include_header=False))
            copy.write(memoryview(sink.getvalue()))


def _table(name: str, schema_name: str | None, schema: pa.Schema) -> Table:
    from sqlalchemy import Column, MetaData, Table

    columns = [Column(field.name, _type(field.type)) for field in schema]
    return Table(name, MetaData(), *columns, schema=schema_name)


def _type(kind: pa.DataType) -> Any:
    from sqlalchemy import BigInteger, Boolean, DateTime, Double, Text

    if pa.types.is_boolean(kind):
        return Boolean()
    if pa.types.is_integer(kind):
        return BigInteger()
    if pa.types.is_floating(kind):
        return Double()
    return DateTime() if pa.types.is_timestamp(kind) else Text()


def _split(table: str) -> tuple[str | None, str]:
    schema, _, name = table.rpartition(".")
    return schema or None, name


def _engine(place: Place) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    address = sql.address_of(sql_source(place, "SELECT 1"), here(None))
    options: dict[str, Any] = {}
    if address.get_backend_name() == "sqlite":
        options = {"timeout": sql.LOCK_SECONDS}
    elif address.drivername == "postgresql+psycopg":
        options = {"connect_timeout": sql.CONNECT_SECONDS, "application_name": "octavo"}
    return create_engine(address, poolclass=NullPool, hide_parameters=True, connect_args=options)


@contextmanager
def _begin(place: Place) -> Iterator[Connection]:
    """Begin a transaction in which tables, too, come to be or do not."""
    engine = _engine(place)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # sqlite3 of Python 3.11 begins no transaction before CREATE TABLE unless it is told to
                connection.connection.driver_connection.isolation_level = None  # type: ignore[union-attr]
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("COMMIT")
                connection.commit()
            except BaseException:
                driver: Any = connection.connection.driver_connection
                if connection.dialect.name == "sqlite" and driver.in_transaction:  # a full disk ended it
                    connection.exec_driver_sql("ROLLBACK")
                raise
    finally:
        engine.dispose()


@contextmanager
def _said_plainly(place: Place) -> Iterator[None]:
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    secrets = secrets_in(expand(place.url))
    try:
        yield
    except DBAPIError as error:
        said = mask(f"{place.shown}: {sql.what_happened(error)}", secrets)
    except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        said = mask(f"{place.shown}: {error}", secrets)
    except _driver_errors() as error:  # COPY goes past SQLAlchemy
        said = mask(f"{place.shown} refuses: {' '.join(str(error).split())}", secrets)
    else:
        return
    raise DataError(f"{said} Nothing was written there.")


def _driver_errors() -> type[Exception]:
    import psycopg

    return psycopg.Error
