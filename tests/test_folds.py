"""Folds: by class, by group, repeated, by time with a gap; and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_utils.errors import DataError, ParameterError
from ml_utils.training.search import make_folds, search_rows
from ml_utils.training.trainer import ModelTrainer


def days(n: int, seed: int = 0, span: int = 200) -> pd.Series:
    drawn = np.random.default_rng(seed).integers(0, span, n)
    return pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(drawn, unit="D"))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(0, 20))
def test_no_training_row_is_later_than_validation_or_unknown_at_its_start(
    seed: int, n_folds: int, gap: int
) -> None:
    times, y = days(300, seed), np.random.default_rng(seed).normal(size=300)
    offset = pd.DateOffset(days=gap)
    folds = make_folds(y, None, n_folds, "regression", 0, scheme="time", times=times, gap=offset)
    assert len(folds) == n_folds
    for fold in folds:
        start = times.iloc[fold.valid].min()
        assert times.iloc[fold.train].max() < start
        assert (times.iloc[fold.train] + offset).max() <= start
        # and whoever is known is used
        assert len(fold.train) == ((times < start) & (times + offset <= start)).sum()
    validated = np.concatenate([fold.valid for fold in folds])
    assert len(set(validated)) == len(validated)
    ends = [times.iloc[fold.valid].max() for fold in folds]
    assert ends == sorted(ends)
    assert ends[-1] == times.max()


def test_folds_by_time_are_about_even_and_whole_times_stand_on_one_side() -> None:
    times = days(3000)
    folds = make_folds(np.zeros(3000), None, 5, "regression", 0, scheme="time", times=times)
    assert all(400 < len(fold.valid) < 600 for fold in folds)
    for first, second in pairwise(folds):
        assert not set(times.iloc[first.valid]) & set(times.iloc[second.valid])


def test_repeated_folds_divide_anew() -> None:
    y = np.arange(90) % 3
    folds = make_folds(y, None, 3, "multiclass", 7, n_repeats=4)
    assert len(folds) == 12
    for i in range(0, 12, 3):
        assert sorted(np.concatenate([fold.valid for fold in folds[i : i + 3]])) == list(range(90))
    assert len({tuple(fold.valid) for fold in folds}) == 12
    for fold in folds:
        assert np.bincount(y[fold.valid]).tolist() == [10, 10, 10]
        assert not set(fold.train) & set(fold.valid)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_groups_stand_on_one_side(task: str) -> None:
    rng = np.random.default_rng(3)
    groups, y = rng.integers(0, 50, 400), rng.integers(0, 2 if task == "binary" else 3, 400)
    for fold in make_folds(y, groups, 4, task, 0, n_repeats=2):  # type: ignore[arg-type]
        assert not set(groups[fold.train]) & set(groups[fold.valid])


def test_search_rows_of_a_large_table_are_the_same_twice() -> None:
    y = np.random.default_rng(0).integers(0, 3, 1000)
    rows = search_rows(y, None, 100, "multiclass", 1)
    np.testing.assert_array_equal(rows, search_rows(y, None, 100, "multiclass", 1))
    assert set(y[rows]) == {0, 1, 2}
    assert len(search_rows(y.astype(float), None, 100, "regression", 1)) == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_folds": 1}, "cv_folds is 1"),
        ({"n_repeats": 0}, "cv_repeats is 0"),
        ({"scheme": "tim"}, "cv is 'tim'. Did you mean 'time'"),
        ({"scheme": "time", "times": None}, "needs the rows' times"),
        ({"scheme": "time", "times": days(60, span=2)}, "only 2 different times"),
        ({"scheme": "time", "times": days(60).where(lambda t: t.index > 3)}, "missing in 4 of 60 rows"),
        ({"scheme": "time", "gap": pd.DateOffset(years=2)}, "leaves no training rows"),
        ({"n_folds": 40}, "only 30 rows of the rarer class"),
        ({"groups": np.repeat(np.arange(30), 2) // 29, "n_folds": 3}, "groups of the rarer class"),
    ],
)
def test_what_cannot_be_divided_is_refused(options: dict[str, object], message: str) -> None:
    y = np.array([0, 1] * 30)
    given_ = {"groups": None, "n_folds": 5, "task": "binary", "seed": 0, "times": days(60), **options}
    with pytest.raises(ParameterError, match=message):
        make_folds(y, **given_)  # type: ignore[arg-type]


def test_a_single_class_in_a_fold_by_time_is_refused() -> None:
    times = pd.Series(pd.date_range("2025-01-01", periods=60))
    with pytest.raises(ParameterError, match="a fold has one class only"):
        make_folds((np.arange(60) > 50).astype(int), None, 3, "binary", 0, scheme="time", times=times)


def test_a_trainer_by_time_leaves_the_first_rows_without_a_score() -> None:
    rng = np.random.default_rng(0)
    times, X = days(400), pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    y = pd.Series((rng.random(400) < 1 / (1 + np.exp(-2 * X["a"]))).astype(int))
    trainer = ModelTrainer(["linear", "spline"], n_trials=1, cv="time", cv_folds=3)
    trainer.fit(X, y, times=times, gap=pd.DateOffset(days=7))
    seen = np.sort(np.concatenate([fold.valid for fold in trainer.folds_]))
    np.testing.assert_array_equal(np.flatnonzero(trainer.oof_["logistic"].notna()), seen)
    assert 0 < len(seen) < 400
    assert trainer.leaderboard_["mean"].iloc[0] > 0.75
    with pytest.raises(DataError, match="X has 400 rows, y 400, times 399"):
        trainer.fit(X, y, times=times.iloc[1:])
