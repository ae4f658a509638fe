"""How far a run is: rows, rows a second, time left, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

_QUIET_SECONDS = 10.0  # between lines where nobody watches


class Progress:
    """A bar; or, where it is not shown, nothing.

    Parameters
    ----------
    shown : bool
    total : callable
        Estimates the rows from how many were read.
    done : int
        Rows that were scored before.
    """

    def __init__(self, shown: bool, total: Callable[[int], int | None], done: int) -> None:
        from tqdm import tqdm

        terminal = sys.stderr.isatty()
        self._total = total
        self._bar = tqdm(
            total=total(0),
            initial=done,
            unit=" rows",
            unit_scale=True,
            dynamic_ncols=True,
            disable=not shown,
            mininterval=0.2 if terminal else _QUIET_SECONDS,
            desc="scored",
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def read(self, rows: int) -> None:
        """Note how many rows were read: a CSV file's total is guessed from that."""
        self._bar.total = self._total(rows) or self._bar.total

    def add(self, rows: int) -> None:
        """Note rows that were scored."""
        self._bar.update(rows)
