"""The search itself: sums over all cells, from which the rows of what was found are taken out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.failures.banding import MISSING
from ml_utils.evaluation.failures.cells import Cells, Family, eligible_cells
from ml_utils.evaluation.failures.row_scores import RowScores
from ml_utils.evaluation.failures.slices import Condition
from ml_utils.evaluation.metrics import Array

Mask = npt.NDArray[np.bool_]
GAIN = 2.0  # what a wider band must add to the statistic to be taken


class Search:
    """Sums over all cells, from which rows can be taken out."""

    def __init__(self, cells: Cells, scores: RowScores, minimum_rows: int) -> None:
        self.cells, self.scores, self.minimum_rows = cells, scores, minimum_rows
        self.kept = np.ones(scores.scores.shape[1], dtype=bool)
        self.sums, self.moments = cells.sums(scores)
        self.first_eligible = self.eligible
        self.penalties = cells.penalties(self.first_eligible)

    @property
    def eligible(self) -> Mask:
        """Cells that may be found among the rows that are left."""
        return eligible_cells(self.moments[0], self.minimum_rows, int(self.kept.sum()))

    def judge(self, sums: Array, moments: Array) -> tuple[Array, Array]:
        """Return the statistics of bias and rest of cells given by their sums."""
        whole = self.scores.scores[:, self.kept].sum(axis=1)
        return self.scores.judge(sums, moments, whole, self.kept)

    def best(self) -> tuple[float, int]:
        """Return the largest statistic, less its penalty, and its cell."""
        eligible = np.flatnonzero(self.eligible & self.first_eligible)
        if not len(eligible):
            return -np.inf, -1
        bias, rest = self.judge(self.sums[:, eligible], self.moments[:, eligible])
        lessened = bias + rest - self.penalties[eligible]
        place = int(np.argmax(lessened))
        return float(lessened[place]), int(eligible[place])

    def widen(self, cell: int) -> tuple[tuple[Condition, ...], float, float]:
        """Take in neighbouring bands as long as the statistic grows; return conditions, bias and rest."""
        family = next(f for f in self.cells.families if f.cells.start <= cell < f.cells.stop)
        place = np.unravel_index(cell - family.start, family.shape)
        ranges = [(int(level), int(level)) for level in place]
        bias, rest = self._of(family, ranges)
        grown = True
        while grown:
            grown = False
            for wider in _neighbours(self.cells, family, ranges):
                more = self._of(family, wider)
                if sum(more) > bias + rest + GAIN:
                    ranges, (bias, rest), grown = wider, more, True
                    break
        return self._conditions(family, ranges), bias, rest

    def _of(self, family: Family, ranges: Sequence[tuple[int, int]]) -> tuple[float, float]:
        box = (slice(None), *(slice(first, last + 1) for first, last in ranges))
        axes = tuple(range(1, 1 + len(ranges)))
        parts = [
            part[:, family.cells].reshape(len(part), *family.shape)[box].sum(axis=axes)[:, None]
            for part in (self.sums, self.moments)
        ]
        if not eligible_cells(parts[1][0], self.minimum_rows, int(self.kept.sum()))[0]:
            return 0.0, 0.0
        bias, rest = self.judge(*parts)
        return float(bias[0]), float(rest[0])

    def _conditions(self, family: Family, ranges: Sequence[tuple[int, int]]) -> tuple[Condition, ...]:
        every = [
            Condition(self.cells.columns[i], first, last)
            for i, (first, last) in zip(family.columns, ranges, strict=True)
        ]
        told = [item for item in every if item.last - item.first + 1 < len(item.column.labels)]
        return tuple(told or every)

    def inside(self, conditions: Sequence[Condition]) -> Mask:
        """Tell which of the rows that are left meet the conditions."""
        mask = self.kept.copy()
        for item in conditions:
            mask &= item.holds(item.column.codes)
        return mask

    def take_out(self, mask: Mask) -> None:
        """Take rows out of all sums."""
        rows = np.flatnonzero(mask)
        sums, moments = self.cells.sums(self.scores, rows)
        self.sums, self.moments = self.sums - sums, self.moments - moments
        self.kept = self.kept & ~mask


def _neighbours(
    cells: Cells, family: Family, ranges: Sequence[tuple[int, int]]
) -> list[list[tuple[int, int]]]:
    made = []
    for axis, (first, last) in enumerate(ranges):
        column = cells.columns[family.columns[axis]]
        if column.labels[first] == MISSING or not column.ordered:
            continue
        for wider in ((first - 1, last), (first, last + 1)):
            if wider[0] >= 0 and wider[1] < column.ordered:
                made.append([*ranges[:axis], wider, *ranges[axis + 1 :]])
    return made
