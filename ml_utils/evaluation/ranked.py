"""Rows sorted once by falling score: what every figure about ranking follows from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml_utils.evaluation.scores import Array


@dataclass(frozen=True)
class Ranked:
    """Runs of equal scores, highest first, with the positives and negatives in each.

    Parameters
    ----------
    scores, positives, negatives : ndarray of shape (n_runs,)
    """

    scores: Array
    positives: Array
    negatives: Array

    @classmethod
    def of(cls, y: Array, score: Array) -> Ranked:
        """Sort rows.

        Parameters
        ----------
        y : ndarray of shape (n_rows,)
            0 or 1.
        score : ndarray of shape (n_rows,)

        Examples
        --------
        >>> Ranked.of(np.array([1.0, 0, 1]), np.array([0.2, 0.2, 0.7])).positives.tolist()
        [1.0, 1.0]
        """
        order = np.argsort(-score, kind="stable")
        return cls.of_sorted(y[order], score[order])

    @classmethod
    def of_sorted(cls, y: Array, score: Array) -> Ranked:
        """Take rows that fall by score already."""
        last = np.append(score[1:] != score[:-1], True)
        ends = np.flatnonzero(last)
        up = np.diff(np.cumsum(y, dtype=float)[ends], prepend=0.0)
        rows = np.diff(ends, prepend=-1).astype(float)
        return cls(score[ends], up, rows - up)

    @property
    def n_positive(self) -> int:
        return round(float(self.positives.sum()))

    @property
    def n_negative(self) -> int:
        return round(float(self.negatives.sum()))

    def gap(self) -> Array:
        """Share of positives less share of negatives at or above each run's score."""
        return np.cumsum(self.positives) / self.n_positive - np.cumsum(self.negatives) / self.n_negative
