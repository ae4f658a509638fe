"""README.md and its kin name only what exists; the environment files agree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/deployment.md", "deploy/README.md"),
    *("data/README.md", "reports/README.md", "benchmarks/README.md"),
]
MADE = ("reports/", "data/raw", "data/processed", "data/results", "data/mlflow", "data/public", ".venv")
WRITTEN_IN_DATA = (
    "raw/",
    "rules/",
    "scoring/",
    "feast/",
    "processed/",
    "results/",
    "mlflow/",
    "public/",
    "inputs/",
)


def targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text()))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set()
    for words in re.findall(
        r"\bmake ((?:[a-z][a-z-]+ ?)+)", "\n".join(re.findall(r"`[^`]+`|```.*?```", text, re.S))
    ):
        named |= {word for word in words.split() if word}
    assert named <= targets(), f"{document} names {named - targets()}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    folder = (ROOT / document).parent
    paths = set(re.findall(r"\]\((?!https?:|#)([^)#]+)", text))
    paths |= set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|yaml|yml|toml|lock))`", text))
    for path in paths:
        if document == "data/README.md" and path.startswith(WRITTEN_IN_DATA):
            continue
        if path.startswith(MADE) or "<" in path or path.startswith("../"):
            continue
        assert (folder / path).exists() or (ROOT / path).exists(), f"{document} names {path}"


def test_make_alone_lists_its_targets() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("report", "test", "lab", "mlflow", "serve", "clean"):
        assert re.search(rf"(?m)^{target}\s+\S", said)


def test_a_problem_file_may_lie_in_a_folder_with_spaces_in_its_name() -> None:
    words = ["make", "-n", "-o", ".venv/.ready", "serve", "PROBLEM=my folder/mine.yaml"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""  # no rule for reports/my
    assert "--problem 'my folder/mine.yaml'" in done.stdout


def test_the_lock_pins_every_dependency_with_hashes_and_no_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[A-Za-z0-9_.-]+", item).group().lower() for item in wanted}  # type: ignore[union-attr]
    lock = (ROOT / "requirements.lock").read_text()
    pinned = set(re.findall(r"(?m)^([A-Za-z0-9_.-]+)==", lock))
    assert names <= {name.lower() for name in pinned} | {"types-pyyaml"}
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9_.-]+==)", lock)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in lock


def test_the_lock_holds_the_versions_that_pyproject_allows() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(item) for item in project["dependencies"]]
    wanted += [Requirement(item) for item in project["optional-dependencies"]["dev"]]
    lock = (ROOT / "requirements.lock").read_text()
    for requirement in wanted:
        for version in re.findall(rf"(?mi)^{re.escape(requirement.name)}==([^ \\]+)", lock):
            assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_environment_yml_is_the_lock() -> None:
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [item for item in content["dependencies"] if isinstance(item, str)]
    pip = next(item["pip"] for item in content["dependencies"] if isinstance(item, dict))
    minimum = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert "python=" + minimum.removeprefix(">=") in plain
    assert pip == ["-r requirements.lock"]


def test_the_installed_versions_are_the_locks() -> None:
    from importlib.metadata import version

    lock = (ROOT / "requirements.lock").read_text()
    for name in ("pandas", "scikit-learn", "mlflow", "lightgbm"):
        assert re.search(rf"(?m)^{name}=={re.escape(version(name))}\b", lock)


@pytest.mark.full
def test_the_readmes_code_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) == 1
    names: dict[str, object] = {}
    exec(blocks[0], names)
    assert names["trained"].leaderboard_["mean"].iloc[0] > 0.8  # type: ignore[attr-defined]


@pytest.mark.full
def test_the_readmes_own_table_runs(tmp_path: Path) -> None:
    """The problem file in the README is a valid one."""
    from ml_utils.problem import load_problem

    block = next(b for b in re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.S))
    path = tmp_path / "mine.yaml"
    path.write_text(block)
    assert load_problem(path).target == "Churn"
