"""The prediction log: what is acknowledged is stored; what cannot be stored is not acknowledged."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_utils.errors import OctavoError, ParameterError
from ml_utils.prediction_log import (
    Entry,
    EntryRefused,
    Feedback,
    LogUnavailable,
    PredictionLog,
    open_log,
    purge,
    read,
    retain,
)
from ml_utils.prediction_log.__main__ import main
from ml_utils.prediction_log.store import Store

TESTS = Path(__file__).parent


def entry(request: str = "r1", **changes: Any) -> Entry:
    given = Entry(
        request, 1_700_000_000.25, "K1", 3, "champion", 0.1 + 0.2, True, b'{"plan": "pro", "x": 1.5}'
    )
    return given._replace(**changes)


def run(url: str | Path, work: Any, **options: Any) -> Any:
    """Open a log, let `work` use it, close it."""

    async def whole() -> Any:
        log = open_log(url, **options)
        try:
            return await work(log)
        finally:
            log.close()

    return asyncio.run(whole())


def append(url: str | Path, *entries: Entry) -> None:
    run(url, lambda log: log.append(entries))


def kill_and_compare(url: str, kills: int, seed: int) -> None:
    """Kill a writing process at a random moment; every id it told of must be in the log."""
    rng = np.random.default_rng(seed)
    for number in range(kills):
        name = f"kill{number}"
        command = [sys.executable, str(TESTS / "log_writer.py"), url, name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=TESTS.parent) as process:
            assert process.stdout is not None
            told = os.read(process.stdout.fileno(), 4096)
            until = time.monotonic() + rng.uniform(0.05, 0.4)
            while time.monotonic() < until:
                told += os.read(process.stdout.fileno(), 65536)
            process.send_signal(signal.SIGKILL)
            told += process.stdout.read()
        acknowledged = set(told.decode().splitlines()[: told.count(b"\n")])
        stored = set(read(url)["request_id"])
        assert len(acknowledged) > 20
        assert acknowledged <= stored


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.db"
    append(
        path,
        entry(),
        entry(
            "r2", time=1_700_000_001, customer=None, act=None, inputs=b'{"plan": null, "x": 2, "score": 7}'
        ),
        entry("r1", shadow=True, variant="challenger"),
    )
    frame = read(path)
    assert frame.columns.tolist() == [
        *("request_id", "row_no", "time", "customer", "version", "variant", "shadow", "score", "act"),
        *("plan", "x", "score (input)", "outcome", "outcome_time"),
    ]
    assert frame["time"].tolist() == [
        pd.Timestamp("2023-11-14 22:13:20.250"),
        pd.Timestamp("2023-11-14 22:13:21"),
    ]
    assert frame["score"].tolist() == [0.1 + 0.2] * 2
    assert frame["act"].tolist() == [True, pd.NA]
    assert frame["x"].tolist() == [1.5, 2]
    assert len(read(path, shadow=True)) == 3
    assert read(path, since="2023-11-14T22:13:21")["request_id"].tolist() == ["r2"]
    assert read(path, until=1_700_000_001)["request_id"].tolist() == ["r1"]
    assert read(path, since="2030-01-01").empty
    with pytest.raises(ParameterError, match="no moment"):
        read(path, since="soon")


def test_the_writing_side_needs_neither_pandas_nor_sqlalchemy() -> None:
    code = (
        "import sys, ml_utils.prediction_log.sqlite, ml_utils.prediction_log.postgres\n"
        "print(sorted({'pandas', 'numpy', 'sqlalchemy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TESTS.parent)
    assert done.stdout.strip() == "[]"


def test_many_clients_share_transactions(tmp_path: Path) -> None:
    groups = [[entry(f"g{i}", row=row) for row in range(1 + 7 * (i % 40))] for i in range(200)]
    commits = 0

    async def work(log: PredictionLog) -> None:
        nonlocal commits
        inner = log._store.write

        def write(given: Any) -> Any:
            nonlocal commits
            commits += 1
            return inner(given)

        log._store.write = write  # type: ignore[method-assign]
        await asyncio.gather(*(log.append(group) for group in groups))
        assert log.waiting == 0

    run(tmp_path / "log.db", work, capacity=100_000)
    assert len(read(tmp_path / "log.db")) == sum(map(len, groups))
    assert commits < 100


def test_the_same_again_is_passed_over_and_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def work(log: PredictionLog) -> list[Any]:
        await log.append([entry()])
        calls = [
            log.append([entry(time=1_800_000_000.0)]),  # a retry, later
            log.append([entry("fresh"), entry(score=0.9)]),
            log.append([entry("other")]),
            log.append([entry("twice"), entry("twice")]),
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    retried, clash, other, twice = run(path, work)
    assert (retried, other, twice) == (None, None, None)
    assert isinstance(clash, EntryRefused)
    assert "'r1' already stands for another prediction" in str(clash)
    assert sorted(read(path)["request_id"]) == ["other", "r1", "twice"]  # of a refused call nothing is stored
    assert read(path)["time"].iloc[0] == pd.Timestamp("2023-11-14 22:13:20.250")


@pytest.mark.parametrize("change", [{"score": float("nan")}, {"inputs": b"\xff"}, {"customer": "\ud800"}])
def test_an_impossible_value_does_not_take_others_with_it(tmp_path: Path, change: dict[str, Any]) -> None:
    async def work(log: PredictionLog) -> list[Any]:
        calls = [log.append([entry("bad", **change)]), log.append([entry("good")])]
        return await asyncio.gather(*calls, return_exceptions=True)

    bad, good = run(tmp_path / "log.db", work)
    assert isinstance(bad, EntryRefused)
    assert good is None
    assert read(tmp_path / "log.db")["request_id"].tolist() == ["good"]


def test_outcomes_come_later(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    append(path, entry("a"), entry("b", time=1_700_000_500.0), entry("c", customer="K2"))

    async def work(log: PredictionLog) -> list[int]:
        return [
            await log.feedback([Feedback(1.0, 1_700_000_400, customer="K1")]),  # the one known by then: a
            await log.feedback([Feedback(1.0, 1_700_009_000, request_id="c")]),
            await log.feedback([Feedback(0.0, 1_700_009_500, request_id="c")]),  # a correction
            await log.feedback([Feedback(1.0, 1_700_001_000, request_id="c")]),  # an older one, sent late
            await log.feedback(
                [Feedback(1.0, 1_700_009_000, request_id="none"), Feedback(1, 5, customer="K1")]
            ),
            await log.feedback([]),
        ]

    assert run(path, work) == [1, 1, 1, 1, 0, 0]
    frame = read(path).set_index("request_id")
    assert frame["outcome"].to_dict() == pytest.approx({"a": 1.0, "c": 0.0, "b": np.nan}, nan_ok=True)
    assert frame.loc["c", "outcome_time"] == pd.Timestamp(1_700_009_500, unit="s")


@pytest.mark.parametrize(
    "impossible",
    [
        Feedback(1.0, 1.8e9, customer="half a pair: \ud800"),
        Feedback(1.0, 1.8e9, request_id="r1", row=2**70),
        Feedback(float("nan"), 1.8e9, request_id="r1"),
    ],
)
def test_an_impossible_outcome_does_not_end_the_log(tmp_path: Path, impossible: Feedback) -> None:
    async def work(log: PredictionLog) -> int:
        await log.append([entry()])
        with pytest.raises(EntryRefused, match="outcome cannot be stored"):
            await log.feedback([Feedback(0.0, 1.8e9, "r1"), impossible])
        await log.append([entry("r2")])
        return await log.feedback([Feedback(1.0, 1.8e9, "r2")])

    assert run(tmp_path / "log.db", work, seconds=1.0) == 1
    assert read(tmp_path / "log.db")["outcome"].isna().tolist() == [True, False]


def test_purged_is_gone_from_the_files_too(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    rng = np.random.default_rng(3)
    order = rng.permutation(3_000)
    secret = b"Zx9-secret"

    async def work(log: PredictionLog) -> int:
        for part in np.array_split(order, 60):  # ids in any order, so that index pages split all over
            entries = [
                entry(
                    f"{'Zx9-secret-' if i % 10 == 0 else ''}{i:x}",
                    customer="Zx9-secret customer" if i % 10 == 0 else f"K{i}",
                    inputs=b'{"note": "%s"}' % ((secret if i % 10 == 0 else b"plain") * rng.integers(1, 900)),
                )
                for i in part.tolist()
            ]
            await log.append(entries)
        await log.feedback([Feedback(1.0, 2e9, request_id="Zx9-secret-0")])
        assert secret in _bytes(path)
        removed = await asyncio.to_thread(purge, path, "Zx9-secret customer")
        await log.append([entry("after")])  # the service goes on
        assert secret not in _bytes(path)
        return removed

    assert run(path, work) == 300
    assert secret not in _bytes(path)
    assert len(read(path)) == 2_701
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM prediction_outcomes").fetchone() == (0,)


def _bytes(path: Path) -> bytes:
    return b"".join(found.read_bytes() for found in sorted(path.parent.glob(f"{path.name}*")))


def test_old_predictions_go(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    now = time.time()
    append(path, *(entry(f"r{i}", time=now - i * 86_400) for i in range(10)))
    run(path, lambda log: log.feedback([Feedback(1.0, now, request_id=f"r{i}") for i in range(10)]))
    assert retain(path, 4.5) == 5
    assert read(path)["request_id"].tolist() == ["r4", "r3", "r2", "r1", "r0"]
    assert read(path)["outcome"].sum() == 5
    with pytest.raises(ParameterError, match="number of days"):
        retain(path, -1)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "log.db")
    append(path, entry(), entry("r2", customer="K2"))
    assert main(["show", path, "--until", "2024-01-01"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("r1,0,2023-11-14 22:13:20.250")
    assert main(["purge", path, "K2", "--no-rewrite"]) == 0
    assert main(["retain", path, "30"]) == 0
    assert capsys.readouterr().out == "Removed 1 prediction.\nRemoved 1 prediction older than 30 days.\n"
    assert main(["show", str(tmp_path / "other.db")]) == 1
    assert "There is no prediction log" in capsys.readouterr().err
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "sqlite://", ":memory:", "sqlite:///a.db?synchronous=off", "s3://bucket/a.db"]
)
def test_an_unknown_address_is_refused(url: str) -> None:
    with pytest.raises(ParameterError, match=r"prediction log"):
        open_log(url)


def test_a_locked_database_is_told_in_time_and_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def work(log: PredictionLog) -> list[Any]:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        calls = [log.append([entry(f"r{i}")]) for i in range(3)]
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - started < 4
        other.execute("ROLLBACK")
        other.close()
        await log.append([entry("later")])
        return failed

    failed = run(path, work)
    assert all(isinstance(error, LogUnavailable) and "locked" in str(error) for error in failed)
    assert read(path)["request_id"].tolist() == ["later"]


_FULL = """
import asyncio, resource, sys
sys.path.insert(0, "tests")
from ml_utils.prediction_log import Entry, LogUnavailable, open_log

