"""Small trees over many rows at once: numpy asks each node of a chunk of rows, instead of each row of a node.

onnxruntime walks row by row and mispredicts at every node; here a node is one comparison of a contiguous
column. The sums are built tree by tree, in the order and precision of the original.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ml_utils.compiled.ensembles import Ensemble, Tree

CHUNK = 16_384  # rows: their columns stay in the processor's cache
DEEPEST = 8  # a leaf is told by one bit a level, in a byte
MOST_NODES = 30_000  # beyond it walking row by row is as quick


def fits(ensemble: Ensemble) -> bool:
    """Tell whether an ensemble is better asked node by node."""
    return sum(len(tree.feature) for tree in ensemble.trees) <= MOST_NODES and all(
        _depth(tree) <= DEEPEST for tree in ensemble.trees
    )


def _depth(tree: Tree) -> int:
    depth = np.zeros(len(tree.feature), dtype=int)
    deepest, waiting = 0, [0]
    while waiting:
        node = waiting.pop()
        if tree.feature[node] >= 0:
            for child in (int(tree.left[node]), int(tree.right[node])):
                depth[child] = depth[node] + 1
                deepest = max(deepest, int(depth[child]))
                waiting.append(child)
    return deepest


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


class ManyTrees:
    """One ensemble, as the comparisons of each tree in an order that needs one buffer a level.

    Parameters
    ----------
    ensemble : Ensemble
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self.kind = np.float32 if ensemble.single else np.float64
        self.rounded = ensemble.rounded
        self.base = self.kind(ensemble.base)
        self.goes_right = np.greater_equal if ensemble.below else np.greater
        self.used = sorted({int(i) for tree in ensemble.trees for i in tree.feature if i >= 0})
        self._trees = [self._program(tree) for tree in ensemble.trees]

    def _program(self, tree: Tree) -> tuple[list[tuple[Any, ...]], int, np.ndarray]:
        """Return a tree's nodes (level, feature, cut, side it hangs on, first of its level, goes on to the
        left), its depth, and the value of each code: a bit for each level, set where a row went right."""
        place = {feature: i for i, feature in enumerate(self.used)}
        depth = _depth(tree)
        values = np.zeros(2**depth, dtype=self.kind)
        nodes: list[tuple[Any, ...]] = []
        seen: set[int] = set()
        waiting = [(0, 0, 0, 0)]  # node, level, side, code
        while waiting:
            node, level, side, code = waiting.pop()
            if tree.feature[node] < 0:
                free = np.arange(2 ** (depth - level)) << level  # deeper bits stay 0, whatever they are
                values[code + free] = tree.value[node]
                continue
            left, right = int(tree.left[node]), int(tree.right[node])
            cut = np.array(tree.threshold[node], dtype=self.kind)
            goes_left = bool(tree.feature[left] >= 0)
            nodes.append((level, place[int(tree.feature[node])], cut, side, level not in seen, goes_left))
            seen.add(level)
            waiting += [(right, level + 1, 1, code | 1 << level), (left, level + 1, 0, code)]
        return nodes, depth, values

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """Return the sum of each row, (n_rows,); `rows` is (n_features, n_rows)."""
        n = rows.shape[1]
        total = np.empty(n, dtype=self.kind)
        for start in range(0, n, CHUNK):
            part = rows[:, start : start + CHUNK]
            total[start : start + CHUNK] = self._chunk(part)
        return total

    def _chunk(self, rows: np.ndarray) -> np.ndarray:
        taken = rows[self.used]
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite
            if self.rounded:
                taken = taken.astype(np.float32)
            columns = list(taken.astype(self.kind, copy=False))
        scratch = _Scratch(rows.shape[1], self.kind)
        total = np.full(rows.shape[1], self.base, dtype=self.kind)
        for nodes, depth, values in self._trees:
            if depth == 0:
                np.add(total, values[0], out=total)
                continue
            scratch.tell(nodes, columns, self.goes_right)
            np.take(values, scratch.code(depth), out=scratch.value, mode="wrap")
            np.add(total, scratch.value, out=total)
        return total


class _Scratch:
    """Buffers for a chunk: who is on the left and on the right of each level's node, and each level's bit."""

    def __init__(self, n: int, kind: type[np.floating[Any]]) -> None:
        self.asked = np.empty(n, dtype=bool)
        self.sides = [[np.empty(n, dtype=bool) for _ in range(DEEPEST + 1)] for _ in range(2)]
        self.bits = [np.empty(n, dtype=bool) for _ in range(DEEPEST)]
        self.bytes = [bit.view(np.uint8) for bit in self.bits]
        self.sum, self.part = np.empty(n, dtype=np.uint8), np.empty(n, dtype=np.uint8)
        self.places = np.empty(n, dtype=np.intp)
        self.value = np.empty(n, dtype=kind)
        self.weights = [np.array(1 << level, dtype=np.uint8) for level in range(DEEPEST)]

    def tell(self, nodes: list[tuple[Any, ...]], columns: list[np.ndarray], goes_right: np.ufunc) -> None:
        """Ask a tree's nodes, each of all rows."""
        lefts, rights = self.sides
        asked = self.asked
        for level, feature, cut, side, first, goes_left in nodes:
            if level == 0:
                goes_right(columns[feature], cut, out=self.bits[0])
                np.copyto(rights[0], self.bits[0])
                if goes_left:
                    np.logical_not(self.bits[0], out=lefts[0])
                continue
            there = self.sides[side][level - 1]
            right = rights[level]
            goes_right(columns[feature], cut, out=asked)
            np.bitwise_and(asked, there, out=right)
            if goes_left:
                np.not_equal(there, right, out=lefts[level])
            if first:
                np.copyto(self.bits[level], right)
            else:
                np.bitwise_or(self.bits[level], right, out=self.bits[level])

    def code(self, depth: int) -> np.ndarray:
        """Return each row's code: the levels' bits together."""
        code = self.bytes[0]
        for level in range(1, depth):
            np.multiply(self.bytes[level], self.weights[level], out=self.part)
            code = np.add(code, self.part, out=self.sum)
        np.copyto(self.places, code)
        return self.places
