"""Feature sets: the version is the content, wherever and whenever it is taken, and what is loaded is it."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_model import make_home, table

from ml_utils.errors import DataError, IntegrityError, ParameterError, RegistryError
from ml_utils.features import FeatureEngineer
from ml_utils.features.content_hash import hash_fitted, hash_plain, hash_table
from ml_utils.features.feature_set import FeatureSet, build_feature_set
from ml_utils.paths import Workspace
from ml_utils.problem import Problem, load_problem
from ml_utils.registry import Registry

SNAPSHOT = "ab" * 32


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        yield make_home(tmp_path_factory.mktemp("features"), patch)


@pytest.fixture(scope="module")
def problem(workspace: Workspace) -> Problem:
    return load_problem("small")


@pytest.fixture(scope="module")
def build(problem: Problem) -> Callable[..., FeatureSet]:
    def make(seed: int = 7, **options: object) -> FeatureSet:
        splits = {"train": table(seed=seed), "test": table(60, seed=8)}
        X = splits["train"].drop(columns=["customer", "left"])
        engineer = FeatureEngineer(**options)
        made = engineer.fit_transform(X, (splits["train"]["left"] == "yes").astype("int8"))
        return build_feature_set(engineer, splits, problem, SNAPSHOT, {"train": made})

    return make


@pytest.fixture(scope="module")
def small(build: Callable[..., FeatureSet]) -> FeatureSet:
    return build()


# --- the hash of a table ----------------------------------------------------------------------------------

MIXED = pd.DataFrame(
    {
        "number": [1.5, np.nan, -0.0],
        "whole": [1, 2, 3],
        "truth": [True, False, True],
        "text": ["a", None, "ä"],
        "time": pd.to_datetime(["2025-01-31", None, "2025-02-28 12:00:00.000001"], format="ISO8601"),
    }
)


def test_the_hash_of_a_table_is_fixed() -> None:
    # Taken once, by this definition: a version that was logged years ago must be found again.
    assert hash_table(MIXED) == "4c99621433a87d572af2474ad61006f5d44cd24d41213bb88fce9f4fead4abbd"


def test_how_a_library_keeps_a_value_makes_no_difference() -> None:
    other = pd.DataFrame(
        {
            "number": pd.array([1.5, None, 0.0], dtype="Float64"),
            "whole": MIXED["whole"].astype("int8"),
            "truth": MIXED["truth"].astype("boolean"),
            "text": MIXED["text"].astype(object).where(MIXED["text"].notna(), None).astype("category"),
            "time": MIXED["time"].astype("datetime64[ns]"),
        }
    ).set_index(pd.Index([7, 8, 9]))
    assert hash_table(other) == hash_table(MIXED)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.assign(number=[1.5, np.nan, np.nextafter(0, 1)]),
        lambda t: t.assign(whole=[1, 2, 4]),
        lambda t: t.assign(whole=[1.0, 2.0, 3.0]),
        lambda t: t.assign(truth=[True, True, True]),
        lambda t: t.assign(text=["a", "None", "ä"]),
        lambda t: t.assign(time=t["time"] + pd.Timedelta("1us")),
        lambda t: t.assign(time=t["time"].astype("datetime64[ns]") + pd.Timedelta("1ns")),
        lambda t: t.assign(time=t["time"].dt.tz_localize("UTC")),
        lambda t: t.rename(columns={"text": "words"}),
        lambda t: t[[*t.columns[::-1]]],
        lambda t: t.iloc[::-1],
        lambda t: t.iloc[:2],
    ],
)
def test_whatever_differs_has_another_hash(change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    assert hash_table(change(MIXED)) != hash_table(MIXED)


def test_names_that_repeat_are_refused() -> None:
    with pytest.raises(DataError, match="repeat"):
        hash_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


VALUES = st.one_of(
    st.lists(st.floats(allow_nan=True), min_size=4, max_size=4),
    st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=4, max_size=4),
    st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4),
)


@settings(max_examples=40, deadline=None)
@given(first=VALUES, second=VALUES, row=st.integers(0, 3))
def test_a_way_through_parquet_keeps_the_hash_and_one_value_changes_it(
    first: list, second: list, row: int
) -> None:
    frame = pd.DataFrame({"a": first, "b": second})
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    assert hash_table(pd.read_parquet(buffer)) == hash_table(frame)
    changed = [*first[:row], "another" if first[row] != "another" else "", *first[row + 1 :]]
    assert hash_table(frame.assign(a=changed)) != hash_table(frame)


def test_the_state_of_something_fitted_is_what_it_learnt() -> None:
    X, y = table().drop(columns=["customer", "left"]), (table()["left"] == "yes").astype("int8")
    engineer = FeatureEngineer(encoding="target").fit(X, y)
    fitted = hash_fitted(engineer)
    engineer.transform(X.head(3))  # what it may keep for later does not count
    assert hash_fitted(engineer) == fitted
    assert hash_fitted(FeatureEngineer(encoding="target").fit(X, y)) == fitted
    assert hash_fitted(pickle.loads(pickle.dumps(engineer))) == fitted
    assert hash_fitted(FeatureEngineer(encoding="target").fit(X, 1 - y)) != fitted
    assert hash_fitted(FeatureEngineer(encoding="target", seed=1).fit(X, y)) != fitted


@pytest.mark.parametrize("options", [{"imputation": "knn"}, {"scaling": "quantile"}, {"reduction": "pca"}])
def test_whatever_an_engineer_is_made_of_has_one_hash(options: dict[str, str]) -> None:
    X, y = table().drop(columns=["customer", "left"]), (table()["left"] == "yes").astype("int8")
    first, second = (FeatureEngineer(**options).fit(X, y) for _ in range(2))
    second.transform(X)
    assert hash_fitted(first) == hash_fitted(second)
    assert hash_fitted(first) != hash_fitted(FeatureEngineer().fit(X, y))


def test_an_object_that_holds_itself_is_hashed() -> None:
    ring: dict[str, object] = {"a": 1}
    ring["self"] = ring
    assert hash_fitted(ring) == hash_fitted(ring)


def test_plain_values_are_told_apart() -> None:
    texts = [hash_plain(value) for value in (1, 1.5, "1", True, None, [1], {"1": 1}, float("nan"))]
    assert len(set(texts)) == len(texts)


# --- the version ------------------------------------------------------------------------------------------


def test_the_same_content_has_the_same_version(build: Callable[..., FeatureSet], small: FeatureSet) -> None:
    again = build()
    assert again.version == small.version
    assert replace(again, name="other", snapshot_sha256="cd" * 32).version == small.version
    assert pickle.loads(pickle.dumps(small)).version == small.version


def test_another_process_finds_the_same_version(small: FeatureSet, tmp_path: Path) -> None:
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps(small))
    code = f"""
