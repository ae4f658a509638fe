"""From a source's rows to an immutable snapshot and the splits that every later step reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ml_utils.data.schema import groups, is_positive
from ml_utils.errors import DataError, MissingInputError, list_known
from ml_utils.files import sha256_file, write_parquet
from ml_utils.paths import Workspace
from ml_utils.problem import Problem

SPLITS = ("train", "valid", "test", "production", "next")
NEXT_SHARE = 1 / 6  # of the production period: what arrives last, kept for notebook 08


@dataclass(frozen=True)
class Snapshot:
    """An immutable copy of the table, named by its SHA-256."""

    path: Path
    sha256: str
    rows: int
    columns: int


def take_snapshot(frame: pd.DataFrame, workspace: Workspace) -> Snapshot:
    """Write the table once as Parquet under its own SHA-256; the same table is never written twice.

    Parameters
    ----------
    frame : DataFrame
    workspace : Workspace

    Returns
    -------
    Snapshot
    """
    aside = write_parquet(workspace.raw / "incoming.parquet", frame)
    digest = sha256_file(aside)
    path = aside.rename(workspace.raw / f"{digest[:16]}.parquet")
    return Snapshot(path, digest, len(frame), frame.shape[1])


def split_frame(frame: pd.DataFrame, problem: Problem, seed: int = 42) -> dict[str, pd.DataFrame]:
    """Divide a table into train, valid, test, production and next.

    With a time column the splits follow one another in time, whole time stamps on one side, and the tail of
    train whose labels are not yet known when valid starts (`label_horizon`) is left out. Without one they are
    random and in random order, stratified by a binary target, whole groups on one side.

    Parameters
    ----------
    frame : DataFrame
        A table from `check_table`.
    problem : Problem
    seed : int
        Used where there is no time column.

    Returns
    -------
    dict of str to DataFrame
        One per name in SPLITS; `next` is the last part of the production period.

    Raises
    ------
    DataError
        If a split would be empty or, for a binary task, lack one of the classes.
    """
    shares = problem.splits
    production = shares.production * (1 - NEXT_SHARE)
    sizes = [shares.train, shares.valid, shares.test, production, shares.production - production]
    bounds = np.cumsum(sizes)[:-1]
    part = _by_time(frame, problem, bounds) if problem.time else _at_random(frame, problem, bounds, seed)
    order = np.arange(len(frame))
    if problem.time is None:  # a file's order may mean anything; a split's first part must be like its last
        order = np.random.default_rng(seed).permutation(order)
    splits = {
        name: frame.iloc[order[part[order] == i]].reset_index(drop=True) for i, name in enumerate(SPLITS)
    }
    if problem.time:
        splits["train"] = _embargo(splits["train"], splits["valid"], problem)
    for name, split in splits.items():
        _check_split(name, split, frame, problem)
    return splits


def write_splits(splits: dict[str, pd.DataFrame], workspace: Workspace) -> None:
    """Write each split as Parquet under the workspace's processed folder."""
    for name, split in splits.items():
        write_parquet(workspace.processed / f"{name}.parquet", split)


def read_split(workspace: Workspace, name: str) -> pd.DataFrame:
    """Read a split that notebook 01 wrote.

    Raises
    ------
    MissingInputError
        If notebook 01 has not been run.
    DataError
        If there is no split of that name.
    """
    if name not in SPLITS:
        raise DataError(f"There is no split {name!r}. {list_known(name, SPLITS)}")
    return pd.read_parquet(_written(workspace, f"{name}.parquet"))


def periods(frame: pd.DataFrame, problem: Problem, n_periods: int = 6) -> pd.Series:
    """Label each row with its period, in order.

    Calendar months where the time column spans two or more; else `n_periods` equal parts of the rows.

    Returns
    -------
    Series of str, indexed like `frame`
    """
    if problem.time:
        months = frame[problem.time].dt.strftime("%Y-%m")
        if months.nunique() >= 2:
            return months.rename("period")
    part = np.arange(len(frame)) * n_periods // max(len(frame), 1) + 1
    return pd.Series(
        [f"part {i} of {n_periods}" for i in part], index=frame.index, name="period", dtype="str"
    )


