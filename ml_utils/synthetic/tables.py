"""The customers' tables, made from the simulated months: events, snapshots, and what is true of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_utils.synthetic.customers import LAST_SNAPSHOT, STATIC, simulate_panel
from ml_utils.synthetic.relations import FEATURES, LEVELS, N_MONTHS, START, expected_spend
from ml_utils.synthetic.truth import TRUTH

WINDOW: Final = 3  # months in "90 days"
REASONS: Final = ("complaint", "billing", "technical", "question")
# Rows worked on at a time: beyond 32 MB an array is given back to the system whenever it is freed, and a row
# then takes longer the more rows there are.
BLOCK: Final = 1 << 17
KEYS: Final = ["customer_id", "snapshot_date"]


@dataclass(frozen=True, eq=False)
class CustomerTables:
    """The tables of the customers and what is true about each snapshot.

    Attributes
    ----------
    customers, transactions, usage, support_contacts, snapshots : DataFrame
        See `ml_utils.synthetic.retailer.Retailer`.
    truth : DataFrame
        One row a snapshot, in the snapshots' order: keys, segment, leave (true probability), spend (true
        expectation, NaN where the 90 days are not complete).
    """

    customers: pd.DataFrame
    transactions: pd.DataFrame
    usage: pd.DataFrame
    support_contacts: pd.DataFrame
    snapshots: pd.DataFrame
    truth: pd.DataFrame


def make_ids(letter: str, numbers: np.ndarray, width: int) -> pd.Series:
    """Write numbers as ids such as ``C000123``.

    Parameters
    ----------
    letter : str
    numbers : ndarray of int, shape (n,)
    width : int
        Digits, padded with zeros on the left.

    Returns
    -------
    Series of str, shape (n,)

    Examples
    --------
    >>> make_ids("C", np.array([7, 123]), 6).tolist()
    ['C000007', 'C000123']
    """
    blocks = [_ids(letter, numbers[start : start + BLOCK], width) for start in range(0, len(numbers), BLOCK)]
    return _strings(pa.concat_arrays(blocks) if blocks else pa.array([], pa.large_string()))


def _ids(letter: str, numbers: np.ndarray, width: int) -> pa.LargeStringArray:
    # Digits are laid out as bytes in Arrow's own form: far quicker than formatting number after number.
    n, length = len(numbers), width + 1
    text = np.full((n, length), ord("0"), dtype=np.uint8)
    text[:, 0] = ord(letter)
    rest = np.array(numbers, dtype=np.uint32)
    digit = np.empty_like(rest)
    for place in range(width, 0, -1):
        np.divmod(rest, 10, out=(rest, digit))
        text[:, place] += digit.astype(np.uint8)
    offsets = np.arange(n + 1, dtype=np.int64) * length
    return pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))


def decode(codes: np.ndarray, levels: tuple[str, ...]) -> pd.Series:
    """Turn codes into the strings of their levels."""
    words = pa.array(levels, pa.large_string())
    blocks = [words.take(pa.array(codes[start : start + BLOCK])) for start in range(0, len(codes), BLOCK)]
    return _strings(pa.concat_arrays(blocks) if blocks else words[:0])


def _strings(array: pa.LargeStringArray) -> pd.Series:
    return pd.Series(pd.StringDtype("pyarrow", na_value=np.nan).__from_arrow__(array))


def month_end(months: np.ndarray) -> np.ndarray:
    """Last day of each month, counted from the first month."""
    return ((START + months + 1).astype("datetime64[D]") - 1).astype("datetime64[us]")


def _seconds_of(months: np.ndarray, share: np.ndarray) -> np.ndarray:
    """A time in each month, at a share of its length, to the second."""
    first = (START + months).astype("datetime64[s]")
    length = ((START + months + 1).astype("datetime64[s]") - first).astype(np.int64)
    return (first + np.floor(share * length).astype(np.int64)).astype("datetime64[us]")


def _shifted(values: np.ndarray, number: np.ndarray, by: int, fill: float = 0.0) -> np.ndarray:
    """Values of the same customer `by` months later (earlier where negative), or `fill`."""
    out = np.full(len(values), fill)
    here, there = (slice(None, -by), slice(by, None)) if by > 0 else (slice(-by, None), slice(None, by))
    out[here] = np.where(number[here] == number[there], values[there], fill)
    return out


def _transactions(panel: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw the purchases; also give each one's row in the panel."""
    state = {name: panel[name].to_numpy() for name in panel.columns}
    rate, amount = expected_spend(state)
    row = np.repeat(np.arange(len(panel)), rng.poisson(np.where(state["gone"] == 0, rate, 0.0)))
    shape = TRUTH.spend.amount_shape
    events = pd.DataFrame(
        {
            "number": state["number"][row],
            "purchased_at": _seconds_of(state["month"][row], rng.random(len(row))),
            "amount": np.round(rng.gamma(shape, amount[row] / shape), 2),
        }
    )
    return events, row


