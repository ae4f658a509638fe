"""Parts scored in order of arrival: in this process, or in others that each have the model."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from ml_utils.batch.journal import Part
from ml_utils.batch.parts import write_part
from ml_utils.batch.scoring import Recipe, Rows, score_part
from ml_utils.errors import ServiceError

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_AHEAD = 1  # parts read while all workers are busy


class Unscored(NamedTuple):
    """Rows as they were read.

    Parameters
    ----------
    number : int
    start : int
        Rows before it.
    table : pyarrow.Table
    path : Path
        Where the scored part goes.
    """

    number: int
    start: int
    table: pa.Table
    path: Path


@dataclass(frozen=True)
class Task:
    """What is the same for all parts."""

    recipe: Recipe
    keys: tuple[str, ...]


def score_all(task: Task, parts: Iterator[Unscored], workers: int) -> Iterator[Part]:
    """Score parts and write them; yield each once its file is whole.

    Parameters
    ----------
    task : Task
    parts : iterator of Unscored
    workers : int
        Processes; with one the work is done here.

    Raises
    ------
    DataError
        If rows are wrong.
    OSError
        If a part cannot be written.
    ServiceError
        If a worker process ended, for want of memory say.
    """
    if workers <= 1:
        rows = task.recipe.rows()
        for part in parts:
            yield _score_and_write(rows, task, part)
        return
    with _pool(task, workers) as pool:
        waiting: set[Future[Part]] = set()
        try:
            for part in parts:
                with _ctrl_c_waits():
                    waiting.add(pool.submit(_in_worker, part))
                if len(waiting) >= workers + _AHEAD:
                    yield from _finished(waiting)
            while waiting:
                yield from _finished(waiting)
        except BrokenProcessPool:
            raise ServiceError(
                "A worker process ended before its time, perhaps for want of memory. What was scored is "
                "kept: run the same again to go on, with fewer workers."
            ) from None


def _finished(waiting: set[Future[Part]]) -> list[Part]:
    done = wait(waiting, return_when=FIRST_COMPLETED).done
    waiting -= done
    return [future.result() for future in done]


@contextmanager
def _pool(task: Task, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start fresh processes: a fork of one in which OpenMP has run may hang."""
    content = pickle.dumps(task, protocol=5)  # loaded once the number of threads is set
    context = multiprocessing.get_context("spawn")
    with _one_thread_each():
        pool = ProcessPoolExecutor(workers, context, _begin, (content,))
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Keep Ctrl-C from workers that are just starting, which would each print a traceback; it comes after."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """The workers share the cores; each of their libraries gets one thread."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_worker: tuple[Rows, Task] | None = None  # of a worker process


def _begin(content: bytes) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever stops the run stops the parent; it ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    task: Task = pickle.loads(content)
    _worker = task.recipe.rows(), task


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # killed: nobody would ever send another part, nor the end
        os._exit(1)


def _in_worker(part: Unscored) -> Part:
    assert _worker is not None
    return _score_and_write(*_worker, part)


def _score_and_write(rows: Rows, task: Task, part: Unscored) -> Part:
    scored = score_part(rows, task.recipe.threshold, part.table, part.start, task.keys)
    size = write_part(part.path, scored.table)
    n = len(part.table)
    return Part(part.number, part.start, n, scored.acted, scored.total, scored.unusual, size)
