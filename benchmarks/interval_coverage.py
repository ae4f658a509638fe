"""How often 95 % intervals hold the truth: populations with known figures, and seeded samples from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ml_utils.evaluation.binary import binary_intervals
from ml_utils.evaluation.intervals import Interval, profit_interval
from ml_utils.evaluation.multiclass_intervals import multiclass_intervals
from ml_utils.evaluation.ranked import Ranked
from ml_utils.evaluation.ranking import gain_intervals
from ml_utils.evaluation.regression import regression_intervals

Array = np.ndarray
Held = dict[str, float]

# Rate of positives: the probabilities' beta distribution, and the threshold.
RATES = {0.05: ((0.5, 9.5), 0.1), 0.27: ((1.0, 2.7), 0.3), 0.5: ((1.5, 1.5), 0.5)}
SCORES: dict[str, Callable[[Array], Array]] = {
    "calibrated": lambda p: p,
    "overconfident": lambda p: _logistic(1.6 * _log_odds(p) + 0.3),
    "slightly off": lambda p: _logistic(1.15 * _log_odds(p)),
}
ERRORS = ("normal", "t5", "laplace", "skewed")
GAINS = (0.1, 0.2, 0.3, 0.5)


def _log_odds(p: Array) -> Array:
    return np.log(p / (1 - p))


def _logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def held(
    draw: Callable[[np.random.Generator], Mapping[str, Interval]],
    truth: Mapping[str, float],
    n_simulations: int,
    seed: int,
) -> Held:
    """Return the share of simulations in which each interval holds its truth."""
    rng, hits = np.random.default_rng(seed), dict.fromkeys(truth, 0)
    for _ in range(n_simulations):
        spans = draw(rng)
        for name, value in truth.items():
            low, high = spans[name]
            hits[name] += low - 1e-12 <= value <= high + 1e-12
    return {name: count / n_simulations for name, count in hits.items()}


# Binary


def binary_truth(rate: float, kind: str, size: int = 400_000) -> dict[str, float]:
    """Compute the population's figures by integrating over the quantiles of the probability."""
    from scipy.stats import beta

    (a, b), threshold = RATES[rate]
    p = np.clip(beta(a, b).ppf((np.arange(size) + 0.5) / size), 1e-6, 1 - 1e-6)[::-1]
    s = SCORES[kind](p)
    up, down = np.cumsum(p) / size, np.cumsum(1 - p) / size
    acted = s >= threshold
    tp, fp = float((p * acted).mean()), float(((1 - p) * acted).mean())
    brier = float((p * (1 - s) ** 2 + (1 - p) * s**2).mean())
    binned = {name: values.reshape(10, -1).mean(axis=1) for name, values in (("s", s), ("p", p))}
    gaps, pi = binned["s"] - binned["p"], float(p.mean())
    parts = {
        "reliability": float(np.mean(gaps**2)),
        "resolution": float(np.mean((binned["p"] - pi) ** 2)),
        "uncertainty": pi * (1 - pi),
    }
    within = brier - parts["reliability"] + parts["resolution"] - parts["uncertainty"]
    found = {
        "roc_auc": float(np.sum((1 - p) / size * (up - p / size / 2)) / (pi * (1 - pi))),
        "average_precision": float(np.sum(up / (up + down) * p / size) / pi),
        "ks": float(np.abs(up / pi - down / (1 - pi)).max()),
        "log_loss": float(-(p * np.log(s) + (1 - p) * np.log1p(-s)).mean()),
        "brier": brier,
        "ece": float(np.abs(gaps).mean()),
        "within_bins": within,
        "profit": 40 * tp - 10 * fp,
    }
    gains = {f"gain at {q:.0%}": float(up[int(q * size) - 1] / pi) for q in GAINS}
    return found | parts | gains | _decision_truth(tp, fp, pi)


