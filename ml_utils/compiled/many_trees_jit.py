"""The program of `many_trees`, compiled for this processor by numba: import it only where numba is installed.

Compiling takes seconds once; the machine code is kept beside this file, or in the user's cache where that
folder is not writable. A service has no numba and does without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from ml_utils.compiled.many_trees import ManyTrees

BLOCK = 2_048  # rows: their columns and buffers stay in the processor's first two caches


def sums(trees: ManyTrees, rows: np.ndarray) -> np.ndarray:
    """Return what `trees.sums` does, (n_rows,); `rows` is (n_features, n_rows)."""
    total = np.empty(rows.shape[1], dtype=trees.kind)
    p = trees.program
    nodes = (p.feature, p.cut, p.left, p.right, p.ahead, p.out, p.starts)
    how = (trees.rounded, trees.below, p.n_buffers)
    _run(rows, p.used, nodes, p.values, p.first, trees.base, how, total)
    return total


def _compiled(function: Callable[..., None]) -> Any:
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder that machine code could be kept in
        return njit(nogil=True)(function)


# Each of these is one loop without branches, which the compiler turns into vector instructions.


@_compiled
def _read(taken: np.ndarray, column: np.ndarray) -> None:
    for i in range(len(column)):
        column[i] = taken[i]


@_compiled
def _read_rounded(taken: np.ndarray, column: np.ndarray) -> None:
    for i in range(len(column)):
        column[i] = np.float32(taken[i])


@_compiled
def _choose(
    x: np.ndarray, cut: Any, below: bool, left: np.ndarray, right: np.ndarray, ahead: Any, out: np.ndarray
) -> None:
    if below:
        for i in range(len(out)):
            out[i] = right[i] + ahead if x[i] >= cut else left[i]
    else:
        for i in range(len(out)):
            out[i] = right[i] + ahead if x[i] > cut else left[i]


@_compiled
def _add(values: np.ndarray, code: np.ndarray, total: np.ndarray) -> None:
    for i in range(len(total)):
        total[i] += values[code[i]]


@_compiled
def _run(
    rows: np.ndarray,
    used: np.ndarray,
    nodes: tuple[np.ndarray, ...],
    values: np.ndarray,
    first: np.ndarray,
    base: Any,
    how: tuple[bool, bool, int],
    total: np.ndarray,
) -> None:
    feature, cut, left, right, ahead, out, starts = nodes
    rounded, below, n_buffers = how
    buffers = np.zeros((n_buffers, BLOCK), np.uint8)
    columns = np.empty((len(used), BLOCK), cut.dtype)
    for start in range(0, rows.shape[1], BLOCK):
        n = min(BLOCK, rows.shape[1] - start)
        for i in range(len(used)):
            taken = rows[used[i], start : start + n]
            if rounded:
                _read_rounded(taken, columns[i, :n])
            else:
                _read(taken, columns[i, :n])
        sums = total[start : start + n]
        sums[:] = base
        for tree in range(len(starts) - 1):
            end = 0
            for k in range(starts[tree], starts[tree + 1]):
                end = out[k]
                x, on_left, on_right = columns[feature[k], :n], buffers[left[k], :n], buffers[right[k], :n]
                _choose(x, cut[k], below, on_left, on_right, ahead[k], buffers[end, :n])
            _add(values[first[tree] : first[tree + 1]], buffers[end, :n], sums)
