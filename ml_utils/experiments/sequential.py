"""Intervals that stay valid however often one looks."""

from __future__ import annotations

import math

import numpy as np

from ml_utils.errors import ParameterError
from ml_utils.experiments.checks import check_share


def always_valid(
    difference: np.ndarray | float,
    standard_error: np.ndarray | float,
    n: np.ndarray | float,
    planned: float,
    alpha: float = 0.05,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an asymptotic confidence sequence and its p-values.

    With probability 1 − alpha the true difference lies in the intervals of all looks at once, so one may
    stop at any look (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, Annals of Statistics, eq. 3, with
    rho by their eq. 25). The guarantee is asymptotic: don't look before some tens of rows are there in each
    arm.

    Parameters
    ----------
    difference, standard_error : array of shape (n_looks,) or float
        Estimate at each look, from all rows so far.
    n : array of shape (n_looks,) or float
        Rows so far, both arms together.
    planned : float
        Number of rows at which the sequence should be tightest; fixed before the first look.
    alpha : float

    Returns
    -------
    low, high, p_value : ndarray
        Each of the shape of the inputs. The p-values are those of each look by itself; a running minimum of
        them is valid too.

    Raises
    ------
    ParameterError
        If `alpha` or `planned` is out of range.

    Examples
    --------
    >>> low, high, p = always_valid(0.02, 0.0064, 10_000, planned=5_000)
    >>> f"{low:.4f} to {high:.4f}"
    '0.0004 to 0.0396'
    """
    check_share("alpha", alpha)
    if not planned > 0:
        raise ParameterError(f"planned, a number of rows, must be above 0; got {planned!r}.")
    d, se, rows = (np.asarray(item, dtype=float) for item in (difference, standard_error, n))
    rho_squared = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned
    grown = rows * rho_squared + 1
    scale = 2 * grown / (rows * rho_squared)  # squared half-width over se², without the logarithm
    reach = se * np.sqrt(scale * np.log(np.sqrt(grown) / alpha))
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(se > 0, (d / se) ** 2 / scale, np.where(d == 0, 0.0, np.inf))
    p_value = np.minimum(1.0, np.sqrt(grown) * np.exp(-exponent))
    return d - reach, d + reach, p_value
