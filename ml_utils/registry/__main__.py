"""`python -m ml_utils.registry ui` opens MLflow's pages on what was logged."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ml_utils.errors import OctavoError
from ml_utils.paths import Workspace, mlflow_folder, project_root
from ml_utils.registry.registry import Registry
from ml_utils.registry.store import public
from ml_utils.sockets import bind


def main(arguments: Sequence[str] | None = None) -> int:
    """Run MLflow's pages on the registry until stopped; return 1 with a message when it cannot be opened."""
    parser = argparse.ArgumentParser(prog="python -m ml_utils.registry.registry", description=__doc__)
    parser.add_argument("command", choices=["ui"])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args(arguments)
    registry = Registry(Workspace("ui", "full", project_root()))
    try:
        registry.check()
        if registry.remote:
            sys.stderr.write(f"MLFLOW_TRACKING_URI is a server: open {public(registry.tracking_uri)}\n")
            return 0
        bind(options.host, options.port).close()
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"MLflow on http://{options.host}:{options.port} (stop with Ctrl-C)\n")
    _become_ui(registry.tracking_uri, options.host, options.port)


def _become_ui(uri: str, host: str, port: int) -> NoReturn:
    """Replace this process by MLflow's server: one worker, and none of its job runners."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1"]
    command += ["--default-artifact-root", (mlflow_folder() / "artifacts").as_uri()]
    command += ["--host", host, "--port", str(port)]
    os.execve(command[0], command, {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})


if __name__ == "__main__":
    sys.exit(main())
