"""Batch scoring: whole or not at all, the same through every way in and out; a stopped run goes on."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas._libs.parsers import STR_NA_VALUES
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from small_model import FEATURES, PROBLEM, fitted, table

from ml_utils.batch import batch_score, inputs, journal, run
from ml_utils.batch.__main__ import main
from ml_utils.batch.columns import as_columns, unusual
from ml_utils.batch.scoring import Recipe
from ml_utils.compiled.package import RELEASE, PackagedModel
from ml_utils.data.sources import plain
from ml_utils.errors import DataError
from ml_utils.features.engineer import FeatureEngineer
from ml_utils.files import sha256_bytes
from ml_utils.model import Model
from ml_utils.registry.package import MANIFEST, pack, unpack
from ml_utils.serving.scoring import Scorer

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    files = pack(fitted(), table()[FEATURES], "small", "ab")
    release = json.dumps({"model": "small", "version": 3, "manifest_sha256": sha256_bytes(files[MANIFEST])})
    for name, content in {**files, RELEASE: release.encode()}.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def compiled(package: Path) -> PackagedModel:
    return PackagedModel.read(package)


@pytest.fixture(scope="module")
def pipeline() -> Scorer:
    files = pack(fitted(), table()[FEATURES], "small", "ab")
    digest = sha256_bytes(files[MANIFEST])
    loaded = unpack(files, digest, "small")
    return Scorer(loaded.model, loaded.schema, loaded.manifest, digest, 1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_HOME", str(tmp_path / "home"))


def rows(n: int = 900) -> pd.DataFrame:
    return table(n, seed=11)


def expected(frame: pd.DataFrame) -> np.ndarray:
    return fitted().predict_score(frame[FEATURES])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(frame: pd.DataFrame, folder: Path, kind: str) -> str:
    """Write rows in one of the forms that are read; return its address."""
    if kind == "folder":
        for number, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
            path = folder / "in" / f"part={number}"
            path.mkdir(parents=True)
            frame.iloc[part].to_parquet(path / "rows.parquet", row_group_size=70)
        return str(folder / "in")
    if kind == "sqlite":
        with sqlite3.connect(folder / "in.db") as connection:
            frame.assign(since=frame["since"].astype("str")).to_sql("my rows", connection, index=False)
        return f"sqlite:///{folder}/in.db#my rows"
    path = folder / f"in.{kind}"
    frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("kind", ["parquet", "folder", "csv", "csv.gz", "sqlite"])
@pytest.mark.parametrize("model", ["compiled", "pipeline"])
def test_every_way_in_gives_the_pipelines_score(
    kind: str, model: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    frame = rows()
    source = write(frame, tmp_path, kind)
    done = batch_score(request.getfixturevalue(model), source, tmp_path / "out.parquet", ["customer"], 200)
    scores = pd.read_parquet(tmp_path / "out.parquet")
    assert scores.columns.tolist() == ["customer", "score", "act"]
    assert scores["customer"].tolist() == frame["customer"].tolist()
    np.testing.assert_allclose(scores["score"], expected(frame), atol=1e-9)
    assert (done.rows, done.acted, done.resumed) == (900, int(scores["act"].sum()), 0)
    assert done.mean_score == pytest.approx(scores["score"].mean())
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "folder", "sqlite"])
def test_every_way_out_has_the_same_rows(compiled: PackagedModel, kind: str, tmp_path: Path) -> None:
    frame = rows()
    output = {"folder": "out", "sqlite": f"sqlite:///{tmp_path}/out.db#scores"}.get(kind, f"out.{kind}")
    output = output if "://" in output else str(tmp_path / output)
    done = batch_score(compiled, write(frame, tmp_path, "parquet"), output, chunk=200)
    if kind == "sqlite":
        with sqlite3.connect(tmp_path / "out.db") as connection:
            scores = pd.read_sql("SELECT * FROM scores ORDER BY row", connection)
    else:
        scores = pd.read_csv(output) if "csv" in kind else pd.read_parquet(output)
    assert scores.columns.tolist() == ["row", "score", "act"]
    assert scores["row"].tolist() == list(range(1, 901))
    np.testing.assert_allclose(scores["score"], expected(frame), atol=1e-9)
    assert done.acted == scores["act"].sum()
    if kind == "csv.gz":
        text = gzip.decompress(Path(output).read_bytes()).decode()
        assert text.startswith('"row","score","act"\n1,')


def test_workers_give_the_same(compiled: PackagedModel, tmp_path: Path) -> None:
    source = write(rows(), tmp_path, "parquet")
    for workers in (1, 2):
        batch_score(compiled, source, tmp_path / f"{workers}.csv", ["customer"], 100, workers=workers)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert names(tmp_path) == ["1.csv", "2.csv", "in.parquet"]


def test_a_compiled_models_worker_needs_no_pandas() -> None:
    code = (
        "import sys, ml_utils.batch.workers, ml_utils.compiled.scorer, ml_utils.batch.columns\n"
        "print(sorted({'pandas', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TESTS.parent)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_training_never_saw_is_counted_alike(
    compiled: PackagedModel, pipeline: Scorer, tmp_path: Path
) -> None:
    frame = rows(50).astype({"tenure": "float64"})
    frame.loc[[1, 2], "plan"] = ["gold", " Basic "]
    frame.loc[[3, 4, 5], "tenure"] = [500, 3.5, np.nan]
    frame.loc[[6, 7], "since"] = pd.Timestamp("2031-01-01")
    frame.loc[8, "spend"] = np.inf
    frame.loc[9, "plan"] = None
    path = write(frame, tmp_path, "parquet")
    counts = [batch_score(model, path, tmp_path / "out.csv").unusual for model in (compiled, pipeline)]
    assert counts[0] == counts[1]
    assert counts[0] == {"plan": 2, "tenure": 3, "since": 2}


def test_columns_of_other_types_are_read_as_the_model_wants_them(compiled: PackagedModel) -> None:
    frame = rows(30)
    odd = pa.table(
        {
            "tenure": pa.array([str(value) for value in frame["tenure"]]),
            "spend": pa.array([f"{value}" if value == value else "" for value in frame["spend"]]),
            "plan": pa.array(frame["plan"]).dictionary_encode(),
            "auto pay": pa.array([int(value) for value in frame["auto pay"]]),
            "since": pa.array([None if pd.isna(day) else day.date() for day in frame["since"]]),
        }
    )
    scorer = compiled.scorer
    columns = as_columns(plain.to_plain(odd), scorer.columns)
    np.testing.assert_allclose(scorer.score_columns(columns), expected(frame), atol=1e-9)
    assert unusual(columns, scorer.columns) == {}


def test_ids_keep_their_zeros(compiled: PackagedModel, tmp_path: Path) -> None:
    frame = rows(40)
    frame["customer"] = [f"{i:05d}" for i in range(40)]
    batch_score(compiled, write(frame, tmp_path, "csv"), tmp_path / "out.csv", ["customer"], 10)
    scores = pd.read_csv(tmp_path / "out.csv", dtype={"customer": "str"})
    assert scores["customer"].tolist() == frame["customer"].tolist()


def test_words_that_are_categories_are_not_missing(tmp_path: Path) -> None:
    frame = table()
    frame["plan"] = frame["plan"].replace({"pro": "None", "plus": "NA"})
    steps = [("features", FeatureEngineer()), ("model", LogisticRegression())]
    pipeline = Pipeline(steps).fit(frame[FEATURES], (frame["left"] == "yes").astype("int8"))
    model = Model(pipeline, "binary", tuple(FEATURES), "logistic", 0.25)
    files = pack(model, frame[FEATURES], "small", "ab")
    frame["customer"] = ["null", *frame["customer"][1:]]
    frame.loc[7, "plan"] = None
    frame.to_csv(tmp_path / "in.csv", index=False)
    packed = PackagedModel.read(files, sha256_bytes(files[MANIFEST]))
    batch_score(packed, tmp_path / "in.csv", tmp_path / "out.parquet", ["customer"])
    found = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(found["score"], model.predict_score(frame[FEATURES]), atol=1e-9)
    assert found["customer"][0] == "null"


def test_what_csv_takes_for_missing_is_what_training_does() -> None:
    assert {"NA", "null", "None", "nan", ""} <= inputs.MISSING == set(STR_NA_VALUES)


def test_wrong_rows_are_named_and_nothing_stays(compiled: PackagedModel, tmp_path: Path) -> None:
    frame = rows(500).astype({"tenure": "object"})
    frame.loc[333, "tenure"] = "old"
    source = write(frame, tmp_path, "csv")
    (tmp_path / "out.csv").write_text("from before")
    with pytest.raises(DataError, match=r"rows 301 to 400: .*'tenure' .*got 'old'.* The first is row 334\."):
        batch_score(compiled, source, tmp_path / "out.csv", chunk=100)
    frame.drop(columns=["plan", "spend"]).to_csv(source, index=False)
    with pytest.raises(DataError, match=r"in.csv lacks 2 columns of the model: spend and plan"):
        batch_score(compiled, source, tmp_path / "out.csv")
    Path(source).write_text(rows(5).to_csv(index=False) + "1,2,3,4,5,6,7,8,9,10\n")
    with pytest.raises(DataError, match=r"cannot be read: .*line 7"):
        batch_score(compiled, source, tmp_path / "out.csv")
    Path(source).write_text(rows(5).to_csv(index=False).replace("\n", ",1\n").replace(",1\n", "\n", 1))
    with pytest.raises(DataError, match=r"cannot be read: .*more fields than the header"):
        batch_score(compiled, source, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "from before"
    assert names(tmp_path) == ["in.csv", "out.csv"]


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("none.parquet", "out.csv", "There is no file"),
        ("empty.parquet", "out.csv", "has no rows"),
        ("cut.parquet", "out.csv", "cannot be read"),
        ("cut.csv.gz", "out.csv", "cannot be read"),
        ("in.parquet", "file/out.csv", r"could not be written: .*[Nn]ot a directory|Nothing can be written"),
        ("in.parquet", "here", "is there already"),
        ("in.parquet", ".", "is no place for the scores"),
        ("in.parquet", "/", "is no place for the scores"),
        ("", "out.csv", "A name is empty"),
        ("semi.csv", "out.csv", r"lacks 5 columns .* read as separated by ','; another sign is named by"),
        ("latin.csv", "out.csv", "cannot be read: .* Save it as UTF-8"),
        ("twice.parquet", "out.csv", "has tenure twice. Rename or drop"),
        ("in.parquet", "s3://bucket/out.csv", "cannot be written to s3"),
        ("in.parquet", "postgresql://me:secret@host/db#t", r"holds a password; .*\$\{NAME\}"),
        ("in.parquet", "sqlite:///out.db", "names no table"),
        ("sqlite:///none.db#t", "out.csv", "no database file"),
        ("sqlite:///in.db#none", "out.csv", "no such table"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(
    compiled: PackagedModel,
    source: str,
    output: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = rows(60)
    frame.to_parquet("in.parquet")
    frame.iloc[:0].to_parquet("empty.parquet")
    Path("cut.parquet").write_bytes(Path("in.parquet").read_bytes()[:-100])
    Path("cut.csv.gz").write_bytes(gzip.compress(frame.to_csv(index=False).encode())[:-300])
    frame.to_csv("semi.csv", index=False, sep=";")
    frame.assign(plan="größer").to_csv("latin.csv", index=False, encoding="latin-1")
    twice = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(twice.append_column("tenure", twice.column("tenure")), "twice.parquet")
    Path("file").write_text("")
    Path("here").mkdir()
    sqlite3.connect("in.db").execute("CREATE TABLE t (x)")
    before = names(tmp_path)
    with pytest.raises(DataError, match=message):
        batch_score(compiled, source, output)
    assert [name for name in names(tmp_path) if name != "home"] == before


def test_a_table_is_replaced_when_asked_to(compiled: PackagedModel, tmp_path: Path) -> None:
    source, output = write(rows(100), tmp_path, "parquet"), f"sqlite:///{tmp_path}/out.db#scores"
    batch_score(compiled, source, output)
    with pytest.raises(DataError, match=r"is there already.*--replace"):
        batch_score(compiled, source, output)
    with sqlite3.connect(tmp_path / "out.db") as connection:
        connection.execute("CREATE VIEW best AS SELECT * FROM scores WHERE score > 0.9")
        connection.execute("UPDATE scores SET score = 7")
    batch_score(compiled, source, output, replace=True)
    with sqlite3.connect(tmp_path / "out.db") as connection:
        assert connection.execute("SELECT count(*), max(score) < 1 FROM scores").fetchone() == (100, 1)
        connection.execute("DROP VIEW best")
        connection.execute("ALTER TABLE scores ADD COLUMN more INT")
    with pytest.raises(DataError, match="it is another table"):
        batch_score(compiled, source, output, replace=True)


def test_what_fails_in_the_end_leaves_the_table_as_it_was(
    compiled: PackagedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = write(rows(100), tmp_path, "parquet"), f"sqlite:///{tmp_path}/out.db#scores"
    batch_score(compiled, source, output)
    with sqlite3.connect(tmp_path / "out.db") as connection:
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON scores WHEN NEW.row > 50 "
                           "BEGIN SELECT RAISE(ABORT, 'no more'); END")  # fmt: skip
    with pytest.raises(DataError, match=r"no more.*Nothing was written there"):
        batch_score(compiled, source, output, replace=True)
    with sqlite3.connect(tmp_path / "out.db") as connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (100,)
        connection.execute("DROP TRIGGER no")
    again = batch_score(compiled, source, output, replace=True)
    assert again.resumed == 100  # nothing had to be scored anew


def test_a_full_disk_in_the_middle_costs_no_work(
    compiled: PackagedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_utils.batch import workers

    source, output = write(rows(), tmp_path, "parquet"), tmp_path / "out.parquet"
    output.write_text("from before")
    inner = workers.write_part

    def full(path: Path, part: pa.Table) -> int:
        if path.name > "000002":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return inner(path, part)

    monkeypatch.setattr(workers, "write_part", full)
    with pytest.raises(
        DataError, match=r"No space left on device.*300 scored rows wait in .*run the same again"
    ):
        batch_score(compiled, source, output, ["customer"], 150)
    assert output.read_text() == "from before"
    monkeypatch.undo()
    monkeypatch.setenv("OCTAVO_HOME", str(tmp_path / "home"))
    done = batch_score(compiled, source, output, ["customer"], 150)
    assert (done.rows, done.resumed) == (900, 300)
    np.testing.assert_allclose(pd.read_parquet(output)["score"], expected(rows()), atol=1e-9)
    assert names(tmp_path) == ["in.parquet", "out.parquet"]


def test_a_full_disk_under_the_database_is_said(compiled: PackagedModel, tmp_path: Path) -> None:
    source, limits = write(rows(), tmp_path, "parquet"), resource.getrlimit(resource.RLIMIT_FSIZE)
    with sqlite3.connect(tmp_path / "out.db") as connection:
        connection.execute("CREATE TABLE other AS SELECT 1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(DataError, match=r"(?i)disk.*Nothing was written there"):
            batch_score(compiled, source, f"sqlite:///{tmp_path}/out.db#scores", ["customer"], 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (
        batch_score(compiled, source, f"sqlite:///{tmp_path}/out.db#scores", ["customer"], 100).resumed == 900
    )


def test_parts_of_other_rows_are_not_used(compiled: PackagedModel, tmp_path: Path) -> None:
    source, output = Path(write(rows(), tmp_path, "parquet")), tmp_path / "out.parquet"
    _stop_after(compiled, source, output, 2)
    part = tmp_path / ".out.parquet.parts" / "000001.parquet"
    part.write_bytes(part.read_bytes()[:-1])  # as after a power cut
    with (tmp_path / ".out.parquet.parts" / "done.jsonl").open("a") as handle:
        handle.write('{"number": 2, "st')
    assert batch_score(compiled, source, output, ["customer"], 150).resumed == 150
    _stop_after(compiled, source, output, 2)
    rows(901).to_parquet(source)
    assert batch_score(compiled, source, output, ["customer"], 150).resumed == 0
    _stop_after(compiled, source, output, 2)
    assert batch_score(compiled, source, output, ["customer"], 100).resumed == 0


def _stop_after(model: Any, source: Path, output: Path, parts: int) -> None:
    add = journal.Journal.add

    def stop(self: journal.Journal, part: journal.Part) -> None:
        add(self, part)
        if len(self.done) == parts:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal.Journal, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            batch_score(model, source, output, ["customer"], 150)


def test_two_runs_do_not_write_one_output(compiled: PackagedModel, tmp_path: Path) -> None:
    source, output = write(rows(), tmp_path, "parquet"), tmp_path / "out.parquet"
    other = journal.Journal(tmp_path / ".out.parquet.parts", ".parquet")
    other.open({})
    with pytest.raises(DataError, match="Another run is writing the same output"):
        batch_score(compiled, source, output)
    assert other.folder.exists()
    other.close()
    assert batch_score(compiled, source, output).rows == 900


def _kill_in_the_middle(package: Path, source: Path, output: Path, workers: int) -> int:
    """Start a run, kill it once some parts are done; return how many were."""
    command = [
        sys.executable,
        str(TESTS / "batch_run.py"),
        str(package),
        str(source),
        str(output),
        str(workers),
    ]
    done = output.parent / f".{output.name}.parts" / "done.jsonl"
    with subprocess.Popen(command, cwd=TESTS.parent) as process:
        while process.poll() is None and (not done.exists() or done.read_text().count("\n") < 5):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    return done.read_text().count("\n") if done.exists() else 0


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.full)])
def test_a_killed_run_goes_on(package: Path, compiled: PackagedModel, workers: int, tmp_path: Path) -> None:
    frame = pd.concat([rows()] * 60, ignore_index=True)
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    frame.to_parquet(source)
    assert _kill_in_the_middle(package, source, output, workers) >= 5
    assert not output.exists()
    deadline = time.monotonic() + 10
    while _alive(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(tmp_path)  # its workers ended with it
    done = batch_score(compiled, source, output, ["customer"], chunk=500)
    assert 2_500 <= done.resumed < len(frame) == done.rows
    np.testing.assert_allclose(pd.read_parquet(output)["score"], expected(frame), atol=1e-9)


def _alive(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"OCTAVO_HOME={folder}/home".encode() in path.read_bytes() and path.parent.name != str(
                os.getpid()
            ):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_recipe_of_a_pipeline_has_no_files(pipeline: Scorer) -> None:
    recipe = Recipe.of(pipeline)
    assert recipe.columns == pipeline.schema.columns
    assert run.CHUNK == 50_000


def test_a_query_is_for_a_database(compiled: PackagedModel, tmp_path: Path) -> None:
    source = write(rows(), tmp_path, "parquet")
    with pytest.raises(DataError, match=r"in\.parquet is no database; a query is for one"):
        batch_score(compiled, source, tmp_path / "out.csv", query="select 1")


def test_row_groups_do_not_matter(compiled: PackagedModel, tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_pandas(rows(), preserve_index=False), tmp_path / "in.parquet", row_group_size=37
    )
    done = batch_score(compiled, tmp_path / "in.parquet", tmp_path / "out.csv", chunk=100)
    assert done.rows == 900
    assert pd.read_csv(tmp_path / "out.csv")["row"].tolist() == list(range(1, 901))


def test_the_rows_to_score_are_never_written_over(compiled: PackagedModel, tmp_path: Path) -> None:
    source, folder = Path(write(rows(), tmp_path, "parquet")), Path(write(rows(), tmp_path, "folder"))
    before = source.read_bytes()
    table = f"sqlite:///{tmp_path}/in.db#rows"
    (tmp_path / "link.parquet").symlink_to(source)
    for rows_in, output in (
        (source, source),
        (source, tmp_path / "link.parquet"),
        (folder, folder / "scores.parquet"),  # the next run would score it too
        (folder, folder),
        (folder, tmp_path),
        (table, table),
    ):
        with pytest.raises(DataError, match=r"the rows to score are in .*Name another file, folder or table"):
            batch_score(compiled, rows_in, output, replace=True)
    assert source.read_bytes() == before
    assert names(tmp_path) == ["in", "in.parquet", "link.parquet"]


@pytest.mark.parametrize("output", ["out.parquet", "out", "sqlite"])
def test_ids_of_several_types_become_text(compiled: PackagedModel, output: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    first, second = rows(300), rows(200)
    first.assign(customer=2**62 + np.arange(300)).to_parquet(tmp_path / "in" / "a.parquet")
    second.to_parquet(tmp_path / "in" / "b.parquet")
    target = f"sqlite:///{tmp_path}/out.db#scores" if output == "sqlite" else str(tmp_path / output)
    assert batch_score(compiled, tmp_path / "in", target, ["customer"], 100).rows == 500
    if output == "sqlite":
        with sqlite3.connect(tmp_path / "out.db") as connection:
            found = pd.read_sql("SELECT * FROM scores", connection)
    else:
        found = pd.read_parquet(target)
    assert set(found["customer"]) == {*map(str, 2**62 + np.arange(300)), *second["customer"]}


def test_whole_decimals_keep_their_digits(compiled: PackagedModel, tmp_path: Path) -> None:
    for digits in (19, 30):
        ids = pa.array([Decimal("1" * digits)] * 900, pa.decimal128(38, 0))
        table = pa.Table.from_pandas(rows(), preserve_index=False)
        table = table.set_column(table.column_names.index("customer"), "customer", ids)
        pq.write_table(table, tmp_path / "in.parquet")
        batch_score(compiled, tmp_path / "in.parquet", tmp_path / "out.csv", ["customer"])
        assert set(pd.read_csv(tmp_path / "out.csv", dtype="str")["customer"]) == {"1" * digits}


def test_a_folder_that_was_half_replaced_is_replaced(compiled: PackagedModel, tmp_path: Path) -> None:
    source, output = write(rows(), tmp_path, "parquet"), tmp_path / "out"
    batch_score(compiled, source, output, ["customer"], 300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal.Journal, "drop", _interrupt)  # the new folder is in place, the old one not gone
        with pytest.raises(KeyboardInterrupt):
            batch_score(compiled, source, output, ["customer"], 150, replace=True)
    assert batch_score(compiled, source, output, ["customer"], 150, replace=True).resumed == 900
    assert len(names(output)) == 6


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_old_rows_of_a_database_are_said(
    compiled: PackagedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, output = write(rows(), tmp_path, "sqlite"), tmp_path / "out.parquet"
    _stop_after(compiled, source, output, 2)
    assert not caplog.records
    assert batch_score(compiled, source, output, ["customer"], 150).resumed == 300
    assert re.search(
        r"as they were at \d{4}-.* delete .*\.out\.parquet\.parts to read them anew", caplog.text
    )


@pytest.mark.full
def test_ctrl_c_while_workers_start_prints_no_traceback(package: Path, tmp_path: Path) -> None:
    pd.concat([rows()] * 60).to_parquet(tmp_path / "in.parquet")
    (tmp_path / "home" / "data" / "problems").mkdir(parents=True)
    (tmp_path / "home" / "data" / "problems" / "small.yaml").write_text(PROBLEM)
    command = [
        sys.executable,
        "-m",
        "ml_utils.batch",
        str(tmp_path / "in.parquet"),
        str(tmp_path / "out.csv"),
    ]
    command += ["--package", str(package), "--problem", "small", "--workers", "3"]
    with subprocess.Popen(
        [*command, "--chunk", "500"], cwd=TESTS.parent, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while process.poll() is None and len(children.read_text().split()) < 3:
            time.sleep(0.002)  # what tracks its resources, and two workers
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, said
    assert said.rstrip().endswith("Run the same command again to go on where it stopped.")
    assert "Traceback" not in said


def test_a_forgotten_input_or_output_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["", "scores.csv"], ["rows.csv", ""]):
        assert main(words) == 1
        assert "make score INPUT=rows.csv OUTPUT=scores.csv" in capsys.readouterr().err
