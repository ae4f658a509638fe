"""All slices of one and two columns at once: sums over cells, and the largest statistic under the null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.failures.banding import BandedColumn
from ml_utils.evaluation.failures.row_scores import Array, Mask, RowScores
from ml_utils.evaluation.intervals import Z95

NULL_ROWS = 10_000  # rows on which the null distribution is drawn; its shape hardly depends on their number


@dataclass(frozen=True)
class Family:
    """The cells of one column, or of two, in the array of all cells.

    Parameters
    ----------
    columns : tuple of int
        One or two positions.
    shape : tuple of int
        Levels of each.
    start : int
        Position of the first cell; cells are in row-major order.
    """

    columns: tuple[int, ...]
    shape: tuple[int, ...]
    start: int

    @property
    def cells(self) -> slice:
        """Where the family's cells are."""
        return slice(self.start, self.start + int(np.prod(self.shape)))


class Cells:
    """The cells of all single columns and all pairs.

    Parameters
    ----------
    columns : sequence of BandedColumn
    pairs : bool
        Whether two columns are crossed.
    """

    def __init__(self, columns: Sequence[BandedColumn], pairs: bool = True) -> None:
        levels = [len(column.labels) for column in columns]
        self.columns = columns
        self.families: list[Family] = []
        self.family_of: dict[tuple[int, ...], Family] = {}
        start = 0
        singles = [(i,) for i in range(len(levels))]
        crossed = [(i, j) for i in range(len(levels)) for j in range(i + 1, len(levels))] if pairs else []
        for chosen in [*singles, *crossed]:
            family = Family(chosen, tuple(levels[i] for i in chosen), start)
            self.families.append(family)
            self.family_of[chosen] = family
            start = family.cells.stop
        self.n_cells = start
        self.n_single = sum(levels)

    def codes(
        self, family: Family, rows: npt.NDArray[np.int64] | Mask | None = None
    ) -> npt.NDArray[np.int64]:
        """Return the cell of each row within a family."""
        parts = [
            self.columns[i].codes if rows is None else self.columns[i].codes[rows] for i in family.columns
        ]
        return parts[0] if len(parts) == 1 else parts[0] * family.shape[1] + parts[1]

    def sums(self, scores: RowScores, rows: npt.NDArray[np.int64] | None = None) -> tuple[Array, Array]:
        """Sum scores and their moments over every cell.

        Parameters
        ----------
        scores : RowScores
        rows : ndarray of int, optional
            Sum over these rows alone.

        Returns
        -------
        sums : ndarray of shape (2, n_cells)
        moments : ndarray of shape (k, n_cells)
        """
        values = scores.scores if rows is None else scores.scores[:, rows]
        sums, moments = np.empty((2, self.n_cells)), None
        for family in self.families:
            codes, n = self.codes(family, rows), int(np.prod(family.shape))
            sums[:, family.cells] = [np.bincount(codes, weights=v, minlength=n) for v in values]
            found = scores.moments(codes, n, rows)
            if moments is None:
                moments = np.empty((len(found), self.n_cells))
            moments[:, family.cells] = found
        return sums, np.empty((1, 0)) if moments is None else moments

    def drawn_sums(
        self, drawn: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Sum drawn scores over every cell, shape (2, n_cells, n_draws).

        By matrix products of indicator columns: 400 sums of 10,000 rows over all pairs of 30 columns take a
        second or two, where counting row by row takes minutes.
        """
        levels = [len(column.labels) for column in self.columns]
        offsets = np.concatenate([[0], np.cumsum(levels)])
        hot = np.zeros((len(rows), int(offsets[-1])), dtype=np.float32)
        for column, offset in zip(self.columns, offsets[:-1], strict=True):
            hot[np.arange(len(rows)), offset + column.codes[rows]] = 1
        made = np.zeros((self.n_cells, drawn.shape[1]), dtype=np.float32)
        made[: self.n_single] = hot.T @ drawn
        if len(self.families) > len(levels):
            for i in range(len(levels) - 1):
                self._cross(i, hot[:, offsets[i + 1] :], drawn, self.columns[i].codes[rows], made)
        return made.reshape(self.n_cells, 2, -1).transpose(1, 0, 2)

    def _cross(
        self,
        i: int,
        hot: npt.NDArray[np.float32],
        drawn: npt.NDArray[np.float32],
        codes: npt.NDArray[np.int64],
        made: npt.NDArray[np.float32],
    ) -> None:
        for level in range(len(self.columns[i].labels)):
            inside = np.flatnonzero(codes == level)
            found, place = hot[inside].T @ drawn[inside], 0
            for j in range(i + 1, len(self.columns)):
                family = self.family_of[(i, j)]
                width = family.shape[1]
                start = family.start + level * width
                made[start : start + width] = found[place : place + width]
                place += width

    def penalties(self, eligible: Mask) -> Array:
        """Return twice the logarithm of how many cells of its kind there are, to lessen statistics by.

        One column and two columns then have the same chance of a false finding, though there are many more
        pairs (Bonferroni within each kind), and of two slices that say the same the simpler wins.
        """
        single = np.arange(self.n_cells) < self.n_single
        sizes = [max(int((eligible & kind).sum()), 1) for kind in (single, ~single)]
        return np.where(single, 2 * np.log(sizes[0]), 2 * np.log(sizes[1]))


@dataclass(frozen=True)
class Null:
    """Largest statistics of tables on which the model is right.

    Parameters
    ----------
    largest : ndarray of shape (n_draws,)
        Of bias and rest together, less the penalty.
    bias : ndarray of shape (n_draws,)
        Of bias alone, less the penalty.
    """

    largest: Array
    bias: Array

    def p_value(self, statistic: float) -> float:
        """Return the family-wise p-value of a statistic (Westfall & Young 1993)."""
        return float((1 + (self.largest >= statistic).sum()) / (1 + len(self.largest)))

    def bias_reach(self, alpha: float, penalty: float) -> float:
        """Return how many standard errors hold the bias of all slices at once with probability 1 − alpha."""
        squared = float(np.quantile(self.bias, 1 - alpha, method="higher")) + penalty
        return float(np.sqrt(max(squared, Z95**2)))


def eligible_cells(sizes: Array, minimum_rows: float, n_rows: int) -> Mask:
    """Tell which cells have enough rows, and at most half of all: a larger one is the others' opposite."""
    return (sizes >= minimum_rows) & (2 * sizes <= n_rows)


def draw_null(cells: Cells, scores: RowScores, share: float, n_draws: int, rng: np.random.Generator) -> Null:
    """Draw tables on which the model is right and search each of them.

    Parameters
    ----------
    cells : Cells
    scores : RowScores
    share : float
        Share of the rows that a slice must have.
    n_draws : int
    rng : Generator

    Returns
    -------
    Null
    """
    n = scores.scores.shape[1]
    rows = np.arange(n) if n <= NULL_ROWS else np.sort(rng.choice(n, NULL_ROWS, replace=False))
    some = scores if len(rows) == n else scores.take(rows)
    drawn = some.draw(n_draws, rng)
    whole = drawn.sum(axis=0, dtype=float).reshape(2, n_draws)
    moments = _moments(cells, some, rows)
    eligible = eligible_cells(moments[0], share * len(rows), len(rows))
    bias, rest = some.judge(cells.drawn_sums(drawn, rows)[:, eligible], moments[:, eligible], whole)
    penalties = cells.penalties(eligible)[eligible]
    return Null((bias + rest - penalties[:, None]).max(axis=0), (bias - penalties[:, None]).max(axis=0))


def _moments(cells: Cells, scores: RowScores, rows: npt.NDArray[np.int64]) -> Array:
    parts = [scores.moments(cells.codes(f, rows), int(np.prod(f.shape))) for f in cells.families]
    return np.concatenate(parts, axis=1)