def entry(name, size):
    return Entry(name, 1.7e9, None, 1, "champion", 0.5, None, b'{"a": "%s"}' % (b"x" * size))

async def main(path):
    log = open_log(path)
    await log.append([entry("before", 10)])
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limit[1]))
    refused = 0
    for i in range(30):
        try:
            await log.append([entry(f"r{i}", 40_000)])
            print(f"r{i}")
        except LogUnavailable as error:
            refused += 1
    assert refused > 10, refused
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    await log.append([entry("after", 40_000)])
    print("after")
    log.close()

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(path)],
        capture_output=True,
        text=True,
        cwd=TESTS.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(read(path)["request_id"]) == sorted(["before", *done.stdout.split()])


def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    append(path, entry())

    async def work(log: PredictionLog) -> None:
        store = log._store
        connect = store._connect

        def read_only() -> Any:
            connection = connect()
            connection.execute("PRAGMA query_only = ON")
            return connection

        store.close()
        store._connect = read_only  # type: ignore[method-assign]
        with pytest.raises(LogUnavailable, match=r"readonly.*right to write"):
            await log.append([entry("r2")])
        store._connect = connect  # type: ignore[method-assign]
        await log.append([entry("r3")])

    run(path, work)
    assert read(path)["request_id"].tolist() == ["r1", "r3"]


