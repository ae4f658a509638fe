"""What a notebook found, recorded as JSON: the page, the index, the tests and later notebooks read it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_utils.errors import MissingInputError, ParameterError
from ml_utils.files import read_json, to_json, write_if_changed, write_text
from ml_utils.paths import NOTEBOOKS, Workspace, project_root
from ml_utils.problem import Problem, load_problem


@dataclass(frozen=True)
class NotebookRun:
    """One notebook at work on one problem: where it reads, where it writes, what it records.

    Made by `open_run`.
    """

    notebook: str
    problem: Problem
    workspace: Workspace
    started: float = field(default_factory=time.monotonic)

    def results(self, notebook: str) -> dict[str, Any]:
        """Return the results that an earlier notebook recorded.

        Raises
        ------
        MissingInputError
            If it has not been run; the message names it.
        """
        return read_results(self.workspace, notebook)["results"]

    def require(self, path: Path, notebook: str) -> Path:
        """Return `path` if it exists.

        Raises
        ------
        MissingInputError
            If it does not; the message names the notebook that writes it.
        """
        if not path.exists():
            raise MissingInputError(_run_first(path, notebook, self.workspace))
        return path

    def record(
        self,
        answer: Sequence[str],
        headline: Mapping[str, str],
        results: Mapping[str, Any],
        measured: Mapping[str, Any] | None = None,
    ) -> None:
        """Record what the notebook found.

        Parameters
        ----------
        answer : sequence of str
            Three sentences, computed, that answer the page's question; they stand on top of the page.
        headline : mapping
            Label to formatted figure, two to four, for the index.
        results : mapping
            Everything the page shows; the same inputs give the same bytes.
        measured : mapping, optional
            Times, ids and versions: what differs from run to run. Kept in a file of its own.

        Raises
        ------
        ParameterError
            If `answer` is not three sentences.
        """
        if len(answer) != 3:
            raise ParameterError(f"answer takes three sentences; got {len(answer)}.")
        seconds = round(time.monotonic() - self.started, 2)
        write_text(
            self.workspace.results / f"{self.notebook}.run.json",
            to_json({"notebook": self.notebook, "seconds": seconds, **(measured or {})}),
        )
        path = self.workspace.results / f"{self.notebook}.json"
        content = {
            "notebook": self.notebook,
            "problem": self.problem.name,
            "profile": self.workspace.profile,
            "answer": list(answer),
            "headline": dict(headline),
            "results": dict(results),
        }
        write_if_changed(path, to_json(content))


def open_run(notebook: str, problem: str, profile: str) -> NotebookRun:
    """Open a notebook's run on a problem.

    Parameters
    ----------
    notebook : str
        Stem of the notebook, as in `paths.NOTEBOOKS`.
    problem : str
        Name or path of the problem file.
    profile : str
        Name of the set of outputs.

    Raises
    ------
    ProblemError
        If the problem file is missing or wrong.
    """
    loaded = load_problem(problem)
    return NotebookRun(notebook, loaded, Workspace(loaded.name, profile, project_root()))


def read_results(workspace: Workspace, notebook: str) -> dict[str, Any]:
    """Read everything a notebook recorded (answer, headline, results).

    Raises
    ------
    MissingInputError
        If it has not been run.
    """
    path = workspace.results / f"{notebook}.json"
    if not path.is_file():
        raise MissingInputError(_run_first(path, notebook, workspace))
    return read_json(path)


def read_measured(workspace: Workspace, notebook: str) -> dict[str, Any]:
    """Read what differs from run to run (times, ids, versions); empty where nothing was recorded."""
    path = workspace.results / f"{notebook}.run.json"
    return read_json(path) if path.is_file() else {}


def _run_first(path: Path, notebook: str, workspace: Workspace) -> str:
    number = NOTEBOOKS.index(notebook) + 1 if notebook in NOTEBOOKS else "?"
    try:
        shown = path.relative_to(workspace.root)
    except ValueError:
        shown = path
    return (
        f"{shown} is not there. Notebook {number} writes it: run notebooks/{notebook}.ipynb first, or "
        f"`make report PROBLEM={workspace.problem}`, which runs them in order."
    )
