"""Batch scoring: how much quicker than the pipeline, and how much memory ten million rows take.

    python benchmarks/bench_batch.py             # 10,000,000 rows, 2 workers
    python benchmarks/bench_batch.py --quick     # 500,000 rows

The twenty raw columns and the models are those of bench_scorer. A million rows, one process, one thread, the
seconds a processor's: from a DataFrame to scores, by the pipeline and by the compiled scorer; and from a
Parquet file to another, by the pipeline with pandas and by batch scoring, which also counts unusual values
and can be resumed. Memory is that of the command and all its workers, looked at ten times a second: once with
what they share counted for each, once divided among them (PSS).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", OPENBLAS_NUM_THREADS="1")

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from bench_scorer import DEFAULT, best, fit, make_table
from common import record, report_table

from ml_utils.batch import batch_score
from ml_utils.compiled.frames import columns_of
from ml_utils.compiled.package import RELEASE, PackagedModel
from ml_utils.files import sha256_bytes
from ml_utils.model import Model
from ml_utils.registry.package import MANIFEST, pack

WANTED_RATIO, WANTED_BYTES = 3.0, 2**30
FRAME = 1_000_000  # rows that both score


def package(model: Model, example: pd.DataFrame, folder: Path) -> Path:
    """Write the model as notebook 04 packages it."""
    files = pack(model, example, "bench", "00")
    release = {"model": "bench", "version": 1, "manifest_sha256": sha256_bytes(files[MANIFEST])}
    folder.mkdir()
    for name, content in {**files, RELEASE: json.dumps(release).encode()}.items():
        (folder / name).write_bytes(content)
    return folder


class Times(NamedTuple):
    """Processor seconds, and how far the scores are apart."""

    pipeline: float
    compiled: float
    pandas: float
    batch: float
    largest: float


def compare(model: Model, folder: Path, work: Path, n: int) -> Times:
    """Score the same rows in four ways."""
    X, _ = make_table(n, 2)
    source, output = work / "frame.parquet", work / "frame-scores.parquet"
    X.to_parquet(source)
    loaded = PackagedModel.read(folder)
    columns = list(model.columns)
    loaded.scorer.score_columns(columns_of(X, columns))  # numba compiles, or reads what it once compiled

    def by_pandas() -> None:
        frame = pd.read_parquet(source)
        scores = pd.DataFrame({"row": np.arange(1, len(frame) + 1), "score": model.predict_score(frame)})
        scores.to_parquet(work / "pandas.parquet")

    pipeline = best(lambda: model.pipeline.predict_proba(X), 3)
    compiled = best(lambda: loaded.scorer.score_columns(columns_of(X, columns)), 3)
    pandas, batch = best(by_pandas, 3), best(lambda: batch_score(loaded, source, output), 3)
    there, here = (pd.read_parquet(path)["score"] for path in (work / "pandas.parquet", output))
    return Times(pipeline, compiled, pandas, batch, float((there - here).abs().max()))


def write_rows(path: Path, n: int) -> None:
    """Write rows in row groups of a million, as pandas does."""
    size = min(n, 1_000_000)
    table = pa.Table.from_pandas(make_table(size, 3)[0], preserve_index=False)
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(n // size):
            writer.write_table(table, row_group_size=size)


def watch(command: list[str]) -> tuple[float, int, int]:
    """Run a command; return its seconds and the peaks of RSS and PSS of it and its children, in bytes."""
    started, rss, pss = time.monotonic(), 0, 0
    with subprocess.Popen(command, stdout=sys.stderr, stderr=sys.stderr) as process:
        while process.poll() is None:
            sizes = [_memory(one) for one in _tree(process.pid)]
            rss, pss = max(rss, sum(s[0] for s in sizes)), max(pss, sum(s[1] for s in sizes))
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.monotonic() - started, rss, pss


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in children for found in _tree(int(child)))]


def _memory(pid: int) -> tuple[int, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {
        line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[1:] if line.split()[1].isdigit()
    }
    return sizes.get("Rss", 0), sizes.get("Pss", 0)


def told(times: Times, label: str, n: int) -> list[tuple[str, str, str]]:
    """Say what was measured."""
    slow, quick, pandas, batch = (f"{1e6 * seconds / n:.2f} µs" for seconds in times[:4])
    return [
        (
            f"{label}, the same frame: pipeline; compiled scorer; ratio",
            f"{slow} a row; {quick}; {times.pipeline / times.compiled:.1f} times",
            f"≥ {WANTED_RATIO:g} times",
        ),
        (
            f"{label}, file to file: pandas and pipeline; batch scoring; ratio; largest difference",
            f"{pandas} a row; {batch}; {times.pandas / times.batch:.1f} times; {times.largest:.0e}",
            "≤ 1e-06",
        ),
    ]


def main() -> int:
    """Measure, print and record; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, nothing recorded")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    n = 500_000 if options.quick else 10_000_000
    lines: list[tuple[str, str, str]] = []
    met = True
    with TemporaryDirectory(prefix="octavo-batch-") as name:
        work = Path(name)
        for names in (("xgboost",), DEFAULT):
            model, _ = fit(names)
            folder = package(model, make_table(20_000, 1)[0], work / names[-1 if len(names) == 1 else 0])
            times = compare(model, folder, work, min(n, FRAME))
            met &= times.pipeline / times.compiled >= WANTED_RATIO and times.largest <= 1e-6
            lines += told(times, names[0] if len(names) == 1 else "default blend", min(n, FRAME))
        write_rows(work / "rows.parquet", n)
        command = ["-m", "ml_utils.batch", f"{work}/rows.parquet", f"{work}/out.parquet"]
        command += ["--package", str(folder), "--workers", str(options.workers)]
        seconds, rss, pss = watch([sys.executable, *command])
        rows = pq.read_metadata(work / "out.parquet").num_rows
    met &= rows == n and rss <= WANTED_BYTES
    memory = f"{rss / 2**20:.0f} MiB ({pss / 2**20:.0f} MiB PSS)"
    scored = f"{seconds:.0f} s, {rows / seconds:,.0f} rows a second; {memory}"
    lines.append((f"{rows:,} rows, default blend, {options.workers} workers, peak memory", scored, "≤ 1 GiB"))
    body = report_table(lines)
    print(body) if options.quick else record("Batch scoring", body)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