def test_a_file_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def work(log: PredictionLog) -> None:
        await log.append([entry("lost")])
        for found in tmp_path.glob("log.db*"):
            found.unlink()
        await log.append([entry("kept")])

    run(path, work)
    assert read(path)["request_id"].tolist() == ["kept"]


def test_what_is_no_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, " * 100)
    with pytest.raises(LogUnavailable, match="not a database"):
        open_log(tmp_path / "text.db")
    for name, sql, message in (
        ("other.db", "CREATE TABLE predictions (x)", "not this log's"),
        ("newer.db", "CREATE TABLE prediction_log_version AS SELECT 99 AS version", "Update the service"),
    ):
        with sqlite3.connect(tmp_path / name) as connection:
            connection.execute(sql)
        with pytest.raises(LogUnavailable, match=message):
            open_log(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailable, match="cannot be written"):
        open_log(tmp_path / "file" / "log.db")


class _Stuck(Store):
    """A database that never answers, as on a disk that hangs."""

    place = "stuck"  # type: ignore[assignment]
    lost = (sqlite3.Error,)

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def write(self, groups: Any) -> list[EntryRefused | None]:
        time.sleep(self.seconds)
        return [None] * len(groups)

    _connect = _begin_to_migrate = _tables = _insert = _sql = _rows = _overwrite = None  # type: ignore[assignment]


