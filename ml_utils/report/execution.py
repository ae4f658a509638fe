"""Executing a notebook with papermill: progress while it runs, and a clear end when it fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillException, PapermillExecutionError

from ml_utils.errors import NotebookError
from ml_utils.paths import project_root

HEARTBEAT = 20.0  # seconds after which a long cell is mentioned again


class Progress:
    """Tells which notebook is at which cell, and since when.

    Parameters
    ----------
    name : str
        The notebook's stem.
    cells : list
        Its cells, as nbformat nodes.
    """

    def __init__(self, name: str, cells: list[Any]) -> None:
        self.name = name
        self.total = len(cells)
        self.headings = _headings(cells)
        self.started = time.monotonic()
        self.last = ""
        self._timer: threading.Timer | None = None

    def start(self, index: int) -> None:
        """Tell that a cell starts, if it opens a new step."""
        heading = self.headings[index]
        if heading != self.last:
            self._say(index, heading)
            self.last = heading
        self._watch(index)

    def stop(self) -> None:
        """Tell nothing more."""
        if self._timer:
            self._timer.cancel()

    def _watch(self, index: int) -> None:
        self.stop()
        self._timer = threading.Timer(HEARTBEAT, self._still, args=(index,))
        self._timer.daemon = True
        self._timer.start()

    def _still(self, index: int) -> None:
        self._say(index, f"still: {self.headings[index]}")
        self._watch(index)

    def _say(self, index: int, text: str) -> None:
        seconds = time.monotonic() - self.started
        print(f"    {self.name}  cell {index + 1:>2}/{self.total}  {seconds:>4.0f} s  {text}", flush=True)  # noqa: T201


class ProgressEngine(NBClientEngine):
    """papermill's own engine, which also tells how far it is."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
        """Execute, telling each cell's start."""
        progress = Progress(Path(nb_man.output_path).stem, nb_man.nb.cells)
        told = nb_man.cell_start

        def cell_start(cell: Any, cell_index: int | None = None, **more: Any) -> Any:
            if cell_index is not None:
                progress.start(cell_index)
            return told(cell, cell_index, **more)

        nb_man.cell_start = cell_start
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
        finally:
            progress.stop()


def execute(source: Path, target: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a notebook.

    Parameters
    ----------
    source : Path
        The notebook; it stays as it is.
    target : Path
        Where the executed copy goes, saved cell by cell.
    parameters : mapping

    Raises
    ------
    NotebookError
        If a cell fails, or the kernel dies; the message names the cell, the error and the copy.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for noisy in ("papermill", "papermill.translators", "traitlets"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    papermill_engines.register("octavo", ProgressEngine)
    shown = target.relative_to(project_root()) if target.is_relative_to(project_root()) else target
    try:
        papermill.execute_notebook(
            str(source),
            str(target),
            parameters=dict(parameters),
            engine_name="octavo",
            kernel_name="python3",
            progress_bar=False,
            cwd=str(source.parent),
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # a cell's errors are in the copy
        )
    except PapermillExecutionError as error:
        first = error.source.strip().splitlines()[0] if error.source.strip() else ""
        raise NotebookError(
            f"{source.stem} failed in code cell {error.exec_count} (`{first}` …):\n"
            f"  {error.ename}: {error.evalue}\n"
            f"  The executed copy, with the traceback: {shown}"
        ) from error
    except (PapermillException, RuntimeError) as error:
        raise NotebookError(f"{source.stem} could not be run: {error}\n  The copy so far: {shown}") from error


def _headings(cells: list[Any]) -> list[str]:
    """Return for each cell the heading that it stands under."""
    found, last = [], "setting up"
    for cell in cells:
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.splitlines() if line.startswith("## ")]
            last = lines[0].removeprefix("## ") if lines else last
        found.append(last)
    return found
