"""The folder beside an output in which its parts wait, and the list of those that are done."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from ml_utils.errors import DataError

logger = logging.getLogger(__name__)

FETCHED = "fetched"  # names what was brought here completely
_RUN, _DONE, _LOCK = "run.json", "done.jsonl", "lock"


@dataclass(frozen=True)
class Part:
    """A part that is scored and written.

    Parameters
    ----------
    number : int
    start, rows : int
        Rows before it, and in it.
    acted : int
    total : float
        Sum of the scores.
    unusual : dict of str to int
    size : int
        Bytes of its file.
    """

    number: int
    start: int
    rows: int
    acted: int
    total: float
    unusual: dict[str, int]
    size: int


class Journal:
    """A folder of parts that only one run at a time works in.

    Parameters
    ----------
    folder : Path
    suffix : str
        Of the parts' files.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder = folder
        self.suffix = suffix
        self.done: dict[int, Part] = {}
        self._lock: IO[str] | None = None
        self._list: IO[str] | None = None
        self._keep = True

    def open(self, run: Mapping[str, Any]) -> None:
        """Take the folder; keep the parts in it that belong to this very run, and drop others.

        Parameters
        ----------
        run : mapping
            What identifies the run: source, model, options. JSON values.

        Raises
        ------
        DataError
            If another process works in it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / _LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise DataError(
                f"Another run is writing the same output (it works in {self.folder}). Wait for it, or end it."
            ) from None
        self._lock = lock
        known = json.loads(json.dumps(dict(run)))
        if self._read(_RUN) == known:
            self.done = self._read_done()
        else:
            self._empty()
            (self.folder / _RUN).write_text(json.dumps(known), encoding="utf-8")
        self._list = (self.folder / _DONE).open("a", encoding="utf-8")

    def path(self, number: int) -> Path:
        """Return where a part is written."""
        return self.folder / f"{number:06d}{self.suffix}"

    def add(self, part: Part) -> None:
        """Note that a part is done."""
        assert self._list is not None
        self._list.write(json.dumps(asdict(part)) + "\n")
        self._list.flush()
        self.done[part.number] = part

    def parts(self) -> list[Path]:
        """Return the files of all parts, in order."""
        return [self.path(number) for number in sorted(self.done)]

    def drop(self) -> None:
        """Forget the parts: they are in place, or good for nothing."""
        self.done = {}
        self._keep = False

    def close(self) -> None:
        """Leave the folder; remove it unless what is in it helps another run."""
        if self._lock is None:
            return
        keep = self._keep and (bool(self.done) or (self.folder / FETCHED).exists())
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        for handle in (self._list, self._lock):
            if handle is not None:
                handle.close()
        self._list = self._lock = None

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _read_done(self) -> dict[int, Part]:
        """Read the list; a line that was cut off, and a part whose file is not whole, are done again."""
        done = {}
        path = self.folder / _DONE
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                part = Part(**json.loads(line))
                if self.path(part.number).stat().st_size == part.size:
                    done[part.number] = part
            except (OSError, ValueError, TypeError):
                continue
        path.write_text("".join(f"{json.dumps(asdict(part))}\n" for part in done.values()), encoding="utf-8")
        return done

    def _empty(self) -> None:
        leftover = [path for path in self.folder.iterdir() if path.name != _LOCK]
        if any(path.name == _DONE for path in leftover):
            logger.info("%s is of another run (other rows, model or options); starting anew", self.folder)
        for path in leftover:
            shutil.rmtree(path) if path.is_dir() else os.unlink(path)
