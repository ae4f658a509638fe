"""The prediction log in a real PostgreSQL: restarts, locks, kills, purging."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from real_servers import (
    PostgreSQL,
    _account,
    _postgresql_programs,
    _run,
    free_ports,
)
from test_prediction_log import append, entry, kill_and_compare, run

from ml_utils.prediction_log import EntryRefused, Feedback, LogUnavailable, open_log, purge, read, retain

pytestmark = pytest.mark.full


@pytest.fixture
def url(postgres: PostgreSQL) -> str:
    """An empty database's URL."""
    with postgres.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS predictions, prediction_outcomes, prediction_log_version")
    return postgres.url("pa%20ss%40w%2Frd")


def _control(server: PostgreSQL, *action: str) -> None:
    with server.connect(autocommit=True) as connection:
        (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    _pg_ctl(Path(data), *action)


def _pg_ctl(data: Path, *action: str) -> None:
    account = _account(data)
    _run(
        [_postgresql_programs() / "pg_ctl", "-D", data, "-s", "-w", "-l", data.parent / "log", *action],
        account,
    )


def test_it_does_what_the_file_does(url: str) -> None:
    append(url, entry(), entry("r2", customer=None, act=None), entry("r1", shadow=True))
    many = [entry("many", row=row, customer="K2") for row in range(3_000)]

    async def work(log: Any) -> list[Any]:
        calls = [
            log.append([entry(time=1.9e9)]),
            log.append([entry(score=0.9), entry("new")]),
            log.append([entry("nul", customer="a\0b")]),
            log.append(many),
            log.feedback(
                [Feedback(1.0, 1.9e9, "r1"), Feedback(0.0, 1.9e9, customer="K2"), Feedback(1, 1, "no")]
            ),
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    same, clash, nul, stored, outcomes = run(url, work)
    assert (same, stored, outcomes) == (None, None, 2)
    assert isinstance(clash, EntryRefused)
    assert isinstance(nul, EntryRefused)
    frame = read(url)
    assert (len(frame), frame["outcome"].sum()) == (3_002, 1.0)
    assert frame["score"].unique().tolist() == [0.1 + 0.2]
    assert frame["plan"].unique().tolist() == ["pro"]
    assert len(read(url, shadow=True)) == 3_003
    assert purge(url, "K1", "nobody") == 2
    assert retain(url, 1) == 3_001


def test_a_restart_in_the_middle_costs_nothing_acknowledged(postgres: PostgreSQL, url: str) -> None:
    done: list[str] = []
    refused: list[float] = []

    async def client(log: Any, name: str, until: float) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            started = time.monotonic()
            try:
                await log.append([entry(f"{name}-{number}")])
                done.append(f"{name}-{number}")
            except LogUnavailable:
                refused.append(time.monotonic() - started)
                await asyncio.sleep(0.02)

    async def work(log: Any) -> int:
        until = time.monotonic() + 6
        clients = asyncio.gather(*(client(log, f"c{i}", until) for i in range(20)))
        await asyncio.sleep(1)
        await asyncio.to_thread(_control, postgres, "-m", "immediate", "restart")
        before = len(done)
        await clients
        return before

    before = run(url, work)
    assert 100 < before < len(done) - 100  # it went on
    assert not refused or max(refused) < 6
    assert set(done) <= set(read(url)["request_id"])


def test_a_stopped_server_is_told_and_met_again(postgres: PostgreSQL, url: str) -> None:
    with postgres.connect(autocommit=True) as connection:
        (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)

    async def work(log: Any) -> None:
        await log.append([entry("before")])
        await asyncio.to_thread(_pg_ctl, Path(data), "-m", "fast", "stop")
        try:
            with pytest.raises(LogUnavailable, match="Nothing was acknowledged") as told:
                await log.append([entry("lost")])
            assert "ss@w" not in str(told.value)
            assert "ss%40w" not in str(told.value)
        finally:
            await asyncio.to_thread(_pg_ctl, Path(data), "restart")
        await log.append([entry("after")])

    run(url, work)
    assert sorted(read(url)["request_id"]) == ["after", "before"]


def test_a_lost_connection_alone_is_not_noticed(postgres: PostgreSQL, url: str) -> None:
    async def work(log: Any) -> None:
        await log.append([entry("one")])
        with postgres.connect(autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'octavo-prediction-log'"
            )
        await log.append([entry("two")])

    run(url, work)
    assert len(read(url)) == 2


def test_a_locked_table_is_told_in_time(postgres: PostgreSQL, url: str) -> None:
    async def work(log: Any) -> None:
        with postgres.connect(autocommit=True) as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE")
            started = time.monotonic()
            with pytest.raises(LogUnavailable, match="holds a lock"):
                await log.append([entry("locked")])
            assert time.monotonic() - started < 3
            connection.execute("ROLLBACK")
        await log.append([entry("free")])

    run(url, work)
    assert read(url)["request_id"].tolist() == ["free"]


def test_several_processes_begin_at_once(url: str) -> None:
    async def opened() -> None:
        logs = await asyncio.gather(*(asyncio.to_thread(open_log, url) for _ in range(6)))
        await asyncio.gather(*(log.append([entry(f"r{i}")]) for i, log in enumerate(logs)))
        for log in logs:
            log.close()

    asyncio.run(opened())
    assert len(read(url)) == 6


def test_what_cannot_be_reached_is_told() -> None:
    (port,) = free_ports(1)
    with pytest.raises(LogUnavailable, match="cannot be written") as told:
        open_log(f"postgresql://me:secretword@127.0.0.1:{port}/log")
    assert "secretword" not in str(told.value)


def test_acknowledged_is_in_it_after_kill_9(url: str) -> None:
    kill_and_compare(url, kills=5, seed=4)
