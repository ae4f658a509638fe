"""Where scores go: a file, a folder of Parquet files, or a database's table; put in place whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow.parquet as pq

from ml_utils.batch.database import check_table, write_table
from ml_utils.batch.fetching import Place
from ml_utils.batch.parts import common_schema, join
from ml_utils.errors import DataError
from ml_utils.files import sha256_bytes, write_whole
from ml_utils.paths import project_root

_FILES = (".parquet", ".csv", ".csv.gz")


class Target(Protocol):
    """Where scores go."""

    suffix: str
    shown: Path | str

    def check(self, names: Sequence[str]) -> None:
        """Refuse what could not be written in the end."""

    def folder(self) -> Path:
        """Return where parts wait until all are there."""

    def finish(self, parts: Sequence[Path], names: Sequence[str]) -> None:
        """Put all parts in place at once."""


def target_of(place: Place, replace: bool, source: Place) -> Target:
    """Return the target that an address or a path names; it may not be, hold or lie in the source.

    Raises
    ------
    DataError
        If it is none that can be written.
    """
    if place.text == source.text and not source.query:
        raise _not_apart(place, source)
    if place.is_database:
        return _Database(place, replace)
    if place.is_remote:
        raise DataError(
            f"Scores cannot be written to {place.shown}. Name a file, a folder, or a database's table."
        )
    name = place.path.name.lower()
    if not name:
        raise DataError(f"{place.shown} is no place for the scores. Name a file or folder.")
    if not source.is_database and not source.is_remote:
        _check_apart(place, source)
    if name.endswith(_FILES):
        return _File(place.path)
    if "." in name:
        raise DataError(
            f"{place.shown} is neither .csv nor .parquet, which is what batch scoring writes, besides "
            ".csv.gz, a folder (a name without a dot) and a database's table."
        )
    return _Folder(place.path, replace)


def _check_apart(place: Place, source: Place) -> None:
    output, rows = place.path.resolve(), source.path.resolve()
    if output == rows or output in rows.parents or rows in output.parents:
        raise _not_apart(place, source)


def _not_apart(place: Place, source: Place) -> DataError:
    return DataError(
        f"The scores cannot go to {place.shown}, because the rows to score are in {source.shown}, which "
        "stays as it is. Name another file, folder or table, apart from it."
    )


class _File:
    def __init__(self, path: Path) -> None:
        self.shown: Path | str = path
        self.path = path
        name = path.name.lower()
        self.suffix = next(end for end in _FILES if name.endswith(end))

    def check(self, names: Sequence[str]) -> None:
        if self.path.is_dir():
            raise DataError(f"{self.path} is a folder. Name a file in it.")
        _check_writable(self.path)

    def folder(self) -> Path:
        return self.path.with_name(f".{self.path.name}.parts")

    def finish(self, parts: Sequence[Path], names: Sequence[str]) -> None:
        write_whole(self.path, lambda aside: join(parts, names, aside))


class _Folder:
    suffix = ".parquet"

    def __init__(self, path: Path, replace: bool) -> None:
        self.shown: Path | str = path
        self.path = path
        self.replace = replace

    def check(self, names: Sequence[str]) -> None:
        if self.path.exists() and not self.replace:
            raise DataError(f"{self.path} is there already. Name a new folder, or say --replace.")
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{self.path} is a file. Name a folder, or a file ending in .parquet or .csv.")
        _check_writable(self.path)

    def folder(self) -> Path:
        return self.path.with_name(f".{self.path.name}.parts")

    def finish(self, parts: Sequence[Path], names: Sequence[str]) -> None:
        aside = self.folder() / "whole"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        schema = common_schema(parts)
        for part in parts:
            if pq.read_schema(part).equals(schema):
                os.link(part, aside / part.name)  # a run that is stopped here still has its parts
            else:
                pq.write_table(pq.read_table(part).cast(schema), aside / part.name)
        if self.path.exists():
            old = self.folder() / "old"
            shutil.rmtree(old, ignore_errors=True)  # of a run that was stopped here
            os.replace(self.path, old)
        os.replace(aside, self.path)


class _Database:
    suffix = ".parquet"

    def __init__(self, place: Place, replace: bool) -> None:
        self.shown: Path | str = place.shown
        self.place = place
        self.replace = replace

    def check(self, names: Sequence[str]) -> None:
        check_table(self.place, names, self.replace)

    def folder(self) -> Path:
        return project_root() / "data" / "scoring" / f".{sha256_bytes(self.place.text.encode())[:12]}.parts"

    def finish(self, parts: Sequence[Path], names: Sequence[str]) -> None:
        write_table(self.place, parts, self.replace)


def _check_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"Nothing can be written to {path.parent}: {error.strerror}. Name a folder that you may write to."
        ) from error
