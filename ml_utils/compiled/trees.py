"""Tree ensembles in onnxruntime: all of a model's in one graph, so that a row takes one call."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ml_utils.compiled.many_trees import ManyTrees, read
from ml_utils.errors import IntegrityError

MANY = 1_000  # rows from which asking a node of all rows is quicker than walking row by row


class Forest:
    """The sums of a model's tree ensembles.

    Parameters
    ----------
    content : bytes
        An ONNX graph that takes `X`, (n_rows, n_features), float64, and gives a sum a row for each ensemble.
    arrays : bytes, optional
        Those ensembles that are quicker node by node over many rows, as `many_trees` wrote them.

    Raises
    ------
    IntegrityError
        If onnxruntime cannot read it.
    """

    def __init__(self, content: bytes, arrays: bytes | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except _errors() as error:
            raise IntegrityError(f"The model's trees cannot be read: {error}") from error
        self.n_features = int(self._session.get_inputs()[0].shape[1])
        self.kinds = [_dtype(output.type) for output in self._session.get_outputs()]
        self._names = [output.name for output in self._session.get_outputs()]
        self._local = threading.local()
        self._arrays = arrays
        self._many: dict[int, ManyTrees] | None = None

    def one(self, values: list[float]) -> list[Any]:
        """Return one row's sums."""
        try:
            row, sums, binding, run = self._local.bound
        except AttributeError:
            row, sums, binding, run = self._bind()
        row[0] = values
        run(binding, None)
        return [each[0, 0] for each in sums]

    def _bind(self) -> tuple[Any, ...]:
        """Tie one row's input and outputs to memory of this thread: onnxruntime then copies nothing."""
        row = np.empty((1, self.n_features))
        sums = [np.empty((1, 1), dtype=kind) for kind in self.kinds]
        binding = self._session.io_binding()
        binding.bind_input("X", "cpu", 0, np.float64, row.shape, row.ctypes.data)
        for name, each in zip(self._names, sums, strict=True):
            binding.bind_output(name, "cpu", 0, each.dtype.type, each.shape, each.ctypes.data)
        self._local.binding = binding
        self._local.bound = (row, sums, binding._iobinding, self._session._sess.run_with_iobinding)
        bound: tuple[Any, ...] = self._local.bound
        return bound

    def many(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return all rows' sums; `rows` is (n_features, n_rows)."""
        if self._many is None:
            self._many = {} if self._arrays is None else read(self._arrays)
        many = self._many if rows.shape[1] >= MANY else {}
        found = {i: trees.sums(rows) for i, trees in many.items()}
        rest = [name for i, name in enumerate(self._names) if i not in found]
        if rest:
            sums = iter(self._session.run(rest, {"X": np.ascontiguousarray(rows.T)}))
            found |= {i: next(sums)[:, 0] for i in range(len(self._names)) if i not in found}
        return [found[i] for i in range(len(self._names))]


def _errors() -> tuple[type[Exception], ...]:
    """Return onnxruntime's own errors, which have no common base but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = [getattr(state, name) for name in dir(state)]
    return tuple(item for item in found if isinstance(item, type) and issubclass(item, Exception))


def _dtype(written: str) -> type[np.floating[Any]]:
    return np.float64 if "double" in written else np.float32
