"""Run the prediction service: `python -m ml_utils.serving.service --problem churn`.

It serves the champion of the registry; with --package a folder that notebook 4 wrote; with --deploy a folder
whose current.json names champion, challenger and their weights. Each prediction is stored before it is
answered: see --log.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_utils.errors import OctavoError
from ml_utils.sockets import bind

if TYPE_CHECKING:
    import uvicorn

    from ml_utils.prediction_log.log import PredictionLog
    from ml_utils.serving.app import Service
    from ml_utils.serving.scoring import Scorer
    from ml_utils.serving.sources import Source

logger = logging.getLogger("ml_utils.serving.service")

LOG_VARIABLE = "OCTAVO_PREDICTION_LOG"
_REGISTRY = 10  # times as long between two looks
_LOOK = 5  # tenths of a second between two looks for callers that dawdle
_GRACE = 10  # seconds that an answer may take once the service is to stop


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
    try:
        listener = _listen(options)
        service = _make(options)
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    logging.basicConfig(level=logging.INFO, handlers=[service.access_log.handler()])
    _run(service, listener, options.stop_with_stdin)
    return 0


def champion(problem: str, profile: str) -> Scorer:
    """Return the scorer of a problem's champion.

    Raises
    ------
    RegistryError
        If there is no champion, or the registry cannot be reached.
    """
    from ml_utils.paths import Workspace, project_root
    from ml_utils.problem import load_problem
    from ml_utils.registry.registry import Registry
    from ml_utils.serving.scoring import Scorer

    name = load_problem(problem).name
    found = Registry(Workspace(name, profile, project_root())).load("champion")
    return Scorer(found.model, found.schema, found.manifest, found.sha256, found.version)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml_utils.serving.service", description=__doc__)
    models = parser.add_argument_group("what to serve")
    models.add_argument("--problem", default="churn", help="name or path of the problem (churn)")
    models.add_argument("--profile", default="full", help="set of outputs (full)")
    models.add_argument("--package", type=Path, help="a packaged folder instead of the registry's champion")
    models.add_argument("--sha256", help="hash that the package's manifest must have")
    models.add_argument("--deploy", type=Path, help="a folder with current.json and packages/")
    models.add_argument(
        "--allow-pipeline", action="store_true", help="serve a model that is not compiled: it is unpickled"
    )
    storing = parser.add_argument_group("prediction log")
    storing.add_argument(
        "--log", help=f"SQLite file or postgresql:// URL (${LOG_VARIABLE}; beside the model)"
    )
    storing.add_argument("--no-log", action="store_true", help="store no predictions")
    limits = parser.add_argument_group("limits (also in a YAML file, by these names with _)")
    limits.add_argument("--config", type=Path, help="YAML file of settings")
    limits.add_argument("--keys", help="key file; see `python -m ml_utils.serving.keys`")
    limits.add_argument("--rate", type=float, help="requests a second and key (no limit)")
    limits.add_argument("--burst", type=float, help="requests at once and key (as many as in a second)")
    limits.add_argument("--max-body", type=int, help="bytes of a request's body (4 MiB)")
    limits.add_argument("--timeout", type=float, help="seconds to answer in (10)")
    limits.add_argument(
        "--drain", type=float, help="seconds in which callers are sent away before the end (1)"
    )
    limits.add_argument(
        "--poll",
        type=float,
        help="seconds between two looks for another model (1; ten times that for the registry)",
    )
    limits.add_argument(
        "--no-access-log", dest="access_log", action="store_false", default=None, help="no line a request"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)  # a socket that a parent process bound
    parser.add_argument("--stop-with-stdin", action="store_true", help=argparse.SUPPRESS)
    return parser


def _listen(options: argparse.Namespace) -> socket.socket:
    if options.fd is not None:
        return socket.socket(fileno=options.fd)
    return bind(options.host, options.port)


def _source(options: argparse.Namespace) -> Source:
    from ml_utils.serving.sources import PackageSource, PointerSource, RegistrySource

    if options.deploy is not None:
        return PointerSource(options.deploy, options.allow_pipeline)
    if options.package is not None:
        return PackageSource(options.package, options.sha256, options.allow_pipeline)
    return RegistrySource(options.problem, options.profile, options.allow_pipeline)


def _make(options: argparse.Namespace) -> Service:
    from ml_utils.serving.app import Service
    from ml_utils.serving.settings import read_settings
    from ml_utils.serving.sources import RegistrySource
    from ml_utils.serving.swapping import Swapper

    settings = read_settings(options.config, vars(options))
    source = _source(options)
    stamp = source.stamp()
    service = Service(source.load(), settings, _open_log(options))
    # to ask a registry is a query of its database, not a look at a file
    seconds = settings.poll * (_REGISTRY if isinstance(source, RegistrySource) else 1)
    service.swapper = Swapper(service, source, stamp, seconds)
    return service


def _open_log(options: argparse.Namespace) -> PredictionLog | None:
    if options.no_log:
        return None
    from ml_utils.prediction_log.log import open_log

    given = options.log or os.environ.get(LOG_VARIABLE)
    return open_log(given or _beside(options))


def _beside(options: argparse.Namespace) -> Path:
    """Return where predictions go if nothing is said: beside the model."""
    name = "predictions.sqlite"
    if options.deploy is not None:
        return Path(options.deploy) / name
    if options.package is not None:
        return Path(options.package).parent / name
    from ml_utils.paths import Workspace, project_root
    from ml_utils.problem import load_problem

    problem = load_problem(options.problem).name
    return Workspace(problem, options.profile, project_root()).processed / name


def _run(service: Service, listener: socket.socket, stop_with_stdin: bool) -> None:
    import uvicorn

    from ml_utils.serving.patience import GuardedProtocol

    config = uvicorn.Config(
        service,
        interface="asgi3",
        http=GuardedProtocol,
        log_config=None,
        log_level="warning",
        access_log=False,  # our own has no addresses in it
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE,
    )
    server = _draining_server(config, service)
    if stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    host, port = listener.getsockname()[:2]
    serving = service.live.deployed.champion
    log = service.predictor.log
    logger.info(
        "%s version %s (%s) on http://%s:%s (documentation at /docs); prediction log: %s; keys: %s",
        serving.model,
        serving.version,
        "compiled" if serving.compiled else "its pipeline, unpickled",
        host,
        port,
        "off" if log is None else log.place,
        "none, anyone may ask" if service.keys is None else len(service.keys),
    )
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn passes on, once all is answered
        server.run(sockets=[listener])


def _draining_server(config: uvicorn.Config, service: Service) -> uvicorn.Server:
    import uvicorn

    from ml_utils.serving.patience import Patience

    patience = Patience(service.settings.timeout)

    class Server(uvicorn.Server):
        """Sends callers away before it closes their connections: what they sent meanwhile is answered."""

        async def on_tick(self, counter: int) -> bool:
            if counter % _LOOK == 0:
                patience.look(self.server_state.connections)
            return await super().on_tick(counter)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            service.draining = True  # each answer closes its connection from now on
            await self._until_left(service.settings.drain)
            for listening in self.servers:
                listening.close()
            await self._until_left(
                min(1.0, service.settings.drain)
            )  # those who had come in at the last moment
            await super().shutdown(sockets)

        async def _until_left(self, seconds: float) -> None:
            until = time.monotonic() + seconds
            while self.server_state.connections and time.monotonic() < until and not self.force_exit:
                await asyncio.sleep(0.02)

    return Server(config)


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    """Stop when the parent process is gone: its end of the pipe closes, however it ended."""
    while os.read(0, 4096):
        pass
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
