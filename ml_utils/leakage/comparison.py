"""What a leak would have promised: the same small model with the leaking column and with the honest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from ml_utils.data.schema import features_and_target, groups
from ml_utils.errors import DataError, list_known
from ml_utils.evaluation.intervals import Z95
from ml_utils.leakage.report import LeakReport
from ml_utils.leakage.sample import Array, as_dates, days, finite
from ml_utils.leakage.strength import rank_correlation
from ml_utils.problem import Problem
from ml_utils.wording import figure

N_FOLDS: Final = 5
MAX_ROWS: Final = 30_000
MAX_CODES: Final = 200  # categories beyond the most frequent ones are one
LATER: Final = "test"


@dataclass(frozen=True)
class LeakComparison:
    """A model with the leaking column beside one with the honest column.

    Attributes
    ----------
    leaking : str
    honest : str or None
    metric : {"AUC", "rank correlation"}
    table : DataFrame
        One row a model: model, columns, value with lower and upper (cross-validated on training rows), later
        with its lower and upper (on the test split).
    rows : dict of str to int
        Rows used: training, later.
    """

    leaking: str
    honest: str | None
    metric: str
    table: pd.DataFrame
    rows: Mapping[str, int]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a model."""
        return self.table

    def sentences(self) -> list[str]:
        """Say what the leak promised and what is true."""
        leaky, sound = self.table.iloc[0], self.table.iloc[1]
        instead = f"with {self.honest} in its place" if self.honest else "without that column"
        said = [
            f"With {self.leaking} a small model promises {self._with(leaky, 'value')}; {instead} it reaches "
            f"{self._with(sound, 'value')}, and {self._with(sound, 'later')} on the rows of the test split."
        ]
        if len(self.table) > 2:
            truth = self.table.iloc[2]
            said.append(
                f"The promise would not be kept: when the decision is made only {self.honest} is known, and "
                f"the model that learnt from {self.leaking} then reaches {self._with(truth, 'later')}."
            )
        return said

    def _with(self, row: pd.Series, what: str) -> str:
        lower, upper = row[f"{what}_lower"], row[f"{what}_upper"]
        return f"{self.metric} {figure(row[what])} ({figure(lower)} to {figure(upper)})"

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html(index=False, border=0, na_rep="")


def leak_comparison(
    splits: Mapping[str, pd.DataFrame],
    problem: Problem,
    leaking: str,
    honest: str | None = None,
    seed: int = 42,
    max_rows: int = MAX_ROWS,
) -> LeakComparison:
    """Train the same small model with a leaking column and with the honest one in its place.

    Parameters
    ----------
    splits : mapping of str to DataFrame
        From `data.split_frame`; "train" and "test" are used.
    problem : Problem
    leaking : str
        A column that knows the answer, usually one under columns.ignore.
    honest : str or None
        The column that is known at the time of the decision and measures the same. None compares with and
        without the leaking column.
    seed : int
    max_rows : int
        Rows of each split at most.

    Returns
    -------
    LeakComparison
        Its third row, where `honest` is given, is the leaking model fed with the honest column: what it
        would do in production.

    Raises
    ------
    DataError
        If a split or a column is not there.
    """
    _check(splits, problem, leaking, honest)
    train = _sampled(splits["train"], max_rows, seed)
    later = _sampled(splits[LATER], max_rows, seed)
    sound = [name for name in features_and_target(train.head(1), problem)[0].columns if name != leaking]
    X, categories = _as_numbers(pd.concat([train[[*sound, leaking]], later[[*sound, leaking]]]), problem)
    y = features_and_target(train[[problem.target]], problem)[1].to_numpy(float)
    y_later = features_and_target(later[[problem.target]], problem)[1].to_numpy(float)
    fold = _folds(train, problem, seed)
    leaky = [*(name for name in sound if name != honest), leaking]
    n, rows = len(train), []
    for label, names in ((f"with {leaking}", leaky), (f"with {honest}" if honest else "without it", sound)):
        made = _Small(problem.task == "binary", [c for c in categories if c in names], seed)
        cross = _cross_validated(made, X.iloc[:n][names], y, fold)
        rows.append([label, len(names), *_interval(cross, y, problem)])
        rows[-1] += _interval(made.fit(X.iloc[:n][names], y).predict(X.iloc[n:][names]), y_later, problem)
    if honest is not None and (honest in categories) == (leaking in categories):
        made = _Small(problem.task == "binary", [c for c in categories if c in leaky], seed)
        made.fit(X.iloc[:n][leaky], y)
        known = X.iloc[n:][leaky].assign(**{leaking: X[honest].iloc[n:].to_numpy()})
        label = f"learnt with {leaking}, given {honest}"
        rows.append([label, len(leaky), *[np.nan] * 3, *_interval(made.predict(known), y_later, problem)])
    names = ["model", "columns", "value", "lower", "upper", "later", "later_lower", "later_upper"]
    table = pd.DataFrame(rows, columns=names).rename(columns={"lower": "value_lower", "upper": "value_upper"})
    metric = "AUC" if problem.task == "binary" else "rank correlation"
    return LeakComparison(leaking, honest, metric, table, {"training": n, "later": len(later)})


