"""Checks and splits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_utils import data
from ml_utils.errors import DataError, MissingInputError
from ml_utils.paths import Workspace
from ml_utils.problem import Problem, load_problem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f.rename(columns={"left": "leaves"}),
            "target names the column 'left'",
        ),
        (lambda f: f.assign(left="no"), "has only one value: no"),
        (lambda f: f.assign(left=range(len(f))), "has 600 values"),
        (lambda f: f.assign(left=f["left"].replace("yes", "ja")), "positive is 'yes', but 'left' holds"),
        (lambda f: f.assign(left=f["left"].mask(f.index < 3)), "empty in 3 of 600 rows"),
        (
            lambda f: f.assign(customer=f["customer"].mask(f.index == 1, "K0000")),
            "2 rows share their customer",
        ),
        (lambda f: f[["customer", "left"]], "No column is left as a feature"),
    ],
)
def test_a_table_that_is_not_what_the_problem_file_says(
    problem: Problem, customers: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        data.check_table(change(customers), problem)


def test_a_wrong_separator_is_suspected(problem: Problem) -> None:
    with pytest.raises(DataError, match=r"is source\.separator right"):
        data.check_table(pd.DataFrame({"customer;left": ["K1;no"]}), problem)


def test_rows_delivered_twice_are_dropped_and_kept_without_an_id(
    problem: Problem, problem_file: Callable[..., Path], customers: pd.DataFrame
) -> None:
    twice = pd.concat([customers, customers.head(5)])
    assert len(data.check_table(twice, problem)) == len(customers)
    assert len(data.check_table(twice, load_problem(problem_file(id=None)))) == len(customers) + 5


def test_the_same_table_has_the_same_snapshot(workspace: Workspace, customers: pd.DataFrame) -> None:
    first, again = data.take_snapshot(customers, workspace), data.take_snapshot(customers, workspace)
    assert first == again
    assert [path.name for path in workspace.raw.iterdir()] == [f"{first.sha256[:16]}.parquet"]
    other = data.take_snapshot(customers.assign(charge=1.0), workspace)
    assert other.sha256 != first.sha256


def test_a_random_split_mixes_a_sorted_file(problem: Problem, customers: pd.DataFrame) -> None:
    """The periods of a table without time are parts of a split; they must not be the file's order."""
    frame = data.check_table(customers.sort_values("tenure"), problem)
    production = data.split_frame(frame, problem)["production"]
    means = production.groupby(data.periods(production, problem, 2))["tenure"].mean()
    assert abs(means.diff().iloc[-1]) < 10


def test_a_random_split_keeps_every_row_once_and_the_target_alike(
    problem: Problem, customers: pd.DataFrame
) -> None:
    splits = data.split_frame(data.check_table(customers, problem), problem, seed=3)
    together = pd.concat(splits.values())
    assert sorted(together["customer"]) == sorted(customers["customer"])
    rates = [(split["left"] == "yes").mean() for split in splits.values()]
    assert np.ptp(rates) < 0.08
    again = data.split_frame(data.check_table(customers, problem), problem, seed=3)
    pd.testing.assert_frame_equal(splits["test"], again["test"])


@settings(max_examples=20, deadline=None)
@given(st.integers(8, 30), st.integers(0, 3), st.integers(1, 20), st.integers(0, 2**31 - 1))
def test_time_only_runs_forwards(n_months: int, horizon: int, size: int, seed: int) -> None:
    """No split begins before the one before it has ended, and train's answers are known when valid starts."""
    rng = np.random.default_rng(seed)
    months = pd.date_range("2023-01-31", periods=n_months, freq="ME")
    frame = pd.DataFrame({"when": np.repeat(months, size)})
    frame["x"] = rng.normal(size=len(frame))
    frame["y"] = rng.normal(size=len(frame))
    problem = Problem(
        name="p", folder=Path(), title="t", task="regression", source={"kind": "csv", "path": "a"},
        target="y", time="when", label_horizon={"months": horizon},
    )  # fmt: skip
    try:
        splits = data.split_frame(frame, problem)
    except DataError as error:
        assert "train split has no rows" in str(error)  # noqa: PT017 - a long horizon leaves nothing
        return
    ends = [(splits[name]["when"].min(), splits[name]["when"].max()) for name in data.SPLITS]
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    assert (splits["train"]["when"].max() + pd.DateOffset(months=horizon)) <= splits["valid"]["when"].min()


def test_too_few_times_are_an_error(problem_file: Callable[..., Path], customers: pd.DataFrame) -> None:
    problem = load_problem(problem_file(time="joined"))
    frame = customers.assign(joined=pd.Timestamp("2024-01-01"))
    with pytest.raises(DataError, match="has 1 different times"):
        data.split_frame(data.check_table(frame, problem), problem)


def test_a_group_stays_on_one_side(problem_file: Callable[..., Path], customers: pd.DataFrame) -> None:
    problem = load_problem(problem_file(id=None, group="household"))
    frame = customers.assign(household=[f"H{i // 4}" for i in range(len(customers))])
    splits = data.split_frame(data.check_table(frame, problem), problem)
    homes = [set(split["household"]) for split in splits.values()]
    assert sum(map(len, homes)) == len(set.union(*homes))


def test_features_leave_out_what_is_not_one(problem: Problem, customers: pd.DataFrame) -> None:
    X, y = data.features_and_target(customers, problem)
    assert list(X.columns) == ["tenure", "plan", "charge", "joined"]
    assert set(y.unique()) == {0, 1}


@pytest.mark.parametrize(
    ("values", "positive"), [([True, False], True), ([1, 0], 1), ([1.0, 0.0], 1), (["TRUE", "FALSE"], True)]
)
def test_a_positive_value_is_recognised_however_it_is_written(
    problem_file: Callable[..., Path], values: list, positive: object
) -> None:
    problem = load_problem(problem_file(positive=positive, id=None))
    assert data.is_positive(pd.Series(values), problem).tolist() == [True, False]


def test_a_split_before_its_time_names_the_notebook(workspace: Workspace) -> None:
    with pytest.raises(MissingInputError, match="Notebook 1 writes it"):
        data.read_split(workspace, "train")
    with pytest.raises(DataError, match="Did you mean 'train'"):
        data.read_split(workspace, "trian")
