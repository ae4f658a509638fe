"""Sources: files, folders, SQLite and the web; what a person is told when one fails, and what never is."""

from __future__ import annotations

import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import real_servers
from source_checks import ANY, PASSWORD, assert_match, failing

from ml_utils.data.sources import fingerprint, read_other, read_source, remote, sql
from ml_utils.data.sources.plain import concatenate, to_array, to_frame
from ml_utils.errors import DataError, ProblemError
from ml_utils.problem import Problem, RetailerTable, load_problem


def test_a_csv_is_read_with_blanks_as_missing(
    problem: Problem, project: Path, customers: pd.DataFrame
) -> None:
    text = customers.to_csv(index=False).replace(
        customers["customer"][0] + ",", customers["customer"][0] + ", "
    )
    (project / "table.csv").write_text(text)
    frame = read_source(problem).frame
    assert frame.shape == customers.shape
    assert frame["charge"].isna().sum() == customers["charge"].isna().sum()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no .*table.csv. Put the file there"),
        (b"", r"is empty \(0 bytes\)"),
        (b"\n\n", "has no columns"),
        (b"customer,left\n", "but no rows"),
        (b"PAR1\x00\x00", "is not a CSV file but a Parquet file. Set source.kind: parquet"),
        (b"PK\x03\x04....", "a zip archive or an Excel workbook"),
        (b"a,b\n\xff\xfe\n", "cannot be read as CSV"),
        (b"a,b\n1,2\n1,2,3\n", "cannot be read as CSV separated by ','"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(
    problem: Problem, project: Path, content: bytes | None, message: str
) -> None:
    path = project / "table.csv"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_source(problem)


def test_csv_named_parquet(problem_file: Callable[..., Path], project: Path) -> None:
    (project / "table.parquet").write_text("a,b\n1,2\n")
    problem = load_problem(problem_file(source={"kind": "parquet", "path": "table.parquet"}))
    with pytest.raises(DataError, match="is not a Parquet file"):
        read_source(problem)
    (project / "table.parquet").write_bytes(b"PAR1 and then nonsense PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_source(problem)


def test_a_web_page_in_the_place_of_a_table(problem: Problem, project: Path) -> None:
    (project / "table.csv").write_text("\n<!DOCTYPE html><html><body>Sign in</body></html>")
    with pytest.raises(DataError, match=r"is a web page \(HTML\), not a CSV file: perhaps a page to sign in"):
        read_source(problem)


def test_a_compressed_csv(problem_file: Callable[..., Path], project: Path, customers: pd.DataFrame) -> None:
    customers.to_csv(project / "t.csv.gz", index=False)
    problem = load_problem(problem_file(source={"kind": "csv", "path": "t.csv.gz"}))
    assert read_source(problem).frame.shape == customers.shape
    (project / "t.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_source(problem)


@pytest.fixture
def parquet(problem_file: Callable[..., Path]) -> Problem:
    return load_problem(problem_file(source={"kind": "parquet", "path": "table"}))


def test_a_folder_of_parquet_files_is_one_table(parquet: Problem, project: Path) -> None:
    """Folders named column=value are columns; a column that a file lacks is missing in its rows."""
    for year, region, rows in (
        (2024, "north", {"a": [1, 2]}),
        (2025, "south", {"a": [1.5, None], "b": ["x", "y"]}),
    ):
        folder = project / "table" / f"year={year}" / f"region={region}"
        folder.mkdir(parents=True)
        pd.DataFrame(rows).to_parquet(folder / "part-0.parquet")
    (project / "table" / "_SUCCESS").touch()
    (project / "table" / "_metadata.parquet").write_bytes(b"not a part of it")
    frame = read_source(parquet).frame
    assert frame["year"].tolist() == [2024, 2024, 2025, 2025]
    assert frame["region"].tolist() == ["north", "north", "south", "south"]
    assert frame["a"].tolist()[:3] == [1, 2, 1.5]
    assert frame["b"].isna().tolist() == [True, True, False, False]


def test_a_folder_says_which_file_is_broken(parquet: Problem, project: Path) -> None:
    (project / "table").mkdir()
    with pytest.raises(DataError, match=r"holds no file whose name ends in \.parquet"):
        read_source(parquet)
    pd.DataFrame({"a": [1]}).to_parquet(project / "table" / "a.parquet")
    (project / "table" / "b.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"table: b\.parquet cannot be read as Parquet"):
        read_source(parquet)
    pd.DataFrame({"a": ["x"]}).to_parquet(project / "table" / "b.parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_source(parquet)


def test_a_folder_is_not_a_csv(problem_file: Callable[..., Path], project: Path) -> None:
    (project / "table").mkdir()
    with pytest.raises(DataError, match="is a folder; a CSV source takes one file"):
        read_source(load_problem(problem_file(source={"kind": "csv", "path": "table"})))


def test_types_that_parquet_and_databases_know_become_plain(parquet: Problem, project: Path) -> None:
    frame = pd.DataFrame(
        {
            "price": [Decimal("1.10"), Decimal("2.25"), None],
            "day": [pd.Timestamp("2025-01-31").date(), None, pd.Timestamp("9999-12-31").date()],
            "moment": pd.to_datetime(["2025-01-31 12:00+02:00"] * 3),
            "level": pd.Categorical(["a", "b", "a"]),
            "yes": [True, None, False],
            "whole": pd.array([2**60 + 1, None, 3], "Int64"),
            "few": pd.array([1, None, 3], "Int64"),
            "span": pd.to_timedelta([36, 12, None], unit="h"),
            "nested": [{"a": 1}, None, {"a": 2}],
            "nothing": [None] * 3,
        }
    ).set_index("price")
    frame.to_parquet(project / "table")
    found = read_source(parquet).frame
    assert found["price"].tolist()[:2] == [1.1, 2.25]
    assert found["day"].dtype.kind == "M"
    assert found["day"].iloc[2] == pd.Timestamp("9999-12-31")
    assert found["moment"].tolist() == [pd.Timestamp("2025-01-31 10:00")] * 3
    assert (found["level"].dtype, found["level"].tolist()) == ("str", ["a", "b", "a"])
    assert found["yes"].tolist() == [True, None, False]
    assert found["whole"].tolist()[0] == str(2**60 + 1)
    assert found["few"].tolist()[::2] == [1.0, 3.0]
    assert found["span"].tolist()[:2] == [1.5, 0.5]
    assert found["nested"].tolist()[0] == '{"a": 1}'
    assert found["nothing"].dtype == float


def test_chunks_of_different_types_are_one_column() -> None:
    import pyarrow as pa

    def chunk(*values: object) -> pa.Table:
        return pa.table({"a": to_array(values)})

    assert to_frame(concatenate([chunk(None), chunk(1), chunk(Decimal("2.5"))]))["a"].tolist()[1:] == [
        1.0,
        2.5,
    ]
    assert to_frame(concatenate([chunk(1), chunk("x", None)]))["a"].tolist()[:2] == ["1", "x"]
    assert to_frame(concatenate([chunk(1, "x"), chunk(None)]))["a"].tolist()[:2] == ["1", "x"]
    assert to_frame(concatenate([chunk(True), chunk(False)]))["a"].dtype == bool
    assert to_frame(concatenate([chunk(2**70)]))["a"].tolist() == [str(2**70)]


def test_a_fingerprint_changes_when_a_file_does(problem: Problem, parquet: Problem, project: Path) -> None:
    before = fingerprint(problem)
    assert before == fingerprint(problem)
    with (project / "table.csv").open("a") as file:
        file.write("K9999,1,basic,1,2024-01-01,no\n")
    assert fingerprint(problem) != before
    (project / "table.csv").unlink()
    assert fingerprint(problem) == "missing:table.csv"
    (project / "table").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(project / "table" / "a.parquet")
    before = fingerprint(parquet)
    pd.DataFrame({"a": [1]}).to_parquet(project / "table" / "b.parquet")
    assert fingerprint(parquet) != before
    before = fingerprint(parquet)
    (project / "table" / ".hidden.parquet").touch()
    assert fingerprint(parquet) == before


def test_events_and_references_count_in_a_fingerprint(
    problem_file: Callable[..., Path], project: Path, customers: pd.DataFrame
) -> None:
    customers.to_csv(project / "table.csv", index=False)
    path = problem_file(
        time="joined",
        events={"orders": {"source": {"kind": "csv", "path": "orders.csv"}, "time": "at"}},
        references={"plan": {"source": {"kind": "retailer_table", "table": "usage"}, "column": "plan"}},
    )
    problem = load_problem(path)
    assert "events.orders missing:orders.csv; references.plan retailer table:usage" in fingerprint(problem)
    before = fingerprint(problem)
    (project / "orders.csv").write_text("customer,at\n")
    assert fingerprint(problem) != before
    with pytest.raises(DataError, match=r"orders\.csv has 2 columns but no rows"):
        read_source(problem)
    assert fingerprint(load_problem("churn")) == "retailer:churn"


def test_a_retailer_table_is_read_by_name(problem: Problem) -> None:
    found = read_other(RetailerTable(kind="retailer_table", table="support_contacts"), problem, 200, 1)
    assert list(found.columns) == ["customer_id", "contacted_at", "reason", "minutes"]


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "sql", "query": ANY, "url": "postgresql://reader:hunter2@db/shop"},
        {"kind": "sql", "query": ANY, "url": "postgresql://reader:${P:-hunter2}@db/shop"},
        {"kind": "sql", "query": ANY, "url": "postgresql://db/shop?password=hunter2"},
        {"kind": "sql", "query": ANY, "url": "mssql+pyodbc:///?odbc_connect=UID%3Da%3BPWD%3Dhunter2"},
        {"kind": "csv", "path": "https://reader:hunter2@host/t.csv"},
        {"kind": "csv", "path": "https://hunter2@host/t.csv"},
        {"kind": "csv", "path": "https://host/t.csv?access_token=hunter2"},
        {"kind": "csv", "path": "https://host/t.csv?X-Amz-Signature=hunter2"},
        {"kind": "parquet", "path": "s3://key:hunter2@bucket/t"},
    ],
)
def test_a_credential_in_a_problem_file_is_refused(
    problem_file: Callable[..., Path], source: dict[str, str]
) -> None:
    with pytest.raises(ProblemError, match=r"holds .*credentials come from the environment only") as caught:
        load_problem(problem_file(source=source))
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_is_not_yaml_does_not_show_a_password(project: Path) -> None:
    (project / "a.yaml").write_text("source: {kind: sql, url: postgresql://u:hunter2@h/d, query: x\ntitle")
    with pytest.raises(ProblemError) as caught:
        load_problem(project / "a.yaml")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"kind": "csv", "path": "gs://bucket/t.csv"}, "gs:// is not read; .* s3://, http://"),
        ({"kind": "csv", "path": "postgresql://host/shop"}, "postgresql:// is not read; .*kind: sql"),
        (
            {"kind": "sql", "url": "shop.db", "query": ANY},
            "not the address of a database; write postgresql://",
        ),
        ({"kind": "sql", "url": "sqlite:///shop.db", "query": ""}, "at least 1 character"),
        ({"kind": "sql", "url": "sqlite:///shop.db", "qery": ANY}, "qery: unknown key. Did you mean 'query'"),
    ],
)
def test_an_address_that_cannot_be_read(
    problem_file: Callable[..., Path], source: dict[str, str], message: str
) -> None:
    with pytest.raises(ProblemError, match=message):
        load_problem(problem_file(source=source))


