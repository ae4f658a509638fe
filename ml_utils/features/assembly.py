"""All blocks together: which features there are, and one array that all of them write into."""

from __future__ import annotations

import numpy as np

from ml_utils.features.blocks import Block, CategoryBlock, DateBlock, Source, TextBlock
from ml_utils.features.numbers import NumberBlock
from ml_utils.features.options import Options
from ml_utils.features.origins import Origin
from ml_utils.features.scaling import AFFINE, Scaling
from ml_utils.features.target import Target

_ENCODINGS = {"category": "onehot", "target": "target", "ordinal": "ordinal"} | {
    name: name for name in ("frequency", "hashing")
}


class Assembly:
    """The blocks of a table's roles, in the order of their features.

    Parameters
    ----------
    options : Options
    roles : dict of str to list of str

    Attributes
    ----------
    blocks : list of Block
    scalings : list of Scaling or None
        One for each block.
    """

    def __init__(self, options: Options, roles: dict[str, list[str]]) -> None:
        self.blocks: list[Block] = [
            _block(options, role, columns)
            for role, columns in roles.items()
            if columns and role != "left_out"
        ]
        self.kind, self.seed = options.scaling, options.seed
        self.scalings: list[Scaling | None] = []

    @property
    def origins(self) -> list[Origin]:
        """Every feature, in order; names are not unique yet."""
        return [origin for block in self.blocks for origin in block.origins]

    def fit_write(self, source: Source, target: Target | None) -> np.ndarray:
        """Learn from the training rows, and return their features, (n_features, n_rows)."""
        writers = [block.learn(source, target) for block in self.blocks]
        out = np.empty((len(self.origins), len(source)))
        start = 0
        while writers:
            block = self.blocks[len(self.scalings)]
            rows = out[start : (start := start + len(block.origins))]
            writers.pop(0)(rows)  # what a writer holds on to goes with it
            self.scalings.append(self._learn_scaling(block, rows))
        return out

    def write(self, source: Source) -> np.ndarray:
        """Return the features of any rows, (n_features, n_rows)."""
        out = np.empty((len(self.origins), len(source)))
        start = 0
        for block, scaling in zip(self.blocks, self.scalings, strict=True):
            rows = out[start : (start := start + len(block.origins))]
            block.write(source, rows)
            if scaling is not None:
                scaling.apply(rows[: block.scalable(self.kind in AFFINE)])
        return out

    def _learn_scaling(self, block: Block, rows: np.ndarray) -> Scaling | None:
        n = block.scalable(self.kind in AFFINE)
        if self.kind == "none" or n == 0:
            return None
        scaling = Scaling(self.kind, self.seed)
        scaling.fit(rows[:n])
        scaling.apply(rows[:n])
        return scaling


def _block(options: Options, role: str, columns: list[str]) -> Block:
    if role == "numeric":
        return NumberBlock(columns, options.outliers, options.imputation, options.indicators, options.seed)
    if role == "date":
        return DateBlock(columns, options.date_parts, options.date_cycles or (), options.since)
    if role == "text":
        return TextBlock(columns, options.n_topics, options.seed)
    return CategoryBlock(columns, _ENCODINGS[role], options.orders, options.n_hashes)