def _add_purchase_features(panel: pd.DataFrame, events: pd.DataFrame, row: np.ndarray) -> None:
    """Count, sum and recency of the purchases in the three months up to each snapshot, and the target."""
    n, number = len(panel), panel["number"].to_numpy()
    count = np.bincount(row, minlength=n).astype(float)
    total = np.bincount(row, weights=events["amount"].to_numpy(), minlength=n)
    day = events["purchased_at"].to_numpy().astype("datetime64[D]")
    days_left = (month_end(panel["month"].to_numpy()[row]) - day).astype("timedelta64[D]").astype(float)
    since = np.full(n, 90.0)
    np.minimum.at(since, row, days_left)
    end = month_end(panel["month"].to_numpy())
    spend, recency, transactions = total.copy(), since.copy(), count.copy()
    for lag in range(1, WINDOW):
        spend += _shifted(total, number, -lag)
        transactions += _shifted(count, number, -lag)
        gap = (end - month_end(panel["month"].to_numpy() - lag)).astype("timedelta64[D]").astype(float)
        recency = np.minimum(recency, _shifted(since, number, -lag, fill=90.0) + gap)
    panel["transactions_90d"] = transactions.astype(np.int64)
    panel["spend_90d"] = np.round(spend, 2)
    panel["days_since_transaction"] = np.minimum(recency, 90.0).astype(np.int64)
    after = sum(_shifted(total, number, lag) for lag in range(1, WINDOW + 1))
    complete = panel["month"].to_numpy() + WINDOW < N_MONTHS
    panel["spend_next_90d"] = np.where(complete, np.round(after, 2), np.nan)


def _expected_spend_90d(panel: pd.DataFrame) -> np.ndarray:
    """Sum over three months of the chance to be still there, times rate, times mean amount."""
    state = {name: panel[name].to_numpy() for name in panel.columns}
    rate, amount = expected_spend(state)
    number, stays = state["number"], 1 - state["p_leave"]
    survival, expected = stays.copy(), np.zeros(len(panel))
    for month in range(1, WINDOW + 1):
        expected += survival * _shifted(rate * amount, number, month)
        survival = survival * _shifted(stays, number, month)
    return np.where(state["month"] + WINDOW < N_MONTHS, expected, np.nan)