def test_a_variable_that_is_not_set(problem_file: Callable[..., Path]) -> None:
    source = {"kind": "sql", "url": "postgresql://reader:${NOT_SET_HERE}@db/shop", "query": ANY}
    problem = load_problem(problem_file(source=source))
    with pytest.raises(ProblemError, match="needs the environment variable NOT_SET_HERE"):
        read_source(problem)
    assert fingerprint(problem).endswith("out of reach")


@pytest.fixture
def shop(problem_file: Callable[..., Path], project: Path) -> Callable[..., Problem]:
    """A problem that reads an SQLite file beside it."""
    with sqlite3.connect(project / "my shop.db") as database:
        database.execute("CREATE TABLE customers (customer TEXT, tenure INTEGER, charge NUMERIC, left TEXT)")
        rows = [(f"K{i}", None if i == 3 else i, i / 4, "yes" if i % 3 else "no") for i in range(50_000)]
        database.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", rows)
    database.close()

    def write(query: str = "SELECT * FROM customers", **changes: Any) -> Problem:
        source = {"kind": "sql", "url": "sqlite:///my shop.db", "query": query, **changes}
        return load_problem(problem_file(source=source))

    return write


def test_sqlite_is_read_in_chunks_and_only_read(shop: Callable[..., Problem], project: Path) -> None:
    table = read_source(shop("SELECT *, '12:30 :x 5%' AS note FROM customers ORDER BY rowid; -- all"))
    assert table.frame.shape == (50_000, 5)
    assert table.frame["tenure"].isna().sum() == 1
    assert table.frame["charge"].iloc[-1] == 49_999 / 4
    assert table.frame["note"].iloc[0] == "12:30 :x 5%"
    assert table.origin.startswith("sqlite database my shop.db, query ")
    for query in (
        "DELETE FROM customers",
        "SELECT 1; DELETE FROM customers",
        "WITH x AS (SELECT 1) DELETE FROM customers",
    ):
        with pytest.raises(DataError, match=r"reads: begin it|several statements|readonly database"):
            read_source(shop(query))
    assert len(read_source(shop()).frame) == 50_000


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM custmers", r"sqlite database my shop\.db: refuses: no such table: custmers"),
        ("SELECT tenur FROM customers", "no such column: tenur"),
        ("SELECT FROM WHERE", "syntax error"),
        ("SELEC * FROM customers", "begins with 'SELEC'. A source's query reads"),
        ("-- nothing", "begins with ''"),
        ("SELECT * FROM customers WHERE 1 = 0", "has 4 columns but no rows. Check the query"),
        ("SELECT left, left FROM customers", "returns left twice"),
    ],
)
def test_a_query_that_cannot_be_answered(shop: Callable[..., Problem], query: str, message: str) -> None:
    assert_match(message, failing(shop(query)))


