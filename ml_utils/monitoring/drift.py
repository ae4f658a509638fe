"""Two-sample statistics: how far, and how surely, one sample of a column differs from another.

Everything here works on arrays, or on counts of both samples in the same cells (`cells`).
"""

from __future__ import annotations

import numpy as np

from ml_utils.errors import DataError

SMOOTHING = 0.5  # added to each count (Jeffreys): an empty cell then gives a finite index
SMALLEST_EXPECTED = 5.0  # Cochran's rule for the chi-square approximation


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Population stability index of two vectors of counts; 0 where the shares agree.

    Parameters
    ----------
    reference, current : ndarray of shape (n_cells,)
        Counts in the same cells. Cells empty in both are left out; `SMOOTHING` is added to the others.

    Returns
    -------
    float
        Σ (q − p) ln(q / p). Siddiqi (2006), Credit Risk Scorecards: below 0.1 small, above 0.25 large.

    Examples
    --------
    >>> round(psi(np.array([500_000, 500_000]), np.array([600_000, 400_000])), 4)
    0.0405
    """
    p, q = _shares(reference, current)
    return float(np.sum((q - p) * np.log(q / p)))


def psi_noise(quantile: float, n_cells: int, n_reference: float, n_current: float) -> float:
    """Return the value that the index exceeds by chance alone with probability 1 − `quantile`.

    Without a change PSI is distributed like (1/n + 1/m) · χ² with n_cells − 1 degrees of freedom
    (Yurdakul & Naranjo 2020, Journal of Risk Model Validation 14(4), eq. 5).

    Parameters
    ----------
    quantile : float
        Between 0 and 1.
    n_cells : int
        Cells that are not empty in both samples.
    n_reference, n_current : float
        Independent rows in each sample.

    Returns
    -------
    float
    """
    from scipy.stats import chi2

    if n_cells < 2 or min(n_reference, n_current) <= 0:
        return 0.0
    return float(chi2.ppf(quantile, n_cells - 1) * (1 / n_reference + 1 / n_current))


def jensen_shannon(reference: np.ndarray, current: np.ndarray) -> float:
    """Jensen–Shannon distance of two vectors of counts, base 2: 0 equal, 1 nothing in common.

    Parameters
    ----------
    reference, current : ndarray of shape (n_cells,)

    Returns
    -------
    float
        NaN where a sample is empty.

    Examples
    --------
    >>> jensen_shannon(np.array([10, 0]), np.array([0, 10]))
    1.0
    """
    from scipy.spatial.distance import jensenshannon

    _check_counts(reference, current)
    if not np.sum(reference) or not np.sum(current):
        return float("nan")
    return float(np.nan_to_num(jensenshannon(reference, current, base=2)))  # rounding below 0


def ks_test(
    reference: np.ndarray, current: np.ndarray, n_reference: float | None = None
) -> tuple[float, float]:
    """Two-sample Kolmogorov–Smirnov test; missing values are left out.

    Parameters
    ----------
    reference, current : ndarray of shape (n,), (m,)
    n_reference : float, optional
        Independent rows in the reference where rows of one customer repeat; by default n.

    Returns
    -------
    statistic, p_value : float
        The p-value is asymptotic, which errs on the side of no drift where values are tied. Not defined (NaN
        and 1) where a sample is empty.

    Examples
    --------
    >>> ks_test(np.arange(100.0), np.arange(100.0) + 50)[0]
    0.5
    """
    from scipy.stats import distributions

    first = np.sort(reference[~np.isnan(reference)])
    second = np.sort(current[~np.isnan(current)])
    if not len(first) or not len(second):
        return float("nan"), 1.0
    places = np.concatenate([first, second])
    below = np.searchsorted(first, places, side="right") / len(first)
    statistic = float(np.abs(below - np.searchsorted(second, places, side="right") / len(second)).max())
    n = min(n_reference or len(first), len(first))
    effective = n * len(second) / (n + len(second))
    return statistic, float(distributions.kstwobign.sf(np.sqrt(effective) * statistic))


def chi_square(
    reference: np.ndarray, current: np.ndarray, n_reference: float | None = None
) -> tuple[float, float]:
    """Chi-square test of homogeneity on two vectors of counts.

    Cells whose expected count is below 5 are pooled first, so that a category seen once is no finding and one
    that takes over is.

    Parameters
    ----------
    reference, current : ndarray of shape (n_cells,)
    n_reference : float, optional
        Independent rows in the reference; its counts are scaled down to it.

    Returns
    -------
    statistic, p_value : float
        NaN and 1 where fewer than two cells are left.

    Examples
    --------
    >>> statistic, p_value = chi_square(np.array([30, 70]), np.array([45, 55]))
    >>> round(statistic, 2), round(p_value, 3)
    (4.8, 0.028)
    """
    from scipy.stats import chi2

    _check_counts(reference, current)
    total = float(reference.sum())
    scale = min(n_reference or total, total) / total if total else 1.0
    table = _pool(np.vstack([np.asarray(reference, dtype=float) * scale, np.asarray(current, dtype=float)]))
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return float("nan"), 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, float(chi2.sf(statistic, table.shape[1] - 1))


def adjust(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values for their number (Benjamini & Hochberg 1995), whatever the array's shape.

    Examples
    --------
    >>> adjust(np.array([[0.01, 0.02], [0.03, 0.5]])).round(3)
    array([[0.04, 0.04],
           [0.04, 0.5 ]])
    """
    from scipy.stats import false_discovery_control

    flat = np.asarray(p_values, dtype=float).ravel()
    return np.asarray(false_discovery_control(flat) if len(flat) else flat).reshape(np.shape(p_values))


def _pool(table: np.ndarray) -> np.ndarray:
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=0) * table.sum(axis=1).min() / max(table.sum(), 1.0)
    order = np.argsort(expected, kind="stable")
    small = int((expected < SMALLEST_EXPECTED).sum())
    # the pooled cell itself takes in the next smallest until it is large enough
    while 0 < small < len(order) and expected[order[:small]].sum() < SMALLEST_EXPECTED:
        small += 1
    if not small:
        return table
    return np.column_stack([table[:, order[small:]], table[:, order[:small]].sum(axis=1)])


def _shares(reference: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _check_counts(reference, current)
    used = (np.asarray(reference) + np.asarray(current)) > 0
    p, q = np.asarray(reference)[used] + SMOOTHING, np.asarray(current)[used] + SMOOTHING
    return p / p.sum(), q / q.sum()


def _check_counts(reference: np.ndarray, current: np.ndarray) -> None:
    if np.shape(reference) != np.shape(current) or np.ndim(reference) != 1:
        raise DataError(
            f"Both samples must be counted in the same cells; got {np.shape(reference)} and "
            f"{np.shape(current)} counts. Count both with one Cells object."
        )
    if np.min(reference, initial=0) < 0 or np.min(current, initial=0) < 0:
        raise DataError("A count is below 0; pass counts of rows, not differences or shares.")
