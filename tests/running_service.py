"""Packages without a registry, and the service as a process, for the tests of the service."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from small_model import FEATURES, fitted, table

from ml_utils.files import sha256_bytes
from ml_utils.registry.input_columns import InputColumn
from ml_utils.registry.package import MANIFEST, pack
from ml_utils.serving.process import launch, stop, wait_ready
from ml_utils.serving.served import RELEASE, Served


def write_package(folder: Path, seed: int = 7, version: int = 1) -> str:
    """Write a packaged logistic regression; return its manifest's hash."""
    files = pack(fitted(seed), table(seed=seed)[FEATURES], "small", "ab" * 32)
    digest = sha256_bytes(files[MANIFEST])
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    release = {"model": "small", "version": version, "manifest_sha256": digest}
    (folder / RELEASE).write_text(json.dumps(release))
    return digest


@dataclass
class Running:
    """A service that runs."""

    url: str
    pid: int
    _said: IO[bytes]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def log(self) -> list[dict[str, object]]:
        """What it has logged, each line an object."""
        self._said.seek(0)
        return [json.loads(line) for line in self._said.read().decode().splitlines()]


@contextlib.contextmanager
def service(*options: object, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run the service as a process while the context lasts."""
    with tempfile.NamedTemporaryFile() as said, open(said.name, "rb") as reading:
        process, url = launch([str(option) for option in options], 0, said, environment)
        try:
            wait_ready(process, url, said)
            yield Running(url, process.pid, reading)
        finally:
            stop(process)


class StandIn:
    """A scorer that is no model: its score is what its row says, or what it was told to do."""

    task, name, explains = "binary", "stand-in", True
    threshold: float | None = 0.5
    columns = (
        InputColumn("x", "number", False, 0.0, 1.0, typical=0.5),
        InputColumn("plan", "text", True, categories=("a", "b"), typical="a"),
        InputColumn("when: it", "time", True, "2024-01-01", "2024-12-31", typical="2024-06-30"),
    )

    def __init__(self, shift: float = 0.0, fails: bool = False) -> None:
        self.shift = shift
        self.fails = fails

    def score_one(self, row: Mapping[str, object]) -> float:
        """Score a row."""
        if self.fails:
            raise RuntimeError("the stand-in fails")
        value = row["x"]
        assert isinstance(value, float)
        return value + self.shift

    def score_rows(self, rows: Sequence[Mapping[str, object]]) -> np.ndarray:
        """Score rows."""
        return np.array([self.score_one(row) for row in rows])

    def unusual(self, row: Mapping[str, object]) -> list[tuple[str, str, str]]:
        """Say whether x is out of range."""
        value = row["x"]
        assert isinstance(value, float)
        return [] if 0 <= value <= 1 else [("x", "range", "x: outside")]

    def explain_rows(self, rows: Sequence[Mapping[str, object]]) -> tuple[float, list[dict[str, float]]]:
        """All of a score comes from x."""
        return 0.25, [{"plan": 0.0, "x": self.score_one(row) - 0.25} for row in rows]


def stand_in(version: int = 1, **how: object) -> Served:
    """A `Served` around a stand-in."""
    scorer = StandIn()
    for name, value in how.items():
        setattr(scorer, name, value)
    return Served("stand-in", version, "00" * 32, {"code": "1", "files": {}}, scorer, True, [])
