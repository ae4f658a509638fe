"""The service as a child process: started on a port of its own, waited for, stopped whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ml_utils.errors import ServiceError
from ml_utils.sockets import bind

START_SECONDS = 60.0
# the full install is here, so what is not compiled may be served too; a rehearsal's rows are no predictions
_REHEARSAL = ("--no-log", "--allow-pipeline")


def start(
    folder: Path,
    digest: str | None,
    port: int,
    said: IO[bytes],
    more: Sequence[str] = _REHEARSAL,
    environment: Mapping[str, str] | None = None,
) -> tuple[subprocess.Popen[bytes], str]:
    """Start the service for a package; return the process and its address. What it says goes to `said`."""
    named = ["--package", str(folder), *(["--sha256", digest] if digest else [])]
    return launch([*named, *more], port, said, environment)


def launch(
    options: Sequence[str], port: int, said: IO[bytes], environment: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], str]:
    """Start the service with options of its command line; return the process and its address."""
    with bind("127.0.0.1", port) as listener:  # bound here, so that no one else can take the port meanwhile
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "ml_utils.serving.service", *options]
        command += ["--fd", str(listener.fileno()), "--stop-with-stdin"]
        root = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}  # a server's threads only collide
        process = subprocess.Popen(
            command,
            env={**os.environ, **threads, "PYTHONPATH": paths, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            pass_fds=[listener.fileno()],
        )
    return process, url


def wait_ready(process: subprocess.Popen[bytes], url: str, said: IO[bytes]) -> None:
    """Return once the service is ready.

    Raises
    ------
    ServiceError
        If it ends or takes too long; the message ends with what it said.
    """
    import httpx

    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/ready", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    said.seek(0)
    tail = said.read().decode(errors="replace").strip()[-2000:]
    state = f"ended with status {process.returncode}" if process.returncode is not None else "is not ready"
    raise ServiceError(f"The service at {url} {state}. It said:\n{tail or '(nothing)'}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the service, gently first."""
    assert process.stdin is not None
    process.stdin.close()
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
