"""A copy of the project to run make in, away from the real data and reports folders; tests use it too."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The copy shares the environment, so make must not set one up there.
MAKE = ("make", "-o", ".venv/.ready")


def copy_project(folder: Path) -> Path:
    """Copy what git tracks, or would, into a folder, and share the environment."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.splitlines()):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which the copy imports its own package and writes at home."""
    left_out = ("MAKE", "MFLAGS", "MLFLOW_", "OCTAVO_HOME")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return {**kept, "OCTAVO_HOME": str(folder), "PYTHONPATH": str(folder), "OMP_WAIT_POLICY": "PASSIVE"}
