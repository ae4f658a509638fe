"""Publishing to Feast: what its stores answer is what our feature set holds, as of then and never later."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_utils import data
from ml_utils.data.sources import read_source
from ml_utils.errors import DataError, FeatureStoreError
from ml_utils.feature_store import publish
from ml_utils.feature_store.__main__ import main
from ml_utils.feature_store.definitions import describe
from ml_utils.features import FeatureEngineer
from ml_utils.features.feature_set import FeatureSet, build_feature_set
from ml_utils.files import to_json, write_text
from ml_utils.paths import Workspace
from ml_utils.problem import Problem, load_problem
from ml_utils.registry import Registry

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv-feast"  # kept from run to run


def feature_set_of(problem: Problem, frame: pd.DataFrame) -> FeatureSet:
    """What notebook 01 makes of a table."""
    splits = data.split_frame(frame, problem)
    X, y = data.features_and_target(splits["train"], problem)
    engineer = FeatureEngineer(encoding="target")
    return build_feature_set(engineer, splits, problem, "ab" * 32, {"train": engineer.fit_transform(X, y)})


@pytest.fixture
def small(problem: Problem, customers: pd.DataFrame) -> FeatureSet:
    return feature_set_of(problem, customers)


def test_feast_is_told_names_types_and_meanings(small: FeatureSet) -> None:
    about = describe(small, "mine-quick")
    assert (about["project"], about["view"], about["time"]) == ("mine_quick", "mine", "event_timestamp")
    assert about["entity"] == {"name": "customer", "type": "STRING"}
    assert about["version"] == small.version
    told = {item["name"]: item for item in about["features"]}
    assert list(told) == list(small.features.columns)
    assert told["tenure"]["type"] == "Float64"
    assert told["tenure"]["description"].startswith("tenure as it came (")
    assert told["plan"]["tags"] == {"source": "plan", "kind": "target mean"}


def test_what_feast_cannot_hold_is_refused(small: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no `id`, and Feast looks features up by one"):
        describe(replace(small, entity=None), "mine")
    taken = small.features.rename(columns={"tenure": "event_timestamp"})
    with pytest.raises(DataError, match="Feast keeps the name event_timestamp"):
        describe(replace(small, features=taken), "mine")
    empty = small.keys.assign(customer=small.keys["customer"].where(small.keys.index > 1))
    with pytest.raises(DataError, match="customer is empty in 2 rows"):
        publish(replace(small, keys=empty), tmp_path / "feast")


def test_a_version_that_is_there_is_left_alone(small: FeatureSet, tmp_path: Path) -> None:
    folder = tmp_path / "feast"
    write_text(folder / "feature_set.json", to_json(describe(small, "mine")))
    write_text(folder / "online_store.db", "")
    there = publish(small, folder)
    assert not there.new
    assert (there.entities, there.rows) == (600, 600)
    assert there.service == f"mine_{small.short}"


def test_a_folder_of_someone_else_is_left_alone(small: FeatureSet, tmp_path: Path) -> None:
    write_text(tmp_path / "feast" / "precious.txt", "mine")
    with pytest.raises(FeatureStoreError, match="was not published here"):
        publish(small, tmp_path / "feast")


def test_without_feast_the_command_says_how_to_get_it(
    small: FeatureSet,
    problem: Problem,
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["publish", "--problem", str(problem.folder / "mine.yaml"), "--profile", "test"]
    assert main(command) == 1
    assert "No feature set of mine-test is logged yet" in capsys.readouterr().err
    Registry(workspace).log_feature_set(small)
    monkeypatch.setitem(sys.modules, "feast", None)
    assert main(command) == 1
    assert "pip install '.[feast]'" in capsys.readouterr().err
    assert not (workspace.root / "data" / "feast").exists()


# --- the real Feast, in an environment of its own ---------------------------------------------------------


@pytest.fixture(scope="module")
def feast_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which `pip install .[feast]` was done."""
    python = ENVIRONMENT / "bin" / "python"
    uv = shutil.which("uv")
    if not python.exists():
        make = [uv, "venv", "-q", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        subprocess.run([*make, str(ENVIRONMENT)], check=True)
    copy = tmp_path_factory.mktemp("source")  # building leaves files beside what it builds
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, copy / name)
    shutil.copytree(ROOT / "ml_utils", copy / "ml_utils", ignore=shutil.ignore_patterns("__pycache__"))
    install = (
        [uv, "pip", "install", "-q", "--python", str(python), "--reinstall-package", "octavo"]
        if uv
        else [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    )
    done = subprocess.run(
        [*install, f"{copy}[feast]"], capture_output=True, text=True, check=False, timeout=900
    )
    said = done.stdout + done.stderr
    if done.returncode != 0 and any(word in said for word in ("No solution found", "ResolutionImpossible")):
        pytest.fail(f"the extra does not resolve: {said[-3000:]}")
    if done.returncode != 0:
        pytest.skip(f"Feast's environment cannot be installed here: {said[-300:]}")
    return python


def ask(python: Path, *words: object, home: Path) -> str:
    """Run something in Feast's environment, with the package that was installed there."""
    left_out = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "OCTAVO_HOME", "MLFLOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    done = subprocess.run(
        [str(python), *map(str, words)],
        cwd=home,
        env={**kept, "OCTAVO_HOME": str(home), "FEAST_USAGE": "False"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def retrieve(python: Path, repository: Path, wanted: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Ask Feast for the history and the online rows of the wanted keys and times."""
    folder = repository.parent
    entities, history, online = (folder / f"{name}.parquet" for name in ("entities", "history", "online"))
    wanted.to_parquet(entities, index=False)
    script = Path(__file__).with_name("feast_retrieval.py")
    said = ask(python, script, repository, entities, history, online, home=folder)
    return pd.read_parquet(history), pd.read_parquet(online), said


def published(python: Path, project: Path, problem: Problem, features: FeatureSet, name: str) -> Path:
    """Log a feature set, and publish it by the command."""
    workspace = Workspace(problem.name, "quick", project)
    Registry(workspace).log_feature_set(features)
    command = ["-m", "ml_utils.feature_store", "publish", "--problem", name, "--profile", "quick"]
    said = ask(python, *command, home=project)
    assert features.version in said
    return project / "data" / "feast" / workspace.name


def in_order(frame: pd.DataFrame, by: list[str], columns: list[str]) -> pd.DataFrame:
    """Rows in one order, text and times of one kind, so that two libraries' frames can be compared."""
    kinds = {name: "datetime64[us, UTC]" if name == "event_timestamp" else "str" for name in by}
    tidy = frame.astype(kinds)
    return tidy.sort_values(by)[[*by, *columns]].reset_index(drop=True)


@pytest.mark.full
def test_feast_answers_what_our_features_were_then_and_are_now(feast_python: Path, project: Path) -> None:
    problem = load_problem("churn")
    frame = data.check_table(read_source(problem, 500, 42).frame, problem)
    ours = feature_set_of(problem, frame)
    repository = published(feast_python, project, problem, ours, "churn")

    names = list(ours.features.columns)
    every = pd.concat([ours.keys, ours.features], axis=1).drop(columns="split")
    every = every.rename(columns={"snapshot_date": "event_timestamp"})
    every["event_timestamp"] = every["event_timestamp"].dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    train = every[(ours.keys["split"] == "train").to_numpy()]
    rng = np.random.default_rng(3)
    between = every.sample(300, random_state=1)[["customer_id", "event_timestamp"]]
    between["event_timestamp"] += pd.to_timedelta(rng.integers(-40 * 86400, 40 * 86400, 300), unit="s")
    just_before = every.sample(50, random_state=2)[["customer_id", "event_timestamp"]]
    just_before["event_timestamp"] -= pd.Timedelta("1us")
    keys = train[["customer_id", "event_timestamp"]]
    wanted = pd.concat([keys, between, just_before]).drop_duplicates()
    history, online, said = retrieve(feast_python, repository, wanted)

    by = ["customer_id", "event_timestamp"]
    got = in_order(history, by, names)
    # A training set: for its keys and dates, exactly the rows that a model is trained on.
    there = got.merge(in_order(train, by, []), on=by)
    pd.testing.assert_frame_equal(there, in_order(train, by, names), check_exact=True)
    # Any time: the last row before it. Before a customer's first row Feast answers nothing.
    then = pd.merge_asof(
        wanted.sort_values("event_timestamp"),
        every.assign(known=True).sort_values("event_timestamp"),
        on="event_timestamp",
        by="customer_id",
    )
    expected = then[then["known"].notna()]
    assert 0 < len(expected) < len(wanted)
    pd.testing.assert_frame_equal(got, in_order(expected, by, names), check_exact=True)
    # Online: each customer's latest row.
    latest = every.sort_values("event_timestamp").groupby("customer_id").tail(1)
    latest = latest[latest["customer_id"].isin(wanted["customer_id"])]
    pd.testing.assert_frame_equal(
        in_order(online, ["customer_id"], names), in_order(latest, ["customer_id"], names), check_exact=True
    )
    meaning = ours.dictionary.set_index("feature").loc[names[0], "meaning"]
    version, n_fields, first, kind, description = said.strip().splitlines()[-5:]
    assert (version, int(n_fields), first, kind) == (ours.version, len(names), names[0], "Float64")
    assert description.startswith(meaning)


@pytest.mark.full
def test_a_table_without_time_is_known_since_ever(
    feast_python: Path, project: Path, problem: Problem, customers: pd.DataFrame
) -> None:
    whole = customers.assign(customer=np.arange(600) + 10_000)
    ours = feature_set_of(problem, whole)
    repository = published(feast_python, project, problem, ours, str(project / "mine.yaml"))
    times = pd.Series(pd.Timestamp("2026-01-01", tz="UTC"), ours.keys.index).astype("datetime64[us, UTC]")
    wanted = pd.DataFrame({"customer": ours.keys["customer"], "event_timestamp": times}).head(200)
    stranger = pd.DataFrame({"customer": [1], "event_timestamp": times[:1]})
    history, online, _ = retrieve(feast_python, repository, pd.concat([wanted, stranger]))

    names = list(ours.features.columns)
    expected = pd.concat([ours.keys, ours.features], axis=1).head(200)
    for answer in (history, online):
        known = answer[answer["customer"] != 1]
        pd.testing.assert_frame_equal(
            in_order(known, ["customer"], names).astype(dict.fromkeys(names, float)),
            in_order(expected, ["customer"], names),
            check_exact=True,
        )
        assert answer.loc[answer["customer"] == 1, names].isna().all(axis=None)
