"""How much of the loss is the model's bent, and how much the luck of its training rows: bootstrap refits.

A model of one configuration is fitted on many bootstrap samples of the training rows. What all fits have in
common is bias (with the outcome's own noise, which no table tells apart from it); how they differ is
variance. Four decompositions, each of which adds up exactly on the rows at hand:

- squared error, and Brier score: (y − f̄)² and the variance around the mean prediction f̄ (Geman,
  Bienenstock & Doursat 1992);
- log loss: the loss of the normalised geometric mean of the probabilities, and the divergence of the fits
  from it (Heskes 1998, "Bias/variance decompositions for likelihood-based estimators");
- 0-1 loss: main prediction, and disagreement with it, which costs where the main prediction is right and pays
  where it is wrong (Domingos 2000, "A unified bias–variance decomposition");
- 0-1 loss again, as Kohavi & Wolpert (1996), "Bias plus variance decomposition for zero-one loss functions".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils.errors import DataError, ParameterError
from ml_utils.wording import count, figure, percent

logger = logging.getLogger(__name__)
Array = npt.NDArray[np.float64]
TINY = 1e-12


@dataclass(frozen=True)
class BiasVariance:
    """A loss taken apart.

    Parameters
    ----------
    table : DataFrame
        loss, total, noise (0 unless the truth is known), bias, variance. For Domingos' 0-1 loss variance is
        net: unbiased less biased, both given besides (NaN elsewhere). total = noise + bias + variance.
    n_refits, n_rows : int
        Refits, and training rows of each.
    task : str
    truth_known : bool
        Whether noise is told apart from bias.
    """

    table: pd.DataFrame
    n_refits: int
    n_rows: int
    task: str
    truth_known: bool = field(default=False)

    def to_frame(self) -> pd.DataFrame:
        """Return a row a loss as a page shows it."""
        table = self.table
        shown = {"loss": table["loss"], "total": table["total"].map(lambda v: figure(v, 4))}
        if self.truth_known:
            shown["noise"] = table["noise"].map(lambda v: figure(v, 4))
        shown["bias" if self.truth_known else "bias and noise"] = table["bias"].map(lambda v: figure(v, 4))
        shown["variance"] = table["variance"].map(lambda v: figure(v, 4))
        shown["variance, share"] = (table["variance"] / table["total"]).map(percent)
        return pd.DataFrame(shown)

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def results(self) -> dict[str, object]:
        """Return everything that a page shows, for the results file."""
        return {
            "losses": self.table,
            "refits": self.n_refits,
            "rows": self.n_rows,
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """Say how much of the loss more training rows, or a steadier model, could save."""
        row = self.table.iloc[0]
        share = row["variance"] / row["total"] if row["total"] > 0 else 0.0
        advice = (
            "more rows or a simpler model would help"
            if share > 0.1
            else "more rows would help little; better columns or a richer model might"
        )
        return (
            f"Over {count(self.n_refits)} refits on {count(self.n_rows)} rows each, {percent(share)} of the "
            f"{row['loss']} comes from which rows the model was trained on: {advice}."
        )


def bias_variance(
    pipeline: Any,
    X_train: pd.DataFrame,
    y_train: npt.ArrayLike,
    X_test: pd.DataFrame,
    y_test: npt.ArrayLike,
    task: str = "binary",
    n_refits: int = 20,
    n_rows: int | None = 5000,
    threshold: float = 0.5,
    truth: npt.ArrayLike | None = None,
    seed: int = 42,
) -> BiasVariance:
    """Refit one configuration on bootstrap samples of the training rows and take its test loss apart.

    The pipeline is cloned, so its features are learnt anew in each sample; nothing is tuned again. Bootstrap
    samples repeat rows, and samples of fewer rows than the final model saw vary more than it: read the
    variance as that of a model of `n_rows` rows, a little on the high side.

    Parameters
    ----------
    pipeline : estimator
        Its configuration is cloned; with `predict_proba` for a binary task.
    X_train, X_test : DataFrame
    y_train, y_test : array of shape (n_rows,)
    task : {"binary", "regression"}
    n_refits : int
        Two or more.
    n_rows : int, optional
        Rows of each sample; as many as there are training rows if fewer, or None.
    threshold : float
        Probability at or above which 1 is predicted, for 0-1 loss.
    truth : array of shape (n_rows,), optional
        P(y = 1), or the mean of y, of each test row, where a simulation knows it. A binary outcome is then
        averaged over its own distribution and noise is told apart exactly; a regression takes the noise of
        the test rows at hand out, and what crosses with it is counted to bias.
    seed : int

    Returns
    -------
    BiasVariance

    Raises
    ------
    ParameterError
        If the task is not known or there are fewer than two refits.
    DataError
        If lengths differ, or the sample of training rows has one class.
    """
    if task not in ("binary", "regression"):
        raise ParameterError(f"task is {task!r}; a loss is taken apart for binary and regression models.")
    if n_refits < 2:
        raise ParameterError(f"n_refits is {n_refits}; variance needs 2 refits or more.")
    y = np.asarray(y_train, dtype=float)
    goal = np.asarray(y_test, dtype=float)
    if len(X_train) != len(y) or len(X_test) != len(goal) or not len(goal):
        raise DataError(
            f"{len(X_train)} training rows have {len(y)} targets and {len(X_test)} test rows {len(goal)}; "
            f"give one a row, and at least one test row."
        )
    if task == "binary" and len(np.unique(y)) < 2:
        raise DataError(f"Every training target is {y[0]:g}; a classifier needs both classes.")
    size = min(n_rows or len(y), len(y))
    fits = _refit(pipeline, X_train, y_train, X_test, task, n_refits, size, np.random.default_rng(seed))
    known = None if truth is None else np.asarray(truth, dtype=float)
    if known is not None and known.shape != goal.shape:
        raise DataError(f"truth has {len(known)} rows and the test rows are {len(goal)}.")
    table = (
        decompose_binary(fits, goal, threshold, known)
        if task == "binary"
        else decompose_squared(fits, goal, known)
    )
    return BiasVariance(table, n_refits, size, task, known is not None)


def _refit(
    pipeline: Any,
    X: pd.DataFrame,
    y: npt.ArrayLike,
    X_test: pd.DataFrame,
    task: str,
    n_refits: int,
    size: int,
    rng: np.random.Generator,
) -> Array:
    from sklearn.base import clone

    goal = np.asarray(y)
    made: list[Array] = []
    while len(made) < n_refits:
        rows = rng.integers(0, len(goal), size)
        if task == "binary" and len(np.unique(goal[rows])) < 2:
            raise DataError(f"A sample of {size} training rows has one class only; give more rows.")
        fitted = clone(pipeline).fit(X.iloc[rows].reset_index(drop=True), goal[rows])
        made.append(fitted.predict_proba(X_test)[:, 1] if task == "binary" else fitted.predict(X_test))
        logger.debug("refit %d of %d", len(made), n_refits)
    return np.asarray(made, dtype=float)


def decompose_squared(fits: Array, y: Array, truth: Array | None = None) -> pd.DataFrame:
    """Take the squared error apart.

    Parameters
    ----------
    fits : ndarray of shape (n_refits, n_rows)
        Predictions.
    y : ndarray of shape (n_rows,)
    truth : ndarray of shape (n_rows,), optional
        Mean of y in each row.

    Returns
    -------
    DataFrame
        One row, see `BiasVariance`.

    Examples
    --------
    >>> row = decompose_squared(np.array([[1.0], [3.0]]), np.array([3.0])).iloc[0]
    >>> float(row["total"]), float(row["bias"]), float(row["variance"])
    (2.0, 1.0, 1.0)
    """
    middle = fits.mean(axis=0)
    variance = float(fits.var(axis=0).mean())
    noise = 0.0 if truth is None else float(((y - truth) ** 2).mean())
    bias = float(((y - middle) ** 2).mean()) - noise
    return _table([("squared error", float(((fits - y) ** 2).mean()), noise, bias, variance)])


def decompose_binary(
    fits: Array, y: Array, threshold: float = 0.5, truth: Array | None = None
) -> pd.DataFrame:
    """Take log loss, Brier score and 0-1 loss apart.

    Parameters
    ----------
    fits : ndarray of shape (n_refits, n_rows)
        Probabilities.
    y : ndarray of shape (n_rows,)
        0 or 1.
    threshold : float
    truth : ndarray of shape (n_rows,), optional
        P(y = 1) in each row; losses are then expected over the outcome.

    Returns
    -------
    DataFrame
        Four rows, see `BiasVariance`.
    """
    p = np.clip(fits, TINY, 1 - TINY)
    q = y if truth is None else truth  # P(y = 1): the outcome itself where nothing more is known
    rows = [_log_loss(p, q), _brier(p, q), _domingos(p >= threshold, q), _kohavi_wolpert(p >= threshold, q)]
    return _table(rows)


def _table(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    names = ["loss", "total", "noise", "bias", "variance", "variance_unbiased", "variance_biased"]
    return pd.DataFrame([(*row, *[np.nan] * (7 - len(row))) for row in rows], columns=names)


def _entropy(q: Array) -> float:
    from scipy.special import xlogy

    return float(-(xlogy(q, q) + xlogy(1 - q, 1 - q)).mean())


def _log_loss(p: Array, q: Array) -> tuple[Any, ...]:
    up, down = np.log(p).mean(axis=0), np.log1p(-p).mean(axis=0)
    together = np.logaddexp(up, down)  # −variance of each row: what normalising the geometric mean gives away
    total = float(-(q * up + (1 - q) * down).mean())
    main = float(-(q * (up - together) + (1 - q) * (down - together)).mean())
    noise = _entropy(q)
    return "log loss", total, noise, main - noise, float(-together.mean())


def _brier(p: Array, q: Array) -> tuple[Any, ...]:
    noise, middle = float((q * (1 - q)).mean()), p.mean(axis=0)
    total = float((q * (1 - p) ** 2 + (1 - q) * p**2).mean())
    return "Brier score", total, noise, float(((q - middle) ** 2).mean()), float(p.var(axis=0).mean())


def _domingos(decided: npt.NDArray[np.bool_], q: Array) -> tuple[Any, ...]:
    """Domingos (2000), theorem 2, two classes; noise N(x), bias B(x), variance V(x) of each row."""
    share = decided.mean(axis=0)
    main, best = share >= 0.5, q >= 0.5
    spread = np.where(main, 1 - share, share)
    noise, biased = np.minimum(q, 1 - q), main != best
    total = float((share * (1 - q) + (1 - share) * q).mean())
    # expected loss = c1 N + B + c2 V with c1 = 2 P(ŷ = best) − 1, c2 = 1 where unbiased and −1 where biased
    agree = np.where(biased, spread, 1 - spread)
    unbiased_part = float(np.where(biased, 0, spread).mean())
    biased_part = float(np.where(biased, spread, 0).mean())
    counted = float(((2 * agree - 1) * noise).mean())
    net = unbiased_part - biased_part
    return "0-1 loss (Domingos)", total, counted, float(biased.mean()), net, unbiased_part, biased_part


def _kohavi_wolpert(decided: npt.NDArray[np.bool_], q: Array) -> tuple[Any, ...]:
    """Kohavi & Wolpert (1996), eq. 1: noise, bias² and variance are sums over classes, halved."""
    share = decided.mean(axis=0)
    total = float((share * (1 - q) + (1 - share) * q).mean())
    noise, bias = float((q * (1 - q)).mean()), float(((q - share) ** 2).mean())
    return "0-1 loss (Kohavi and Wolpert)", total, noise, bias, float((share * (1 - share)).mean())
