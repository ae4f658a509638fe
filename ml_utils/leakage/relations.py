"""Columns that know the answer beside others: more than the rest explains, or the rows' own rates."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from ml_utils.leakage.columns import MIN_EVENTS, named_afterwards
from ml_utils.leakage.report import LeakFinding
from ml_utils.leakage.sample import Array, Looked, finite
from ml_utils.leakage.strength import strength
from ml_utils.wording import count, figure, percent

SURE_BESIDE: Final = 0.97  # AUC (or rank correlation) of what the other columns leave unexplained
GAIN: Final = 0.01  # by how much it must exceed the column alone
CLOSER_THAN_CHANCE: Final = 1e-9  # probability of agreeing that closely with the rows' own rates
MAX_LEVELS: Final = 50_000
MIN_LEVELS: Final = 8  # values that must be there for a smoothed mean to be told
AGREE: Final = 0.08  # share of values that must agree on the smoothing; areas with equal means blur it


def check_beside_others(looked: Looked, skip: set[str]) -> list[LeakFinding]:
    """Find counts that include what happened with the answer: what the other columns leave over tells it.

    Each column is predicted linearly from all others, fitted where the event did not happen, and the rest is
    put to the test. Of two columns whose difference tells the answer, the one that says more alone is named;
    it is then set aside and the search goes on.

    Parameters
    ----------
    looked : Looked
    skip : set of str
        Columns already found to be leaks.
    """
    found: list[LeakFinding] = []
    gone = set(skip)
    for _ in range(5):
        finding = _strongest_beside(looked, gone)
        if finding is None:
            break
        found.append(finding)
        gone.add(finding.column)
    return found


def _strongest_beside(looked: Looked, gone: set[str]) -> LeakFinding | None:
    names = [name for name in looked.columns if name not in gone and looked.is_number(name)]
    if len(names) < 2 or (looked.binary and min(looked.y.sum(), (1 - looked.y).sum()) < MIN_EVENTS):
        return None
    base = looked.y == 0 if looked.binary else np.ones(len(looked.y), dtype=bool)
    left = unexplained(looked.numbers[names].to_numpy(), base)
    candidates = []
    for i, name in enumerate(names):
        if not np.isfinite(left[:, i]).all():
            continue
        beside = _tells(left[:, i], names, i, looked)
        if beside < SURE_BESIDE:
            continue
        alone = strength(looked.numbers[name].to_numpy(), looked.y, looked.fold, looked.binary)
        if beside >= alone.value + GAIN:
            candidates.append((alone.value, beside, name, i))
    if not candidates:
        return None
    alone_value, value, name, i = max(candidates)
    partner = _partner(looked.numbers[names].to_numpy(), i, names)
    what = "an AUC" if looked.binary else "a correlation with the rest of the target"
    evidence = (
        f"what the other columns (above all {partner}) leave unexplained of it reaches {what} of "
        f"{figure(value)}, {figure(alone_value)} by itself: part of it comes with the answer"
        + named_afterwards(name)
    )
    advice = f"Leave it out and take what is known before, like {partner}, in its place."
    return LeakFinding(
        name, "counted after the fact", "leak", evidence, value, advice,
        used=looked.used(name), counterpart=partner,
    )  # fmt: skip


def _tells(left: Array, names: list[str], i: int, looked: Looked) -> float:
    """How well the unexplained part tells the answer; of a number, what the others leave of it, too."""
    if looked.binary:
        return strength(left, looked.y, looked.fold, True).surely
    others = np.delete(looked.numbers[names].to_numpy(), i, axis=1)
    rows = np.ones(len(left), dtype=bool)
    rest = unexplained(np.column_stack([others, looked.y]), rows)[:, -1]
    return abs(float(np.corrcoef(left, rest)[0, 1])) if np.isfinite(rest).all() else 0.0


def unexplained(values: Array, base: Array) -> Array:
    """Return what a linear relation to all other columns, fitted on the rows `base`, leaves of each column.

    Parameters
    ----------
    values : ndarray of float, shape (n_rows, n_columns)
        NaN is taken as the median of the column.
    base : ndarray of bool, shape (n_rows,)

    Returns
    -------
    ndarray of float, shape (n_rows, n_columns)
        NaN in columns that the others explain wholly, of which only rounding is left.

    Notes
    -----
    All regressions at once from the inverse covariance: the residual of column j is X Θ_j / Θ_jj (Lauritzen
    1996, sec. 5.1).
    """
    x = np.where(np.isfinite(values), values, np.nanmedian(values, axis=0))
    x = x - x[base].mean(0)
    scale = np.where(x[base].std(0) > 0, x[base].std(0), 1.0)
    x = x / scale
    theta = np.linalg.inv(np.cov(x[base], rowvar=False) + 1e-9 * np.eye(x.shape[1]))
    left = (x @ theta) / np.diag(theta)
    left[:, left.std(0) < 1e-3] = np.nan
    return left


def _partner(values: Array, i: int, names: list[str]) -> str:
    x = np.where(np.isfinite(values), values, np.nanmedian(values, axis=0))
    spread = x.std(0)
    x = (x - x.mean(0)) / np.where(spread > 0, spread, 1.0)
    closeness = np.abs(x.T @ x[:, i])
    closeness[i] = -1
    return names[int(closeness.argmax())]


def check_own_rates(looked: Looked, rows: pd.DataFrame, unit: pd.Series | None) -> list[LeakFinding]:
    """Find target means that were taken over these very rows.

    The mean of the target at each value of such a column agrees with the column more closely than chance
    allows: even the true rate would be off by the noise of the rows. Every row counts here, none is sampled.

    Parameters
    ----------
    looked : Looked
    rows : DataFrame
        All rows of the splits, training rows first.
    unit : Series or None
        What rows belong together; their noise is not independent.
    """
    from ml_utils.data.schema import features_and_target

    found = []
    problem, n_train = looked.problem, len(looked.train)
    y = features_and_target(rows[[problem.target]], problem)[1].to_numpy(float)
    who = np.arange(len(rows)) if unit is None else pd.factorize(unit)[0]
    for name in looked.columns:
        if not looked.is_number(name):
            continue
        for n, where in ((len(rows), "all rows"), (n_train, "the training rows")):
            said = _rates_evidence(finite(rows[name].iloc[:n]), y[:n], who[:n], where)
            if said is None:
                continue
            advice = "Leave it out, or encode inside the folds (FeatureEngineer's target encoding does)."
            kind = "a target mean of these very rows"
            used = looked.used(name)
            found.append(LeakFinding(name, kind, "leak", said[0], said[1], advice, used=used))
            break
    return found


def _rates_evidence(x: Array, y: Array, unit: Array, where: str) -> tuple[str, float] | None:
    known = np.isfinite(x)
    distinct, codes = np.unique(x[known], return_inverse=True)
    if not 4 <= len(distinct) <= min(MAX_LEVELS, 0.5 * len(x)):
        return None
    exact = smoothed_means(distinct, codes, y[known])
    if exact is not None:
        share, levels, prior_rows = exact
        drawn = f", drawn to the overall mean by {prior_rows:.3g} rows" if prior_rows > 0.01 else ""
        return (
            f"{percent(share)} of its {count(levels)} values are, to four digits, the target's mean "
            f"over {where}{drawn}",
            share,
        )
    noise = noise_left(distinct, codes, y[known], unit[known], len(x))
    if noise is None:
        return None
    return (
        f"at its {count(len(distinct))} values it follows the target's mean over {where} with "
        f"{percent(noise, 2)} of the variance that chance would leave; nothing does that without these rows' "
        "answers",
        1 - noise,
    )


def smoothed_means(distinct: Array, codes: Array, y: Array) -> tuple[float, int, float] | None:
    """Tell whether values are the target's own means, drawn to the overall mean by one number of rows.

    From (k + m·p)/(n + m) = v follows m = (k − v·n)/(v − p), the same m at every value; in the empirical
    Bayes form (scikit-learn's TargetEncoder, smooth="auto"), m over the variance at the value is the same.

    Returns
    -------
    share : float
        Share of the values that agree on it.
    levels : int
    prior_rows : float
        The m on which they agree. None in place of all three where they don't agree.
    """
    n = np.bincount(codes).astype(float)
    total = np.bincount(codes, weights=y)
    overall = float(y.mean())
    mean = total / n
    within = np.maximum(np.bincount(codes, weights=y**2) / n - mean**2, 0)
    # Values that stand apart from the overall mean and from the target's ends, with rows to speak of.
    keep = (n >= 3) & (distinct > y.min()) & (distinct < y.max()) & (within > 0)
    keep &= np.abs(distinct - overall) > 1e-6 * y.std()
    if keep.sum() < MIN_LEVELS:
        return None
    gap = distinct[keep] - overall
    m = (total[keep] - distinct[keep] * n[keep]) / gap
    for guess in (m, m / within[keep] * y.var()):
        share, at = _agree(np.round(guess, 9))
        if share >= AGREE and share * keep.sum() >= MIN_LEVELS and at >= -1e-6:
            return share, int(keep.sum()), max(at, 0.0)
    return None


def _agree(values: Array) -> tuple[float, float]:
    """Share of values within one part in ten thousand of a common one, and that one."""
    ordered = np.sort(values)
    width = 1e-4 * (1 + np.abs(ordered))
    inside = np.searchsorted(ordered, ordered + width, side="right") - np.arange(len(ordered))
    best = int(inside.argmax())
    return float(inside[best] / len(ordered)), float(ordered[best])


def noise_left(distinct: Array, codes: Array, y: Array, unit: Array, n_rows: int) -> float | None:
    """Tell whether the target's mean at each value lies closer to a line than its noise allows.

    Parameters
    ----------
    distinct : ndarray of float, shape (n_values,)
    codes : ndarray of int, shape (n_known,)
        Which value each row has.
    y : ndarray of float, shape (n_known,)
    unit : ndarray of int, shape (n_known,)
        Rows of one unit (a customer's months) count as one draw.
    n_rows : int
        Rows in all, those without a value too.

    Returns
    -------
    float or None
        Mean of the squared residual sum over its variance: 1 where the column is honest, None in its place.
    """
    from scipy import stats

    n = np.bincount(codes).astype(float)
    mean = np.bincount(codes, weights=y) / n
    keep = n >= 2
    if len(np.unique(mean[keep].round(6))) < 4 or n[keep].sum() < 0.5 * n_rows:
        return None
    fitted = np.full(len(distinct), np.nan)
    fitted[keep] = _line(distinct[keep], mean[keep], n[keep])
    free = int(keep.sum()) - 2
    if np.ptp(fitted[keep]) <= 0:
        return None
    units = int(unit.max()) + 1
    cell, where = np.unique(codes * units + unit, return_inverse=True)
    per_unit = np.bincount(where, weights=np.nan_to_num(y - fitted[codes]))
    level = cell // units
    total = np.bincount(level, weights=per_unit, minlength=len(distinct))[keep]
    spread = np.bincount(level, weights=per_unit**2, minlength=len(distinct))[keep]
    chi2 = float((total**2 / np.maximum(spread, 1e-6 * n[keep] * y.var())).sum())
    if chi2 > 0.6 * free or stats.chi2.cdf(chi2, free) >= CLOSER_THAN_CHANCE:
        return None
    return chi2 / free


def _line(x: Array, mean: Array, n: Array) -> Array:
    """Fit the means by a line in x, each value weighing as many as its rows."""
    design = np.column_stack([np.ones_like(x), x / max(float(np.ptp(x)), 1e-12)])
    root = np.sqrt(n)
    return design @ np.linalg.lstsq(design * root[:, None], mean * root, rcond=None)[0]