import pickle
from dataclasses import replace
from ml_utils.features.content_hash import hash_fitted
s = pickle.loads(open({str(path)!r}, "rb").read())
print(replace(s, engineer_sha256=hash_fitted(s.engineer)).version)
"""
    env = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == small.version


def test_whatever_differs_has_another_version(build: Callable[..., FeatureSet], small: FeatureSet) -> None:
    value = small.features.copy()
    value.iloc[5, 0] = np.nextafter(value.iloc[5, 0], np.inf)
    other = [
        replace(small, features=value),
        replace(small, features=small.features.rename(columns={"tenure": "months"})),
        replace(small, dictionary=small.dictionary.assign(meaning="something else")),
        replace(small, recipe={**small.recipe, "seed": 1}),
        replace(small, keys=small.keys.assign(split="train")),
        replace(small, engineer_sha256="0" * 64),
        build(seed=9),
        build(scaling="standard"),
        build(imputation="mean"),
    ]
    assert len({item.version for item in (*other, small)}) == len(other) + 1


def test_rows_come_back_by_split(small: FeatureSet) -> None:
    test = small.rows("test")
    assert test["customer"].tolist() == table(60, seed=8)["customer"].tolist()
    assert small.engineer is not None
    expected = small.engineer.transform(table(60, seed=8).drop(columns=["customer", "left"]))
    pd.testing.assert_frame_equal(test.drop(columns="customer"), expected.reset_index(drop=True))
    with pytest.raises(DataError, match="no split 'valid'; it has train and test"):
        small.rows("valid")
    assert small.version in small._repr_html_()
    assert "train 400, test 60" in small.to_frame()["value"].tolist()


def test_features_that_are_not_the_engineers_are_refused(small: FeatureSet, problem: Problem) -> None:
    engineer, train = small.engineer, table()
    made = small.rows("train").drop(columns="customer")
    assert engineer is not None
    with pytest.raises(DataError, match="at least one split"):
        build_feature_set(engineer, {}, problem, SNAPSHOT)
    with pytest.raises(DataError, match="have 10 rows, its table 400"):
        build_feature_set(engineer, {"train": train}, problem, SNAPSHOT, {"train": made.head(10)})
    with pytest.raises(DataError, match="not those of the engineer"):
        build_feature_set(engineer, {"train": train}, problem, SNAPSHOT, {"train": made.iloc[:, 1:]})
    with pytest.raises(DataError, match="passed for valid, without the rows"):
        build_feature_set(engineer, {"train": train}, problem, SNAPSHOT, {"valid": made})
    odd = pickle.loads(pickle.dumps(engineer)).set_params(n_features=np.int64(3))
    with pytest.raises(ParameterError, match=r"cannot be written as JSON.*plain values"):
        build_feature_set(odd, {"train": train}, problem, SNAPSHOT, {"train": made})


# --- in the registry --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registry(workspace: Workspace, small: FeatureSet) -> Registry:
    registry = Registry(workspace)
    assert registry.feature_sets().empty
    with pytest.raises(RegistryError, match="No feature set of small-quick is logged yet"):
        registry.load_feature_set()
    registry.log_feature_set(small)
    return registry


def files_of(registry: Registry, run: str) -> Path:
    uri = registry.tracking.client.get_run(run).info.artifact_uri
    return Path(uri.removeprefix("file://")) / "feature_set"


def test_a_feature_set_comes_back_as_it_went(registry: Registry, small: FeatureSet) -> None:
    loaded = registry.load_feature_set(small.version)
    assert loaded.version == small.version
    pd.testing.assert_frame_equal(loaded.features, small.features)
    pd.testing.assert_frame_equal(loaded.keys, small.keys)
    pd.testing.assert_frame_equal(loaded.dictionary, small.dictionary)
    assert loaded.recipe == small.recipe
    assert hash_plain(FeatureEngineer(**loaded.recipe).get_params()) == hash_plain(loaded.recipe)
    assert hash_fitted(loaded.engineer) == small.engineer_sha256
    raw = table(50, seed=5)
    pd.testing.assert_frame_equal(loaded.engineer.transform(raw), small.engineer.transform(raw))
    assert registry.load_feature_set().version == small.version
    assert registry.load_feature_set(small.short, engineer=False).engineer is None


def test_the_same_version_is_logged_once(
    registry: Registry, small: FeatureSet, build: Callable[..., FeatureSet]
) -> None:
    run = registry.log_feature_set(build())
    assert registry.log_feature_set(small) == run
    assert registry.feature_sets()["version"].tolist().count(small.version) == 1
    other = build(scaling="robust")
    assert registry.log_feature_set(other) != run
    listed = registry.feature_sets()
    assert listed["version"].tolist()[:2] == [other.version, small.version]
    assert listed.loc[0, ["features", "rows", "snapshot_sha256"]].tolist() == [
        other.features.shape[1],
        460,
        SNAPSHOT,
    ]
    logged = registry.tracking.client.get_run(run).data
    assert logged.params["encoding"] == "auto"
    assert logged.metrics["rows_train"] == 400
    with pytest.raises(RegistryError, match="read without its engineer"):
        registry.log_feature_set(replace(small, engineer=None))


def test_a_run_that_was_cut_off_is_not_found(
    registry: Registry, build: Callable[..., FeatureSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = build(imputation="most_frequent")

    def fail(*_: object) -> str:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(registry.tracking, "upload", fail)
        with pytest.raises(RegistryError, match="disk full"):
            registry.log_feature_set(other)
    with pytest.raises(RegistryError, match="has no feature set"):
        registry.load_feature_set(other.version)
    registry.log_feature_set(other)
    assert registry.load_feature_set(other.version).version == other.version


@pytest.mark.parametrize(
    "name", ["engineer.pkl", "feature_set.json", "features.parquet", "keys.parquet", "manifest.json"]
)
def test_a_changed_file_is_refused_before_it_is_unpickled(
    registry: Registry, small: FeatureSet, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files_of(registry, registry.log_feature_set(small)) / name
    content = path.read_bytes()
    monkeypatch.setattr(pickle, "loads", lambda _: pytest.fail("unpickled"))
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=rf"{name} was changed .*log the feature set again"):
        registry.load_feature_set(small.version)
    path.unlink()
    with pytest.raises(IntegrityError, match=name):
        registry.load_feature_set(small.version)
    path.write_bytes(content)


def test_files_of_another_feature_set_are_refused(
    registry: Registry, small: FeatureSet, build: Callable[..., FeatureSet]
) -> None:
    mine = registry.log_feature_set(small)
    others = registry.log_feature_set(build(imputation="constant"))
    client = registry.tracking.client
    sha = client.get_run(mine).data.tags["manifest_sha256"]
    version = client.get_run(others).data.tags["feature_set_version"]
    client.set_tag(mine, "feature_set_version", version[::-1])
    try:
        with pytest.raises(IntegrityError, match=f"holds something else.*{small.version}"):
            registry.load_feature_set(version[::-1])
    finally:
        client.set_tag(mine, "feature_set_version", small.version)
    assert client.get_run(mine).data.tags["manifest_sha256"] == sha


def test_gone_files_and_unknown_versions_say_what_to_do(registry: Registry, small: FeatureSet) -> None:
    with pytest.raises(RegistryError, match=rf"has no feature set {'0' * 64}\. The newest: "):
        registry.load_feature_set("0" * 64)
    with pytest.raises(RegistryError, match="'latest' is no version"):
        registry.load_feature_set("latest")
    folder = files_of(registry, registry.log_feature_set(small))
    aside = folder.rename(folder.with_name("aside"))
    try:
        with pytest.raises(RegistryError, match=r"are not at .*Restore them"):
            registry.load_feature_set(small.version)
    finally:
        aside.rename(folder)
