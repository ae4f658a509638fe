"""Sources on real servers: PostgreSQL and S3, started on this machine and stopped again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import real_servers
from source_checks import PASSWORD, assert_match, failing

from ml_utils.data.sources import fingerprint, read_source, remote, sql
from ml_utils.problem import Problem, load_problem

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def postgresql(postgres: real_servers.PostgreSQL) -> real_servers.PostgreSQL:
    fill(postgres)
    return postgres


def fill(server: real_servers.PostgreSQL) -> None:
    with server.connect() as connection:
        connection.execute(
            """CREATE TABLE customers AS SELECT
                 'K' || i AS customer,
                 (i / 4.0)::numeric(12, 2) AS charge,
                 CASE WHEN i % 10 = 0 THEN NULL ELSE i END AS tenure,
                 CASE WHEN i % 7 = 0 THEN NULL ELSE i % 2 = 0 END AS is_new,
                 i % 2 = 0 AS is_even,
                 date '2024-01-01' + i % 300 AS joined,
                 timestamptz '2024-01-01 12:00+02' AS seen,
                 interval '36 hours' AS span,
                 gen_random_uuid() AS token,
                 jsonb_build_object('a', i) AS details,
                 ARRAY[1, 2] AS numbers,
                 CASE WHEN i > 45000 THEN 'late' END AS note,
                 CASE WHEN i % 3 = 0 THEN 'yes' ELSE 'no' END AS "left"
               FROM generate_series(1, 50000) AS i"""
        )
        connection.execute("CREATE TABLE secret (a int)")
        connection.execute("CREATE ROLE other LOGIN PASSWORD 'other'")
        connection.execute("GRANT SELECT ON customers TO other")


@pytest.fixture
def database(
    postgresql: real_servers.PostgreSQL, problem_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Problem]:
    monkeypatch.setenv("SHOP_PASSWORD", postgresql.password)

    def write(query: str = "SELECT * FROM customers", **changes: Any) -> Problem:
        source = {"kind": "sql", "url": postgresql.url("${SHOP_PASSWORD}"), "query": query, **changes}
        return load_problem(problem_file(source=source))

    return write


def test_a_real_postgresql(database: Callable[..., Problem], postgresql: real_servers.PostgreSQL) -> None:
    table = read_source(
        database("SELECT * FROM customers WHERE customer LIKE 'K%' ORDER BY joined, customer")
    )
    frame = table.frame.sort_values("charge").reset_index(drop=True)
    assert len(frame) == 50_000
    assert frame["charge"].iloc[3] == 1.0
    assert frame["tenure"].isna().sum() == 5_000
    assert frame["is_even"].dtype == bool
    assert frame["is_new"].isna().sum() == 7_142
    assert set(frame["is_new"].dropna()) == {True, False}
    assert frame["joined"].dtype.kind == "M"
    assert frame["seen"].iloc[0] == pd.Timestamp("2024-01-01 10:00")
    assert frame["span"].unique().tolist() == [1.5]
    assert frame["token"].str.len().unique().tolist() == [36]
    assert frame["details"].iloc[0] == '{"a": 1}'
    assert frame["note"].value_counts().to_dict() == {"late": 5_000}
    assert table.origin.startswith(f"postgresql database postgres on 127.0.0.1:{postgresql.port}, query ")
    # The address as people write it, and the password from where libpq takes it.
    plain = postgresql.url("").replace("+psycopg", "").replace(":@", "@")
    assert (
        len(read_source(database(url=plain.replace("reader@", "reader:${SHOP_PASSWORD}@"))).frame) == 50_000
    )


def test_postgresql_takes_the_password_from_the_standard_variable(
    database: Callable[..., Problem], postgresql: real_servers.PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.url("").replace(":@", "@")
    assert_match("cannot be reached|refuses", failing(database(url=url), (postgresql.password,)))
    monkeypatch.setenv("PGPASSWORD", postgresql.password)
    assert len(read_source(database(url=url)).frame) == 50_000


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM custmers", 'refuses: relation "custmers" does not exist.* Check the table'),
        ("SELECT tenur FROM customers", 'column "tenur" does not exist.* Check the column'),
        ("SELECT FROM WHERE", "syntax error"),
        ("WITH x AS (DELETE FROM customers RETURNING *) SELECT * FROM x", "may only read|WITH|read-only"),
        ("SELECT set_config('transaction_read_only', 'off', false), nextval('x')", "refuses"),
        ("SELECT 1 / 0 AS a", "division by zero"),
    ],
)
def test_a_query_that_postgresql_refuses(
    database: Callable[..., Problem], postgresql: real_servers.PostgreSQL, query: str, message: str
) -> None:
    assert_match(message, failing(database(query), (postgresql.password,)))
    assert read_source(database("SELECT count(*) AS n FROM customers")).frame["n"].tolist() == [50_000]


def test_postgresql_refuses_who_may_not(
    database: Callable[..., Problem], postgresql: real_servers.PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, secrets = postgresql.url("${SHOP_PASSWORD}"), (postgresql.password, "wrong one")
    assert_match(
        'database "none" does not exist', failing(database(url=url.replace("/postgres", "/none")), secrets)
    )
    monkeypatch.setenv("SHOP_PASSWORD", "wrong one")
    assert_match("password authentication failed", failing(database(), secrets))
    monkeypatch.setenv("SHOP_PASSWORD", "other")
    said = failing(database("SELECT * FROM secret", url=url.replace("reader", "other")), ())
    assert_match("permission denied for table secret.* Ask for the right", said)


def test_a_lock_is_not_waited_for(
    database: Callable[..., Problem], postgresql: real_servers.PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "LOCK_SECONDS", 1)
    with postgresql.connect() as connection:
        connection.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        assert_match("lock timeout.* try again later", failing(database(), (postgresql.password,)))


def test_the_fingerprint_of_postgresql(
    database: Callable[..., Problem], postgresql: real_servers.PostgreSQL
) -> None:
    assert fingerprint(database()).endswith("by its query only")
    changing = database(changed="SELECT count(*), max(a) FROM secret")
    before = fingerprint(changing)
    assert before == fingerprint(changing)
    with postgresql.connect() as connection:
        connection.execute("INSERT INTO secret VALUES (1)")
    assert before != fingerprint(changing)
    assert fingerprint(database(changed="DELETE FROM secret")).endswith("out of reach")


@pytest.fixture
def bucket(
    s3_server: real_servers.S3, problem_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Problem]:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)

    def write(path: str, kind: str = "csv") -> Problem:
        return load_problem(problem_file(source={"kind": kind, "path": path}))

    return write


def put(server: real_servers.S3, **files: bytes) -> None:
    import s3fs

    there = s3fs.S3FileSystem(
        key=server.access_key,
        secret=server.secret_key,
        endpoint_url=server.endpoint,
        skip_instance_cache=True,
    )
    if not there.exists("tables"):
        there.mkdir("tables")
    for name, content in files.items():
        there.pipe(f"tables/{name}", content)


def test_a_real_s3(
    bucket: Callable[..., Problem], s3_server: real_servers.S3, customers: pd.DataFrame, tmp_path: Path
) -> None:
    for month in (1, 2):
        (tmp_path / f"month={month}").mkdir()
        customers.to_parquet(tmp_path / f"month={month}" / "part.parquet")
    parts = {
        f"all/month={m}/part.parquet": (tmp_path / f"month={m}" / "part.parquet").read_bytes() for m in (1, 2)
    }
    put(s3_server, **{"t.csv": customers.to_csv(index=False).encode(), "all/_SUCCESS": b"", **parts})
    table = read_source(bucket("s3://tables/t.csv"))
    assert table.frame.shape == customers.shape
    assert table.origin == "s3://tables/t.csv"
    one = read_source(bucket("s3://tables/all/month=2/part.parquet", "parquet")).frame
    pd.testing.assert_frame_equal(one, customers)
    for path in ("s3://tables/all", "s3://tables/all/"):
        folder = read_source(bucket(path, "parquet")).frame
        assert folder["month"].value_counts().to_dict() == {1: 600, 2: 600}
    assert_match("is a folder; a CSV source takes one file", failing(bucket("s3://tables/all")))


def test_what_s3_answers_instead(
    bucket: Callable[..., Problem], s3_server: real_servers.S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3_server, **{"t.csv": b"customer,left\na,yes\n", "page.csv": b"<html>", "other/readme.txt": b"x"})
    secrets = (s3_server.secret_key, s3_server.access_key)
    host = s3_server.endpoint.removeprefix("http://")
    for path, message in {
        "s3://no-such-bucket/t.csv": f"there is no bucket 'no-such-bucket' at {host}",
        "s3://tables/none.csv": "none.csv is not there",
        "s3://tables/page.csv": "is a web page",
    }.items():
        assert_match(message, failing(bucket(path), secrets))
    assert_match("holds no file whose name ends in", failing(bucket("s3://tables/other", "parquet"), secrets))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another/secret")
    said = failing(bucket("s3://tables/t.csv"), (*secrets, "another/secret"))
    assert_match("denies access|refuses the credentials", said)
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert_match("denies access", failing(bucket("s3://tables/t.csv")))


def test_the_fingerprint_of_s3(bucket: Callable[..., Problem], s3_server: real_servers.S3) -> None:
    put(s3_server, **{"f.csv": b"customer,left\na,yes\n", "parts/a.parquet": b"1"})
    file, folder = bucket("s3://tables/f.csv"), bucket("s3://tables/parts", "parquet")
    before = fingerprint(file), fingerprint(folder)
    assert before == (fingerprint(file), fingerprint(folder))
    put(s3_server, **{"f.csv": b"customer,left\nb,yes\n", "parts/b.parquet": b"1"})
    assert fingerprint(file) != before[0]
    assert fingerprint(folder) != before[1]
    assert "out of reach" in fingerprint(bucket("s3://no-such-bucket/f.csv"))


def test_an_s3_that_does_not_answer(bucket: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = real_servers.free_ports(1)
    server = real_servers.S3(f"http://127.0.0.1:{port}", "READERKEY", PASSWORD)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "READ_SECONDS", 1.0)
    secrets = (PASSWORD, "READERKEY")
    started = time.monotonic()
    assert_match(f"127.0.0.1:{port} cannot be reached", failing(bucket("s3://bucket/t.csv"), secrets))
    with real_servers.silent() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        assert_match("did not answer within 1 s", failing(bucket("s3://bucket/t.csv"), secrets))
    assert time.monotonic() - started < 20
