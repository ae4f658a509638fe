"""What a prediction log holds after a rehearsal, held against what the service acknowledged."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from ml_utils.prediction_log.reading import read
from ml_utils.wording import count, times

_BESIDE = ("", "-wal", "-shm", "-journal")  # what SQLite keeps beside a database


@dataclass(frozen=True)
class LogCheck:
    """A prediction log against the answers that clients got.

    Parameters
    ----------
    acknowledged : int
        Rows whose score a client has received.
    stored : int
        Rows in the log.
    outcomes : int
        Rows in the log whose true outcome is known.
    """

    acknowledged: int
    stored: int
    outcomes: int

    @property
    def complete(self) -> bool:
        """Whether no acknowledged row is missing; a row may be stored whose client left meanwhile."""
        return self.stored >= self.acknowledged

    def results(self) -> dict[str, int]:
        """Return the counts."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the counts, one a row."""
        shown = {
            "rows that the service acknowledged": count(self.acknowledged),
            "rows in the log": count(self.stored),
            "rows whose outcome is known": count(self.outcomes),
        }
        return pd.DataFrame({"figure": list(shown), "value": list(shown.values())})

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say whether something was lost."""
        lost = max(0, self.acknowledged - self.stored)
        said = "none is missing" if self.complete else f"lost: {times(lost, 'row')}"
        return (
            f"{count(self.acknowledged)} rows were acknowledged and {count(self.stored)} are stored: {said}."
        )


def check_log(log: str | Path, acknowledged: int) -> tuple[LogCheck, pd.DataFrame]:
    """Count what a log holds; return that, and the log as a table.

    Parameters
    ----------
    log : str or Path
        As for `prediction_log.open_log`.
    acknowledged : int
        Rows whose score clients received.

    Raises
    ------
    LogUnavailable
        If the log cannot be read.
    """
    stored = read(log)
    return LogCheck(acknowledged, len(stored), int(stored["outcome"].notna().sum())), stored


def fresh_log(path: Path) -> Path:
    """Remove an SQLite log that an earlier rehearsal left at `path`; return it."""
    for ending in _BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
