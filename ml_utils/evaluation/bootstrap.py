"""Bootstrap of metrics on arrays that are sorted once: no resampled table is ever built.

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

from ml_utils.evaluation.metrics import ECE_BINS, Array, Counts, calibration_bins, log_losses

Index = npt.NDArray[np.intp]
LEVEL = 0.95


def percentile_interval(samples: Array, level: float = LEVEL) -> tuple[float, float]:
    """Return the middle `level` of bootstrap samples; NaN when most resamples left the figure undefined.

    Examples
    --------
    >>> percentile_interval(np.arange(5.0), 0.5)
    (1.0, 3.0)
    """
    defined = samples[np.isfinite(samples)]
    if len(defined) <= len(samples) / 2:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def reflected_interval(value: float, samples: Array, level: float = LEVEL) -> tuple[float, float]:
    """Return the basic bootstrap interval of a figure that cannot be negative.

    For figures that noise can only push up, like the calibration error: resampling adds the same push once
    more, and reflecting around `value` takes it off (Davison & Hinkley 1997, eq. 5.6).
    """
    low, high = percentile_interval(samples, level)
    return max(0.0, 2 * value - high), max(0.0, 2 * value - low)


def calibration_noise(score: Array, n_draws: int, rng: np.random.Generator) -> Array:
    """Draw the calibration error that perfectly calibrated scores would show on as many rows.

    Outcomes are drawn with the scores as their probabilities (consistency resampling, Bröcker & Smith 2007);
    a bin's sum of outcomes is drawn from its normal approximation.

    Returns
    -------
    ndarray of shape (n_draws,)
    """
    spread = np.sqrt(np.bincount(calibration_bins(score), weights=score * (1 - score)))
    return np.abs(rng.normal(size=(n_draws, len(spread))) * spread).sum(axis=1) / len(score)


@dataclass(frozen=True)
class _Class:
    """The rows of one class along falling scores: their losses, squares, bins, and counts at each cut."""

    losses: Array
    squares: Array
    gaps: Array  # score − outcome
    bins: Index
    at_ends: Index  # rows of this class up to the end of each run of equal scores
    acted: int

    @classmethod
    def of(cls, y: Array, score: Array, keep: npt.NDArray[np.bool_], ends: Index, acted: int) -> _Class:
        bins = calibration_bins(score)
        return cls(
            log_losses(y, score)[keep],
            ((score - y) ** 2)[keep],
            (score - y)[keep],
            bins[keep],
            np.cumsum(keep, dtype=np.intp)[ends],
            int(keep[:acted].sum()),
        )

    def draw(self, size: int, rng: np.random.Generator) -> _Draw:
        n = len(self.losses)
        drawn = rng.integers(0, n, size) if n else np.zeros(0, dtype=np.intp)
        weights = np.bincount(drawn, minlength=n).astype(float)
        running = np.concatenate(([0.0], np.cumsum(weights)))
        binned = np.bincount(self.bins, weights=weights * self.gaps, minlength=ECE_BINS).astype(float)
        return _Draw(
            float(weights @ self.losses),
            float(weights @ self.squares),
            binned,
            running[self.at_ends],
            float(running[self.acted]),
        )


@dataclass(frozen=True)
class _Draw:
    loss: float
    square: float
    binned: Array
    at_ends: Array
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
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    acted = int((scores >= threshold).sum())
    positive = _Class.of(target, scores, target > 0, ends, acted)
    negative = _Class.of(target, scores, target == 0, ends, acted)
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
    distance = float(np.abs(up.at_ends / n1 - down.at_ends / n0).max()) if n1 and n0 else np.nan
    gained = np.diff(up.at_ends, prepend=0.0)
    acted = np.maximum(up.at_ends + down.at_ends, 1.0)
    precision = float(gained @ (up.at_ends / acted) / n1) if n1 else np.nan
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
        rmse, mae, r2 and mape, each an ndarray of shape (n_bootstrap,).
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
    return {"rmse": np.sqrt(squared), "mae": absolute, "r2": explained, "mape": percentage}
