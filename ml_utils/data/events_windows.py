"""Aggregates of many windows over sorted events, each computed from its own events and nothing else.

A prefix sum is quicker still, but the difference of two sums carries the rounding of every event before, and
of a huge one its loss of digits. Here a window is put together from blocks of 1, 2, 4, ... events of its own
key (a segment tree over each key's events), so that what lies outside it cannot move even its last bit, and
the work grows with the logarithm of a window's size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Parts = tuple[Floats, ...]

# An empty window: number of values, sum, sum of squared deviations from the mean, smallest, largest.
NOTHING = (0.0, 0.0, 0.0, np.inf, -np.inf)


def first_not_before(values: Ints, begin: Ints, end: Ints, bound: Ints) -> Ints:
    """Find in each sorted stretch of `values` the first place that holds `bound` or more.

    Parameters
    ----------
    values : ndarray of int, shape (n_values,)
        Sorted within each stretch.
    begin, end : ndarray of int, shape (n,)
        The stretches, end excluded.
    bound : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of int, shape (n,)
        Places in `values`; `end` where all are smaller.
    """
    low, high = begin.copy(), end.copy()
    if not len(values):
        return low
    for _ in range(int((end - begin).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        open_ = low < high
        smaller = open_ & (values[np.minimum(middle, len(values) - 1)] < bound)
        low = np.where(smaller, middle + 1, low)
        high = np.where(open_ & ~smaller, middle, high)
    return low


class Windows:
    """Windows over events that are sorted by key and, within a key, by time.

    Parameters
    ----------
    start : ndarray of int, shape (n_keys + 1,)
        Where each key's events begin, and where the last one's end.
    key, first, last : ndarray of int, shape (n_windows,)
        Key of each window, its first event, and the one after its last.
    """

    def __init__(self, start: Ints, key: Ints, first: Ints, last: Ints) -> None:
        self.n = len(key)
        self._size = np.diff(start)
        self._pieces: list[list[tuple[Ints, Ints]]] = []
        self._offsets = [start[:-1]]
        self._cover(key, first - start[key], last - start[key])

    def moments(self, values: Floats) -> Parts:
        """Number, sum, sum of squared deviations, smallest and largest of the values; NaN is no value.

        Parameters
        ----------
        values : ndarray of float, shape (n_events,)

        Returns
        -------
        tuple of five ndarrays of float, shape (n_windows,)
            As in `NOTHING` where a window holds no value.
        """
        there = np.isfinite(values)
        plain = np.where(there, values, 0.0)
        parts: Parts = (
            there.astype(float),
            plain,
            np.zeros(len(values)),
            np.where(there, values, np.inf),
            np.where(there, values, -np.inf),
        )
        found = tuple(np.full(self.n, empty) for empty in NOTHING)
        for level, pieces in enumerate(self._pieces):
            if level:
                left = self._left(level)
                parts = _merge(tuple(p[left] for p in parts), tuple(p[left + 1] for p in parts))
            for rows, blocks in pieces:
                merged = _merge(tuple(f[rows] for f in found), tuple(p[blocks] for p in parts))
                for all_of_it, some in zip(found, merged, strict=True):
                    all_of_it[rows] = some
        return found

    def distinct(self, key: Ints, first: Ints, codes: Ints) -> Ints:
        """Count the distinct codes of each window; -1 is none.

        A code counts in a window at its first event there: the one before which the same key's last event of
        this code lies before the window. Blocks hold the places of these earlier events, sorted.

        Parameters
        ----------
        key : ndarray of int, shape (n_events,)
        first : ndarray of int, shape (n_windows,)
            First event of each window.
        codes : ndarray of int, shape (n_events,)

        Returns
        -------
        ndarray of int, shape (n_windows,)
        """
        earlier = _same_before(key, codes)
        found = np.zeros(self.n, dtype=np.int64)
        sorted_blocks = earlier[:, None]
        for level, pieces in enumerate(self._pieces):
            if level:
                left = self._left(level)
                sorted_blocks = np.hstack([sorted_blocks[left], sorted_blocks[left + 1]])
                sorted_blocks.sort(axis=1)
            flat, width = sorted_blocks.reshape(-1), sorted_blocks.shape[1]
            for rows, blocks in pieces:
                begin = blocks * width
                found[rows] += first_not_before(flat, begin, begin + width, first[rows]) - begin
        return found

    def _cover(self, key: Ints, low: Ints, high: Ints) -> None:
        """Cut each window into blocks of 1, 2, 4, ... events that begin at multiples of their size."""
        low, high = low.copy(), high.copy()
        rows = np.flatnonzero(low < high)
        while len(rows):
            level = len(self._pieces)
            if level:
                self._offsets.append(_places(self._size >> level)[:-1])
            offset, pieces = self._offsets[level], []
            odd = rows[low[rows] & 1 == 1]
            pieces.append((odd, offset[key[odd]] + low[odd]))
            low[odd] += 1
            odd = rows[high[rows] & 1 == 1]
            high[odd] -= 1
            pieces.append((odd, offset[key[odd]] + high[odd]))
            self._pieces.append(pieces)
            low[rows] >>= 1
            high[rows] >>= 1
            rows = rows[low[rows] < high[rows]]

    def _left(self, level: int) -> Ints:
        """Give for each block of a level the first of its two halves, a level below."""
        count = self._size >> level
        within = np.arange(count.sum()) - np.repeat(self._offsets[level], count)
        return np.repeat(self._offsets[level - 1], count) + 2 * within


def _places(sizes: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _merge(a: Parts, b: Parts) -> Parts:
    """Put the moments of two sets together (Chan, Golub and LeVeque 1983, eq. 1.5)."""
    n = a[0] + b[0]
    with np.errstate(over="ignore", invalid="ignore"):
        apart = b[1] / np.maximum(b[0], 1.0) - a[1] / np.maximum(a[0], 1.0)
        squares = a[2] + b[2] + apart**2 * (a[0] * b[0] / np.maximum(n, 1.0))
        return n, a[1] + b[1], squares, np.minimum(a[3], b[3]), np.maximum(a[4], b[4])


def _same_before(key: Ints, codes: Ints) -> Ints:
    """Place of the last event before with the same key and code, -1 where none is; none has code -1."""
    n = len(codes)
    earlier = np.full(n, -1, dtype=np.int64)
    order = np.lexsort((codes, key))  # stable: in the order of time
    same = (key[order][1:] == key[order][:-1]) & (codes[order][1:] == codes[order][:-1])
    earlier[order[1:][same]] = order[:-1][same]
    earlier[codes < 0] = n  # never before a window, so never counted
    return earlier
