"""A change of the model under load, rehearsed: the pointer moves to and fro while clients go on asking."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

import numpy as np
import pandas as pd

from ml_utils.errors import ServiceError
from ml_utils.files import write_text
from ml_utils.serving.load_client import load, prepare
from ml_utils.serving.load_test import milliseconds
from ml_utils.serving.parity import Package
from ml_utils.serving.pointer import Pointer, install, write_pointer
from ml_utils.serving.process import launch, stop, wait_ready
from ml_utils.serving.scoring import RELEASE
from ml_utils.wording import count, times

_SEEN_WITHIN = 30.0  # seconds in which a service must have taken a model over


@dataclass(frozen=True)
class SwapRehearsal:
    """What happened to requests while the model changed.

    Parameters
    ----------
    swaps : int
        How often another package was put in place.
    requests, failed : int
        Requests in that time, and those not answered with a score.
    p99 : float
        Milliseconds within which 99 % were answered.
    """

    swaps: int
    requests: int
    failed: int
    p99: float

    def results(self) -> dict[str, float]:
        """Return the figures."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the figures, one a row."""
        shown = {
            "changes of the model": count(self.swaps),
            "requests meanwhile": count(self.requests),
            "requests that failed": count(self.failed),
            "99 % answered within": f"{milliseconds(self.p99)} ms",
        }
        return pd.DataFrame({"figure": list(shown), "value": list(shown.values())})

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def sentence(self) -> str:
        """Say in a sentence whether a request was lost."""
        lost = "none of them failed" if not self.failed else f"{count(self.failed)} of them failed"
        return (
            f"The model was changed {times(self.swaps, 'time')} while {count(self.requests)} requests came "
            f"in; {lost}."
        )


def swap_under_load(
    package: Package,
    rows: Sequence[Mapping[str, object]],
    swaps: int = 6,
    clients: int = 8,
    pause: float = 0.3,
) -> SwapRehearsal:
    """Serve a package and its twin in turn while clients ask without a pause.

    Parameters
    ----------
    package : Package
    rows : sequence of mappings
        Raw rows that are sent in turn.
    swaps : int
        How often the model is changed.
    clients : int
        Connections at a time.
    pause : float
        Seconds between the service's taking over and the next change.

    Returns
    -------
    SwapRehearsal

    Raises
    ------
    ServiceError
        If the service does not start, or does not take a model over within 30 seconds.
    """
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as said:
        root = Path(name)
        pointers = _pointers(root, package)
        write_pointer(root, pointers[0])
        options = ["--deploy", str(root), "--no-log", "--allow-pipeline", "--no-access-log", "--poll", "0.1"]
        process, url = launch(options, 0, said)
        try:
            wait_ready(process, url, said)
            return _measured(url, root, pointers, rows, swaps, clients, pause)
        finally:
            stop(process)


def _pointers(root: Path, package: Package) -> tuple[Pointer, Pointer]:
    """Install the package, and once more as the version after it."""
    twin = root / "twin"
    shutil.copytree(package.folder, twin)
    release = json.loads((twin / RELEASE).read_text(encoding="utf-8"))
    write_text(twin / RELEASE, json.dumps({**release, "version": package.version + 1}) + "\n")
    return Pointer(champion=install(root, package.folder)), Pointer(champion=install(root, twin))


def _measured(
    url: str,
    root: Path,
    pointers: Sequence[Pointer],
    rows: Sequence[Mapping[str, object]],
    swaps: int,
    clients: int,
    pause: float,
) -> SwapRehearsal:
    import httpx

    requests = prepare(url, "/predict", [json.dumps({"row": row}).encode() for row in rows], {})
    serves, over = httpx.get(f"{url}/ready", timeout=10).json()["version"], Event()
    with ThreadPoolExecutor(1) as apart:
        going = apart.submit(load, url, requests, clients, 600.0, over)
        try:
            for number in range(swaps):
                time.sleep(pause)
                write_pointer(root, pointers[(number + 1) % 2])
                serves = _taken_over(url, serves)
            time.sleep(pause)
        finally:
            over.set()
        answers = going.result()
    latency = np.array([answer.seconds for answer in answers])
    failed = sum(not answer.fine for answer in answers)
    return SwapRehearsal(swaps, len(answers), failed, float(1000 * np.quantile(latency, 0.99)))


def _taken_over(url: str, before: int) -> int:
    """Wait until another version serves; return it."""
    import httpx

    until = time.monotonic() + _SEEN_WITHIN
    while time.monotonic() < until:
        now = int(httpx.get(f"{url}/ready", timeout=10).json()["version"])
        if now != before:
            return now
        time.sleep(0.02)
    raise ServiceError(
        f"The service at {url} still serves version {before}, {_SEEN_WITHIN:g} s after another was named."
    )
