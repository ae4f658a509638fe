"""What the benchmarks share: timing a command in a copy of the project, and the page that figures go to."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from project_copy import ROOT, copy_project, environment

RESULTS = ROOT / "benchmarks" / "results.md"


@contextmanager
def copy_of_project() -> Iterator[Path]:
    """Give a fresh copy of the project; removed in the end."""
    with TemporaryDirectory(prefix="octavo-") as name:
        yield copy_project(Path(name))


def timed(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """Run a command in the copy; return its seconds and what it printed.

    Raises
    ------
    RuntimeError
        If it fails; the message ends with what it printed last.
    """
    started = time.monotonic()
    done = subprocess.run(
        list(command), cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return seconds, done.stdout


def report_table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Lay out rows of (what, measured, wanted) as a Markdown table."""
    lines = ["| what | measured | wanted |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def record(name: str, body: str) -> None:
    """Put a section into results.md in place of the one of the same name, and print it."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    packages = ", ".join(
        f"{package} {version(package)}" for package in ("pandas", "scikit-learn", "lightgbm")
    )
    head = f"## {name}\n\n{datetime.now(UTC):%Y-%m-%d}; {machine}; {packages}.\n\n"
    text = RESULTS.read_text() if RESULTS.exists() else "# Measured\n\nWritten by the scripts beside it.\n\n"
    text = re.sub(rf"(?ms)^## {re.escape(name)}\n.*?(?=^## |\Z)", "", text).rstrip() + "\n\n"
    RESULTS.write_text(text + head + body.strip() + "\n")
    print(head + body.strip())
