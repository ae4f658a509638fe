"""Scoring: one row, many rows and files come out as the pipeline says; what cannot be right is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_model import FEATURES, fitted, table

from ml_utils.errors import DataError, IntegrityError, MissingInputError, RegistryError
from ml_utils.files import sha256_bytes
from ml_utils.model import Model
from ml_utils.problem import FileSource
from ml_utils.registry.inputs import InputSchema
from ml_utils.registry.package import MANIFEST, pack, unpack
from ml_utils.serving.batch import batch_score
from ml_utils.serving.parity import json_rows
from ml_utils.serving.scoring import RELEASE, Scorer


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return pack(fitted(), table()[FEATURES], "small", "ab")


@pytest.fixture(scope="module")
def scorer(files: dict[str, bytes]) -> Scorer:
    digest = sha256_bytes(files[MANIFEST])
    loaded = unpack(files, digest, "small")
    return Scorer(loaded.model, loaded.schema, loaded.manifest, digest, 1)


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    release = json.dumps({"model": "small", "version": 3, "manifest_sha256": sha256_bytes(files[MANIFEST])})
    for name, content in {**files, RELEASE: release.encode()}.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def fresh(n: int = 120) -> pd.DataFrame:
    return table(n, seed=11)


def test_every_way_in_gives_the_pipelines_score(scorer: Scorer) -> None:
    X = fresh()[FEATURES]
    expected = fitted().predict_score(X)
    np.testing.assert_array_equal(scorer.score(X), expected)
    np.testing.assert_array_equal(scorer.score(X[FEATURES[::-1]].assign(more=1)), expected)
    rows = json.loads(json.dumps(json_rows(X)))
    np.testing.assert_allclose(scorer.score(rows), expected, atol=1e-12)
    np.testing.assert_allclose([scorer.score_one(row) for row in rows[:5]], expected[:5], atol=1e-12)
    assert scorer.score([]).shape == (0,)


def test_decisions_follow_the_threshold(scorer: Scorer) -> None:
    scored = scorer.check(fresh()[FEATURES])
    np.testing.assert_array_equal(scored.act, scored.scores >= 0.25)
    assert scored.to_frame().columns.tolist() == ["score", "act"]


def test_the_schema_says_what_training_had() -> None:
    schema = InputSchema.from_frame(table()[FEATURES])
    kinds = {column.name: (column.kind, column.nullable) for column in schema.columns}
    assert kinds == {
        "tenure": ("integer", False),
        "spend": ("number", True),
        "plan": ("text", False),
        "auto pay": ("boolean", False),
        "since": ("time", True),
    }
    assert InputSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert schema.columns[2].categories == ("basic", "plus", "pro")
    assert schema.warnings(schema.prepare([schema.example()])) == []


def test_times_keep_their_zone() -> None:
    times = pd.Series(pd.date_range("2025-01-01", periods=3, tz="Europe/Berlin"))
    schema = InputSchema.from_frame(pd.DataFrame({"at": times}))
    prepared = schema.prepare([{"at": "2025-01-02T00:00:00+01:00"}, {"at": "2030-01-01"}])
    assert prepared["at"].iloc[0] == times[1]
    assert [(item.check, item.rows) for item in schema.warnings(prepared)] == [("range", 1)]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"tenure": 500}, "range"),
        ({"tenure": 3.5}, "type"),
        ({"tenure": None}, "missing"),
        ({"plan": "gold"}, "category"),
        ({"since": "2031-01-01"}, "range"),
    ],
)
def test_what_training_never_saw_is_scored_and_said(
    scorer: Scorer, change: dict[str, object], check: str
) -> None:
    scored = scorer.check([{**scorer.schema.example(), **change}])
    assert np.isfinite(scored.scores).all()
    assert [(warning.column, warning.check) for warning in scored.warnings] == [(next(iter(change)), check)]


@pytest.mark.parametrize("plan", ["Basic", " basic "])
def test_another_spelling_of_a_known_category_is_no_news(scorer: Scorer, plan: str) -> None:
    row = {**scorer.schema.example(), "plan": plan}
    scored = scorer.check([row])
    assert scored.warnings == ()
    assert scored.scores[0] == scorer.score_one({**row, "plan": "basic"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tenure": "old"}, r"'tenure' takes whole numbers; got 'old' \(1 row\)"),
        ({"spend": [1]}, "'spend' takes numbers"),
        ({"auto pay": "perhaps"}, "'auto pay' takes true or false"),
        ({"since": "yesterday"}, "'since' takes dates"),
    ],
)
def test_a_wrong_type_is_refused_by_name(scorer: Scorer, change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        scorer.score([{**scorer.schema.example(), **change}])


def test_a_missing_column_is_named(scorer: Scorer) -> None:
    with pytest.raises(DataError, match=r"lacks 2 columns of the model: spend and plan"):
        scorer.score(fresh()[["tenure", "auto pay", "since"]])
    with pytest.raises(DataError, match="no rows"):
        scorer.check([])


_ODD = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=True), st.text(max_size=5), st.booleans(), st.just([1])
)


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(FEATURES, _ODD)))
def test_any_row_is_scored_or_refused(scorer: Scorer, row: dict[str, object]) -> None:
    try:
        score = scorer.check([row]).scores[0]
    except DataError as error:
        score = 0.5 if any(f"'{name}'" in str(error) for name in FEATURES) else -1.0
    assert 0 <= score <= 1


def test_a_package_is_loaded_once_its_hashes_match(folder: Path) -> None:
    scorer = Scorer.from_package(folder)
    assert (scorer.version, scorer.manifest.model) == (3, "small")
    np.testing.assert_array_equal(scorer.score(fresh()[FEATURES]), fitted().predict_score(fresh()[FEATURES]))
    with pytest.raises(IntegrityError, match=r"manifest.json was changed"):
        Scorer.from_package(folder, sha256="0" * 64)


def test_a_changed_package_is_refused(folder: Path) -> None:
    path = folder / "pipeline.pkl"
    path.write_bytes(path.read_bytes() + b".")
    with pytest.raises(IntegrityError, match=r"pipeline.pkl was changed .*not loaded"):
        Scorer.from_package(folder)
    (folder / RELEASE).write_text("{}")
    with pytest.raises(IntegrityError, match="damaged"):
        Scorer.from_package(folder)
    with pytest.raises(MissingInputError, match="make report"):
        Scorer.from_package(folder / "elsewhere")


def test_a_package_that_needs_what_is_not_here_says_so(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {**files, "pipeline.pkl": b"cno_such_module\nThing\n."}
    manifest = json.loads(files[MANIFEST])
    manifest["files"]["pipeline.pkl"] = sha256_bytes(odd["pipeline.pkl"])
    odd[MANIFEST] = json.dumps(manifest).encode()
    with pytest.raises(
        RegistryError, match=r"was not loaded: .*no_such_module\.Thing, which is not on the list"
    ):
        unpack(odd, sha256_bytes(odd[MANIFEST]), "small")
    monkeypatch.setenv("OCTAVO_TRUSTED_TYPES", "no_such_module:Thing")
    with pytest.raises(RegistryError, match=r"cannot be loaded here: .*no_such_module.* needs numpy"):
        unpack(odd, sha256_bytes(odd[MANIFEST]), "small")


def test_a_regression_decides_nothing(scorer: Scorer, tmp_path: Path) -> None:
    values = Model(scorer.model.pipeline, "regression", scorer.model.columns, "linear", None)
    regression = Scorer(values, scorer.schema, scorer.manifest, "", 1)
    assert regression.check(fresh()[FEATURES]).act is None
    fresh().to_parquet(tmp_path / "in.parquet")
    done = batch_score(regression, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert done.acted is None
    assert pd.read_parquet(done.output).columns.tolist() == ["row", "score"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_is_scored_in_parts_as_in_one(scorer: Scorer, tmp_path: Path, kind: str) -> None:
    frame = fresh()
    source, output = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    frame.to_csv(source, index=False) if kind == "csv" else frame.to_parquet(source)
    done = batch_score(scorer, source, output, keys=["customer", "absent"], chunk=50)
    scores = pd.read_csv(output) if kind == "csv" else pd.read_parquet(output)
    np.testing.assert_allclose(scores["score"], fitted().predict_score(frame[FEATURES]), atol=1e-12)
    assert scores.columns.tolist() == ["customer", "score", "act"]
    assert scores["customer"].tolist() == frame["customer"].tolist()
    assert (done.rows, done.acted) == (120, int(scores["act"].sum()))
    assert done.mean_score == pytest.approx(scores["score"].mean())


def test_a_csv_is_read_as_its_problem_file_says(scorer: Scorer, tmp_path: Path) -> None:
    text = fresh().to_csv(index=False, sep=";", na_rep="unknown")
    (tmp_path / "in.csv").write_text(text)
    how = FileSource(kind="csv", path="in.csv", separator=";", missing_values=["unknown"])
    done = batch_score(scorer, tmp_path / "in.csv", tmp_path / "out.csv", csv=how)
    assert done.rows == 120


def test_bad_files_are_refused_and_nothing_is_half_written(scorer: Scorer, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    output.write_text("from before")
    frame = fresh().astype({"tenure": "object"})
    frame.loc[100, "tenure"] = "old"
    frame.to_csv(source, index=False)
    with pytest.raises(DataError, match=r"rows 81 to 120: Column 'tenure'"):
        batch_score(scorer, source, output, chunk=40)
    for content, message in (("", "cannot be read"), ("tenure,plan\n", "no rows")):
        source.write_text(content)
        with pytest.raises(DataError, match=message):
            batch_score(scorer, source, output)
    with pytest.raises(DataError, match="There is no file"):
        batch_score(scorer, tmp_path / "none.csv", output)
    with pytest.raises(DataError, match=r"neither \.csv nor \.parquet"):
        batch_score(scorer, source, tmp_path / "out.xlsx")
    (tmp_path / "in.parquet").write_text("text")
    with pytest.raises(DataError, match="cannot be read"):
        batch_score(scorer, tmp_path / "in.parquet", output)
    assert output.read_text() == "from before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "in.parquet", "out.csv"]
