"""The retailer's web sessions: where visitors come from, what they look at, whether they order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_utils.synthetic.relations import N_MONTHS, START, month_index
from ml_utils.synthetic.tables import decode, make_ids
from ml_utils.synthetic.truth import TRUTH

SESSIONS_PER_CUSTOMER: Final = 47.2871
REPEAT_SHARE: Final = 0.166
ORDER_PAGES: Final = 3  # shipping, billing, confirmation
_BLOCK: Final = 2**17  # rows drawn at a time: they stay in the cache
LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "utm_source": tuple(TRUTH.conversion.source),
    "device_type": tuple(TRUTH.conversion.device),
    "landing_page": tuple(TRUTH.conversion.landing_page),
    "region": ("north", "south", "east", "west"),
}
# Visits an hour of the day, relative; a slow night, a peak in the evening.
_HOURS: Final = np.array(
    [2, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 8, 8, 7, 5, 3], dtype=float
)


def _by_level(values: Mapping[str, float], column: str, codes: np.ndarray) -> np.ndarray:
    return np.array([values[level] for level in LEVELS[column]])[codes]


def _odds(session: Mapping[str, np.ndarray], month: np.ndarray) -> NDArray[np.float64]:
    """Odds of an order; categories as codes into `LEVELS`."""
    truth, drift = TRUTH.conversion, TRUTH.drift
    device = _by_level(truth.device, "device_type", session["device_type"])
    mobile = session["device_type"] == LEVELS["device_type"].index("mobile")
    device = np.where(mobile & (month >= drift.relation_month), drift.mobile, device)
    pages, hour = session["pages_before_decision"], session["hour"]
    odds = (
        truth.base_odds
        * device
        * _by_level(truth.source, "utm_source", session["utm_source"])
        * _by_level(truth.landing_page, "landing_page", session["landing_page"])
        * truth.page ** (np.clip(pages, truth.minimum_pages, truth.page_cap) - truth.minimum_pages)
        * truth.product_view ** session["product_views_before_decision"]
        * np.where(session["cart_views_before_decision"] > 0, truth.cart, 1.0)
        * (session["seconds_before_decision"] / 60) ** truth.seconds_elasticity
        * np.where(session["is_repeat_session"] == 1, truth.repeat, 1.0)
        * np.where((hour >= 18) & (hour < 23), truth.evening, np.where(hour < 6, truth.night, 1.0))
        * np.where(session["is_weekend"] == 1, truth.weekend, 1.0)
    )
    return np.where(pages < truth.minimum_pages, 0.0, odds)


def order_probability(sessions: pd.DataFrame) -> NDArray[np.float64]:
    """Give the true probability that each session orders, from what is known before the decision.

    Parameters
    ----------
    sessions : DataFrame, shape (n, any)
        Clean rows of the conversion view.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    names = [
        *("pages_before_decision", "product_views_before_decision", "cart_views_before_decision"),
        *("seconds_before_decision", "is_repeat_session", "hour", "is_weekend"),
    ]
    session = {name: sessions[name].to_numpy() for name in names}
    for name in ("utm_source", "device_type", "landing_page"):
        session[name] = pd.Categorical(sessions[name], categories=list(LEVELS[name])).codes
    odds = _odds(session, month_index(sessions["started_at"]))
    return odds / (1 + odds)


def _start_times(rng: np.random.Generator, n: int) -> NDArray[np.datetime64]:
    """Sorted times of n sessions over the months, to the second."""
    first = START.astype("datetime64[D]")
    n_days = int(((START + N_MONTHS).astype("datetime64[D]") - first).astype(np.int64))
    cut = np.cumsum(_HOURS / _HOURS.sum())
    second = np.empty(n, dtype=np.int64)
    for start in range(0, n, _BLOCK):
        m = min(_BLOCK, n - start)
        hour = np.minimum(np.searchsorted(cut, rng.random(m), side="right"), 23)
        day = rng.integers(0, n_days, m)
        second[start : start + m] = day * 86_400 + hour * 3_600 + rng.integers(0, 3_600, m)
    second.sort()
    return (first.astype("datetime64[s]") + second).astype("datetime64[us]")


