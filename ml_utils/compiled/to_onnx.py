"""Tree ensembles as one ONNX graph: a TreeEnsemble node each, in the precision that the original works in.

Features are never scaled before trees, and thresholds keep their bits: a value on a cut point goes where the
original sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_utils.compiled.ensembles import Ensemble, Tree

if TYPE_CHECKING:
    from onnx import NodeProto

_BELOW_OR_EQUAL, _BELOW = 0, 1  # modes of a node
_SUM = 1


def graph_of(ensembles: Sequence[Ensemble], n_features: int) -> bytes:
    """Write ensembles as an ONNX model that takes all features in float64 and gives a sum for each.

    Parameters
    ----------
    ensembles : sequence of Ensemble
    n_features : int

    Returns
    -------
    bytes
    """
    from onnx import TensorProto, helper

    nodes: list[NodeProto] = []
    outputs = []
    if any(item.single or item.rounded for item in ensembles):
        nodes.append(helper.make_node("Cast", ["X"], ["X32"], to=TensorProto.FLOAT))
    if any(item.rounded for item in ensembles):
        nodes.append(helper.make_node("Cast", ["X32"], ["X32in64"], to=TensorProto.DOUBLE))
    for i, item in enumerate(ensembles):
        source = "X32" if item.single else "X32in64" if item.rounded else "X"
        nodes.append(_node(item, source, f"sum{i}"))
        kind = TensorProto.FLOAT if item.single else TensorProto.DOUBLE
        outputs.append(helper.make_tensor_value_info(f"sum{i}", kind, [None, 1]))
    taken = helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, n_features])
    graph = helper.make_graph(nodes, "trees", [taken], outputs)
    operators = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
    model = helper.make_model(graph, opset_imports=operators, ir_version=10, producer_name="octavo")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Written:
    """Trees in the layout of the operator: inner nodes apart from leaves."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.children: tuple[list[int], list[int]] = ([], [])
        self.is_leaf: tuple[list[int], list[int]] = ([], [])
        self.leaves: list[float] = []

    def constant(self, value: float) -> None:
        """Add a tree that is one leaf: a node needs two, so it has the same twice."""
        self.roots.append(len(self.feature))
        self._inner(0, 0.0)
        for side in (0, 1):
            self.children[side].append(len(self.leaves))
            self.is_leaf[side].append(1)
            self.leaves.append(value)

    def tree(self, tree: Tree) -> None:
        """Add a tree."""
        if tree.feature[0] < 0:
            self.constant(float(tree.value[0]))
            return
        inner = np.flatnonzero(tree.feature >= 0)
        # the operator wants a node's descendants behind it; those of every library here are, or are sorted so
        order = _preorder(tree) if (tree.left[inner] <= inner).any() else inner.tolist()
        start = len(self.feature)
        place = {node: start + i for i, node in enumerate(order)}
        self.roots.append(start)
        for node in order:
            self._inner(int(tree.feature[node]), float(tree.threshold[node]))
            for side, child in enumerate((int(tree.left[node]), int(tree.right[node]))):
                leaf = tree.feature[child] < 0
                self.is_leaf[side].append(int(leaf))
                self.children[side].append(len(self.leaves) if leaf else place[child])
                if leaf:
                    self.leaves.append(float(tree.value[child]))

    def _inner(self, feature: int, threshold: float) -> None:
        self.feature.append(feature)
        self.threshold.append(threshold)


def _preorder(tree: Tree) -> list[int]:
    found, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        if tree.feature[node] >= 0:
            found.append(node)
            waiting += [int(tree.right[node]), int(tree.left[node])]
    return found


def _node(ensemble: Ensemble, source: str, target: str) -> Any:
    from onnx import helper, numpy_helper

    kind = np.float32 if ensemble.single else np.float64
    written = _Written()
    if ensemble.base:
        written.constant(ensemble.base)  # first, as the original starts from it: sums are rounded in order
    for tree in ensemble.trees:
        written.tree(tree)
    mode = _BELOW if ensemble.below else _BELOW_OR_EQUAL
    modes = np.full(len(written.feature), mode, dtype=np.uint8)
    return helper.make_node(
        "TreeEnsemble",
        [source],
        [target],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=_SUM,
        post_transform=0,
        tree_roots=written.roots,
        nodes_modes=numpy_helper.from_array(modes, "modes"),
        nodes_featureids=written.feature,
        nodes_splits=numpy_helper.from_array(np.array(written.threshold, dtype=kind), "splits"),
        nodes_truenodeids=written.children[0],
        nodes_trueleafs=written.is_leaf[0],
        nodes_falsenodeids=written.children[1],
        nodes_falseleafs=written.is_leaf[1],
        leaf_targetids=[0] * len(written.leaves),
        leaf_weights=numpy_helper.from_array(np.array(written.leaves, dtype=kind), "leaves"),
    )
