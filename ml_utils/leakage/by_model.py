"""What a small model says about strong columns: noisy copies of the answer, columns that it lives on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from ml_utils.leakage.columns import MIN_EVENTS, SUSPECT, named_afterwards
from ml_utils.leakage.report import LeakFinding
from ml_utils.leakage.sample import N_FOLDS, Array, Looked
from ml_utils.leakage.strength import auc, rank_correlation, strength
from ml_utils.wording import figure, percent

MAX_ROWS: Final = 20_000
N_CANDIDATES: Final = 6
DOMINANT: Final = 0.25  # share of what a model knows that goes with one column
MIN_STRENGTH: Final = {True: 0.60, False: 0.25}  # of a column that is looked at
VIA_ANSWER: Final = 6.0  # standard errors by which a copy goes with the rest, all rows together
WITHIN: Final = 3.0  # standard errors by which it may go with the rest where the answer is the same


@dataclass(frozen=True)
class Asked:
    """One strong column beside a model of all others.

    Attributes
    ----------
    column : str
    alone : float
        Its AUC or rank correlation.
    rest : float
        That of a model without it.
    full : float
        That of a model with it.
    overall, within : float
        Rank correlation of the column with the rest's prediction, over all rows and among rows of one answer.
    """

    column: str
    alone: float
    rest: float
    full: float
    overall: float
    within: float
    n: int

    def share(self, chance: float) -> float:
        """Share of what the full model knows that goes when the column goes."""
        return (self.full - self.rest) / max(self.full - chance, 1e-9)

    @property
    def only_through_answer(self) -> bool:
        """Whether all that it shares with the other columns goes through the answer."""
        error = 1 / np.sqrt(max(self.n, 1))
        close = abs(self.within) <= WITHIN * error and abs(self.within) + 2 * error <= 0.5 * abs(self.overall)
        return bool(abs(self.overall) >= VIA_ANSWER * error and close)


def ask_model(looked: Looked, leaks: set[str]) -> list[Asked]:
    """Hold the strongest columns against what the others predict.

    Where some share with the others only the answer, they are asked again without one another: beside a copy
    of the target, an honest column looks like a copy itself.

    Parameters
    ----------
    looked : Looked
    leaks : set of str
        Columns known to be leaks; they are left out.
    """
    names = [name for name in looked.columns if name not in leaks and looked.used(name)]
    if len(names) < 2 or (looked.binary and min(looked.y.sum(), (1 - looked.y).sum()) < 2 * MIN_EVENTS):
        return []
    alone = {name: _alone(name, looked) for name in names}
    strong = [name for name in names if alone[name] >= MIN_STRENGTH[looked.binary]]
    top = sorted(strong, key=lambda name: -alone[name])[:N_CANDIDATES]
    if not top:
        return []
    # Evenly through the sample, so that every period is there.
    rows = np.unique(np.linspace(0, len(looked.y) - 1, min(len(looked.y), MAX_ROWS)).astype(int))
    full = _measure(_predict(names, rows, looked), rows, looked)
    asked = {name: _ask(name, names, alone[name], full, rows, looked) for name in top}
    copies = [name for name in top if asked[name].only_through_answer]
    for name in copies if len(copies) > 1 else []:
        others = [other for other in names if other == name or other not in copies]
        if len(others) > 1:
            again = _ask(name, others, alone[name], full, rows, looked)
            asked[name] = replace(asked[name], overall=again.overall, within=again.within)
    return list(asked.values())


def _ask(name: str, names: list[str], alone: float, full: float, rows: Array, looked: Looked) -> Asked:
    prediction = _predict([other for other in names if other != name], rows, looked)
    x = _as_order(name, looked)[rows]
    overall, within = _goes_with(x, prediction, looked.y[rows], looked.binary)
    return Asked(name, alone, _measure(prediction, rows, looked), full, overall, within, len(rows))


def check_by_model(asked: list[Asked], looked: Looked) -> list[LeakFinding]:
    """Name noisy copies of the answer as suspects, and columns that a model lives on as notes."""
    found: list[LeakFinding] = []
    chance = 0.5 if looked.binary else 0.0
    what = "AUC" if looked.binary else "rank correlation"
    copies = [one for one in asked if one.only_through_answer and one.alone < SUSPECT[looked.binary]]
    # Where most columns are like that, the table was made that way (independent given the answer).
    if len(copies) > max(1, len(asked) // 2) or (len(asked) < 3 and not any(c.alone > 0.8 for c in copies)):
        copies = []
    for one in copies:
        evidence = (
            f"it goes with what the others predict (rank correlation {figure(abs(one.overall))}), but "
            f"not among rows of one answer ({figure(abs(one.within))}): all that it shares with them goes "
            f"through the answer, as in a noisy copy of it; alone it reaches {what} {figure(one.alone)}"
            + named_afterwards(one.column)
        )
        advice = "Ask how it is made; if from the answer or after it, list it under columns.ignore."
        kind = "a noisy copy of the target"
        found.append(LeakFinding(one.column, kind, "suspect", evidence, one.alone, advice))
    for one in asked:
        share = one.share(chance)
        if share < DOMINANT or one.full - one.rest < 0.03:
            continue
        evidence = (
            f"without it a small model falls from {what} {figure(one.full)} to {figure(one.rest)}: "
            f"{percent(share, 0)} of what the model knows. Not called a leak: alone it reaches only "
            f"{figure(one.alone)}{_honest_sign(one)}" + named_afterwards(one.column)
        )
        advice = "Too good? Ask when its value is known; if at the time of the prediction, keep it."
        kind = "a column that the model lives on"
        found.append(LeakFinding(one.column, kind, "note", evidence, share, advice))
    return found


def _honest_sign(one: Asked) -> str:
    if abs(one.within) <= WITHIN / np.sqrt(max(one.n, 1)):
        return ""
    return (
        ", and among rows of one answer it still goes with the other columns "
        f"(rank correlation {figure(abs(one.within))}), which a copy of the answer would not"
    )


def _alone(name: str, looked: Looked) -> float:
    category = not looked.is_number(name) and name not in looked.dates
    x = looked.numbers[name].to_numpy()
    return strength(x, looked.y, looked.fold, looked.binary, category).value


def _as_order(name: str, looked: Looked) -> Array:
    """A column as something with an order: numbers as they are, categories by how often they are followed."""
    x = looked.numbers[name].to_numpy()
    if looked.is_number(name) or name in looked.dates:
        return np.where(np.isfinite(x), x, np.nanmedian(x))
    codes = pd.factorize(looked.frame[name], use_na_sentinel=False)[0]
    mean = np.bincount(codes, weights=looked.y) / np.bincount(codes)
    return mean[codes]


def _predict(names: list[str], rows: Array, looked: Looked) -> Array:
    """Out-of-fold prediction of a small boosted model from some columns."""
    import lightgbm as lgb

    options = {
        "objective": "binary" if looked.binary else "regression",
        "num_leaves": 15, "learning_rate": 0.15, "min_data_in_leaf": 30, "verbose": -1, "num_threads": 1,
        "seed": 1, "deterministic": True, "max_bin": 63, "force_col_wise": True,
    }  # fmt: skip
    values, y, fold = looked.numbers[names].to_numpy()[rows], looked.y[rows], looked.fold[rows]
    out = np.full(len(y), y.mean())
    for k in range(N_FOLDS):
        inside = fold != k
        if inside.all() or not inside.any() or np.ptp(y[inside]) == 0:
            continue
        booster = lgb.train(options, lgb.Dataset(values[inside], y[inside]), num_boost_round=40)
        out[~inside] = booster.predict(values[~inside], num_threads=1)
    return out


def _measure(prediction: Array, rows: Array, looked: Looked) -> float:
    measure = auc if looked.binary else rank_correlation
    y, fold = looked.y[rows], looked.fold[rows]
    parts = [measure(prediction[fold == k], y[fold == k])[0] for k in range(N_FOLDS) if (fold == k).any()]
    return float(np.mean(parts))


def _goes_with(x: Array, prediction: Array, y: Array, binary: bool) -> tuple[float, float]:
    """Rank correlation of a column with the rest's prediction: over all rows; among rows of one answer.

    Rows of one answer are those of a class, or of one of 50 narrow ranges of a number. The larger of the
    classes' correlations counts, in units of its own standard error, so that neither class hides the other.
    """
    from scipy.stats import rankdata

    a, b = rankdata(x), rankdata(prediction)
    overall = float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else 0.0
    if not binary:
        part = np.minimum((rankdata(y) - 1) * 50 // len(y), 49).astype(int)
        for values in (a, b):
            values -= (
                np.bincount(part, weights=values, minlength=50)
                / np.maximum(np.bincount(part, minlength=50), 1)
            )[part]
        return overall, float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else 0.0
    inside = []
    for k in (0, 1):
        rows = y == k
        r, s = rankdata(x[rows]), rankdata(prediction[rows])
        inside.append(
            float(np.corrcoef(r, s)[0, 1]) * np.sqrt(rows.mean()) if np.ptp(r) and np.ptp(s) else 0.0
        )
    return overall, max(inside, key=abs)
