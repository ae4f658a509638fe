"""Batch scoring from and to real servers: PostgreSQL on either side, S3 and the web."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from real_servers import S3, PostgreSQL, web
from small_model import FEATURES, fitted, table

from ml_utils.batch import batch_score
from ml_utils.compiled.package import RELEASE, PackagedModel
from ml_utils.errors import DataError
from ml_utils.files import sha256_bytes
from ml_utils.registry.package import MANIFEST, pack

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def model() -> PackagedModel:
    files = pack(fitted(), table()[FEATURES], "small", "ab")
    release = json.dumps({"model": "small", "version": 3, "manifest_sha256": sha256_bytes(files[MANIFEST])})
    return PackagedModel.read({**files, RELEASE: release.encode()})


@pytest.fixture
def url(postgres: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SHOP_PASSWORD", postgres.password)
    monkeypatch.setenv("OCTAVO_HOME", str(tmp_path / "home"))
    where = f"{postgres.host}:{postgres.port}/{postgres.database}"
    return f"postgresql://{postgres.user}:${{SHOP_PASSWORD}}@{where}"


def ask(server: PostgreSQL, *statements: str) -> list[tuple[Any, ...]]:
    with server.connect(autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def fill(server: PostgreSQL, frame: pd.DataFrame) -> None:
    ask(
        server,
        "DROP SCHEMA IF EXISTS shop CASCADE",
        "CREATE SCHEMA shop",
        'CREATE TABLE shop."Customers" (customer text, tenure int, spend numeric(10, 2), plan varchar(10), '
        '"auto pay" boolean, since date)',
    )
    with (
        server.connect() as connection,
        connection.cursor() as cursor,
        cursor.copy(b'COPY shop."Customers" FROM STDIN') as copy,
    ):
        for row in frame[["customer", *FEATURES]].astype("object").itertuples(index=False):
            copy.write_row([None if pd.isna(value) else value for value in row])


def test_a_database_on_both_sides(model: PackagedModel, postgres: PostgreSQL, url: str) -> None:
    frame = table(700, seed=5)
    fill(postgres, frame)
    source, output = f"{url}#shop.Customers", f"{url}#shop.Scores"
    done = batch_score(model, source, output, ["customer"], chunk=200)
    assert "ss@w" not in str(done.output)
    stored = ask(postgres, 'SELECT customer, score, act FROM shop."Scores"')
    assert len(stored) == 700
    scores = dict(zip(frame["customer"], fitted().predict_score(frame[FEATURES]), strict=True))
    np.testing.assert_allclose([row[1] for row in stored], [scores[row[0]] for row in stored], atol=1e-9)
    assert sum(row[2] for row in stored) == done.acted
    with pytest.raises(DataError, match="is there already"):
        batch_score(model, source, output, ["customer"])
    ask(postgres, 'CREATE VIEW shop.best AS SELECT * FROM shop."Scores" WHERE act')
    batch_score(model, source, output, ["customer"], replace=True)
    assert ask(postgres, 'SELECT count(*) FROM shop."Scores"') == [(700,)]
    done = batch_score(
        model,
        url,
        f"{url}#few",
        ["customer"],
        query='SELECT * FROM shop."Customers" WHERE tenure < 12 ORDER BY customer',
    )
    assert done.rows == (frame["tenure"] < 12).sum()


def test_what_the_database_refuses_leaves_it_as_it_was(
    model: PackagedModel, postgres: PostgreSQL, url: str, tmp_path: Path
) -> None:
    fill(postgres, table(300, seed=5))
    source = f"{url}#shop.Customers"
    batch_score(model, source, f"{url}#shop.scores", ["customer"])
    ask(postgres, "ALTER TABLE shop.scores ADD CHECK (score < 2 AND customer <> 'K0250') NOT VALID")
    with pytest.raises(DataError, match=r"refuses: .*violates check.*Nothing was written there"):
        batch_score(model, source, f"{url}#shop.scores", ["customer"], replace=True)
    assert ask(postgres, "SELECT count(*) FROM shop.scores") == [(300,)]
    ask(postgres, "ALTER TABLE shop.scores DROP CONSTRAINT scores_check")
    assert batch_score(model, source, f"{url}#shop.scores", ["customer"], replace=True).resumed == 300
    with pytest.raises(DataError, match="password"):
        batch_score(model, source, url.replace("${SHOP_PASSWORD}", "wrong${SHOP_PASSWORD}") + "#x")
    assert not list((tmp_path / "home" / "data" / "scoring").iterdir())


def test_text_with_every_sign_reaches_the_table(model: PackagedModel, postgres: PostgreSQL, url: str) -> None:
    frame = table(6, seed=5)
    frame["customer"] = ['a"b', "c,d", "e\nf", "", "ünï", "\\N"]
    fill(postgres, frame)
    batch_score(model, f"{url}#shop.Customers", f"{url}#shop.odd", ["customer"])
    assert sorted(row[0] for row in ask(postgres, "SELECT customer FROM shop.odd")) == sorted(
        frame["customer"]
    )


def test_rows_from_s3(
    model: PackagedModel, s3_server: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    frame = table(400, seed=5)
    files = s3fs.S3FileSystem(
        key=s3_server.access_key,
        secret=s3_server.secret_key,
        endpoint_url=s3_server.endpoint,
        skip_instance_cache=True,
    )
    frame.to_parquet(tmp_path / "rows.parquet")
    for name in ("one.parquet", "folder/a.parquet", "folder/b.parquet"):
        files.put(str(tmp_path / "rows.parquet"), f"first-bucket/{name}")
    for source, n in (("one.parquet", 400), ("folder", 800)):
        done = batch_score(model, f"s3://first-bucket/{source}", tmp_path / "out.parquet", ["customer"])
        assert done.rows == n
    expected = fitted().predict_score(frame[FEATURES])
    np.testing.assert_allclose(pd.read_parquet(done.output)["score"], [*expected, *expected], atol=1e-9)
    with pytest.raises(DataError, match="knows no such file"):
        batch_score(model, "s3://first-bucket/none.parquet", tmp_path / "out.parquet")


def test_rows_from_the_web(model: PackagedModel, tmp_path: Path) -> None:
    frame = table(400, seed=5)
    with web() as server:
        server.pages["/rows.csv"] = frame.to_csv(index=False).encode()
        done = batch_score(model, f"{server.url}/rows.csv", tmp_path / "out.csv", ["customer"], chunk=90)
        with pytest.raises(DataError, match="404"):
            batch_score(model, f"{server.url}/none.csv", tmp_path / "out.csv")
    assert done.rows == 400
    scores = pd.read_csv(tmp_path / "out.csv")["score"]
    np.testing.assert_allclose(scores, fitted().predict_score(frame[FEATURES]), atol=1e-9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv"]
