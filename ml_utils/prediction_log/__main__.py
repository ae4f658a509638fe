"""Look after the prediction log: `python -m ml_utils.prediction_log purge|retain|show URL …`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ml_utils.errors import OctavoError
from ml_utils.prediction_log import purge, read, retain
from ml_utils.wording import times


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; by default the process's own.
    """
    options = _parser().parse_args(arguments)
    try:
        sys.stdout.write(f"{options.run(options)}\n")
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml_utils.prediction_log", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("purge", help="remove all that is known of customers")
    command.add_argument("url", help="SQLite file or postgresql:// URL")
    command.add_argument("customers", nargs="+", metavar="customer")
    command.add_argument("--no-rewrite", action="store_true", help="leave the file's other pages as they are")
    command.set_defaults(run=_purge)
    command = commands.add_parser("retain", help="remove what is older than some days")
    command.add_argument("url", help="SQLite file or postgresql:// URL")
    command.add_argument("days", type=float)
    command.add_argument("--rewrite", action="store_true", help="write the file anew, which makes it smaller")
    command.set_defaults(run=_retain)
    command = commands.add_parser("show", help="write the log as CSV; it holds personal data")
    command.add_argument("url", help="SQLite file or postgresql:// URL")
    command.add_argument("--since", help="from this moment on, like 2026-01-31 (UTC)")
    command.add_argument("--until", help="before this moment")
    command.add_argument("--shadow", action="store_true", help="also what was scored aside")
    command.set_defaults(run=_show)
    return parser


def _purge(options: argparse.Namespace) -> str:
    removed = purge(options.url, *options.customers, rewrite=not options.no_rewrite)
    return f"Removed {times(removed, 'prediction')}."


def _retain(options: argparse.Namespace) -> str:
    removed = times(retain(options.url, options.days, options.rewrite), "prediction")
    return f"Removed {removed} older than {options.days:g} days."


def _show(options: argparse.Namespace) -> str:
    frame = read(options.url, options.since, options.until, options.shadow)
    return str(frame.to_csv(index=False)).rstrip("\n")


if __name__ == "__main__":
    sys.exit(main())