def _visitors(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Flag repeat sessions and number the visitors; a repeat is by one who came not long before."""
    repeat = rng.random(n) < REPEAT_SHARE
    repeat[0] = False
    newest = np.cumsum(~repeat)
    back = np.floor(rng.exponential(0.02 * n, n)).astype(np.int64)
    earlier = np.maximum(newest - back, 1)
    return repeat.astype(np.int64), np.where(repeat, earlier, newest)


def _choose(rng: np.random.Generator, shares: np.ndarray) -> np.ndarray:
    """Draw a level a row; `shares` has one row of probabilities a row."""
    below = rng.random(len(shares))[:, None] >= np.cumsum(shares, axis=1)[:, :-1]
    return below.sum(axis=1).astype(np.int8)


def _traffic(rng: np.random.Generator, month: np.ndarray) -> dict[str, np.ndarray]:
    """Source, device, landing page and region; the first two shift in the month of the drift."""
    drift, n = TRUTH.drift, len(month)
    shifted = (month >= drift.covariate_month).astype(np.int64)
    shares = np.array([[s[x] for x in LEVELS["utm_source"]] for s in (drift.sources, drift.sources_after)])
    mobile = np.array([drift.mobile_share, drift.mobile_share_after])[shifted]
    return {
        "utm_source": _choose(rng, shares[shifted]),
        "device_type": (rng.random(n) < mobile).astype(np.int8),
        "landing_page": rng.choice(6, n, p=[0.30, 0.14, 0.14, 0.14, 0.14, 0.14]).astype(np.int8),
        "region": rng.integers(0, 4, n, dtype=np.int8),
    }


def _pages(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """What is looked at before the decision to order or to go."""
    pages = np.where(rng.random(n) < 0.44, 1, 1 + rng.geometric(0.45, n))
    return {
        "pages_before_decision": pages,
        "product_views_before_decision": rng.binomial(pages - 1, 0.45),
        "cart_views_before_decision": rng.binomial(np.maximum(pages - 2, 0), 0.18),
        "seconds_before_decision": np.ceil(rng.gamma(1.5 * pages, 18.0)).astype(np.int64),
    }


def _block(
    rng: np.random.Generator, started: NDArray[np.datetime64], repeat: np.ndarray
) -> dict[str, np.ndarray]:
    """Draw what happens in sessions with these starts; categories as codes."""
    day, month, n = started.astype("datetime64[D]"), month_index(started), len(started)
    session = {
        "is_repeat_session": repeat,
        **_traffic(rng, month),
        "hour": (started - day).astype("timedelta64[h]").astype(np.int64),
        "is_weekend": ((day.astype(np.int64) + 3) % 7 >= 5).astype(np.int64),  # day 0 was a Thursday
        **_pages(rng, n),
    }
    odds = _odds(session, month)
    probability = odds / (1 + odds)
    ordered = (rng.random(n) < probability).astype(np.int64)
    abandoned = (ordered == 0) & (session["cart_views_before_decision"] > 0) & (rng.random(n) < 0.25)
    depth = session["pages_before_decision"] + ORDER_PAGES * ordered + abandoned
    return session | {"engagement_depth": depth, "ordered": ordered, "probability": probability}


def make_sessions(n_customers: int, stream: np.random.SeedSequence) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the web sessions.

    Parameters
    ----------
    n_customers : int
        The number of sessions is 47.2871 times this.
    stream : numpy.random.SeedSequence
        Sub-stream of the sessions.

    Returns
    -------
    sessions : DataFrame
        One row a session in order of time. `engagement_depth` counts all pages, those of the order too.
    truth : DataFrame
        session_id, started_at, device_type and true_probability, in the same order.
    """
    rng = np.random.default_rng(stream)
    n = round(SESSIONS_PER_CUSTOMER * n_customers)
    started = _start_times(rng, n)
    repeat, visitor = _visitors(rng, n)
    session: dict[str, np.ndarray] = {}
    for first in range(0, n, _BLOCK):
        rows = slice(first, first + _BLOCK)
        for name, values in _block(rng, started[rows], repeat[rows]).items():
            if name not in session:
                session[name] = np.empty(n, dtype=values.dtype)
            session[name][rows] = values
    probability = session.pop("probability")
    sessions = pd.DataFrame(
        {
            "session_id": make_ids("S", np.arange(1, n + 1, dtype=np.uint32), 7),
            "started_at": started,
            "visitor_id": make_ids("V", visitor, 7),
        }
        | {name: decode(v, LEVELS[name]) if name in LEVELS else v for name, v in session.items()},
        copy=False,
    )
    truth = sessions[["session_id", "started_at", "device_type"]].assign(true_probability=probability)
    return sessions, truth
