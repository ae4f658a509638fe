"""Sums of trees over many rows: the walk of one row, node by node, is the reference, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from ml_utils.compiled import many_trees, many_trees_jit
from ml_utils.compiled.ensembles import Ensemble, Tree
from ml_utils.compiled.many_trees import ManyTrees, fits, read, write

N_FEATURES = 7


def random_tree(rng: np.random.Generator, n_leaves: int) -> Tree:
    """Split random leaves until there are enough."""
    feature, threshold, left, right = [-1], [0.0], [-1], [-1]
    leaves = [0]
    while len(leaves) < n_leaves:
        node = leaves.pop(int(rng.integers(len(leaves))))
        feature[node], threshold[node] = (
            int(rng.integers(N_FEATURES)),
            float(rng.choice(np.arange(-2, 3) / 2)),
        )
        left[node], right[node] = len(feature), len(feature) + 1
        leaves += [left[node], right[node]]
        for values, empty in ((feature, -1), (threshold, 0.0), (left, -1), (right, -1)):
            values += [empty, empty]
    value = np.where(np.array(feature) < 0, rng.normal(size=len(feature)), 0.0)
    return Tree(np.array(feature), np.array(threshold), np.array(left), np.array(right), value)


def walk(ensemble: Ensemble, row: np.ndarray) -> float:
    """Sum the leaves that one row comes to, in the ensemble's precision."""
    kind = np.float32 if ensemble.single else np.float64
    total = kind(ensemble.base)
    for tree in ensemble.trees:
        node = 0
        while tree.feature[node] >= 0:
            value = row[tree.feature[node]]
            value = kind(np.float32(value)) if ensemble.rounded or ensemble.single else value
            cut = kind(tree.threshold[node])
            goes_right = value >= cut if ensemble.below else value > cut
            node = int((tree.right if goes_right else tree.left)[node])
        total = kind(total + kind(tree.value[node]))
    return float(total)


def table(rng: np.random.Generator, n: int) -> np.ndarray:
    """Make rows with values on the thresholds, beyond 32 bits, infinite and missing."""
    rows = np.round(rng.normal(size=(N_FEATURES, n)), 1)
    rows[0, ::5], rows[1, ::7], rows[2, ::11], rows[3, ::13] = np.inf, np.nan, 1e300, 0.5 + 1e-12
    return rows


HOW = [
    {"single": True, "below": True},  # XGBoost
    {},  # LightGBM
    {"rounded": True},  # scikit-learn
]


@pytest.mark.parametrize("how", HOW, ids=["xgboost", "lightgbm", "scikit-learn"])
@pytest.mark.parametrize("leaves", [1, 2, 9, 256])
def test_numpy_and_numba_sum_what_a_walk_does(how: dict[str, bool], leaves: int) -> None:
    rng = np.random.default_rng(leaves)
    sizes = [leaves, 1, *rng.integers(1, leaves + 1, 4).tolist()]
    ensemble = Ensemble(tuple(random_tree(rng, n) for n in sizes), base=0.25, **how)
    rows = table(rng, 2_500)  # more than a block, and not whole ones
    with np.errstate(over="ignore"):
        expected = [walk(ensemble, rows[:, i]) for i in range(rows.shape[1])]
    trees = ManyTrees(ensemble)
    assert trees.sums(rows).tolist() == expected
    assert many_trees_jit.sums(trees, rows).tolist() == expected


def test_a_file_gives_the_same_trees_and_leaves_out_those_with_too_many_leaves() -> None:
    rng = np.random.default_rng(3)
    small = Ensemble((random_tree(rng, 20), random_tree(rng, 5)), base=1.5, single=True, below=True)
    large = Ensemble((random_tree(rng, 257),))
    assert fits(small)
    assert not fits(large)
    found = read(write([large, small]))
    rows = table(rng, 100)
    assert list(found) == [1]
    assert (found[1].sums(rows) == ManyTrees(small).sums(rows)).all()


def test_numba_takes_over_after_many_rows_and_not_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(4)
    trees = ManyTrees(Ensemble((random_tree(rng, 8),)))
    rows = table(rng, 600)
    calls: list[int] = []

    def compiled(_: ManyTrees, rows: np.ndarray) -> np.ndarray:
        calls.append(rows.shape[1])
        return np.zeros(rows.shape[1])

    monkeypatch.setattr(many_trees, "HOT", 1_000)
    monkeypatch.setattr(many_trees_jit, "sums", compiled)
    first = trees.sums(rows)
    assert not calls
    assert (trees.sums(rows) == 0).all()
    assert calls == [600]
    monkeypatch.setattr(many_trees, "find_spec", lambda name: None)
    assert (trees.sums(rows) == first).all()


def test_a_long_thin_tree_is_read() -> None:
    """255 nodes below one another."""
    n = 255
    feature = np.array([0] * n + [-1] * (n + 1))
    left = np.array([n + i for i in range(n)] + [-1] * (n + 1))
    right = np.array([*range(1, n), 2 * n] + [-1] * (n + 1))
    threshold = np.concatenate([np.arange(n, dtype=float), np.zeros(n + 1)])
    value = np.concatenate([np.zeros(n), np.arange(n + 1, dtype=float)])
    trees = ManyTrees(Ensemble((Tree(feature, threshold, left, right, value),)))
    rows = np.array([[-1.0, 0.5, 100.5, 1e9]])
    assert trees.sums(rows).tolist() == many_trees_jit.sums(trees, rows).tolist() == [0.0, 1.0, 101.0, 255.0]
