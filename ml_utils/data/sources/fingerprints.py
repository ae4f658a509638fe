"""Whether a source changed, told without reading it."""

from __future__ import annotations

from pathlib import Path

from ml_utils.credentials import is_url
from ml_utils.data.sources import remote, sql
from ml_utils.data.sources.files import is_parquet_name
from ml_utils.errors import OctavoError
from ml_utils.files import sha256_bytes
from ml_utils.problem import FileSource, Problem, RetailerSource, RetailerTable, SqlSource, locate


def fingerprint(problem: Problem) -> str:
    """Tell whether a problem's sources changed, without reading them.

    Of a file its size and time; of a folder those of all its Parquet files; of S3 the hash (ETag), time and
    size; of a web address what its server says of these; of an SQLite database its file's; of the built-in
    retailer its view. A database cannot be asked cheaply whether a query's answer would be another one: what
    counts is the query, and the answer to the source's `changed` query where it has one. Without that,
    `touch data/results/<problem>/inputs/01-feature-engineering.json` has the next `make report` read again.

    Events and references count as the table does. A source that is missing or out of reach has a fingerprint
    too; reading it is what fails.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    str
        Without credentials.
    """
    said = [_of(problem.source, problem)]
    said += [f"events.{name} {_of(events.source, problem)}" for name, events in problem.events.items()]
    said += [f"references.{name} {_of(other.source, problem)}" for name, other in problem.references.items()]
    return "; ".join(said)


def _of(source: RetailerSource | RetailerTable | FileSource | SqlSource, problem: Problem) -> str:
    if isinstance(source, RetailerSource):
        return f"retailer:{source.view}"
    if isinstance(source, RetailerTable):
        return f"retailer table:{source.table}"
    # The problem file's own text is hashed: what the environment fills in may be a credential.
    try:
        if isinstance(source, SqlSource):
            named = _hash(f"{source.url} {sql.query_hash(source.query)}")
            return f"sql:{named}:{sql.state(source, problem)}"
        if is_url(remote.address(source)):
            return f"{source.kind}:{_hash(source.path)}:{_hash(remote.state(source))}"
        return _of_path(locate(source.path, problem))
    except OctavoError:
        return f"{source.kind}:out of reach"


def _of_path(path: Path) -> str:
    if not path.exists():
        return f"missing:{path.name}"
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if is_parquet_name(p.relative_to(path).as_posix()))
        told = "".join(f"{p.relative_to(path).as_posix()}:{_size_and_time(p)}\n" for p in inside)
        return f"{path.name}:{len(inside)} files:{_hash(told)}"
    return f"{path.name}:{_size_and_time(path)}"


def _size_and_time(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def _hash(text: str) -> str:
    return sha256_bytes(text.encode())[:16]
