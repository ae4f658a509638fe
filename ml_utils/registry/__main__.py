"""The registry from the command line: list, history, verify, promote, rollback, retire, ui.

python -m ml_utils.registry list --problem churn
python -m ml_utils.registry promote 7 --reason "won the A/B test of May" --problem churn
python -m ml_utils.registry rollback --reason "complaints since Monday" --problem churn
python -m ml_utils.registry retire 5 --reason "trained on the wrong target" --problem churn
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from ml_utils.errors import IntegrityError, OctavoError, ParameterError
from ml_utils.paths import Workspace, mlflow_folder, project_root
from ml_utils.registry.registry import CHAMPION, Registry
from ml_utils.registry.shown import as_lines, readable
from ml_utils.registry.store import public
from ml_utils.sockets import bind
from ml_utils.wording import times

_LISTED = ["version", "candidate", "aliases", "state", "created"]
_LOGGED = ["when", "who", "action", "from_version", "to_version", "reason"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return 0, or 1 with a message."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "ui":
            return _ui(options)
        sys.stdout.write(f"{_COMMANDS[options.command](_registry(options), options)}\n")
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml_utils.registry",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in _COMMANDS:
        command = commands.add_parser(name, help=_HELP[name])
        command.add_argument("--problem", default="churn", help="name or path of the problem (churn)")
        command.add_argument("--profile", default="full", help="set of outputs (full)")
        if name in ("promote", "retire"):
            command.add_argument("version", type=int, help="its number in `list`")
        if name in ("promote", "rollback", "retire"):
            command.add_argument("--reason", required=True, help="why, for the log")
            command.add_argument("--who", default=getpass.getuser(), help="for the log (your login name)")
    ui = commands.add_parser("ui", help="open MLflow's pages on what was logged")
    ui.add_argument("--host", default="127.0.0.1")
    ui.add_argument("--port", type=int, default=5000)
    return parser


def _registry(options: argparse.Namespace) -> Registry:
    from ml_utils.problem import load_problem

    return Registry(Workspace(load_problem(options.problem).name, options.profile, project_root()))


def _list(registry: Registry, options: argparse.Namespace) -> str:
    found = registry.versions()
    return "no versions yet" if found.empty else as_lines(readable(found[_LISTED]))


def _history(registry: Registry, options: argparse.Namespace) -> str:
    found = registry.history()
    text = "no changes yet" if found.empty else as_lines(readable(found[_LOGGED]))
    return f"{text}\n{registry.unlogged()}".rstrip()


def _verify(registry: Registry, options: argparse.Namespace) -> str:
    entries = registry.verify_history()
    for version in registry.versions()["version"]:
        registry.load(int(version))
    if unlogged := registry.unlogged():
        raise IntegrityError(unlogged)
    log, kept = times(entries, "entry", "entries"), times(len(registry.versions()), "version")
    return f"As they were written: {log} of the log, {kept}"


def _promote(registry: Registry, options: argparse.Namespace) -> str:
    registry.promote(options.version, reason=_reason(options), who=options.who)
    return f"{registry.name}: champion is version {registry.alias(CHAMPION)}"


def _rollback(registry: Registry, options: argparse.Namespace) -> str:
    return (
        f"{registry.name}: champion is version {registry.rollback(reason=_reason(options), who=options.who)}"
    )


def _retire(registry: Registry, options: argparse.Namespace) -> str:
    registry.retire(options.version, reason=_reason(options), who=options.who)
    return f"{registry.name}: version {options.version} is retired"


def _reason(options: argparse.Namespace) -> str:
    reason = str(options.reason).strip()
    if not reason:
        raise ParameterError("--reason is empty; say why, whoever reads the log will want to know.")
    return reason


_COMMANDS: dict[str, Callable[[Registry, argparse.Namespace], str]] = {
    "list": _list,
    "history": _history,
    "verify": _verify,
    "promote": _promote,
    "rollback": _rollback,
    "retire": _retire,
}
_HELP = {
    "list": "the versions",
    "history": "who made which version champion, when and why",
    "verify": "compare every file and every line of the log with its hash",
    "promote": "make a version the champion",
    "rollback": "make the champion before this one champion again",
    "retire": "take a version out of use for good",
}


def _ui(options: argparse.Namespace) -> int:
    registry = Registry(Workspace("ui", "full", project_root()))
    registry.check()
    if registry.remote:
        sys.stderr.write(f"MLFLOW_TRACKING_URI is a server: open {public(registry.tracking_uri)}\n")
        return 0
    bind(options.host, options.port).close()
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