def _decision_truth(tp: float, fp: float, pi: float) -> dict[str, float]:
    fn, tn = pi - tp, 1 - pi - fp
    return {
        "accuracy": tp + tn,
        "precision": tp / (tp + fp),
        "recall": tp / pi,
        "specificity": tn / (1 - pi),
        "balanced_accuracy": (tp / pi + tn / (1 - pi)) / 2,
        "f1": 2 * tp / (2 * tp + fp + fn),
        "mcc": (tp * tn - fp * fn) / float(np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
    }


def binary_sample(rate: float, kind: str, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw outcomes and scores."""
    p = np.clip(rng.beta(*RATES[rate][0], n), 1e-6, 1 - 1e-6)
    return (rng.random(n) < p).astype(float), SCORES[kind](p)


def binary_held(rate: float, kind: str, n: int, n_simulations: int, seed: int = 1) -> Held:
    """Return the coverage of every interval of a binary model."""
    threshold = RATES[rate][1]

    def draw(rng: np.random.Generator) -> dict[str, Interval]:
        y, s = binary_sample(rate, kind, n, rng)
        ranked = Ranked.of(y, s)
        spans = binary_intervals(y, s, threshold, ranked, rng)
        spans |= {
            f"gain at {q:.0%}": span for q, span in zip(GAINS, gain_intervals(ranked, GAINS), strict=True)
        }
        return spans | {"profit": profit_interval(y, (s >= threshold).astype(float), 40, 10)[1:]}

    return held(draw, binary_truth(rate, kind), n_simulations, seed)


# Regression


def regression_sample(kind: str, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw targets and predictions: a log-normal mean, errors with the named tails."""
    mean = np.exp(rng.normal(3, 0.5, n))
    if kind == "skewed":
        return mean * rng.gamma(4, 0.25, n), mean
    errors = {
        "normal": lambda: rng.normal(size=n),
        "t5": lambda: rng.standard_t(5, n),
        "laplace": lambda: rng.laplace(size=n),
    }
    return mean + 8 * errors[kind](), mean


def regression_held(kind: str, n: int, n_simulations: int, seed: int = 1) -> Held:
    """Return the coverage of every interval of a regression.

    MAPE only where the target stays away from 0: elsewhere its mean does not exist.
    """
    rng = np.random.default_rng(0)
    y, mean = regression_sample(kind, 6_000_000, rng)
    error = mean - y
    mse, mae = float(np.mean(error**2)), float(np.mean(np.abs(error)))
    truth = {"mse": mse, "rmse": mse**0.5, "mae": mae, "pinball": mae / 2, "r2": 1 - mse / float(y.var())}
    if kind == "skewed":
        truth["mape"] = float(np.mean(np.abs(error / y)))
    return held(
        lambda rng: regression_intervals(*regression_sample(kind, n, rng)), truth, n_simulations, seed
    )


# Several classes


def multiclass_sample(n: int, rng: np.random.Generator, sharp: float = 1.4) -> tuple[Array, Array]:
    """Draw class codes and overconfident probabilities of three classes, the rarest near one row in eight."""
    x = rng.normal(size=(n, 3)) * 1.2 + np.array([0.8, 0.2, -0.6])
    p, q = (np.exp(scale * x) / np.exp(scale * x).sum(axis=1, keepdims=True) for scale in (1.0, sharp))
    return (rng.random((n, 1)) > np.cumsum(p, axis=1)[:, :2]).sum(axis=1).astype(float), q


def multiclass_held(n: int, n_simulations: int, seed: int = 1) -> Held:
    """Return the coverage of every interval of a multi-class model."""
    from ml_utils.evaluation.multiclass import MULTICLASS

    y, q = multiclass_sample(2_000_000, np.random.default_rng(0))
    truth = {name: metric.function(y, q) for name, metric in MULTICLASS.items()}
    return held(lambda rng: multiclass_intervals(*multiclass_sample(n, rng)), truth, n_simulations, seed)