def test_too_many_that_wait_are_turned_away() -> None:
    async def work() -> list[Any]:
        log = PredictionLog(_Stuck(0.3), capacity=5, seconds=0.1)
        calls: list[Coroutine[Any, Any, None]] = [log.append([entry(f"r{i}")]) for i in range(8)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.to_thread(log.close)
        with pytest.raises(LogUnavailable, match="closed"):
            await log.append([entry("late")])
        return found

    found = asyncio.run(work())
    assert all(isinstance(error, LogUnavailable) and isinstance(error, OctavoError) for error in found)
    assert sum("already wait" in str(error) for error in found) == 3
    assert sum("did not answer within 0.1 s" in str(error) for error in found) == 5


def test_several_processes_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    command = [sys.executable, str(TESTS / "log_writer.py"), str(path)]
    processes = [
        subprocess.Popen([*command, f"p{i}"], stdout=subprocess.PIPE, cwd=TESTS.parent) for i in range(3)
    ]
    told = []
    try:
        for process in processes:
            assert process.stdout is not None
            told.append(os.read(process.stdout.fileno(), 4096))
        time.sleep(0.3)
    finally:
        for number, process in enumerate(processes):
            process.kill()
            told[number] += process.communicate()[0]
    acknowledged = {line for text in told for line in text.decode().splitlines()[: text.count(b"\n")]}
    assert {line[:2] for line in acknowledged} == {"p0", "p1", "p2"}
    assert acknowledged <= set(read(path)["request_id"])


def test_acknowledged_is_in_the_log_after_kill_9(tmp_path: Path) -> None:
    kill_and_compare(str(tmp_path / "log.db"), kills=3, seed=1)


@pytest.mark.full
def test_acknowledged_is_in_the_log_after_each_of_20_kills(tmp_path: Path) -> None:
    kill_and_compare(str(tmp_path / "log.db"), kills=20, seed=2)
