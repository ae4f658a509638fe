"""What each way to calibrate learns from outcomes and the scores that were given to them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ml_utils.errors import ParameterError
from ml_utils.training.ensembles.blend import from_link, on_link

Array = npt.NDArray[np.float64]


def row_loss(y: Array, p: Array) -> Array:
    """Log loss of each row, with probabilities held off 0 and 1."""
    right = p[np.arange(len(y)), y.astype(int)] if p.ndim == 2 else np.where(y == 1, p, 1 - p)
    return -np.log(np.clip(right, 1e-9, 1))


def platt(y: Array, p: Array) -> tuple[float, float]:
    """Return slope and intercept on the log-odds (Platt 1999)."""
    from scipy.optimize import minimize
    from scipy.special import expit

    positives, negatives = float(y.sum()), float(len(y) - y.sum())
    # Platt 1999, section 2.2: targets held off 0 and 1
    wanted = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    x = on_link(p)

    def loss(w: Array) -> tuple[float, Array]:
        z = w[0] * x + w[1]
        error = expit(z) - wanted
        value = float(np.mean(np.logaddexp(0, z) - wanted * z))
        return value, np.array([np.mean(error * x), np.mean(error)])

    # a slope below zero would turn the ranking round
    found = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[(1e-6, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


def temperature(y: Array, p: Array) -> float:
    """Return one over the temperature of several classes' probabilities (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    link = on_link(p)
    found = minimize_scalar(
        lambda log_slope: float(row_loss(y, from_link(np.exp(log_slope) * link)).mean()),
        bounds=(-4, 4),
        method="bounded",
    )
    return float(np.exp(found.x))


def isotonic(y: Array, p: Array) -> tuple[Array, Array]:
    """Return the scores and probabilities of the rising steps that fit best."""
    from sklearn.isotonic import IsotonicRegression

    # held off 0 and 1 as Platt's targets are: a step of pure rows at an end is no certainty
    lowest, highest = 1 / (len(y) - y.sum() + 2), 1 - 1 / (y.sum() + 2)
    fitted = IsotonicRegression(y_min=lowest, y_max=highest, out_of_bounds="clip").fit(p, y)
    return fitted.X_thresholds_.astype(float), fitted.y_thresholds_.astype(float)


def venn_abers(y: Array, p: Array) -> tuple[Array, Array]:
    """Return the scores and probabilities of inductive Venn–Abers predictors (Vovk et al. 2015)."""
    try:
        from venn_abers import VennAbers
    except ImportError as error:
        raise ParameterError(
            "calibration='venn_abers' needs the package venn-abers: pip install venn-abers. "
            "Or take calibration='isotonic'."
        ) from error
    predictor = VennAbers()
    predictor.fit(np.column_stack([1 - p, p]), y.astype(int))
    points = np.unique(np.concatenate([[0.0], p, [1.0]]))
    if len(points) > 2000:  # steps finer than that say nothing
        points = np.unique(np.quantile(points, np.linspace(0, 1, 2000)))
    found, _ = predictor.predict_proba(np.column_stack([1 - points, points]))
    return points, np.maximum.accumulate(np.asarray(found[:, 1], dtype=float))
