"""The runner and the Makefile: what is rebuilt when, and how a failure ends.

The project here is a real one, with the real Makefile and package; only its eight notebooks are small.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from project_copy import MAKE, environment

from ml_utils.paths import NOTEBOOKS
from ml_utils.runner import main

PARAMETERS = {
    "06-ab-testing": {"alpha": 0.05},
    "05-model-monitoring": {"broken": False, "pause": 0.0},
}
READS = {
    "02-model-training": ["01-feature-engineering"],
    "03-model-evaluation": ["02-model-training"],
    "04-model-deployment": ["03-model-evaluation"],
    "05-model-monitoring": ["03-model-evaluation"],
    "06-ab-testing": ["03-model-evaluation"],
    "07-automated-retraining": ["05-model-monitoring"],
    "08-production-ml-pipeline": ["04-model-deployment", "06-ab-testing", "07-automated-retraining"],
}


def small_notebook(name: str) -> nbformat.NotebookNode:
    own = PARAMETERS.get(name, {})
    cell = nbformat.v4.new_code_cell(
        'problem: str = "churn"\nprofile: str = "quick"\nseed: int = 42\n'
        + "".join(f"{key}: {type(value).__name__} = {value!r}\n" for key, value in own.items())
    )
    cell.metadata["tags"] = ["parameters"]
    lines = [
        "import time",
        "from ml_utils import open_run",
        f"run = open_run({name!r}, problem, profile)",
        f"read = [run.results(earlier) for earlier in {READS.get(name, [])!r}]",
    ]
    if name == "01-feature-engineering":
        lines += [
            "from ml_utils.data.sources import read_source",
            "rows = len(read_source(run.problem).frame)",
            "found = {'origin': 'table', 'snapshot': {'sha256': '0' * 64}, 'rows': rows, 'seed': seed}",
        ]
    else:
        lines += ["found = {'read': len(read)}"]
    if name == "06-ab-testing":
        lines += ["found['alpha'] = alpha"]
    if name == "05-model-monitoring":
        lines += ["time.sleep(pause)", "assert not broken, 'as it was told to'"]
    record = "run.record(['A.', 'B.', 'C.'], {'rows': '1'}, found)"
    cells = [
        nbformat.v4.new_markdown_cell(f"# What does {name} say?"),
        cell,
        nbformat.v4.new_markdown_cell("## A step"),
        nbformat.v4.new_code_cell("\n".join(lines)),
        nbformat.v4.new_code_cell(record),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def small_project(folder: Path) -> Path:
    for name in ("Makefile", "requirements.lock"):
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(ROOT / "ml_utils", folder / "ml_utils", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "notebooks").mkdir()
    for name in NOTEBOOKS:
        nbformat.write(small_notebook(name), folder / "notebooks" / f"{name}.ipynb")
    params = {"seed": 1, **{k: v for own in PARAMETERS.values() for k, v in own.items()}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    pd.DataFrame({"y": [0, 1, 0, 1], "x": range(4)}).to_csv(folder / "table.csv", index=False)
    problem = {
        "title": "T",
        "task": "binary",
        "source": {"kind": "csv", "path": "table.csv"},
        "target": "y",
        "positive": 1,
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(problem))
    return folder


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MAKE, "report", "PROBLEM=mine.yaml", *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def built(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("==> ") and " on mine" in line]
    return sorted(line.split()[1] for line in lines)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_project(tmp_path)


def inputs(folder: Path, notebook: str) -> Path:
    return folder / "data" / "results" / "mine" / "inputs" / f"{notebook}.json"


def test_only_the_notebook_that_declares_a_parameter_depends_on_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCTAVO_HOME", str(folder))
    call = ["inputs", "--problem", str(folder / "mine.yaml")]
    assert main(call) == 0
    before = {name: inputs(folder, name).stat().st_mtime_ns for name in NOTEBOOKS}
    assert main([*call, "-p", "alpha", "0.1"]) == 0
    changed = [n for n in NOTEBOOKS if inputs(folder, n).stat().st_mtime_ns != before[n]]
    assert changed == ["06-ab-testing"]


def test_each_kind_of_change_reaches_the_pages_it_should(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCTAVO_HOME", str(folder))
    call = ["inputs", "--problem", str(folder / "mine.yaml")]

    def after(change: object) -> list[str]:
        main(call)
        before = {name: inputs(folder, name).read_text() for name in NOTEBOOKS}
        change()  # type: ignore[operator]
        main(call)
        return [name[:2] for name in NOTEBOOKS if inputs(folder, name).read_text() != before[name]]

    def edit(path: Path, text: str) -> object:
        return lambda: path.write_text(path.read_text() + text)

    everything = [name[:2] for name in NOTEBOOKS]
    assert after(lambda: (folder / "ml_utils" / "wording.py").touch()) == []
    assert after(edit(folder / "ml_utils" / "wording.py", "# changed\n")) == everything
    assert after(edit(folder / "mine.yaml", "entity: people\n")) == everything
    assert after(edit(folder / "table.csv", "1,9\n")) == ["01"]

    def change_notebook() -> None:
        path = folder / "notebooks" / "04-model-deployment.ipynb"
        content = nbformat.read(path, 4)
        content.cells[3].source += "\n# changed"
        nbformat.write(content, path)

    assert after(change_notebook) == ["04"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "alhpa", "0.1"], "unknown parameter 'alhpa'. Did you mean 'alpha'? Known: alpha, broken"),
        (["-p", "alpha", "high"], "alpha must be float (like 0.05); got 'high'"),
        (["-p", "problem", "churn"], "problem is set by `make report PROBLEM=…`"),
    ],
)
def test_a_wrong_parameter_ends_before_anything_runs(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("OCTAVO_HOME", str(folder))
    assert main(["inputs", "--problem", str(folder / "mine.yaml"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (folder / "data").exists()


def test_an_unknown_problem_or_a_missing_notebook(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("OCTAVO_HOME", str(folder))
    assert main(["inputs", "--problem", "nope"]) == 2
    (folder / "notebooks" / f"{NOTEBOOKS[3]}.ipynb").unlink()
    assert main(["inputs", "--problem", str(folder / "mine.yaml")]) == 2
    assert "notebooks/ lacks 04-model-deployment.ipynb" in capsys.readouterr().err


@pytest.mark.full
def test_a_report_is_built_once_and_rebuilt_where_something_changed(folder: Path) -> None:
    assert built(make(folder)) == sorted(NOTEBOOKS)
    pages = sorted(path.name for path in (folder / "reports" / "mine").glob("*.html"))
    assert pages == [*(f"{name}.html" for name in NOTEBOOKS), "index.html"]
    assert built(make(folder)) == []
    # 08 reads what 06 found; nothing else does
    assert built(make(folder, "PARAMS=-p alpha 0.1")) == ["06-ab-testing", "08-production-ml-pipeline"]
    assert built(make(folder, "PARAMS=-p alpha 0.1")) == []
    # 01 finds other rows; 02 and 03 read that, and find what they found before: nothing further is rebuilt
    with (folder / "table.csv").open("a") as table:
        table.write("1,9\n")
    done = make(folder, "PARAMS=-p alpha 0.1")
    assert built(done) == ["01-feature-engineering", "02-model-training", "03-model-evaluation"]
    assert "changed: source" in done.stdout


@pytest.mark.full
def test_a_failure_names_the_cell_and_the_next_call_goes_on(folder: Path) -> None:
    done = make(folder, "PARAMS=-p broken true")
    assert done.returncode != 0
    assert "05-model-monitoring failed in code cell" in done.stderr
    assert "AssertionError: as it was told to" in done.stderr
    assert "reports/mine/executed/05-model-monitoring.ipynb" in done.stderr
    assert (folder / "reports/mine/executed/05-model-monitoring.ipynb").is_file()
    assert not (folder / "reports/mine/05-model-monitoring.html").exists()
    assert not (folder / "reports/mine/index.html").exists()
    rest = built(make(folder))
    assert "01-feature-engineering" not in rest
    assert {"05-model-monitoring", "07-automated-retraining", "08-production-ml-pipeline"} <= set(rest)


@pytest.mark.full
def test_a_run_killed_in_the_middle_leaves_nothing_half_written(folder: Path) -> None:
    running = subprocess.Popen(
        [*MAKE, "report", "PROBLEM=mine.yaml", "PARAMS=-p pause 600"],
        cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    executed = folder / "reports" / "mine" / "executed" / "05-model-monitoring.ipynb"
    deadline = time.monotonic() + 120
    while not executed.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert executed.exists()
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    for path in (folder / "data" / "results" / "mine").glob("*.json"):
        json.loads(path.read_text())
    assert not (folder / "reports/mine/05-model-monitoring.html").exists()
    rest = built(make(folder))
    assert "05-model-monitoring" in rest
    assert "01-feature-engineering" not in rest
    assert (folder / "reports/mine/index.html").is_file()