def _support_contacts(panel: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One row a contact; as many complaints as the customer's month counts."""
    shown = panel[(panel["gone"] == 0) & (panel["support_0"] > 0)]
    counts = shown["support_0"].to_numpy()
    row = np.repeat(np.arange(len(shown)), counts)
    rank = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    other = rng.integers(1, len(REASONS), len(row))
    reason = np.where(rank < shown["complaints_0"].to_numpy()[row], 0, other)
    return pd.DataFrame(
        {
            "number": shown["number"].to_numpy()[row],
            "contacted_at": _seconds_of(shown["month"].to_numpy()[row], rng.random(len(row))),
            "reason": decode(reason, REASONS),
            "minutes": np.round(rng.gamma(2.0, 4.0, len(row)), 1),
        }
    )


def _events(events: pd.DataFrame, time: str) -> pd.DataFrame:
    """Put ids in the place of numbers; order by time, then id."""
    order = np.lexsort((events["number"], events[time]))
    events = events.iloc[order].reset_index(drop=True)
    events.insert(0, "customer_id", make_ids("C", events.pop("number").to_numpy(), 6))
    return events


def _customers(panel: pd.DataFrame) -> pd.DataFrame:
    """One row a customer: what does not change, and when they came and left."""
    first = panel.drop_duplicates("number")
    left = panel[panel["gone"] == 1].set_index("number")["month"].reindex(first["number"])
    joined = first["month"].to_numpy() - first["tenure_months"].to_numpy() + 1
    left_at = np.full(len(first), np.datetime64("NaT"), dtype="datetime64[us]")
    has_left = left.notna().to_numpy()
    left_at[has_left] = (START + left.to_numpy()[has_left].astype(np.int64)).astype("datetime64[us]")
    columns: dict[str, object] = {
        "customer_id": make_ids("C", first["number"].to_numpy(), 6),
        "joined_at": (START + joined).astype("datetime64[us]"),
        "left_at": left_at,
        "age_at_join": np.floor(first["age_at_join"].to_numpy()).astype(np.int64),
    }
    for name in STATIC:
        values = first[name].to_numpy()
        columns[name] = decode(values, LEVELS[name]) if name in LEVELS else values
    return pd.DataFrame(columns)


def _snapshots(panel: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row an active customer at each month end, with both targets; and the truth about it."""
    number = panel["number"].to_numpy()
    panel["churned"] = _shifted((panel["gone"] == 1).to_numpy().astype(float), number, 1).astype(np.int64)
    panel["expected"] = _expected_spend_90d(panel)
    shown = panel[(panel["gone"] == 0) & panel["month"].between(0, LAST_SNAPSHOT)]
    shown = shown.iloc[np.lexsort((shown["number"], shown["month"]))]
    frame: dict[str, object] = {
        "customer_id": make_ids("C", shown["number"].to_numpy(), 6),
        "snapshot_date": month_end(shown["month"].to_numpy()),
    }
    for name in (*FEATURES, "churned", "spend_next_90d"):
        values = shown[name].to_numpy()
        frame[name] = decode(values, LEVELS[name]) if name in LEVELS else values
    snapshots = pd.DataFrame(frame)
    truth = snapshots[[*KEYS, "segment"]].assign(
        leave=shown["p_leave"].to_numpy(), spend=shown["expected"].to_numpy()
    )
    return snapshots, truth


def make_customer_tables(n_customers: int, streams: dict[str, np.random.SeedSequence]) -> CustomerTables:
    """Simulate the customers and lay out their tables.

    Parameters
    ----------
    n_customers : int
    streams : dict of str to numpy.random.SeedSequence
        Sub-streams named attributes, dynamics, transactions and support.

    Returns
    -------
    CustomerTables
    """
    rngs = {
        name: np.random.default_rng(streams[name])
        for name in ("attributes", "dynamics", "transactions", "support")
    }
    panel = simulate_panel(n_customers, rngs["attributes"], rngs["dynamics"])
    transactions, row = _transactions(panel, rngs["transactions"])
    _add_purchase_features(panel, transactions, row)
    snapshots, truth = _snapshots(panel)
    used = panel[(panel["gone"] == 0) & (panel["month"] >= 0)]
    usage = used[["number", "usage_hours", "logins_30d"]].assign(month=month_end(used["month"].to_numpy()))
    return CustomerTables(
        customers=_customers(panel),
        transactions=_events(transactions, "purchased_at"),
        usage=_events(usage[["number", "month", "usage_hours", "logins_30d"]], "month"),
        support_contacts=_events(_support_contacts(panel, rngs["support"]), "contacted_at"),
        snapshots=snapshots,
        truth=truth,
    )
