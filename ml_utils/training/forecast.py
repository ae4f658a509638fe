"""What more rows would bring: an inverse power of the number of rows, fitted to a learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ml_utils.evaluation.metrics import Array
from ml_utils.training.leaderboard import corrected_interval

EXPONENTS = np.linspace(0.25, 1.0, 16)  # from slow learners to models with the right form


@dataclass(frozen=True)
class Forecast:
    """Score = limit − coefficient · rows^−exponent, and the gain that it tells for more rows.

    Parameters
    ----------
    limit, coefficient, exponent : float
        Of the folds' mean curve; the metric's sign turned so that more is better.
    factor : float
        How many times the rows.
    gain : float
        In the metric, more is better.
    lower, upper : float
        95 % interval of the gain: corrected for the rows that folds share, and over all exponents that the
        points do not rule out.
    """

    limit: float
    coefficient: float
    exponent: float
    factor: float
    gain: float
    lower: float
    upper: float

    def at(self, rows: Array) -> Array:
        """Return the curve at numbers of rows, more being better."""
        return np.asarray(self.limit - self.coefficient * np.asarray(rows, float) ** -self.exponent)

    def results(self) -> dict[str, object]:
        """Return everything, for a results file."""
        return asdict(self)


def forecast_gain(
    rows: Sequence[float],
    scores: Sequence[Sequence[float]],
    test_ratio: float,
    *,
    greater_is_better: bool = True,
    factor: float = 2.0,
) -> Forecast | None:
    """Fit an inverse power to each fold's curve and tell the gain of more rows.

    Parameters
    ----------
    rows : sequence of float
        Training rows of each point.
    scores : sequence of sequence of float
        Of each point one score a fold.
    test_ratio : float
        Validation rows over training rows of a fold, on all rows.
    greater_is_better : bool
    factor : float
        How many times the rows.

    Returns
    -------
    Forecast or None
        None for fewer than four points or two folds.

    Notes
    -----
    The exponent is shared by the folds; given it, each fold's curve is a straight line in rows^−exponent, so
    that its gain is linear in its scores and the folds' gains take the same correction as their means
    (Nadeau & Bengio 2003). Power laws of learning curves: Viering & Loog 2023, section 4.

    Examples
    --------
    >>> rows = [100.0, 200.0, 400.0, 800.0]
    >>> curve = [[0.8 - 1 / n**0.5] * 3 for n in rows]
    >>> round(forecast_gain(rows, curve, 0.25).gain, 4)
    0.0104
    """
    n = np.asarray(rows, dtype=float)
    table = np.asarray(scores, dtype=float) * (1 if greater_is_better else -1)
    if len(n) < 4 or table.shape[1] < 2:
        return None
    fits = [_fit(n, table, float(exponent)) for exponent in EXPONENTS]
    errors = np.array([fit[0] for fit in fits])
    best = int(np.argmin(errors))
    gains = []
    for exponent, (_, _, slopes) in zip(EXPONENTS, fits, strict=True):
        gains.append(-slopes * n[-1] ** -exponent * (1 - factor**-exponent))
    bands = np.array([corrected_interval(gain, test_ratio) for gain in gains])
    kept = errors <= errors[best] * (1 + _allowed(len(n))) + 1e-18
    limit, slope = fits[best][1].mean(), fits[best][2].mean()
    return Forecast(
        float(limit),
        float(-slope),
        float(EXPONENTS[best]),
        factor,
        float(gains[best].mean()),
        float(bands[kept, 0].min()),
        float(bands[kept, 1].max()),
    )


def _fit(n: Array, table: Array, exponent: float) -> tuple[float, Array, Array]:
    """Least squares of each fold's scores on rows^−exponent: error of the mean curve, limits, slopes."""
    x = n**-exponent
    design = np.column_stack([np.ones_like(x), x])
    weight = np.sqrt(n / n[-1])[:, None]  # scores of more rows vary less
    found = np.linalg.lstsq(design * weight, table * weight, rcond=None)[0]
    left = (table.mean(axis=1) - design @ found.mean(axis=1)) * weight[:, 0]
    return float(left @ left), found[0], found[1]


def _allowed(points: int) -> float:
    """Share by which the error may exceed the least: F at 95 % with 1 and points − 3 degrees of freedom."""
    from scipy.special import fdtri

    freedom = max(points - 3, 1)
    return float(fdtri(1, freedom, 0.95)) / freedom
