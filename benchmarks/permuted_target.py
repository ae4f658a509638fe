"""What a pipeline may say about a target that was permuted at random: nothing. Shared by tests and benchmark.

The interval around 0.5. A permuted target is independent of the columns, so that in every validation fold
the AUC of any model that was fitted without its rows has mean 1/2 and the variance of the Mann-Whitney
statistic under its null hypothesis (`null_variance`): nothing is estimated, and no interval is narrow by
chance. Folds of one cross-validation share training rows: the variance of their mean is not 1/K but
(1/K + 1/(K − 1)) times that of a fold (Nadeau & Bengio 2003, eq. 10). For scores that are linear in the
training labels this is nearly exact: the AUCs of two folds both hold the term "how alike are the rows of one
and of the other", so that they correlate at 1/(K − 1), and the variance of their mean is 2/K. `coverage`
measures it.

What is held to it. Each candidate at fixed parameters: its cross-validated AUC. The best of several
candidates and trials: its AUC on rows that the search never saw; its cross-validated AUC is the largest of
several, and is above 0.5 on average though nothing leaks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_utils import FeatureEngineer, ModelTrainer
from ml_utils.training.search import Fold, make_folds, search_rows

Array = npt.NDArray[Any]
PUBLIC = Path(os.environ.get("OCTAVO_PUBLIC_DATA", "data/public"))
LEVEL = 0.95
N_NOISE = 500  # categories of a noise column


@dataclass(frozen=True)
class Table:
    """A table whose target is to be permuted.

    Parameters
    ----------
    name : str
    X : DataFrame
    y : ndarray of int
        0 or 1; only its mean matters once it is permuted.
    groups : Series or None
        Rows that belong together.
    whole : bool
        Whether rows of one group share one permuted label, so that who learns a group by heart knows its
        other rows; else labels are permuted row by row.
    categorical : tuple of str
        Columns whose role is given, identifiers among them.
    """

    name: str
    X: pd.DataFrame
    y: Array
    groups: pd.Series | None = None
    whole: bool = False
    categorical: tuple[str, ...] = ()

    def permuted(self, seed: int) -> Array:
        """Return the target in random order: row by row, or a label for each group."""
        rng = np.random.default_rng(seed)
        if not self.whole or self.groups is None:
            return rng.permutation(self.y)
        codes, names = pd.factorize(self.groups)
        return (rng.permutation(len(names)) < self.y.mean() * len(names)).astype(np.int8)[codes]

    def engineer(self, **options: Any) -> FeatureEngineer:
        """Return the features' settings: many categories by their target mean, the best ones selected."""
        chosen = {"selection": "importance", "n_features": 12, **options}
        return FeatureEngineer(categorical=list(self.categorical), seed=0, **chosen)


