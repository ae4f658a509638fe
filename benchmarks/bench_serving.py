"""One row over HTTP: the usual ways to serve a model beside Octavo's service, one worker each, one model.

    python benchmarks/bench_serving.py [--seconds 5] [--quick]

XGBoost, 300 trees, 20 raw columns (12 numbers, 8 categories). Each server is a process of its own with one
worker on 127.0.0.1; the client shares the machine with each of them. What counts are ratios within one run;
all servers are measured twice, and the better of the two is kept for each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from common import record, report_table
from serving_model import packaged, raw_rows

from ml_utils.serving.load_test import LoadLevel, load_levels
from ml_utils.sockets import bind

HERE = Path(__file__).resolve().parent
ENV = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONPATH": str(HERE.parent),
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # where MLflow looks for its server
}
CLIENTS = (1, 50)


@dataclass(frozen=True)
class Server:
    """A way to serve: its command, what is sent to which path, and with which headers."""

    name: str
    command: Sequence[str]
    ready: str
    path: str
    bodies: Sequence[bytes]
    headers: Mapping[str, str]


@contextlib.contextmanager
def running(server: Server, port: int) -> Iterator[str]:
    """Run a server until the context ends."""
    command = [item.replace("PORT", str(port)) for item in server.command]
    process = subprocess.Popen(
        command, env=ENV, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 90
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url + server.ready, timeout=5).status_code == 200:
                    break
            time.sleep(0.2)
        else:
            raise RuntimeError(f"{server.name} does not answer")
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def servers(folder: Path, key: str) -> list[Server]:
    """Return the servers to compare, the reference first."""
    rows = raw_rows(200)
    plain = [json.dumps({"row": row}).encode() for row in rows]
    records = [json.dumps({"dataframe_records": [row]}).encode() for row in rows]
    python = sys.executable
    options = ["--package", str(folder / "package"), "--port", "PORT", "--no-access-log"]
    options += ["--keys", str(folder / "keys")]
    service = [python, "-m", "ml_utils.serving.service", *options]
    peer = [python, "-m", "uvicorn", "--app-dir", str(HERE), "--port", "PORT", "--log-level", "warning"]
    mlflow = [python, "-m", "mlflow", "models", "serve", "-m", str(folder / "package"), "-p", "PORT"]
    mlflow += ["-h", "127.0.0.1", "--env-manager", "local", "--workers", "1"]
    peers = str(HERE / "serving_peers.py")
    keyed = {"authorization": f"Bearer {key}"}
    ours = ("/ready", "/predict", plain, keyed)
    stored = [*service, "--log", str(folder / "log.db")]
    return [
        Server("mlflow models serve", mlflow, "/ping", "/invocations", records, {}),
        Server(
            "FastAPI, DataFrame, pipeline",
            [*peer, "serving_peers:pipeline"],
            "/health",
            "/predict",
            plain,
            {},
        ),
        Server("Octavo: keys, metrics, every prediction stored", stored, *ours),
        Server("Octavo: keys, metrics, log off", [*service, "--no-log"], *ours),
        Server("the same app returning a constant", [python, peers, *options, "--no-log"], *ours),
        Server("the same, the body unread", [python, peers, "unread", *options, "--no-log"], *ours),
    ]


def measure(server: Server, seconds: float) -> dict[int, LoadLevel]:
    """Load one server at each number of clients."""
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    with running(server, port) as url:
        load_levels(url, server.path, server.bodies[:20], 1.0, (1,), server.headers)  # warm
        found = load_levels(url, server.path, server.bodies, seconds, CLIENTS, server.headers)
    for level in found:
        if level.errors:
            raise RuntimeError(f"{server.name}: {level.errors} of {level.requests} requests failed")
    return {level.clients: level for level in found}


def main() -> None:
    """Run all servers and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--quick", action="store_true", help="one round of a second, nothing written")
    options = parser.parse_args()
    seconds, rounds = (1.0, 1) if options.quick else (options.seconds, 2)
    best: dict[str, dict[int, LoadLevel]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, key = packaged(Path(name))
        for _ in range(rounds):
            for server in servers(folder, key):
                found = measure(server, seconds)
                kept = best.setdefault(server.name, found)
                for clients, level in found.items():
                    if level.throughput > kept[clients].throughput:
                        kept[clients] = level
                print(server.name, {k: round(v.throughput) for k, v in found.items()}, flush=True)
    text = page(best)
    print(text) if options.quick else record("The service over HTTP", text)


def page(best: Mapping[str, Mapping[int, LoadLevel]]) -> str:
    """Lay the figures out, the wanted ratios below them."""
    reference, _, stored, unstored, constant, unread = best
    one = {name: levels[1].throughput for name, levels in best.items()}
    lines = [
        "| server, one worker | 1 client: requests/s | × MLflow | p50 ms | p99 ms "
        "| 50 clients: requests/s | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, levels in best.items():
        few, many = levels[1], levels[50]
        lines.append(
            f"| {name} | {few.throughput:,.0f} | {one[name] / one[reference]:.1f} "
            f"| {few.p50:.2f} | {few.p99:.2f} | {many.throughput:,.0f} | {many.p50:.1f} | {many.p99:.1f} |"
        )
    many = best[stored][50]
    wanted = [
        ("everything on, × mlflow models serve", f"{one[stored] / one[reference]:.1f}", "at least 20"),
        ("log off, × mlflow models serve", f"{one[unstored] / one[reference]:.1f}", "at least 40"),
        (
            "log off, of the same app returning a constant",
            f"{one[unstored] / one[constant]:.0%}",
            "at least 60 %",
        ),
        ("… of one that does not read the body", f"{one[unstored] / one[unread]:.0%}", ""),
        ("p99 over p50 at 50 clients, everything on", f"{many.p99 / many.p50:.1f}", "at most 5"),
    ]
    return "\n".join(lines) + "\n\n" + report_table(wanted)


if __name__ == "__main__":
    main()
