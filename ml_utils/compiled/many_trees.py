"""Small trees over many rows at once: a node is asked of all rows of a chunk, not each row of a node.

onnxruntime walks row by row and mispredicts at every node; here a node is one comparison of a contiguous
column, and one choice between the leaves that its two sides came to. The sums are built tree by tree, in the
order and precision of the original. numpy does it wherever this runs; after `HOT` rows numba compiles the
same program (`many_trees_jit`), to the same bits in a third of the time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from ml_utils.compiled.ensembles import Ensemble, Tree

CHUNK = 16_384  # rows: their columns stay in the processor's cache
MOST_LEAVES = 256  # a leaf's place is kept in a byte
MOST_NODES = 30_000  # beyond it walking row by row is as quick
HOT = 500_000  # rows after which compiling pays: it takes seconds once, and a moment where it was done before


def fits(ensemble: Ensemble) -> bool:
    """Tell whether an ensemble is better asked node by node."""
    return sum(len(tree.feature) for tree in ensemble.trees) <= MOST_NODES and all(
        np.count_nonzero(tree.feature < 0) <= MOST_LEAVES for tree in ensemble.trees
    )


def write(ensembles: Sequence[Ensemble]) -> bytes:
    """Write those ensembles that fit as a file of plain arrays; nothing in it is pickled."""
    arrays: dict[str, np.ndarray] = {}
    for i, item in enumerate(ensembles):
        if not fits(item):
            continue
        starts = np.cumsum([0, *(len(tree.feature) for tree in item.trees)])
        arrays[f"{i}.how"] = np.array([item.base, item.single, item.rounded, item.below], dtype=float)
        arrays[f"{i}.starts"] = starts
        for name in ("feature", "left", "right"):
            arrays[f"{i}.{name}"] = np.concatenate([getattr(tree, name) for tree in item.trees]).astype("i4")
        for name in ("threshold", "value"):
            arrays[f"{i}.{name}"] = np.concatenate([getattr(tree, name) for tree in item.trees])
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def read(content: bytes) -> dict[int, ManyTrees]:
    """Rebuild ensembles from `write`, by their place."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    return {int(name[:-4]): ManyTrees(_ensemble(found, name[:-4])) for name in found if name.endswith(".how")}


def _ensemble(arrays: dict[str, np.ndarray], i: str) -> Ensemble:
    base, single, rounded, below = arrays[f"{i}.how"].tolist()
    starts = arrays[f"{i}.starts"].tolist()
    names = ("feature", "threshold", "left", "right", "value")
    parts = [[arrays[f"{i}.{name}"][a:b] for name in names] for a, b in pairwise(starts)]
    return Ensemble(tuple(Tree(*part) for part in parts), base, bool(single), bool(rounded), bool(below))


@dataclass(frozen=True)
class Program:
    """An ensemble as choices from the bottom up, tree after tree.

    Node `k` reads column `feature[k]` and writes to buffer `out[k]` the place of the leaf that each row comes
    to, counted from the left within its part of the tree: that of buffer `left[k]`, or, where the row goes
    right, that of buffer `right[k]` and the `ahead[k]` leaves before it. Buffer 0 is a leaf's own: all zeros.

    Attributes
    ----------
    used : ndarray of shape (n_used,)
        Features that are read, by their place in a row; `feature` counts within them.
    feature, left, right, out : ndarray of shape (n_nodes,)
    cut : ndarray of shape (n_nodes,)
    ahead : ndarray of uint8, shape (n_nodes,)
    starts : ndarray of shape (n_trees + 1,)
        First node of each tree.
    values : ndarray of shape (n_leaves,)
    first : ndarray of shape (n_trees + 1,)
        First leaf of each tree.
    n_buffers : int
    """

    used: np.ndarray
    feature: np.ndarray
    cut: np.ndarray
    left: np.ndarray
    right: np.ndarray
    ahead: np.ndarray
    out: np.ndarray
    starts: np.ndarray
    values: np.ndarray
    first: np.ndarray
    n_buffers: int

    @classmethod
    def of(cls, ensemble: Ensemble, kind: type[np.floating[Any]]) -> Program:
        """Write the program of an ensemble."""
        used = sorted({int(i) for tree in ensemble.trees for i in tree.feature if i >= 0})
        writer = _Writer({feature: i for i, feature in enumerate(used)})
        for tree in ensemble.trees:
            writer.add(tree)
        columns = list(zip(*writer.nodes, strict=True)) or [()] * 6
        feature, left, right, out = (np.array(columns[i], dtype=np.intp) for i in (0, 2, 3, 5))
        cut, ahead = np.array(columns[1], dtype=kind), np.array(columns[4], dtype=np.uint8)
        starts, first = np.array(writer.starts), np.array(writer.first)
        values = np.array(writer.values, dtype=kind)
        places = np.array(used, dtype=np.intp)
        return cls(places, feature, cut, left, right, ahead, out, starts, values, first, writer.n_buffers)