def churn(n_rows: int, whole: bool = False) -> Table:
    """The retailer's customers, month by month, with their own id and a noise column among the features."""
    from ml_utils.data import features_and_target
    from ml_utils.data.sources import read_source
    from ml_utils.problem import load_problem

    problem = load_problem("churn")
    frame = read_source(problem, n_customers=max(n_rows // 6, 200), seed=1).frame
    keep = search_rows(frame[problem.target].to_numpy(), frame[problem.id].to_numpy(), n_rows, "binary", 1)
    frame = frame.iloc[keep].reset_index(drop=True)
    X, y = features_and_target(frame, problem)
    rng = np.random.default_rng(2)
    X["customer"] = frame[problem.id].astype("str")
    X["noise"] = _codes(rng, len(X))
    if not whole:
        return Table("churn", X, y.to_numpy(), frame[problem.id], categorical=("customer", "noise"))
    label = np.arange(len(X)) % 10 < 3  # three customers in ten: enough of both kinds in every fold
    return Table(
        "churn, a label a customer", X, label.astype(int), frame[problem.id], True, ("customer", "noise")
    )


def telco(n_rows: int) -> Table | None:
    """The telco table, with its id among the features; None where the file is not there."""
    if not (PUBLIC / "telco.csv").is_file():
        return None
    frame = pd.read_csv(PUBLIC / "telco.csv").sample(n_rows, random_state=1, ignore_index=True)
    X = frame.drop(columns="Churn").assign(noise=_codes(np.random.default_rng(2), n_rows))
    return Table("telco", X, (frame["Churn"] == "Yes").to_numpy(int), categorical=("customerID", "noise"))


def noise(n_rows: int, n_columns: int = 12) -> Table:
    """Columns of 500 categories, ids of two rows each and of one, and numbers; nothing says anything."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame({f"code_{i}": _codes(rng, n_rows) for i in range(n_columns)})
    X["pair"] = [f"p{i}" for i in rng.permutation(np.arange(n_rows) // 2)]
    X["id"] = [f"k{i}" for i in rng.permutation(n_rows)]
    for i in range(n_columns):
        X[f"number_{i}"] = rng.normal(size=n_rows)
    categorical = ("pair", "id", *(f"code_{i}" for i in range(n_columns)))
    return Table("noise, 500 categories", X, (rng.random(n_rows) < 0.3).astype(int), categorical=categorical)


def null_variance(y: Array, score: Array, groups: Array | None = None) -> float:
    """Variance of the AUC where labels were given to rows, or to whole groups, at random.

    The AUC less 1/2 is the sum over positive groups of their rows' centred ranks, divided by the number of
    pairs: the variance is that of drawing so many groups without replacement. With rows as groups and no
    ties it is (m + n + 1) / (12 m n), that of Mann & Whitney (1947).

    >>> round(null_variance(np.array([1, 0, 0, 1, 0]), np.arange(5.0)), 6), round(6 / (12 * 2 * 3), 6)
    (0.083333, 0.083333)
    """
    from scipy.stats import rankdata

    centred = rankdata(score) - (len(score) + 1) / 2
    codes = np.arange(len(y)) if groups is None else pd.factorize(groups)[0]
    sums, n_groups = np.bincount(codes, centred), int(codes.max()) + 1
    chosen = len(np.unique(codes[y == 1]))
    positive = float((y == 1).sum())
    drawn = chosen * (1 - chosen / n_groups) * float((sums**2).sum()) / (n_groups - 1)
    return drawn / (positive * (len(y) - positive)) ** 2


def auc(y: Array, score: Array) -> float:
    """Area under the ROC curve by ranks; simulations need thousands of them."""
    from scipy.stats import rankdata

    positive = y == 1
    m, n = int(positive.sum()), int((~positive).sum())
    return float((rankdata(score)[positive].sum() - m * (m + 1) / 2) / (m * n))


@dataclass(frozen=True)
class Reading:
    """An AUC on a permuted target, and the standard error that it has where nothing leaks."""

    table: str
    model: str
    seed: int
    auc: float
    error: float

    @property
    def inside(self) -> bool:
        """Whether the AUC lies within its 95 % interval around 0.5."""
        return abs(self.auc - 0.5) <= _z(LEVEL) * self.error


def read_folds(y: Array, score: Array, folds: Sequence[Fold], groups: Array | None) -> tuple[float, float]:
    """Return the mean AUC of the folds and its standard error under a permuted target."""
    values, variances = [], []
    for fold in folds:
        rows = fold.valid
        values.append(auc(y[rows], score[rows]))
        variances.append(null_variance(y[rows], score[rows], None if groups is None else groups[rows]))
    ratio = float(np.mean([len(fold.valid) / len(fold.train) for fold in folds]))
    error = np.sqrt((1 / len(folds) + ratio) * np.mean(variances))  # eq. 10, Nadeau & Bengio 2003
    return float(np.mean(values)), float(error)


def cross_validate(
    table: Table,
    seed: int,
    *,
    models: Sequence[str] = ("linear", "lightgbm", "xgboost"),
    n_folds: int = 5,
    X: pd.DataFrame | None = None,
    grouped: bool = True,
    **options: Any,
) -> list[Reading]:
    """Cross-validate each model at its fixed parameters as page 02 does, on a permuted target.

    Parameters
    ----------
    table : Table
    seed : int
        Of the permutation and the folds.
    models : sequence of str
    n_folds : int
    X : DataFrame, optional
        Other columns in place of the table's own: those of a leaky variant.
    grouped : bool
        False tears groups apart, which is a leak where they share a label.
    **options
        Of the FeatureEngineer.
    """
    y = table.permuted(seed)
    columns = table.X if X is None else X
    engineer = table.engineer(**options) if X is None else FeatureEngineer(encoding="onehot", seed=0)
    trainer = ModelTrainer(models=models, n_trials=1, cv_folds=n_folds, features=engineer, seed=seed)
    trainer.fit(columns, pd.Series(y), table.groups if grouped else None)
    shared = table.groups.to_numpy() if table.whole and table.groups is not None else None
    return [
        Reading(table.name, item.name, seed, *read_folds(y, item.oof, trainer.folds_, shared))
        for item in trainer.candidates_
        if item.name != "baseline"
    ]


@dataclass(frozen=True)
class Searched:
    """What a search says about its best model, and what untouched rows say."""

    claimed: float
    untouched: Reading


def search(
    table: Table, seed: int, *, models: Sequence[str] = ("linear", "lightgbm"), n_trials: int = 3
) -> Searched:
    """Search over candidates and trials on two thirds of the rows (whole groups), judge on the others."""
    y = table.permuted(seed)
    unit = np.arange(len(y)) if table.groups is None else pd.factorize(table.groups)[0]
    kept_apart = np.random.default_rng(seed).permutation(int(unit.max()) + 1)[unit] % 3 == 0
    groups = None if table.groups is None else table.groups[~kept_apart]
    trainer = ModelTrainer(
        models=models, n_trials=n_trials, cv_folds=5, features=table.engineer(), seed=seed
    ).fit(table.X[~kept_apart], pd.Series(y[~kept_apart]), groups)
    best = next(item for item in trainer.candidates_ if item.name != "baseline")
    model = trainer.fit_model(best.name, table.X[~kept_apart], pd.Series(y[~kept_apart]))
    score = model.predict_score(table.X[kept_apart])
    shared = unit[kept_apart] if table.whole else None
    error = float(np.sqrt(null_variance(y[kept_apart], score, shared)))
    reading = Reading(table.name, "best of the search", seed, auc(y[kept_apart], score), error)
    return Searched(best.mean, reading)


@dataclass(frozen=True)
class Verdict:
    """Whether readings over several seeds are what chance gives.

    Accepted where at most `allowed` of them, the 99.9 % quantile of the binomial distribution with chance
    0.05, lie outside their 95 % interval, and their mean lies within its own interval, at 95 % for all
    `checks` verdicts together (Šidák).
    """

    table: str
    model: str
    n: int
    mean: float
    lower: float
    upper: float
    outside: int
    allowed: int
    accepted: bool


def judge(readings: Sequence[Reading], checks: int = 1) -> Verdict:
    """Judge the readings of one model on one table."""
    from scipy.stats import binom

    n = len(readings)
    mean = float(np.mean([reading.auc for reading in readings]))
    error = float(np.sqrt(np.sum([reading.error**2 for reading in readings]))) / n
    half = _z(LEVEL ** (1 / checks)) * error
    outside = sum(not reading.inside for reading in readings)
    allowed = int(binom.ppf(0.999, n, 1 - LEVEL))
    accepted = outside <= allowed and abs(mean - 0.5) <= half
    first = readings[0]
    return Verdict(first.table, first.model, n, mean, 0.5 - half, 0.5 + half, outside, allowed, accepted)


def judge_all(readings: Sequence[Reading], checks: int | None = None) -> list[Verdict]:
    """Judge each model on each table."""
    keys = dict.fromkeys((reading.table, reading.model) for reading in readings)
    return [judge([r for r in readings if (r.table, r.model) == key], checks or len(keys)) for key in keys]


def coverage(n_permutations: int, n_rows: int = 600, n_folds: int = 5) -> tuple[float, float]:
    """How often a ridge regression's cross-validated AUC lies within its 95 % interval, target permuted.

    Returns
    -------
    with_overlap, without : float
        Shares for the interval above, and for one that takes folds as independent.
    """
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n_rows, 10))
    y = (np.arange(n_rows) < 0.3 * n_rows).astype(int)
    hits = np.zeros(2)
    for seed in range(n_permutations):
        y = rng.permutation(y)
        folds = make_folds(y, None, n_folds, "binary", seed)
        score = np.full(n_rows, np.nan)
        for fold in folds:
            A, b = X[fold.train], y[fold.train] - y[fold.train].mean()
            score[fold.valid] = X[fold.valid] @ np.linalg.solve(A.T @ A + np.eye(10), A.T @ b)
        mean, error = read_folds(y, score, folds, None)
        alone = error * np.sqrt((1 / n_folds) / (1 / n_folds + 1 / (n_folds - 1)))
        hits += np.abs(mean - 0.5) <= _z(LEVEL) * np.array([error, alone])
    return float(hits[0] / n_permutations), float(hits[1] / n_permutations)


# --- leaks that the check must find ---------------------------------------------------------------------


def encoded_outside(table: Table, y: Array) -> pd.DataFrame:
    """Target means learnt from all rows before the folds, each row's own label among them."""
    engineer = table.engineer(encoding="target", selection="none", n_features=None)
    return engineer.fit(table.X, y).transform(table.X)


def cross_fitted_outside(table: Table, y: Array) -> pd.DataFrame:
    """Cross-fitted target means, but of all rows, so that a validation row's label is in its neighbours'."""
    engineer = table.engineer(encoding="target", selection="none", n_features=None)
    return engineer.fit_transform(table.X, y)


def selected_outside(table: Table, y: Array) -> pd.DataFrame:
    """The best of 300 columns of noise, chosen on all rows before the folds."""
    from ml_utils.features.selection import select_features

    drawn = np.random.default_rng(4).normal(size=(len(y), 300))
    columns = pd.DataFrame(drawn, columns=[f"noise_{i}" for i in range(300)])
    return columns[select_features(columns, y, "f_test", n_features=10).kept]


LEAKS: dict[str, Callable[[Table, Array], pd.DataFrame]] = {
    "target encoding outside the folds": encoded_outside,
    "cross-fitted target encoding outside the folds": cross_fitted_outside,
    "selection outside the folds": selected_outside,
}


def leak(
    name: str, table: Table, seed: int, models: Sequence[str] = ("linear",), n_folds: int = 5
) -> list[Reading]:
    """Cross-validate a leaky variant on the same permuted target."""
    X = LEAKS[name](table, table.permuted(seed))
    return [
        Reading(name, r.model, r.seed, r.auc, r.error)
        for r in cross_validate(table, seed, models=models, n_folds=n_folds, X=X)
    ]


def _codes(rng: np.random.Generator, n: int) -> list[str]:
    return [f"c{i:03d}" for i in rng.integers(0, N_NOISE, n)]


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))
