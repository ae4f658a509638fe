"""Leaks to plant in honest tables, for the tests of the sentinel and for its benchmark.

Each function takes a table, its answer as numbers, and a generator, and returns the table with a column more,
named `PLANTED`. Those of rows take splits and return splits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

PLANTED: Final = "planted"
Array = np.ndarray
Plant = Callable[[pd.DataFrame, Array, np.random.Generator], pd.DataFrame]


def noisy_copy(frame: pd.DataFrame, y: Array, rng: np.random.Generator, noise: float = 0.35) -> pd.DataFrame:
    """The answer plus noise, in standard deviations of a 0/1 answer's distance (1) or of a number."""
    scale = 1.0 if set(np.unique(y)) <= {0.0, 1.0} else float(y.std())
    return frame.assign(**{PLANTED: y + rng.normal(0, noise * scale, len(y))})


def faint_copy(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """A copy so noisy that its AUC is that of an honest strong column, about 0.81."""
    return noisy_copy(frame, y, rng, 0.8)


def flipped_copy(
    frame: pd.DataFrame, y: Array, rng: np.random.Generator, share: float = 0.02
) -> pd.DataFrame:
    """A yes/no copy in words, wrong in a few rows of either kind."""
    wrong = rng.random(len(y)) < share
    return frame.assign(**{PLANTED: np.where((y > 0) != wrong, "open", "shut")})


def post_event_count(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """A count of contacts that includes the two that the event brings; the honest count is there too."""
    before = rng.poisson(3.0, len(y))
    return frame.assign(contacts_before=before, **{PLANTED: before + 2 * (y > 0)})


def ordered_id(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """A number given to the rows in order of the answer, with a little disorder."""
    order = np.argsort(y + rng.normal(0, 0.12, len(y)), kind="stable")
    number = np.empty(len(y), dtype=np.int64)
    number[order] = np.arange(100_000, 100_000 + len(y))
    return frame.assign(**{PLANTED: number})


def filled_afterwards(
    frame: pd.DataFrame, y: Array, rng: np.random.Generator, share: float = 0.6
) -> pd.DataFrame:
    """A reason that is given only after the event, and not for every one."""
    reasons = rng.choice(["price", "service", "moved", "other"], len(y))
    filled = (y > 0) & (rng.random(len(y)) < share)
    return frame.assign(
        **{PLANTED: pd.Series(np.where(filled, reasons, None), index=frame.index, dtype="str")}
    )


def emptied_afterwards(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """A next date of renewal that is taken out when the event happens."""
    due = rng.integers(1, 365, len(y)).astype(float)
    return frame.assign(**{PLANTED: np.where(y > 0, np.nan, due)})


def refund(frame: pd.DataFrame, y: Array, rng: np.random.Generator, share: float = 0.5) -> pd.DataFrame:
    """An amount that is 0 unless the event happened, and then only in some cases."""
    paid = (y > 0) & (rng.random(len(y)) < share)
    return frame.assign(**{PLANTED: np.where(paid, rng.gamma(2, 30, len(y)).round(2), 0.0)})


def mean_of_all_rows(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """The target's mean in each of many small areas, taken over all rows."""
    area = rng.integers(0, max(len(y) // 40, 5), len(y))
    return frame.assign(**{PLANTED: pd.Series(y, index=frame.index).groupby(area).transform("mean")})


def smoothed_mean_of_all_rows(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """The same, drawn to the overall mean by 10 rows; areas of uneven size."""
    area = rng.geometric(60 / len(y), len(y))
    grouped = pd.Series(y, index=frame.index).groupby(area)
    mean = (grouped.transform("sum") + 10 * y.mean()) / (grouped.transform("size") + 10)
    return frame.assign(**{PLANTED: mean})


def code_without_order(
    frame: pd.DataFrame, y: Array, rng: np.random.Generator, noise: float = 0.02
) -> pd.DataFrame:
    """A code of 0 to 119 without order."""
    event = rng.permutation(120)
    told = (y > 0) != (rng.random(len(y)) < noise)
    code = np.where(told, event[rng.integers(0, 40, len(y))], event[40 + rng.integers(0, 80, len(y))])
    return frame.assign(**{PLANTED: code})


def last_digit(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """A reference number whose last digit tells, 9 for the event."""
    stem = rng.integers(10_000, 99_999, len(y)) * 10
    return frame.assign(**{PLANTED: stem + np.where(y > 0, 9, rng.integers(0, 9, len(y)))})


def text_code(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """A different text in each row whose first letters tell."""
    number = rng.permutation(len(y))
    words = [f"{'XR' if event else 'AB'}-{i:06d}" for event, i in zip(y > 0, number, strict=True)]
    return frame.assign(**{PLANTED: words})


IN_ANY_TABLE: Final[dict[str, Plant]] = {
    "a copy of the target with noise": noisy_copy,
    "a faint copy of the target": faint_copy,
    "a coarse copy with errors": flipped_copy,
    "a count that goes on after the event": post_event_count,
    "an id in the order of the target": ordered_id,
    "a column filled only after the event": filled_afterwards,
    "a column emptied by the event": emptied_afterwards,
    "an amount that is 0 unless it happened": refund,
    "a target mean over all rows": mean_of_all_rows,
    "a smoothed target mean over all rows": smoothed_mean_of_all_rows,
    "a code without order": code_without_order,
    "a last digit that tells": last_digit,
    "a text whose first letters tell": text_code,
}


def sum_with_target(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """A total that goes on after the row's time; what was there before is a column, too."""
    before = rng.gamma(2.0, 50.0, len(y)).round(2)
    return frame.assign(total_before=before, **{PLANTED: before + y})


def close_copy(frame: pd.DataFrame, y: Array, rng: np.random.Generator) -> pd.DataFrame:
    """A number's copy with little noise."""
    return noisy_copy(frame, y, rng, 0.1)


IN_A_REGRESSION: Final[dict[str, Plant]] = {
    "a copy of the target with noise": close_copy,
    "a total that goes on after the row's time": sum_with_target,
    "an id in the order of the target": ordered_id,
    "a target mean over all rows": mean_of_all_rows,
    "a smoothed target mean over all rows": smoothed_mean_of_all_rows,
}


# Tables with a time.
def dated_afterwards(frame: pd.DataFrame, y: Array, rng: np.random.Generator, time: str) -> pd.DataFrame:
    """A closing date, weeks after the row's time for an event, else far off: nearly all rows are filled."""
    gap = np.where(y > 0, rng.integers(1, 30, len(y)), rng.integers(31, 700, len(y)))
    return frame.assign(**{PLANTED: frame[time] + pd.to_timedelta(gap, unit="D")})


def changed_by_event(frame: pd.DataFrame, y: Array, rng: np.random.Generator, entity: str) -> pd.DataFrame:
    """A plan that stays as it was but for the row of the event; every plan is as common among events."""
    plan = frame[entity].astype("category").cat.codes.to_numpy() % 7
    return frame.assign(**{PLANTED: np.where(y > 0, (plan + rng.integers(1, 7, len(y))) % 7, plan)})


def filled_late(frame: pd.DataFrame, y: Array, rng: np.random.Generator, time: str) -> pd.DataFrame:
    """A count of complaints about the event, entered with months of delay: none in the newest rows."""
    old = (frame[time] < frame[time].quantile(0.75)).to_numpy()
    return frame.assign(
        **{PLANTED: rng.poisson(1.0, len(y)) + np.where(old & (y > 0), rng.poisson(1.6, len(y)), 0)}
    )


# Rows.
def repeat_train_rows(
    splits: dict[str, pd.DataFrame], rng: np.random.Generator, share: float = 0.1, key: str | None = None
) -> dict[str, pd.DataFrame]:
    """Put training rows into the test split, under ids of their own."""
    rows = splits["train"].sample(int(share * len(splits["test"])), random_state=int(rng.integers(2**31)))
    if key:
        rows = rows.assign(**{key: [f"again-{i}" for i in range(len(rows))]})
    return splits | {"test": pd.concat([splits["test"], rows], ignore_index=True)}


def tear_groups(frame: pd.DataFrame, rng: np.random.Generator, jitter: str, size: int = 3) -> pd.DataFrame:
    """Repeat each row as an entity's rows that differ a little in one column, with its number."""
    again = frame.loc[frame.index.repeat(rng.integers(1, 2 * size, len(frame)))]
    number = again.index.to_numpy()
    moved = again[jitter].astype(float) * rng.uniform(0.97, 1.03, len(again))
    return again.assign(**{jitter: moved, "account": number}).reset_index(drop=True)