def test_a_database_file_that_is_not_one(
    shop: Callable[..., Problem], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_match("There is no database file .*none.db", failing(shop(url="sqlite:///none.db")))
    assert not (project / "none.db").exists()
    assert fingerprint(shop(url="sqlite:///none.db")).endswith("missing")
    (project / "text.db").write_text("customer,left\n" * 100)
    assert_match("text.db: is not an SQLite database", failing(shop(url="sqlite:///text.db")))
    assert_match("knows no database 'nosuch'", failing(shop(url="nosuch://host/db")))
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    said = failing(shop(url="mysql+pymysql://reader:${SHOP_PASSWORD}@127.0.0.1/shop"))
    assert_match("needs the package pymysql. Install it", said)


def test_the_fingerprint_of_a_database(shop: Callable[..., Problem], project: Path) -> None:
    before = fingerprint(shop())
    assert before == fingerprint(shop("SELECT *\n  FROM customers"))
    assert before != fingerprint(shop("SELECT customer FROM customers"))
    with sqlite3.connect(project / "my shop.db") as database:
        database.execute("DELETE FROM customers WHERE tenure > 10")
    database.close()
    assert before != fingerprint(shop())


def test_a_database_that_does_not_answer(
    shop: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    monkeypatch.setattr(sql, "CONNECT_SECONDS", 2)
    (port,) = real_servers.free_ports(1)
    url = "postgresql://reader:${SHOP_PASSWORD}@127.0.0.1:%d/shop"
    assert_match(
        rf"postgresql database shop on 127.0.0.1:{port}: cannot be reached", failing(shop(url=url % port))
    )
    with real_servers.silent() as port:
        started = time.monotonic()
        said = failing(shop(url=url % port))
    assert time.monotonic() - started < 10
    assert_match("did not answer within 2 s|cannot be reached", said)


@pytest.fixture
def web() -> Iterator[real_servers.Web]:
    with real_servers.web() as server:
        yield server


@pytest.fixture
def page(problem_file: Callable[..., Path], web: real_servers.Web) -> Callable[..., Problem]:
    def write(path: str = "/t.csv", **changes: Any) -> Problem:
        source = {"kind": "csv", "path": path if "://" in path else web.url + path, **changes}
        return load_problem(problem_file(source=source))

    return write


def test_csv_and_parquet_are_read_from_the_web(
    page: Callable[..., Problem], web: real_servers.Web, customers: pd.DataFrame, tmp_path: Path
) -> None:
    customers.to_csv(tmp_path / "t.csv.gz", index=False)
    customers.to_parquet(tmp_path / "t.parquet")
    web.pages |= {f"/{name}": (tmp_path / name).read_bytes() for name in ("t.csv.gz", "t.parquet")}
    table = read_source(page("/t.csv.gz?version=3"))
    assert table.frame.shape == customers.shape
    assert table.origin == f"{web.url}/t.csv.gz"
    pd.testing.assert_frame_equal(read_source(page("/t.parquet", kind="parquet")).frame, customers)


def test_what_the_web_answers_instead(page: Callable[..., Problem], web: real_servers.Web) -> None:
    web.pages |= {
        "/t.csv": b"<html>sign in",
        "/empty.csv": b"",
        "/head.csv": b"a,b\n",
        "/t.parquet": b"a,b\n1,2\n",
    }
    web.status |= {"/denied.csv": 403, "/broken.csv": 503}
    host = web.url.removeprefix("http://")
    for path, message in {
        "/none.csv": rf"/none.csv is not there: {host} knows no such file \(404\)",
        "/denied.csv": r"denies access \(403\)",
        "/broken.csv": "answers with the error 503",
        "/t.csv": r"t.csv is a web page \(HTML\), not a CSV file",
        "/empty.csv": "is empty",
        "/head.csv": "2 columns but no rows",
    }.items():
        assert_match(message, failing(page(path)))
    assert_match("is not a Parquet file", failing(page("/t.parquet", kind="parquet")))


def test_credentials_for_the_web_come_from_the_environment(
    page: Callable[..., Problem], web: real_servers.Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.pages["/t.csv"] = b"customer,left\na,yes\n"
    web.login["/t.csv"] = f"reader:{PASSWORD}"
    address = web.url.replace("http://", "http://${SHOP_USER}:${SHOP_PASSWORD}@") + "/t.csv"
    monkeypatch.setenv("SHOP_USER", "reader")
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    table = read_source(page(address))
    assert len(table.frame) == 1
    assert table.origin == f"{web.url}/t.csv"
    assert_match(r"denies access \(401\)", failing(page("/t.csv")))
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD + "y")
    assert_match(r"denies access \(401\)", failing(page(address)))
    token = page("/none.csv?token=${SHOP_PASSWORD}")
    assert_match("knows no such file", failing(token))
    assert any("token=hunter2%2F%40%20xy" in asked or "token=hunter2/@%20xy" in asked for asked in web.asked)


def test_the_fingerprint_of_a_page_is_what_its_server_says(
    page: Callable[..., Problem], web: real_servers.Web
) -> None:
    problem = page()
    assert fingerprint(problem).endswith("out of reach")
    web.pages["/t.csv"] = b"customer,left\na,yes\n"
    web.asked.clear()
    first = fingerprint(problem)
    assert web.asked == ["HEAD /t.csv"]
    assert first == fingerprint(problem)
    for header, value in (
        ("ETag", '"1"'),
        ("ETag", '"2"'),
        ("Last-Modified", "Mon, 03 Nov 2025 10:00:00 GMT"),
    ):
        web.headers[header] = value
        assert fingerprint(problem) != first
        first = fingerprint(problem)
    web.pages["/t.csv"] += b"b,no\n"
    assert fingerprint(problem) != first


def test_a_web_server_that_does_not_answer(
    page: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "READ_SECONDS", 1.0)
    (port,) = real_servers.free_ports(1)
    assert_match(f"127.0.0.1:{port} cannot be reached", failing(page(f"http://127.0.0.1:{port}/t.csv")))
    assert_match("no-such-host.invalid cannot be reached", failing(page("http://no-such-host.invalid/t.csv")))
    with real_servers.silent() as port:
        started = time.monotonic()
        assert_match("did not answer within 1 s", failing(page(f"http://127.0.0.1:{port}/t.csv")))
    assert time.monotonic() - started < 15