class _Writer:
    def __init__(self, place: dict[int, int]) -> None:
        self.nodes: list[tuple[Any, ...]] = []
        self.starts, self.first = [0], [0]
        self.values: list[float] = []
        self.n_buffers = 1
        self._place = place

    def add(self, tree: Tree) -> None:
        self._add(tree, 0, [])
        self.starts.append(len(self.nodes))
        self.first.append(len(self.values))

    def _add(self, tree: Tree, i: int, free: list[int]) -> tuple[int, int]:
        """Write the part of a tree below a node; return the buffer it comes to and its number of leaves."""
        if tree.feature[i] < 0:
            self.values.append(float(tree.value[i]))
            return 0, 1
        left, ahead = self._add(tree, int(tree.left[i]), free)
        right, more = self._add(tree, int(tree.right[i]), free)
        if not free:
            free.append(self.n_buffers)
            self.n_buffers += 1
        out = free.pop()  # never one that is read: the loop over the rows then needs no care
        self.nodes.append((self._place[int(tree.feature[i])], tree.threshold[i], left, right, ahead, out))
        free += [buffer for buffer in (left, right) if buffer]
        return out, ahead + more


class ManyTrees:
    """One ensemble, over many rows.

    Parameters
    ----------
    ensemble : Ensemble
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self.kind = np.float32 if ensemble.single else np.float64
        self.rounded = ensemble.rounded
        self.below = ensemble.below
        self.base = self.kind(ensemble.base)
        self.program = Program.of(ensemble, self.kind)
        self._asked = 0

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """Return the sum of each row, (n_rows,); `rows` is (n_features, n_rows)."""
        n = rows.shape[1]
        self._asked += n
        if self._asked >= HOT and find_spec("numba") is not None:
            from ml_utils.compiled import many_trees_jit

            return many_trees_jit.sums(self, rows)
        total = np.empty(n, dtype=self.kind)
        for start in range(0, n, CHUNK):
            part = rows[:, start : start + CHUNK]
            total[start : start + CHUNK] = self._chunk(part)
        return total

    def _chunk(self, rows: np.ndarray) -> np.ndarray:
        taken = rows[self.program.used]
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite
            if self.rounded:
                taken = taken.astype(np.float32)
            columns = list(taken.astype(self.kind, copy=False))
        n = rows.shape[1]
        buffers = list(np.zeros((self.program.n_buffers, n), dtype=np.uint8))
        goes_right = np.greater_equal if self.below else np.greater
        asked = np.empty(n, dtype=bool)
        counted = asked.view(np.uint8)
        places, value = np.empty(n, dtype=np.intp), np.empty(n, dtype=self.kind)
        total = np.full(n, self.base, dtype=self.kind)
        for nodes, out, values in self._trees:
            for feature, cut, *choice in nodes:
                goes_right(columns[feature], cut, out=asked)
                _choose(buffers, counted, *choice)
            np.copyto(places, buffers[out])
            np.take(values, places, out=value, mode="wrap")
            np.add(total, value, out=total)
        return total

    @cached_property
    def _trees(self) -> list[tuple[list[tuple[Any, ...]], int, np.ndarray]]:
        """Return each tree's nodes, the buffer it ends in, and its leaves' values."""
        p = self.program
        cuts = [np.array(cut) for cut in p.cut]
        ahead = [np.array(n) for n in p.ahead]
        columns = (p.feature.tolist(), cuts, p.left.tolist(), p.right.tolist(), ahead, p.out.tolist())
        nodes = list(zip(*columns, strict=True))
        spans = zip(pairwise(p.starts.tolist()), pairwise(p.first.tolist()), strict=True)
        return [(nodes[a:b], nodes[b - 1][-1] if b > a else 0, p.values[c:d]) for (a, b), (c, d) in spans]


def _choose(
    buffers: list[np.ndarray], asked: np.ndarray, left: int, right: int, ahead: np.ndarray, out: int
) -> None:
    """Write left + asked · (ahead + right − left), within a byte; a leaf's own place is 0."""
    code = buffers[out]
    if right:
        np.add(buffers[right], ahead, out=code)
        if left:
            np.subtract(code, buffers[left], out=code)
        np.multiply(code, asked, out=code)
    elif left:
        np.subtract(ahead, buffers[left], out=code)
        np.multiply(code, asked, out=code)
    else:
        np.copyto(code, asked)  # two leaves
    if left:
        np.add(code, buffers[left], out=code)
