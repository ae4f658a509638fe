"""make in a copy of the whole project: run to its end, or kept running."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project_copy import MAKE, copy_project, environment

__all__ = ["SMALL", "copy_project", "make", "rebuilt", "running"]

# Sizes at which the eight notebooks take seconds, and still find what the retailer hides.
SMALL = (
    "-p n_customers 2000 -p n_trials 1 -p cv_folds 3 -p max_search_rows 5000 -p n_bootstrap 100 "
    "-p n_explained 300 -p load_seconds 0.5 -p retrain_trials 1 -p retrain_search_rows 5000"
)


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make; the environment is there, a test never sets one up."""
    return subprocess.run(
        [*MAKE, *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def rebuilt(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Numbers of the pages that a run of make rebuilt."""
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("==> ")]
    return sorted(words[1][:2] for words in lines if words[2:3] == ["on"])


@contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a make target running, and stop it with all that it started."""
    process = subprocess.Popen(
        [*MAKE, *words],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
