"""The locked packages on a newer Python: other versions of some, so other types in a model's files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from own_environment import own_environment

from ml_utils.files import sha256_bytes

pytestmark = pytest.mark.full

NEWEST = "3.13"
ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
# what a model is kept in, loaded from and served by
FILES = ("test_unpickling", "test_compiled", "test_many_trees", "test_registry", "test_features")


def test_models_are_kept_and_served_on_a_newer_python(tmp_path: Path) -> None:
    name = f"python-{NEWEST}-{sha256_bytes(LOCK.read_bytes())[:8]}"
    programs = own_environment(name, ["--require-hashes", "-r", str(LOCK)], NEWEST)
    files = [f"tests/{name}.py" for name in FILES]
    command = [str(programs / "python"), "-m", "pytest", "-q", "-m", "not full", "-p", "no:cacheprovider"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'inner'}", *files],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