def read_truth(workspace: Workspace) -> pd.DataFrame | None:
    """Read each row's true probability or value, or None where only the world knows it."""
    path = workspace.processed / "truth.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def truth_rows(frame: pd.DataFrame, problem: Problem, workspace: Workspace) -> pd.DataFrame | None:
    """Return the truth's rows for the rows of `frame`, in its order; None where there is no truth."""
    truth = read_truth(workspace)
    if truth is None:
        return None
    key = [name for name in (problem.id, problem.time) if name and name in truth.columns]
    return frame[key].merge(truth, on=key, how="left", validate="many_to_one")


def truth_for(frame: pd.DataFrame, problem: Problem, workspace: Workspace) -> np.ndarray | None:
    """Return the true probability (or expected value) of each row of `frame`, or None."""
    rows = truth_rows(frame, problem, workspace)
    if rows is None:
        return None
    return rows["true_probability" if problem.task == "binary" else "true_value"].to_numpy(float)


def _by_time(frame: pd.DataFrame, problem: Problem, bounds: np.ndarray) -> np.ndarray:
    """Cut at the time stamps nearest to the wanted shares; at least one time stamp a split."""
    counts = frame[problem.time].value_counts().sort_index()
    if len(counts) < len(SPLITS):
        raise DataError(
            f"{problem.time!r} has {len(counts)} different times; splitting by time needs {len(SPLITS)} or "
            "more. Take `time` out for a random split."
        )
    reached = counts.cumsum().to_numpy() / len(frame)
    cuts = np.array([int(np.abs(reached - bound).argmin()) for bound in bounds])
    for i in range(len(cuts)):  # no split without a time of its own
        lowest = cuts[i - 1] + 1 if i else 0
        cuts[i] = min(max(cuts[i], lowest), len(counts) - len(cuts) + i - 1)
    last = counts.index.to_numpy()[cuts]
    return np.searchsorted(last, frame[problem.time].to_numpy(), side="left")


def _at_random(frame: pd.DataFrame, problem: Problem, bounds: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    unit = groups(frame, problem)
    if unit is not None:
        codes, names = pd.factorize(unit)
        place = rng.permutation(len(names)) / len(names)
        return np.searchsorted(bounds, place[codes], side="right")
    place = np.empty(len(frame))
    strata = (
        is_positive(frame[problem.target], problem).to_numpy()
        if problem.task == "binary"
        else np.zeros(len(frame), dtype=bool)
    )
    for value in (False, True):
        rows = np.flatnonzero(strata == value)
        place[rng.permutation(rows)] = (np.arange(len(rows)) + 0.5) / max(len(rows), 1)
    return np.searchsorted(bounds, place, side="right")


def _embargo(train: pd.DataFrame, valid: pd.DataFrame, problem: Problem) -> pd.DataFrame:
    horizon = problem.label_horizon
    known = train[problem.time]
    if horizon.days or horizon.months:
        known = known + pd.DateOffset(days=horizon.days, months=horizon.months)
    return train[known <= valid[problem.time].min()].reset_index(drop=True)


def _check_split(name: str, split: pd.DataFrame, frame: pd.DataFrame, problem: Problem) -> None:
    if split.empty:
        raise DataError(
            f"The {name} split has no rows ({len(frame):,} in all). Bring more rows, or change `splits`"
            + (" or `label_horizon`." if problem.time else ".")
        )
    if problem.task == "binary" and is_positive(split[problem.target], problem).nunique() < 2:
        raise DataError(
            f"The {name} split ({len(split):,} rows) has one class only. Bring more rows, or change `splits`."
        )


def _written(workspace: Workspace, name: str) -> Path:
    path = workspace.processed / name
    if not path.is_file():
        raise MissingInputError(
            f"{path.relative_to(workspace.root)} is not there. Notebook 1 writes it: run "
            f"notebooks/01-feature-engineering.ipynb first, or `make report PROBLEM={workspace.problem}`."
        )
    return path
