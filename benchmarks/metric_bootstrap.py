"""Bootstrap of metrics on arrays that are sorted once: no resampled table is ever built.

What the intervals by formula of `ml_utils.evaluation` are held against: they hold the truth more often.

A resample is a vector of counts (how often each row was drawn), and every metric follows from running sums
of the counts along the sorted scores. The classes are resampled apart, each with its own drawn size: that is
the ordinary bootstrap, save that no resample lacks a class. Fixing the sizes (the usual stratified bootstrap)
would hide that the rate of positives is itself an estimate; in simulations its 95 % intervals of log loss,
Brier score and profit then held the truth in 55 to 85 % of cases only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.counts import Counts
from ml_utils.evaluation.scores import ECE_BINS, Array, calibration_bins, log_losses

Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Class:
    """The rows of one class along falling scores, and where the cuts that matter lie among them.

    Precision and the largest gap change their mind only at runs of equal scores that hold a positive: the
    rows up to the end of each (`upto`) and up to its beginning (`before`) are all that is counted.
    """

    losses: Array
    squares: Array
    gaps: Array  # score − outcome
    bin_starts: Index
    bin_of_start: Index
    upto: Index
    before: Index
    acted: int

    @classmethod
    def of(
        cls, y: Array, score: Array, keep: npt.NDArray[np.bool_], bins: Index, cuts: _Cuts, acted: int
    ) -> _Class:
        own_bins = bins[keep]
        starts = np.flatnonzero(np.append(True, own_bins[1:] != own_bins[:-1])) if len(own_bins) else own_bins
        running = np.concatenate(([0], np.cumsum(keep, dtype=np.intp)))
        return cls(
            log_losses(y[keep], score[keep]),
            (score[keep] - y[keep]) ** 2,
            score[keep] - y[keep],
            starts,
            own_bins[starts],
            running[cuts.ends],
            running[cuts.starts],
            int(running[acted]),
        )

    def draw(self, size: int, rng: np.random.Generator) -> _Draw:
        n = len(self.losses)
        drawn = rng.integers(0, n, size, dtype=np.uint32) if n else np.zeros(0, dtype=np.uint32)
        weights = np.bincount(drawn, minlength=n).astype(float)
        running = np.concatenate(([0.0], np.cumsum(weights)))
        binned = np.zeros(ECE_BINS)
        if n:
            binned[self.bin_of_start] = np.add.reduceat(weights * self.gaps, self.bin_starts)
        return _Draw(
            float(weights @ self.losses),
            float(weights @ self.squares),
            binned,
            running[self.upto],
            running[self.before],
            float(running[self.acted]),
        )


@dataclass(frozen=True)
class _Cuts:
    """Where the runs of equal scores that hold a positive start and end, in rows along falling scores."""

    starts: Index
    ends: Index

    @classmethod
    def of(cls, y: Array, score: Array) -> _Cuts:
        ends = np.flatnonzero(np.append(score[1:] != score[:-1], True)) + 1
        starts = np.concatenate(([0], ends[:-1]))
        found = np.concatenate(([0.0], np.cumsum(y)))
        hits = found[ends] > found[starts]
        return cls(starts[hits], ends[hits])


@dataclass(frozen=True)
class _Draw:
    loss: float
    square: float
    binned: Array
    upto: Array
    before: Array
    acted: float


def bootstrap_binary(
    y: Array, score: Array, threshold: float, n_bootstrap: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Resample the rows of a binary problem, every resample holding both classes.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    score : ndarray of shape (n_rows,)
        P(positive).
    threshold : float
        Score at or above which a row is acted on.
    n_bootstrap : int
        Number of resamples.
    rng : Generator

    Returns
    -------
    dict
        Metric name to an ndarray of shape (n_bootstrap,): log_loss, brier, ece, ks, average_precision, every
        metric of kind "decision", and the counts tp, fp and positives.
    """
    order = np.argsort(-score, kind="stable")
    target, scores = y[order], score[order]
    cuts, bins = _Cuts.of(target, scores), calibration_bins(scores)
    acted = int((scores >= threshold).sum())
    positive = _Class.of(target, scores, target > 0, bins, cuts, acted)
    negative = _Class.of(target, scores, target == 0, bins, cuts, acted)
    n1, n0 = len(positive.losses), len(negative.losses)
    rows = []
    for _ in range(n_bootstrap):
        size = int(np.clip(rng.binomial(n1 + n0, n1 / (n1 + n0)), 1, n1 + n0 - 1)) if n1 and n0 else n1
        up, down = positive.draw(size, rng), negative.draw(n1 + n0 - size, rng)
        rows.append((*_one_resample(up, down, size, n1 + n0 - size), size))
    names = ("log_loss", "brier", "ece", "ks", "average_precision", "tp", "fp", "positives")
    table = np.array(rows, dtype=float).reshape(n_bootstrap, len(names))
    found = {name: table[:, i] for i, name in enumerate(names)}
    size1, tp, fp = found["positives"], found["tp"], found["fp"]
    return found | Counts(tp, fp, size1 - tp, n1 + n0 - size1 - fp).rates()


def _one_resample(up: _Draw, down: _Draw, n1: int, n0: int) -> tuple[float, ...]:
    n = n1 + n0
    error = float(np.abs(up.binned + down.binned).sum() / n)
    distance = precision = np.nan
    if n1 and n0:
        largest = float((up.upto / n1 - down.upto / n0).max())
        smallest = float((up.before / n1 - down.before / n0).min())
        distance = max(largest, -smallest)
    if n1:
        shares = up.upto / np.maximum(up.upto + down.upto, 1.0)
        precision = float((up.upto - up.before) @ shares / n1)
    return (
        (up.loss + down.loss) / n,
        (up.square + down.square) / n,
        error,
        distance,
        precision,
        up.acted,
        down.acted,
    )


def bootstrap_regression(
    y: Array, predicted: Array, n_bootstrap: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Resample the rows of a regression.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_rows,)
    n_bootstrap : int
    rng : Generator

    Returns
    -------
    dict
        mse, rmse, mae, pinball, r2 and mape, each an ndarray of shape (n_bootstrap,).
    """
    n = len(y)
    error, centred = predicted - y, y - y.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(error / y) if (y != 0).all() else np.full(n, np.nan)
    columns = np.column_stack([error**2, np.abs(error), relative, centred, centred**2])
    sums = np.empty((n_bootstrap, columns.shape[1]))
    for i in range(n_bootstrap):
        weights = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
        sums[i] = weights @ columns
    squared, absolute, percentage, first, second = sums.T / n
    spread = second - first**2
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(spread > 0, 1 - squared / spread, np.nan)
    return {
        "mse": squared,
        "rmse": np.sqrt(squared),
        "mae": absolute,
        "pinball": absolute / 2,
        "r2": explained,
        "mape": percentage,
    }