def known_leak_comparisons(
    splits: Mapping[str, pd.DataFrame],
    problem: Problem,
    report: LeakReport,
    seed: int = 42,
    max_rows: int = MAX_ROWS,
) -> list[LeakComparison]:
    """Compare with and without each ignored column that the sentinel calls a leak.

    Parameters
    ----------
    splits : mapping of str to DataFrame
    problem : Problem
    report : LeakReport
        From `LeakSentinel.check`.
    seed : int
    max_rows : int
        Rows of each split at most.

    Returns
    -------
    list of LeakComparison
        The honest counterpart, where the report names one that is a feature, takes the leak's place.
    """
    made = []
    for column in dict.fromkeys(f.column for f in report.of("leak") if not f.rows):
        if column not in problem.columns.ignore:
            continue
        named = [f.counterpart for f in report.of("leak") if f.column == column and f.counterpart]
        honest = next((name for name in named if name not in problem.reserved), None)
        made.append(leak_comparison(splits, problem, column, honest, seed, max_rows))
    return made


class _Small:
    """A small boosted model with fixed settings."""

    def __init__(self, binary: bool, categories: list[str], seed: int) -> None:
        self.options = {
            "objective": "binary" if binary else "regression",
            "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 30, "verbose": -1, "num_threads": 1,
            "seed": seed, "deterministic": True, "force_col_wise": True, "max_bin": 127,
        }  # fmt: skip
        self.categories = categories

    def fit(self, X: pd.DataFrame, y: Array) -> _Small:
        import lightgbm as lgb

        rows = lgb.Dataset(X, y, categorical_feature=self.categories)
        self.booster_ = lgb.train(self.options, rows, num_boost_round=80)
        return self

    def predict(self, X: pd.DataFrame) -> Array:
        return np.asarray(self.booster_.predict(X, num_threads=1))


def _cross_validated(model: _Small, X: pd.DataFrame, y: Array, fold: Array) -> Array:
    out = np.zeros(len(y))
    for k in np.unique(fold):
        out[fold == k] = model.fit(X[fold != k], y[fold != k]).predict(X[fold == k])
    return out


def _interval(score: Array, y: Array, problem: Problem) -> list[float]:
    """Value with its 95 % interval."""
    if problem.task == "binary":
        from ml_utils.evaluation.delong import delong_interval

        return [float(value) for value in delong_interval(y, score)]
    value, error = rank_correlation(score, y)
    return [value, max(value - Z95 * error, -1.0), min(value + Z95 * error, 1.0)]


def _as_numbers(frame: pd.DataFrame, problem: Problem) -> tuple[pd.DataFrame, list[str]]:
    """Turn columns into floats; categories into codes by frequency, the rare ones together."""
    made, categories = {}, []
    for name in frame.columns:
        values = frame[name]
        date = as_dates(values)
        if date is not None:
            made[name] = days(date)
        elif pd.api.types.is_numeric_dtype(values) and name not in problem.columns.categorical:
            made[name] = finite(values)
        else:
            ranks = {value: i for i, value in enumerate(values.value_counts().index)}
            codes = values.map(ranks).to_numpy(dtype=float, na_value=np.nan)
            made[name] = np.where(codes >= MAX_CODES, MAX_CODES, codes)
            categories.append(str(name))
    return pd.DataFrame(made), categories


def _folds(train: pd.DataFrame, problem: Problem, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    unit = groups(train, problem)
    if unit is None:
        return rng.permutation(len(train)) % N_FOLDS
    codes, names = pd.factorize(unit)
    return rng.integers(0, N_FOLDS, len(names) + 1)[codes]


def _sampled(split: pd.DataFrame, max_rows: int, seed: int) -> pd.DataFrame:
    return split.sample(max_rows, random_state=seed).sort_index() if len(split) > max_rows else split


def _check(splits: Mapping[str, pd.DataFrame], problem: Problem, leaking: str, honest: str | None) -> None:
    for name in ("train", LATER):
        if name not in splits:
            raise DataError(f"There is no split {name!r}. {list_known(name, map(str, splits))}")
    keys = {problem.target, problem.id, problem.time, problem.group}
    known = [str(name) for name in splits["train"].columns if name not in keys]
    for column in (leaking, honest):
        if column is not None and column not in known:
            raise DataError(
                f"{column!r} is not a column to compare. {list_known(column, known)} "
                "The target, the id, the time and the group are not."
            )
    if honest is not None and honest in problem.reserved:
        raise DataError(f"{honest!r} is ignored by {problem.name}.yaml; the honest column must be a feature.")
