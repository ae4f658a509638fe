"""Run the prediction service: `python -m ml_utils.serving.service --problem churn`.

It serves the champion of the registry, or with --package a folder that notebook 4 wrote.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import threading
from collections.abc import Sequence

from ml_utils.errors import OctavoError
from ml_utils.paths import Workspace, project_root
from ml_utils.problem import load_problem
from ml_utils.serving.scoring import Scorer
from ml_utils.sockets import bind

logger = logging.getLogger("ml_utils.serving.service")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; by default the process's own.

    Returns
    -------
    int
        Exit status; 1 with a message when there is no model or the port is taken.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        listener = _listen(options)
        scorer = _load(options)
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _run(scorer, listener, options.stop_with_stdin)
    return 0


def champion(problem: str, profile: str) -> Scorer:
    """Return the scorer of a problem's champion.

    Raises
    ------
    RegistryError
        If there is no champion, or the registry cannot be reached.
    """
    from ml_utils.registry.registry import CHAMPION, Registry

    name = load_problem(problem).name
    found = Registry(Workspace(name, profile, project_root())).load(CHAMPION)
    return Scorer(found.model, found.schema, found.manifest, found.sha256, found.version)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml_utils.serving.service", description=__doc__)
    parser.add_argument("--problem", default="churn", help="name or path of the problem (churn)")
    parser.add_argument("--profile", default="full", help="set of outputs (full)")
    parser.add_argument("--package", help="serve this packaged folder instead of the registry's champion")
    parser.add_argument("--sha256", help="hash that the package's manifest must have")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)  # a socket that a parent process bound
    parser.add_argument("--stop-with-stdin", action="store_true", help=argparse.SUPPRESS)
    return parser


def _listen(options: argparse.Namespace) -> socket.socket:
    if options.fd is not None:
        return socket.socket(fileno=options.fd)
    return bind(options.host, options.port)


def _load(options: argparse.Namespace) -> Scorer:
    if options.package:
        return Scorer.from_package(options.package, options.sha256)
    return champion(options.problem, options.profile)


def _run(scorer: Scorer, listener: socket.socket, stop_with_stdin: bool) -> None:
    import uvicorn

    from ml_utils.serving.app import create_app

    config = uvicorn.Config(
        create_app(scorer),
        log_level="warning",
        access_log=False,  # our own has no addresses in it
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    if stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    host, port = listener.getsockname()[:2]
    logger.info(
        "%s version %s on http://%s:%s (documentation at /docs)",
        scorer.manifest.model,
        scorer.version,
        host,
        port,
    )
    server.run(sockets=[listener])


def _stop_at_end_of_input(server: object) -> None:
    """Stop when the parent process is gone: its end of the pipe closes, however it ended."""
    while os.read(0, 4096):
        pass
    server.should_exit = True  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
