"""Checks around a comparison: sizes of the arms, many comparisons at once, and whether effects differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml_utils.errors import ParameterError, list_known

Correction = Literal["holm", "bh"]
_CORRECTIONS = {"holm": "holm", "bh": "fdr_bh"}


@dataclass(frozen=True)
class SampleRatio:
    """Whether the arms came out as large as they were meant to be."""

    observed: tuple[int, ...]
    expected: tuple[float, ...]
    chi_square: float
    p_value: float


def sample_ratio(observed: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Check the sizes of the arms against the shares they were meant to have.

    Pearson's chi-square; a very small p-value says that rows were lost or added in one arm, and then no
    effect can be trusted (Fabijan et al. 2019).

    Parameters
    ----------
    observed : sequence of int
        Rows of each arm.
    shares : sequence of float
        Planned shares, in the same order; any positive scale.

    Returns
    -------
    SampleRatio

    Raises
    ------
    ParameterError
        If the lengths differ or a share is not positive.

    Examples
    --------
    >>> check = sample_ratio([821588, 815482], [0.5, 0.5])
    >>> f"{check.chi_square:.2f}, p = {check.p_value:.1e}"
    '22.77, p = 1.8e-06'
    """
    from scipy.stats import chisquare

    weights = np.asarray(shares, dtype=float)
    if len(observed) != len(weights) or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ParameterError(f"{len(observed)} arms need as many positive shares; got {list(shares)}.")
    expected = weights / weights.sum() * sum(observed)
    test = chisquare(observed, expected)
    return SampleRatio(
        tuple(int(n) for n in observed),
        tuple(float(n) for n in expected),
        float(test.statistic),
        float(test.pvalue),
    )


def adjust_p_values(p_values: Sequence[float], method: Correction = "holm") -> np.ndarray:
    """Adjust p-values for looking at several comparisons.

    Parameters
    ----------
    p_values : sequence of float
    method : {"holm", "bh"}
        Holm (1979) bounds the chance of any false finding; Benjamini & Hochberg (1995) the expected share
        of false ones among the findings.

    Returns
    -------
    ndarray
        Adjusted p-values in the order given.

    Raises
    ------
    ParameterError
        If `method` is unknown or a p-value lies outside 0 to 1.
    """
    from statsmodels.stats.multitest import multipletests

    if method not in _CORRECTIONS:
        raise ParameterError(f"method is {method!r}. {list_known(str(method), _CORRECTIONS)}")
    values = np.asarray(p_values, dtype=float)
    if not ((values >= 0) & (values <= 1)).all():
        raise ParameterError(f"p-values lie between 0 and 1; got {list(p_values)}.")
    if values.size == 0:
        return values
    return np.asarray(multipletests(values, method=_CORRECTIONS[method])[1], dtype=float)


def heterogeneity(effects: Sequence[float], variances: Sequence[float]) -> tuple[float, float]:
    """Return Cochran's Q and its p-value: whether effects differ by more than chance (Cochran 1954).

    Parameters
    ----------
    effects, variances : sequence of float
        One estimate a segment with its squared standard error; the segments share no rows.
    """
    from scipy.stats import chi2

    d, weight = np.asarray(effects, dtype=float), 1 / np.asarray(variances, dtype=float)
    if d.size < 2:
        return 0.0, 1.0
    q = float(np.sum(weight * (d - np.sum(weight * d) / weight.sum()) ** 2))
    return q, float(chi2.sf(q, d.size - 1))


def check_share(name: str, value: float) -> float:
    """Return `value` if it lies strictly between 0 and 1.

    Raises
    ------
    ParameterError
        If it does not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
        raise ParameterError(f"{name} lies strictly between 0 and 1; got {value!r}.")
    return float(value)
