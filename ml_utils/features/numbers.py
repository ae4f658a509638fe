"""Numbers: held within fences, what is missing filled in and marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml_utils.features.blocks import Block, Source, Writer
from ml_utils.features.fences import Ordered, fences
from ml_utils.features.imputing import MODELS, ModelImputer, filling
from ml_utils.features.origins import Origin
from ml_utils.features.target import Target

CHUNK = 16_384  # rows worked on at a time, so that they stay in the processor's cache


class NumberBlock(Block):
    """Numeric columns: finite, within their fences, complete; then marks of what was missing.

    Parameters
    ----------
    columns : sequence of str
    outliers : float, str or None
        See `fences`.
    imputation : str
    indicators : bool
        Whether a column that missed values in training gets a mark.
    seed : int

    Attributes
    ----------
    lower, upper, fill : ndarray of shape (n_columns,)
    smallest, largest : ndarray of shape (n_columns,)
        Of the training rows, before the fences.
    marked : ndarray of int
        Places of the columns that have a mark.
    imputer : ModelImputer or None
    """

    def __init__(
        self,
        columns: Sequence[str],
        outliers: float | str | None,
        imputation: str,
        indicators: bool,
        seed: int,
    ) -> None:
        self.columns = list(columns)
        self.outliers = outliers
        self.imputation = imputation
        self.indicators = indicators
        self.seed = seed
        self.imputer: ModelImputer | None = None
        self.origins = []

    def learn(self, source: Source, target: Target | None) -> Writer:
        """Learn fences and fillings."""
        n = len(self.columns)
        self.lower, self.upper, self.fill = (
            np.full((n, 1), -np.inf),
            np.full((n, 1), np.inf),
            np.zeros((n, 1)),
        )
        self.smallest, self.largest = np.full(n, np.nan), np.full(n, np.nan)
        marked = []
        for i, name in enumerate(self.columns):
            values = np.asarray(source.numbers(name))
            known = values[np.isfinite(values)].astype(float, copy=False)
            if len(known) < len(values):
                marked.append(i)
            self.smallest[i], self.largest[i] = known.min(), known.max()
            ordered = Ordered(known)
            self.lower[i], self.upper[i] = fences(ordered, self.outliers)
            self.fill[i] = filling(
                self.imputation, ordered, known, float(self.lower[i, 0]), float(self.upper[i, 0])
            )
        self.marked = np.array(marked if self.indicators else [], dtype=int)
        self.origins = [
            *(Origin(name, name, "number") for name in self.columns),
            *(Origin(f"{self.columns[i]}_missing", self.columns[i], "missing") for i in self.marked),
        ]
        if self.imputation in MODELS and marked:
            self.imputer = self._learn_imputer(source)
        return lambda out: self.write(source, out)

    def _learn_imputer(self, source: Source) -> ModelImputer:
        imputer = ModelImputer(self.imputation, self.seed)
        chosen = imputer.sample(len(source))
        part = Source(source.table if chosen is None else source.table.iloc[chosen])
        values = np.empty((len(self.columns), len(part)))
        self._read(part, values)
        values[~np.isfinite(values)] = np.nan
        return imputer.fit(np.clip(values, self.lower, self.upper).T)

    def write(self, source: Source, out: np.ndarray) -> None:
        """Write numbers and marks."""
        self._read(source, out)
        n = len(self.columns)
        for start in range(0, out.shape[1], CHUNK):
            part = out[:n, start : start + CHUNK]
            absent = ~np.isfinite(part)
            np.clip(part, self.lower, self.upper, out=part)
            if len(self.marked):
                out[n:, start : start + CHUNK] = absent[self.marked]
            if not absent.any():
                continue
            np.copyto(part, self.fill, where=absent)
            if self.imputer is not None:
                self.imputer.fill(part, absent)

    def _read(self, source: Source, out: np.ndarray) -> None:
        for i, name in enumerate(self.columns):
            out[i] = source.numbers(name)

    def scalable(self, affine: bool) -> int:
        """Scale numbers, and marks where that only moves and stretches them."""
        return len(self.origins) if affine else len(self.columns)
