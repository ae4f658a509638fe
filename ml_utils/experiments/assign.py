"""Which id gets into which arm: salted hashes, so that no list of assignments has to be kept."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ml_utils.errors import DataError, ParameterError

ARMS = ("control", "treatment")


def arm_shares(weights: Mapping[str, float] | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the arms and the upper ends of their parts of 0 to 1.

    Raises
    ------
    ParameterError
        If there are fewer than two arms, or a weight is not positive and finite.

    Examples
    --------
    >>> arm_shares({"control": 9, "treatment": 1})
    (('control', 'treatment'), array([0.9, 1. ]))
    """
    given = dict(weights) if weights is not None else dict.fromkeys(ARMS, 1.0)
    if len(given) < 2:
        raise ParameterError(f"weights needs two arms or more; got {list(given) or 'none'}.")
    wrong = {arm: weight for arm, weight in given.items() if not (math.isfinite(weight) and weight > 0)}
    if wrong:
        raise ParameterError(f"weights must be above 0; got {wrong}. Leave an arm without rows out.")
    bounds = np.cumsum(np.array(list(given.values()), dtype=float))
    return tuple(given), bounds / bounds[-1]


def id_frame(ids: pd.Series | Sequence[object], strata: pd.Series | Sequence[object] | None) -> pd.DataFrame:
    """Return columns id (str) and stratum, checked, indexed like `ids`.

    Raises
    ------
    DataError
        If there are no ids, one is missing, or the lengths differ.
    """
    series = ids if isinstance(ids, pd.Series) else pd.Series(list(ids))
    if series.empty:
        raise DataError("There are no ids to assign.")
    if series.isna().any():
        raise DataError(f"{int(series.isna().sum())} ids are missing; an id is needed to assign a row.")
    frame = pd.DataFrame({"id": series.astype("str")})
    if strata is None:
        return frame.assign(stratum="")
    if len(strata) != len(frame):
        raise DataError(f"ids has {len(frame)} values, strata {len(strata)}; give one stratum an id.")
    values = pd.Series(list(strata), index=frame.index)
    return frame.assign(stratum=values.astype("str").where(values.notna(), "missing"))


def hash_place(ids: pd.Series, salt: str) -> np.ndarray:
    """Return for each id a number from 0 to 1 that depends on the id and the salt alone."""
    start = hashlib.blake2b(salt.encode() + b"\x00", digest_size=8)
    places = np.empty(len(ids))
    for i, item in enumerate(ids):
        digest = start.copy()
        digest.update(item.encode())
        places[i] = int.from_bytes(digest.digest(), "big") / 2**64
    return places


def spread_place(place: np.ndarray, strata: pd.Series, salt: str) -> np.ndarray:
    """Spread the places of each stratum evenly over 0 to 1, in the same order.

    Each stratum starts at a hashed offset: the row that does not divide evenly falls to either arm in the
    ratio of the weights (systematic sampling).
    """
    spread = np.empty_like(place)
    for stratum, rows in strata.groupby(strata.to_numpy()).indices.items():
        offset = hash_place(pd.Series([str(stratum)]), f"{salt}:offset")[0]
        rank = np.argsort(np.argsort(place[rows], kind="stable"), kind="stable")
        spread[rows] = (rank + offset) / len(rows)
    return spread
