"""The registry: what is loaded is what was registered, and every change of the champion is on record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_model import FEATURES, fitted, make_home, registered, table

from ml_utils.errors import IntegrityError, RegistryError
from ml_utils.model import Model
from ml_utils.paths import Workspace
from ml_utils.registry import CandidateRun, Registry
from ml_utils.registry.__main__ import main as command_line
from ml_utils.registry.promotions import Promotion, PromotionLog


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        yield make_home(tmp_path_factory.mktemp("registry"), patch)


@pytest.fixture(scope="module")
def registry(workspace: Workspace) -> Registry:
    registered(workspace)
    return Registry(workspace)


def add(registry: Registry, model: Model | None = None) -> int:
    return registry.register(
        model or fitted(),
        run_id=None,
        metrics={"roc_auc": 0.8},
        snapshot_sha256="cd",
        example=table()[FEATURES],
    )


def test_a_model_comes_back_as_it_went(registry: Registry) -> None:
    loaded = registry.load("champion")
    original = fitted()
    np.testing.assert_array_equal(
        loaded.model.predict_score(table()[FEATURES]), original.predict_score(table()[FEATURES])
    )
    assert (loaded.version, loaded.model.threshold, loaded.model.columns) == (1, 0.25, tuple(FEATURES))
    assert loaded.manifest.snapshot_sha256 == "ab" * 32
    assert set(loaded.manifest.files) == {"pipeline.pkl", "model.json", "compiled.json"}
    assert {"numpy", "pandas", "scikit-learn"} <= set(loaded.manifest.packages)


def test_a_search_is_logged_with_its_candidates(registry: Registry) -> None:
    run = registry.log_search(
        params={"n_trials": 3},
        metrics={"roc_auc": 0.8, "undefined": float("nan")},
        leaderboard=pd.DataFrame({"model": ["a"]}),
        candidates=[CandidateRun("a", {"depth": 2}, {"roc_auc": 0.8}), CandidateRun("b", {}, {})],
        snapshot_sha256="ab",
    )
    client = registry._client
    children = client.search_runs(
        [client.get_run(run).info.experiment_id], f"tags.`mlflow.parentRunId` = '{run}'"
    )
    assert {child.info.run_name for child in children} == {"a", "b"}
    assert client.get_run(run).data.metrics == {"roc_auc": 0.8}
    assert registry.register(
        fitted(), run_id=run, metrics={}, snapshot_sha256="ab", example=table()[FEATURES]
    ) == registry.alias("challenger")


def test_promotion_and_rollback_are_on_record(registry: Registry) -> None:
    first = registry.alias("champion")
    assert first is not None
    second = add(registry)
    before = len(registry.history())
    registry.promote(second, reason="better", who="test", metrics={"roc_auc": 0.81})
    registry.promote(second, reason="once more")
    assert registry.alias("champion") == second
    assert registry.rollback(reason="worse in production") == first
    assert registry.load("champion").version == first
    history = registry.history()
    assert len(history) == before + 2
    assert history["action"].tolist()[-2:] == ["promote", "rollback"]
    assert history.iloc[-2][["who", "from_version", "to_version"]].tolist() == ["test", first, second]
    assert history.iloc[-2]["metrics"] == {"roc_auc": 0.81}
    assert registry.verify_history() == len(history)
    with pytest.raises(RegistryError, match="no champion to go back to"):
        registry.rollback(reason="once more")


def test_a_retired_version_never_comes_back(registry: Registry) -> None:
    champion = registry.alias("champion")
    assert champion is not None
    middle, last = add(registry), add(registry)
    assert registry.alias("challenger") == last
    registry.promote(middle, reason="for a while")
    registry.promote(last, reason="better still")
    with pytest.raises(RegistryError, match=f"version {last} is the champion; promote another or roll back"):
        registry.retire(last, reason="no")
    registry.retire(middle, reason="trained on the wrong target", who="test")
    registry.retire(middle, reason="said twice, logged once")
    assert registry.history().iloc[-1][["action", "from_version", "reason"]].tolist() == [
        "retire",
        middle,
        "trained on the wrong target",
    ]
    assert registry.versions().set_index("version").loc[middle, "state"] == "retired"
    with pytest.raises(RegistryError, match=f"version {middle} is retired"):
        registry.promote(middle, reason="no")
    assert registry.rollback(reason="the one before, but not the retired one") == champion
    registry.retire(last, reason="and this one too")
    assert registry.alias("challenger") is None
    assert registry.load(middle).version == middle  # its files stay, to be looked at
    assert registry.verify_history() == len(registry.history())


def test_the_command_line_lists_promotes_and_goes_back(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--problem", "small", "--profile", "quick"]
    champion, other = registry.alias("champion"), add(registry)
    assert command_line(["promote", str(other), "--reason", "by hand", "--who", "ada", *where]) == 0
    assert command_line(["list", *where]) == 0
    assert "champion" in capsys.readouterr().out
    assert command_line(["rollback", "--reason", "back", *where]) == 0
    assert registry.alias("champion") == champion
    assert command_line(["retire", str(other), "--reason", "not wanted", *where]) == 0
    assert command_line(["history", *where]) == 0
    shown = capsys.readouterr().out
    assert "ada" in shown
    assert "by hand" in shown
    assert command_line(["verify", *where]) == 0
    assert "As they were written: " in capsys.readouterr().out
    assert command_line(["promote", "999", "--reason", "x", *where]) == 1
    assert "no version or alias 999" in capsys.readouterr().err
    assert command_line(["promote", str(champion), "--reason", " ", *where]) == 1
    assert "--reason is empty" in capsys.readouterr().err


def test_versions_lists_what_there_is(registry: Registry) -> None:
    versions = registry.versions()
    assert versions["version"].is_monotonic_increasing
    assert "champion" in versions.set_index("version").loc[registry.alias("champion"), "aliases"]
    assert versions.iloc[0]["metrics"] == {"roc_auc": 0.8}


@pytest.mark.parametrize("which", ["champoin", 99, "99"])
def test_an_unknown_version_is_refused_with_those_known(registry: Registry, which: str | int) -> None:
    with pytest.raises(RegistryError, match=r"no version or alias .*Known: .*champion"):
        registry.load(which)


def test_an_empty_registry_says_what_to_run(workspace: Workspace) -> None:
    empty = Registry(Workspace("nothing", "full", workspace.root))
    assert empty.alias("champion") is None
    assert empty.versions().empty
    assert empty.history().empty
    with pytest.raises(RegistryError, match=r"no model nothing yet.*make report"):
        empty.load("champion")


def test_a_version_without_promotion_is_no_champion(workspace: Workspace) -> None:
    fresh = Registry(Workspace("fresh", "full", workspace.root))
    add(fresh)
    with pytest.raises(RegistryError, match="no champion yet"):
        fresh.load("champion")


@pytest.mark.parametrize("name", ["pipeline.pkl", "model.json", "manifest.json"])
def test_a_changed_file_is_refused_before_it_is_unpickled(registry: Registry, name: str) -> None:
    version = add(registry)
    source = Path(
        registry._client.get_model_version(registry.name, str(version)).source.removeprefix("file://")
    )
    path = source / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=f"{name} was changed"):
        registry.load(version)
    with pytest.raises(IntegrityError, match=f"{name} was changed"):
        registry.files(version)
    path.unlink()
    with pytest.raises(IntegrityError, match=name):
        registry.load(version)


def test_a_file_that_was_added_is_not_handed_out(registry: Registry) -> None:
    version = add(registry)
    source = registry._client.get_model_version(registry.name, str(version)).source.removeprefix("file://")
    (Path(source) / "trees-0.onnx").write_bytes(b"of another model")
    assert set(registry.files(version).files) - {"MLmodel", "requirements.txt"} == {
        "manifest.json",
        *registry.load(version).manifest.files,
    }


def test_a_pipeline_of_local_classes_is_refused(registry: Registry) -> None:
    class Local:
        pass

    model = Model(Local(), "binary", tuple(FEATURES), "local", 0.5)  # type: ignore[arg-type]
    with pytest.raises(RegistryError, match=r"cannot be written to a file.*in a module"):
        add(registry, model)


def test_an_example_without_the_columns_is_refused(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="lacks the model's columns tenure"):
        registry.register(
            fitted(), run_id=None, metrics={}, snapshot_sha256="", example=table()[FEATURES[1:]]
        )


def test_an_unreachable_server_is_said_at_once_without_its_password(workspace: Workspace) -> None:
    with pytest.raises(RegistryError, match="cannot be reached") as caught:
        Registry(workspace, "http://me:secret@127.0.0.1:9").check()
    assert "secret" not in str(caught.value)


def test_the_environment_names_the_server(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match=r"http://127.0.0.1:9 cannot be reached"):
        Registry(workspace).check()


def test_a_damaged_store_is_an_error_of_ours(workspace: Workspace, tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_text("no database at all " * 100)
    with pytest.raises(RegistryError, match=r"cannot be used: .*not a database"):
        Registry(workspace, f"sqlite:///{broken}").check()


@pytest.mark.full
def test_two_processes_may_make_the_store_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_home(tmp_path, monkeypatch)
    code = (
        "from pathlib import Path\nimport pandas as pd\n"
        "from ml_utils.paths import Workspace\nfrom ml_utils.registry import Registry\n"
        f"registry = Registry(Workspace('small', 'quick', Path({str(tmp_path)!r})))\n"
        "registry.log_search(params={}, metrics={}, leaderboard=pd.DataFrame(), candidates=[], "
        "snapshot_sha256='')\n"
    )
    root = str(Path(__file__).resolve().parents[1])
    started = [
        subprocess.Popen([sys.executable, "-c", code], cwd=root, stderr=subprocess.PIPE) for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert "INFO" not in "".join(said)
    assert sorted(path.name for path in (tmp_path / "data" / "mlflow").glob("*.db*")) == ["mlflow.db"]


def entry(to: int, before: int | None = None, action: str = "promote") -> Promotion:
    return Promotion("2026-01-01T00:00:00+00:00", "test", action, before, to, "why")  # type: ignore[arg-type]


def test_the_log_shows_tampering(tmp_path: Path) -> None:
    log = PromotionLog(tmp_path / "log.jsonl")
    log.append(entry(1))
    log.append(entry(2, 1))
    log.append(entry(3, 2))
    assert len(log.lines()) == 3
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(lines[0].replace(b"why", b"wht") + lines[1] + lines[2])
    with pytest.raises(IntegrityError, match="line 2"):
        log.lines()
    with pytest.raises(IntegrityError, match="line 2"):
        log.append(entry(4, 3))
    log.path.write_bytes(lines[0] + lines[2])
    with pytest.raises(IntegrityError, match="line 2"):
        log.entries()
    with pytest.raises(IntegrityError, match="line 1"):
        PromotionLog(tmp_path / "other.jsonl").extend([lines[1].rstrip()])


def test_a_line_torn_off_by_a_crash_is_no_entry(tmp_path: Path) -> None:
    log = PromotionLog(tmp_path / "log.jsonl")
    log.append(entry(1))
    with log.path.open("ab") as handle:
        handle.write(b'{"when": "2026')
    log.append(entry(2, 1))
    assert [item.to_version for item in log.entries()] == [1, 2]
    assert json.loads(log.path.read_text().splitlines()[-1])["to_version"] == 2


@pytest.mark.parametrize(
    ("entries", "champions"),
    [
        ([entry(1), entry(2, 1), entry(3, 2)], [1, 2, 3]),
        ([entry(1), entry(2, 1), entry(1, 2, "rollback")], [1]),
        ([entry(1), entry(2, 1), entry(1, 2, "rollback"), entry(3, 1)], [1, 3]),
        ([entry(5, 4)], [4, 5]),  # 4 was made champion by other hands
        ([entry(1), entry(2, 1), entry(3, 2), entry(4, 2)], [1, 2, 4]),  # 3 was never made, or undone
    ],
)
def test_the_log_knows_the_champions_to_go_back_to(
    tmp_path: Path, entries: list[Promotion], champions: list[int]
) -> None:
    log = PromotionLog(tmp_path / "log.jsonl")
    for item in entries:
        log.append(item)
    assert log.champions() == champions


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory):
    """A registry of its own with versions 1 to 4, of which 1 and then 2 were champion."""
    with pytest.MonkeyPatch.context() as patch:
        own = Registry(make_home(tmp_path_factory.mktemp("apart"), patch))
        for version in (1, 2, 3, 4):
            assert add(own) == version
        for version in (1, 2):
            own.promote(version, reason="better")
        yield own


@pytest.fixture
def champion_2(apart: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("OCTAVO_HOME", str(apart.log.path.parents[3]))
    apart.promote(2, reason="as it was")
    assert (apart.alias("champion"), apart.unlogged()) == (2, "")
    return apart


def cut(registry: Registry, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promote, but be killed once the line is written."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registry.tracking.client, "set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.promote(version, reason="killed")


def test_a_promotion_cut_short_is_said_and_never_gone_back_to(
    champion_2: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(champion_2, 3, monkeypatch)
    assert "champion is version 2. The last entry of the log was never confirmed" in champion_2.unlogged()
    assert champion_2.rollback(reason="whatever 3 was to be") == 1
    assert champion_2.unlogged() == ""
    cut(champion_2, 3, monkeypatch)
    champion_2.promote(3, reason="once more")
    assert (champion_2.unlogged(), champion_2.rollback(reason="no")) == ("", 1)


def test_a_champion_made_by_other_hands_is_said(
    champion_2: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    champion_2.tracking.client.set_registered_model_alias(champion_2.name, "champion", "3")
    options = ["--problem", "small", "--profile", "quick"]
    assert command_line(["verify", *options]) == 1
    assert "champion is version 3, by the log it is version 2" in capsys.readouterr().err
    assert command_line(["history", *options]) == 0
    assert "moved by other hands. Promote the version" in capsys.readouterr().out
    assert command_line(["promote", "3", "--reason", "3 was made by hand", *options]) == 0
    assert command_line(["verify", *options]) == 0
    assert champion_2.rollback(reason="back to the logged one") == 2


def test_lines_that_are_gone_come_back_from_the_registry(champion_2: Registry) -> None:
    path, n = champion_2.log.path, champion_2.verify_history()
    whole = path.read_bytes()
    path.unlink()
    champion_2.promote(3, reason="of a log that somebody deleted")
    assert champion_2.verify_history() == n + 1
    assert path.read_bytes().startswith(whole)
    path.write_bytes(whole[:-20])
    assert champion_2.verify_history() == n + 1
    *first, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join(first) + last.replace(b"deleted", b"mislaid")
    )  # the last: no line after it shows it
    with pytest.raises(IntegrityError, match=f"line {n + 1}: differs from what the registry keeps"):
        champion_2.promote(2, reason="no")
    path.write_bytes(b"".join([*first, last]))
    champion_2.log.append(entry(4, 3))  # a line made up
    assert "never confirmed" in champion_2.unlogged()


def test_a_line_that_came_to_the_registry_in_part_is_none(champion_2: Registry) -> None:
    tracking, log = champion_2.tracking, champion_2.log
    add(champion_2)
    sent: list[tuple[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tracking.client, "set_registered_model_tag", lambda _, key, value: sent.append((key, value))
        )
        champion_2.promote(3, reason="long " * 2_000)  # in three pieces
    pieces = [item for item in sent if item[0].startswith("promotion_log.")]
    assert len(pieces) == 3
    for key, value in pieces[:-1]:  # then the process was killed
        tracking.client.set_registered_model_tag(champion_2.name, key, value)
    assert "never confirmed" in champion_2.unlogged()
    champion_2.promote(2, reason="the old one")
    assert champion_2.unlogged() == ""
    log.path.unlink()
    assert champion_2.history()["to_version"].tolist()[-2:] == [3, 2]


def test_a_deleted_version_is_not_gone_back_to(champion_2: Registry) -> None:
    deleted = add(champion_2)
    champion_2.promote(deleted, reason="better")
    champion_2.promote(4, reason="better still")
    champion_2.tracking.client.delete_model_version(champion_2.name, str(deleted))
    assert champion_2.rollback(reason="worse") == 2


def test_machines_with_one_server_have_one_log(
    champion_2: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCTAVO_HOME", str(tmp_path))
    other = Registry(Workspace("small", "quick", tmp_path), champion_2.tracking_uri)
    assert other.log.path != champion_2.log.path
    other.promote(3, reason="from elsewhere, " + "and for a long reason " * 400)
    champion_2.promote(4, reason="from here")
    assert other.rollback(reason="from elsewhere") == 3
    assert champion_2.history().equals(other.history())
    assert (champion_2.unlogged(), other.unlogged()) == ("", "")


@pytest.mark.full
def test_two_processes_may_promote_at_once(champion_2: Registry) -> None:
    code = (
        "from ml_utils.paths import Workspace, project_root; from ml_utils.registry import Registry\n"
        "import sys; registry = Registry(Workspace('small', 'quick', project_root()))\n"
        "for i in range(4): registry.promote(int(sys.argv[1 + i % 2]), reason='at once')"
    )
    n = champion_2.verify_history()
    pairs = (("1", "3"), ("4", "2"))  # whoever is first, none promotes the present champion
    started = [subprocess.Popen([sys.executable, "-c", code, *pair]) for pair in pairs]
    assert [process.wait(120) for process in started] == [0, 0]
    assert champion_2.verify_history() == n + 8
    assert champion_2.unlogged() == ""


@pytest.mark.full
def test_a_real_server_keeps_models_too(workspace: Workspace, tmp_path: Path) -> None:
    port = 5091
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        remote = Registry(Workspace("remote", "full", workspace.root), f"http://127.0.0.1:{port}")
        assert eventually(remote)
        version = add(remote)
        remote.promote(version, reason="first")
        X = table()[FEATURES]
        loaded = remote.load("champion").model
        np.testing.assert_array_equal(loaded.predict_score(X), fitted().predict_score(X))
        assert remote.verify_history() == 1
    finally:
        server.terminate()
        server.wait(30)


def eventually(registry: Registry) -> bool:
    """Whether the registry answers within a minute."""
    for _ in range(120):
        try:
            registry.check()
        except RegistryError:
            time.sleep(0.5)
        else:
            return True
    return False
