"""An environment of its own for each tool that Octavo is compared with; versions clash."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / ".venvs"  # not under version control; `make clean` removes it

REQUIREMENTS = {
    "flaml": ["flaml[automl]==2.7.0", "pandas<3", "pyarrow"],
    "autogluon": ["autogluon.tabular[lightgbm,xgboost,catboost]==1.6.3", "pyarrow"],
}


class PeerError(RuntimeError):
    """A tool could not be installed, or failed; the page says so in place of its figures."""


def python_of(name: str) -> Path:
    """Return the Python of a tool's environment, made on first use.

    Raises
    ------
    PeerError
        If it cannot be installed, without a network for instance.
    """
    return installed(name, REQUIREMENTS[name])


def installed(name: str, requirements: Sequence[str], version: str | None = None) -> Path:
    """Return the Python of an environment with these requirements, made on first use.

    Parameters
    ----------
    name : str
    requirements : sequence of str
        What the installer takes: requirements, or options like "-r" and a file.
    version : str, optional
        Of Python, "3.13" say, which uv fetches where it is not there; the running one if not given.

    Raises
    ------
    PeerError
        If it cannot be installed, without a network for instance.
    """
    folder = FOLDER / name
    python, ready = folder / "bin" / "python", folder / ".ready"
    wanted = "\n".join(requirements)
    if ready.is_file() and ready.read_text() == wanted:
        return python
    print(f"==> installing {name} into {folder.relative_to(FOLDER.parent)}", flush=True)
    if shutil.which("uv"):
        _run(["uv", "venv", "-q", "--allow-existing", "--python", _interpreter(version), str(folder)])
        _run(["uv", "pip", "install", "-q", "--python", str(python), *requirements])
    else:
        _run([_interpreter(version), "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "-q", *requirements])
    ready.write_text(wanted)
    return python


def ask(name: str, script: str, *arguments: str) -> Any:
    """Run a script of this folder in a tool's environment; return the JSON in its last line.

    Raises
    ------
    PeerError
        If it fails; the message ends with what it printed last.
    """
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONWARNINGS": "ignore"}
    command = [str(python_of(name)), str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise PeerError(f"{name} failed: {(done.stdout + done.stderr)[-800:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _interpreter(version: str | None) -> str:
    """Return a Python of a version, also one that pyenv keeps aside; else its number, for uv to fetch."""
    if version is None:
        return sys.executable
    kept = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*"))
    return str(kept[-1] / "bin" / "python") if kept else shutil.which(f"python{version}") or version


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PeerError(f"there is no {command[0]}") from error
    if done.returncode:
        raise PeerError(f"{' '.join(command[:4])} failed: {done.stderr[-500:]}")
