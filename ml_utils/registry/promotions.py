"""The log of promotions: append-only JSON lines, each with the hash of the line before.

MLflow keeps no history of its aliases; this does. A line that was changed, removed or put in between breaks
the chain; lines cut off at the end are in the registry too (`shared_log`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from ml_utils.errors import IntegrityError
from ml_utils.files import sha256_bytes

START = "0" * 64
Action = Literal["promote", "rollback", "retire"]


@dataclass(frozen=True)
class Promotion:
    """One change of the champion, or a version's retirement (to None): who, when, why, from, to."""

    when: str
    who: str
    action: Action
    from_version: int | None
    to_version: int | None
    reason: str
    metrics: dict[str, float] = field(default_factory=dict)


class PromotionLog:
    """The promotions of one model.

    Parameters
    ----------
    path : Path
        The log; made on the first entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Promotion) -> str:
        """Add a line, on disk before this returns.

        Returns
        -------
        str
            The line's hash.

        Raises
        ------
        IntegrityError
            If the log was tampered with.
        """
        lines = self.lines()
        previous = sha256_bytes(lines[-1]) if lines else START
        line = json.dumps({**asdict(entry), "previous": previous}, ensure_ascii=False).encode()
        self.extend([line])
        return sha256_bytes(line)

    def extend(self, lines: Sequence[bytes]) -> None:
        """Add lines that were made elsewhere, on disk before this returns; they must follow from the last.

        Raises
        ------
        IntegrityError
            If they, or the log, were tampered with.
        """
        before = self._lines()
        self._parse([*before, *lines])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as handle:
            handle.truncate(
                sum(len(item) + 1 for item in before)
            )  # a line torn off by a crash was never made
            handle.write(b"".join(line + b"\n" for line in lines))
            handle.flush()
            os.fsync(handle.fileno())

    def lines(self) -> list[bytes]:
        """Return the lines, oldest first, once the chain of hashes is checked.

        Raises
        ------
        IntegrityError
            If it is broken.
        """
        lines = self._lines()
        self._parse(lines)
        return lines

    def entries(self) -> list[Promotion]:
        """Return all entries, oldest first.

        Raises
        ------
        IntegrityError
            If the chain of hashes is broken.
        """
        return self._parse(self._lines())

    def champions(self, n: int | None = None) -> list[int]:
        """Return the champions one can go back to, the present one last, by the first `n` entries or all."""
        stack: list[int] = []
        for entry in self.entries()[:n]:
            if entry.to_version is None:
                continue
            if entry.action == "rollback":
                _back_to(entry.to_version, stack)
            elif entry.from_version is not None and stack[-1:] != [entry.from_version]:
                if entry.from_version in stack:  # the entry before was never made, or undone by other hands
                    _back_to(entry.from_version, stack)
                else:
                    stack.append(entry.from_version)  # made champion by other hands
            if stack[-1:] != [entry.to_version]:
                stack.append(entry.to_version)
        return stack

    def to_frame(self) -> pd.DataFrame:
        """Return one row an entry, oldest first."""
        columns = list(Promotion.__dataclass_fields__)
        frame = pd.DataFrame([asdict(entry) for entry in self.entries()], columns=columns)
        return frame.astype({"from_version": "Int64", "to_version": "Int64"})

    def _lines(self) -> list[bytes]:
        if not self.path.is_file():
            return []
        return self.path.read_bytes().split(b"\n")[:-1]

    def _parse(self, lines: list[bytes]) -> list[Promotion]:
        entries, previous = [], START
        for number, line in enumerate(lines, start=1):
            try:
                content = json.loads(line)
                intact = content.pop("previous") == previous
                entries.append(Promotion(**content))
            except (ValueError, KeyError, TypeError, AttributeError):
                intact = False
            if not intact:
                raise IntegrityError(
                    f"{self.path}, line {number}: does not follow from the line before; it or that line was "
                    "changed. Delete the file if you trust the registry (it is written anew from there), or "
                    "restore it from a backup."
                )
            previous = sha256_bytes(line)
        return entries


def _back_to(version: int, stack: list[int]) -> None:
    while stack and stack[-1] != version:
        stack.pop()
