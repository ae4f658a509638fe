"""What the Makefile calls: write down what each page depends on, run a notebook strictly, make the index.

python -m ml_utils.runner inputs --problem churn -p n_trials 50
python -m ml_utils.runner run 02-model-training --problem churn -p n_trials 50
python -m ml_utils.runner index --problem churn
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ml_utils import params
from ml_utils.data.sources import fingerprint
from ml_utils.errors import MissingInputError, NotebookError, OctavoError, ParameterError, list_known
from ml_utils.files import read_json, sha256_bytes, sha256_file, to_json, write_if_changed, write_text
from ml_utils.paths import NOTEBOOKS, Workspace, project_root
from ml_utils.problem import Problem, load_problem
from ml_utils.quality.rules import rules_fingerprint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an error a user can mend ends as a message and exit status 2, never a traceback."""
    options = _parse(arguments)
    try:
        problem = load_problem(options.problem)
        workspace = Workspace(problem.name, options.profile, project_root())
        if options.command == "inputs":
            write_inputs(problem, workspace, _overrides(options.p))
        elif options.command == "run":
            run_page(options.notebook, problem, workspace)
        else:
            from ml_utils.report.pages import write_index

            print(f"==> {_shown(write_index(problem, workspace))}", flush=True)
    except OctavoError as error:
        print(f"\nerror: {error}", file=sys.stderr, flush=True)
        return 2
    return 0


def write_inputs(problem: Problem, workspace: Workspace, overrides: dict[str, Any]) -> None:
    """Write for each page what it depends on, besides earlier results; a file changes only if that did.

    Parameters
    ----------
    problem : Problem
    workspace : Workspace
    overrides : dict
        Parameters given on the command line.

    Raises
    ------
    ParameterError
        If a parameter is unknown, missing or of the wrong type, or a notebook is missing.
    """
    root = project_root()
    notebooks = [root / "notebooks" / f"{name}.ipynb" for name in NOTEBOOKS]
    lacking = [path.name for path in notebooks if not path.is_file()]
    if lacking:
        raise ParameterError(f"notebooks/ lacks {', '.join(lacking)}. Restore it: git checkout notebooks/")
    resolved = params.resolve(
        notebooks,
        params.load_params(),
        overrides,
        {"problem": problem.name, "profile": workspace.profile},
    )
    package = _package_hash(root / "ml_utils")
    described = sha256_file(problem.folder / f"{problem.name}.yaml")
    for i, notebook in enumerate(notebooks):
        inputs = {
            "notebook": _notebook_hash(notebook),
            "package": package,
            "problem": described,
            "problem_file": str(problem.folder / f"{problem.name}.yaml"),
            **({"source": fingerprint(problem), "rules": rules_fingerprint(workspace)} if i == 0 else {}),
            **_log(resolved[notebook.stem]),
            "parameters": resolved[notebook.stem],
        }
        write_if_changed(_inputs_path(workspace, notebook.stem), to_json(inputs))


def run_page(notebook: str, problem: Problem, workspace: Workspace) -> Path:
    """Run a notebook on its recorded inputs and render its page.

    Parameters
    ----------
    notebook : str
        Stem of the notebook.
    problem : Problem
    workspace : Workspace

    Returns
    -------
    Path
        The page.

    Raises
    ------
    NotebookError
        If a cell fails; the message names the cell, the error and the executed copy.
    """
    from ml_utils.report.execution import execute
    from ml_utils.report.pages import write_page

    if notebook not in NOTEBOOKS:
        raise ParameterError(f"There is no notebook {notebook!r}. {list_known(notebook, NOTEBOOKS)}")
    path = _inputs_path(workspace, notebook)
    if not path.is_file():
        raise MissingInputError(f"{_shown(path)} is not there; `make report` writes it.")
    inputs = read_json(path)
    done = path.with_suffix(".done")
    print(f"==> {notebook} on {problem.name}: {_reason(inputs, done)}", flush=True)
    started = time.monotonic()
    values = {**inputs["parameters"], "problem": inputs["problem_file"]}
    source = project_root() / "notebooks" / f"{notebook}.ipynb"
    executed = workspace.reports / "executed" / f"{notebook}.ipynb"
    execute(source, executed, values)
    if not (workspace.results / f"{notebook}.json").is_file():
        raise NotebookError(f"{notebook} ran but recorded no results; its last cell must call run.record(…).")
    page = write_page(executed, notebook, problem, workspace, inputs["parameters"])
    write_text(done, to_json(inputs))
    print(f"==> {_shown(page)} ({time.monotonic() - started:.0f} s)", flush=True)
    return page


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ml_utils.runner", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("inputs", "run", "index"):
        command = commands.add_parser(name)
        if name == "run":
            command.add_argument("notebook")
        command.add_argument("--problem", default="churn", help="name under data/problems, or a path")
        command.add_argument("--profile", default="full", help="name of the set of outputs")
        command.add_argument(
            "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter"
        )
    return parser.parse_args(arguments)


def _overrides(pairs: Sequence[Sequence[str]]) -> dict[str, Any]:
    try:
        return {name: yaml.safe_load(value) for name, value in pairs}
    except yaml.YAMLError as error:
        raise ParameterError(f"A value after -p is not readable as YAML: {error}") from error


def _log(parameters: dict[str, Any]) -> dict[str, str]:
    """Tell the state of the prediction log that a page reads, if it reads one."""
    if not parameters.get("prediction_log"):
        return {}
    from ml_utils.monitoring.predictions import log_state

    return {"log": log_state(parameters["prediction_log"])}


def _reason(inputs: dict[str, Any], done: Path) -> str:
    """Say why a page is being rebuilt."""
    if not done.is_file():
        return "first run"
    before = read_json(done)
    changed = [key for key in inputs if key != "parameters" and inputs[key] != before.get(key)]
    old, new = before["parameters"], inputs["parameters"]
    changed += [
        f"{name} {old.get(name)!r} → {value!r}" for name, value in new.items() if old.get(name) != value
    ]
    return f"changed: {', '.join(changed)}" if changed else "an earlier result changed, or a page is missing"


def _inputs_path(workspace: Workspace, notebook: str) -> Path:
    return workspace.results / "inputs" / f"{notebook}.json"


def _notebook_hash(path: Path) -> str:
    """Hash what a notebook says: its cells' kinds and sources, not outputs or metadata."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    said = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return sha256_bytes(json.dumps(said).encode())[:16]


def _package_hash(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    said = "".join(f"{path.relative_to(folder).as_posix()}:{sha256_file(path)}\n" for path in files)
    return sha256_bytes(said.encode())[:16]


def _shown(path: Path) -> str:
    root = project_root()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


if __name__ == "__main__":
    sys.exit(main())
