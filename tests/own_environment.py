"""Tools in environments of their own, made on first use under .venvs; skipped where they cannot be made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / ".venvs"  # not under version control; `make clean` removes it


def own_environment(name: str, requirements: Sequence[str]) -> Path:
    """Return the folder of an environment's programs; skip the test if it cannot be installed."""
    folder = FOLDER / name
    ready, wanted = folder / ".ready", "\n".join(requirements)
    programs = folder / "bin"
    if ready.is_file() and ready.read_text() == wanted:
        return programs
    python = str(programs / "python")
    if shutil.which("uv"):
        _run("uv", "venv", "-q", "--allow-existing", "--python", sys.executable, str(folder))
        _run("uv", "pip", "install", "-q", "--python", python, *requirements)
    else:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(python, "-m", "pip", "install", "-q", *requirements)
    ready.write_text(wanted)
    return programs


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command[:4])} failed: {done.stderr[-300:]}")
