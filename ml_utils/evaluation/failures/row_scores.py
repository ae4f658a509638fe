"""What each row says about whether the model is right: scores whose sums are judged slice by slice.

Binary. If the probabilities p are right, y − p has mean 0 and variance p (1 − p). Two sums tell whether they
are wrong in a slice: of (y − p), and of (y − p) · logit p. They are the scores of the intercept and the
slope in Cox's recalibration logit P(y = 1) = a + b logit p (Cox 1958) at a = 0, b = 1, and the second one
is, the sign apart, the slice's log loss above the entropy of its own probabilities, H(p) = −p log p − (1 −
p) log(1 − p): a slice whose outcome is merely hard to tell (p near ½) is not held against the model. Half
the statistic is about the log loss that recalibrating the slice would save.

Regression. A model does not say how large its errors should be. They are compared with the errors of rows
that got about the same prediction: normal scores (van der Waerden) of the error, for bias, and of its size,
for larger errors. If errors do not depend on the columns, rows of one band of predictions are exchangeable.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from ml_utils.evaluation.metrics import Array

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Sums = npt.NDArray[np.floating]  # drawn ones are float32
MAX_LOGIT = 4.0  # a single sure row shall not decide about a slice's slope
BANDS = 20  # of the predictions of a regression
BAND_ROWS = 50


class RowScores(Protocol):
    """Rows' scores under "the model is right", and how sums of them are judged."""

    scores: Array  # two a row, shape (2, n_rows)

    def moments(self, codes: npt.NDArray[np.int64], n_cells: int, rows: Rows | None = None) -> Array:
        """Sum over each cell what the null distribution needs, shape (k, n_cells); row 0 is the count."""

    def judge(
        self, sums: Sums, moments: Array, whole: Array, kept: Mask | None = None
    ) -> tuple[Array, Array]:
        """Return the statistics of bias and of the rest of each cell.

        Parameters
        ----------
        sums : ndarray of shape (2, n_cells) or (2, n_cells, n_draws)
            Of the scores over each cell.
        moments : ndarray of shape (k, n_cells)
        whole : ndarray of shape (2,) or (2, n_draws)
            The scores' sums over all rows.
        kept : ndarray of bool of shape (n_rows,), optional
            The rows that sums and moments are of.

        Returns
        -------
        bias, rest : ndarray of shape (n_cells,) or (n_cells, n_draws)
            About chi-square with one degree of freedom each where the model is right.
        """

    def draw(self, n_draws: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Draw the rows' scores of tables on which the model is right, shape (n_rows, 2 · n_draws)."""

    def take(self, rows: npt.NDArray[np.int64]) -> RowScores:
        """Return the scores of some rows."""


class BinaryScores:
    """Scores of rows with an outcome of 0 or 1 and a probability.

    Parameters
    ----------
    y, p : ndarray of shape (n_rows,)
        p: probabilities, recalibrated over all rows (`recalibrate`).
    """

    y: Array
    p: Array

    def __init__(self, y: Array, p: Array) -> None:
        self.y, self.p = y, p
        v = p * (1 - p)
        h = np.clip(np.log(p / (1 - p)), -MAX_LOGIT, MAX_LOGIT)
        h = h - float(np.average(h, weights=v))
        k = v * (1 - 2 * p)  # third cumulant of a row
        self._h = h
        self._weights = np.stack([v, v * h, v * h**2, k, k * h, k * h**2, k * h**3])
        self.scores = np.stack([y - p, (y - p) * h])

    def moments(self, codes: npt.NDArray[np.int64], n_cells: int, rows: Rows | None = None) -> Array:
        """Count rows, and sum the scores' second and third moments."""
        weights = self._weights if rows is None else self._weights[:, rows]
        summed = [np.bincount(codes, weights=w, minlength=n_cells) for w in weights]
        return np.stack([np.bincount(codes, minlength=n_cells).astype(float), *summed])

    def judge(
        self, sums: Sums, moments: Array, whole: Array, kept: Mask | None = None
    ) -> tuple[Array, Array]:
        """Judge the part of each cell's scores that the whole table's intercept and slope do not explain.

        A slice with few positives has a skewed sum, which a normal distribution would find too often: the
        variance is therefore corrected by the third cumulant, to the order that the likelihood ratio has.
        """
        drawn = sums.ndim == 3
        every = self._weights if kept is None else self._weights[:, kept]
        v, vh, vhh = every[:3].sum(axis=1)
        inverse = np.linalg.pinv(np.array([[v, vh], [vh, vhh]]))
        first = moments[1:3].T @ inverse  # (n_cells, 2): what the whole table tells of the cell's sums
        second = moments[2:4].T @ inverse
        u = _fit_axes(first[:, 0], drawn) * whole[0] + _fit_axes(first[:, 1], drawn) * whole[1]
        w = _fit_axes(second[:, 0], drawn) * whole[0] + _fit_axes(second[:, 1], drawn) * whole[1]
        a = moments[1] - (first * moments[1:3].T).sum(axis=1)
        b = moments[2] - (first * moments[2:4].T).sum(axis=1)
        c = moments[3] - (second * moments[2:4].T).sum(axis=1)
        tiny = 1e-9 * max(float(v), 1e-12)
        with np.errstate(divide="ignore", invalid="ignore"):
            m = np.where(a > tiny, b / a, 0.0)
            rest = c - m * b
        k0, k1, k2, k3 = moments[4:8]
        skew = k3 - 3 * m * k2 + 3 * m**2 * k1 - m**3 * k0
        bias = sums[0] - u
        slope = sums[1] - w - _fit_axes(m, drawn) * bias
        spread = rest > 1e-6 * np.maximum(moments[3], tiny)
        return (
            _squared(bias, np.where(a > tiny, a, 0), k0, drawn),
            _squared(slope, np.where(spread, rest, 0), skew, drawn),
        )

    def draw(self, n_draws: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Draw outcomes from the probabilities (a parametric bootstrap)."""
        made = np.empty((len(self.p), 2 * n_draws), dtype=np.float32)
        p = self.p.astype(np.float32)[:, None]
        made[:, :n_draws] = (rng.random((len(p), n_draws), dtype=np.float32) < p) - p
        h = self._h.astype(np.float32)[:, None]
        made[:, n_draws:] = made[:, :n_draws] * h
        return made

    def take(self, rows: npt.NDArray[np.int64]) -> BinaryScores:
        """Return the scores of some rows."""
        return BinaryScores(self.y[rows], self.p[rows])


class RegressionScores:
    """Scores of rows with a value and a prediction.

    Parameters
    ----------
    error : ndarray of shape (n_rows,)
        Observed less predicted.
    predicted : ndarray of shape (n_rows,)
    """

    error: Array
    band: npt.NDArray[np.int64]

    def __init__(self, error: Array, predicted: Array) -> None:
        self.error, self.predicted = error, predicted
        self.band = band = prediction_bands(predicted)
        self._sizes = np.bincount(band).astype(float)
        self.scores = np.zeros((2, len(error)))
        for i in range(len(self._sizes)):
            rows = band == i
            self.scores[:, rows] = _normal_scores(error[rows], predicted[rows])

    def moments(self, codes: npt.NDArray[np.int64], n_cells: int, rows: Rows | None = None) -> Array:
        """Count rows, and rows of each band."""
        n_bands = len(self._sizes)
        band = self.band if rows is None else self.band[rows]
        by_band = np.bincount(codes * n_bands + band, minlength=n_cells * n_bands).reshape(n_cells, n_bands)
        return np.vstack([by_band.sum(axis=1), by_band.T]).astype(float)

    def judge(
        self, sums: Sums, moments: Array, whole: Array, kept: Mask | None = None
    ) -> tuple[Array, Array]:
        """Judge each cell's sums against those of as many rows drawn from the same bands.

        Smaller errors than elsewhere are no failure and count as none.
        """
        drawn = sums.ndim == 3
        sizes, means = self._sizes, np.zeros((2, moments.shape[0] - 1))
        if kept is not None:
            sizes = np.bincount(self.band[kept], minlength=len(sizes)).astype(float)
            totals = [
                np.bincount(self.band[kept], weights=s[kept], minlength=len(sizes)) for s in self.scores
            ]
            means = np.stack(totals) / np.maximum(sizes, 1)
        inside = moments[1:]
        # variance of a stratified draw without replacement (Cochran 1977, eq. 5.8), unit variance within
        # bands
        share = inside / np.maximum(sizes, 1)[:, None]
        variance = (inside * (1 - share)).sum(axis=0)
        bias, size = (sums[i] - _fit_axes(means[i] @ inside, drawn) for i in range(2))
        flat = np.zeros_like(variance)
        larger = np.maximum(size, 0)
        return _squared(bias, variance, flat, drawn), _squared(larger, variance, flat, drawn)

    def draw(self, n_draws: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Shuffle the scores within the bands of the prediction (an exact permutation test)."""
        made = np.empty((len(self.error), 2 * n_draws), dtype=np.float32)
        scores = self.scores.astype(np.float32)
        for i in range(len(self._sizes)):
            rows = np.flatnonzero(self.band == i)
            shuffled = rng.permuted(np.broadcast_to(rows, (n_draws, len(rows))), axis=1).T
            made[rows[:, None], np.arange(n_draws)] = scores[0][shuffled]
            made[rows[:, None], np.arange(n_draws, 2 * n_draws)] = scores[1][shuffled]
        return made

    def take(self, rows: npt.NDArray[np.int64]) -> RegressionScores:
        """Return the scores of some rows, made anew among them."""
        return RegressionScores(self.error[rows], self.predicted[rows])


def prediction_bands(predicted: Array) -> npt.NDArray[np.int64]:
    """Return each row's band: about equal numbers of rows, equal predictions together."""
    bands = max(1, min(BANDS, len(predicted) // BAND_ROWS))
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bands + 1)[1:-1]))
    found = np.searchsorted(edges, predicted, side="right")
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def _normal_scores(error: Array, predicted: Array) -> Array:
    """Normal scores of errors and of their sizes, freed of the prediction and of one another; variance 1.

    Within a band errors may still grow with the prediction; a straight line is taken out.
    """
    made = _ranked(error)
    trend = _unit(predicted)
    made = _free(made, trend)
    size = _free(_ranked(np.abs(error - np.median(error))), trend)
    return np.stack([made, _free(size, made)])


def _ranked(values: Array) -> Array:
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return np.asarray(ndtri(rankdata(values) / (len(values) + 1)))


def _free(values: Array, of: Array) -> Array:
    """Take out what `of` (mean 0, variance 1) explains, and bring the rest to variance 1."""
    return _unit(values - (of @ _unit(values)) / max(len(values) - 1, 1) * _spread(values) * of)


def _spread(values: Array) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _unit(values: Array) -> Array:
    centred, spread = values - values.mean(), _spread(values)
    return centred / spread if spread > 1e-9 else np.zeros_like(values)


def _fit_axes(values: Array, drawn: bool) -> Array:
    return values[:, None] if drawn else values


def _squared(value: Array, variance: Array, skew: Array, drawn: bool) -> Array:
    """Square over variance, the variance corrected for skew; 0 where there is none.

    For a Poisson sum u² / (V + κ₃ u / 3V) agrees with twice the log-likelihood ratio to third order in u.
    """
    w, k = _fit_axes(variance, drawn), _fit_axes(skew, drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = np.maximum(w + k * value / (3 * w), 0.3 * w)
        return np.where(w > 0, value**2 / corrected, 0.0)
