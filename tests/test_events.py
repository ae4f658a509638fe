"""Event features: equal to a count by hand, and blind to whatever was not known at the row's time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_utils.data import check_table
from ml_utils.data.events import EventsJoined, join_events, join_tables
from ml_utils.data.sources import read_source
from ml_utils.errors import DataError
from ml_utils.problem import Problem, load_problem
from ml_utils.synthetic import generate

PROBLEMS = Path(__file__).parent / "problems"
START = pd.Timestamp("2025-01-01")
WINDOWS = [2, 5]


def make_problem(**changes: object) -> Problem:
    events = {
        "source": {"kind": "csv", "path": "e"}, "time": "at", "numeric": ["amount"],
        "categorical": ["kind"], "windows": WINDOWS, **changes,
    }  # fmt: skip
    return Problem(
        name="p", folder=Path(), title="t", task="regression", source={"kind": "csv", "path": "a"},
        target="y", id="who", time="when", events={"e": events},
    )  # fmt: skip


def join(frame: pd.DataFrame, events: pd.DataFrame, **changes: object) -> pd.DataFrame:
    return join_tables(frame, make_problem(**changes), {"e": events}).frame


def by_hand(frame: pd.DataFrame, events: pd.DataFrame, delay: float) -> pd.DataFrame:
    """The same features, row by row, straight from their definition."""
    return pd.DataFrame([one_row(row, events, delay) for row in frame.itertuples()], index=frame.index)


def one_row(row: object, events: pd.DataFrame, delay: float) -> dict[str, float]:
    day = pd.Timedelta(days=1)
    mine = events[(events["who"] == row.who) & (events["at"] + delay * day < row.when)]
    found: dict[str, float] = {}
    for days in WINDOWS:
        inside = mine[mine["at"] >= row.when - days * day]
        before = mine[(mine["at"] < row.when - days * day) & (mine["at"] >= row.when - 2 * days * day)]
        amount = inside["amount"]
        found[f"e_count_{days}d"] = len(inside)
        found[f"e_amount_sum_{days}d"] = amount.sum()
        for name in ("mean", "std", "min", "max"):
            found[f"e_amount_{name}_{days}d"] = getattr(amount, name)()
        found[f"e_kind_distinct_{days}d"] = inside["kind"].nunique()
        now, then = len(inside) / (days - delay), len(before) / days
        found[f"e_trend_{days}d"] = (now - then) / (now + then) if now + then else np.nan
    found["e_days_since_last"] = (row.when - mine["at"].max()) / day if len(mine) else np.nan
    return found


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and events at times on a coarse grid, so that they often coincide."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, n_events = draw(st.integers(1, 12)), draw(st.integers(0, 60))
    n_keys = draw(st.integers(1, 4))
    grid = draw(st.sampled_from([1, 12, 24]))  # hours
    steps = 20 * 24 // grid
    frame = pd.DataFrame(
        {
            "who": rng.integers(0, n_keys + 1, n_rows).astype(str),
            "when": START + pd.to_timedelta(grid * rng.integers(0, steps, n_rows), unit="h"),
        }
    )
    events = pd.DataFrame(
        {
            "who": rng.integers(0, n_keys, n_events).astype(str),
            "at": START + pd.to_timedelta(grid * rng.integers(0, steps, n_events), unit="h"),
            "amount": np.where(rng.random(n_events) < 0.2, np.nan, rng.normal(size=n_events).round(3)),
            "kind": pd.array(
                np.where(rng.random(n_events) < 0.2, None, rng.choice([*"abc"], n_events)), "str"
            ),
        }
    )
    return frame, events


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([0.0, 0.5, 1.0]))
def test_features_are_those_counted_by_hand(both: tuple[pd.DataFrame, pd.DataFrame], delay: float) -> None:
    frame, events = both
    found = join(frame, events, known_after_days=delay)
    wanted = by_hand(frame, events, delay)
    assert list(found.columns) == [*frame.columns, *wanted.columns]
    pd.testing.assert_frame_equal(found[wanted.columns], wanted, check_dtype=False, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([0.0, 1.0]), st.integers(0, 2**32 - 1))
def test_no_event_from_the_snapshot_on_ever_moves_a_feature(
    both: tuple[pd.DataFrame, pd.DataFrame], delay: float, seed: int
) -> None:
    """Not even in the last bit: whatever is known at a row's time or later may be anything, or nothing."""
    frame, events = both
    rng = np.random.default_rng(seed)
    full = join(frame, events, known_after_days=delay)
    snapshot = frame["when"].iloc[0]
    later = events["at"] + pd.Timedelta(days=delay) >= snapshot
    known = events[~later]
    more = events[later].copy()
    more["amount"] = rng.normal(scale=1e12, size=len(more))
    more["kind"] = "z"
    more["who"] = rng.permutation(more["who"].to_numpy())
    for other in (known, pd.concat([more, known, more])):
        again = join(frame, other, known_after_days=delay)
        pd.testing.assert_frame_equal(full.iloc[:1], again.iloc[:1], check_exact=True)


@settings(max_examples=40, deadline=None)
@given(tables(), st.integers(0, 2**32 - 1))
def test_the_order_of_events_and_of_rows_does_not_matter(
    both: tuple[pd.DataFrame, pd.DataFrame], seed: int
) -> None:
    frame, events = both
    found = join(frame, events)
    shuffled = join(frame, events.sample(frac=1, random_state=seed))
    pd.testing.assert_frame_equal(found, shuffled, check_exact=True)
    rows = frame.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(found.loc[rows.index], join(rows, events), check_exact=True)
    one = join(frame.iloc[[0]], events)
    pd.testing.assert_frame_equal(found.iloc[[0]], one, check_exact=True)


def test_an_event_at_the_very_time_does_not_count_and_a_window_begins_with_its_first_moment() -> None:
    when = pd.Timestamp("2025-03-10 12:00")
    frame = pd.DataFrame({"who": ["a"], "when": [when]})
    moments = [when, when - pd.Timedelta("1us"), when - pd.Timedelta(days=2), when - pd.Timedelta("2D1us")]
    for at, inside in zip(moments, [0, 1, 1, 0], strict=True):
        events = pd.DataFrame({"who": ["a"], "at": [at], "amount": [1.0], "kind": ["x"]})
        assert join(frame, events)["e_count_2d"].tolist() == [inside], at


def test_one_large_amount_does_not_blur_those_after_it() -> None:
    """The difference of two running sums would: 1e17 + 0.1 − 1e17 is 0."""
    at = START + pd.to_timedelta([0, 10, 10], unit="D")
    events = pd.DataFrame({"who": "a", "at": at, "amount": [1e17, 0.1, 0.2], "kind": "x"})
    frame = pd.DataFrame({"who": ["a"], "when": [START + pd.Timedelta(days=11)]})
    found = join(frame, events).iloc[0]
    assert found["e_amount_sum_2d"] == pytest.approx(0.3, rel=1e-15)
    assert found["e_amount_std_2d"] == pytest.approx(np.std([0.1, 0.2], ddof=1), rel=1e-12)


def test_columns_say_what_they_are_and_lost_events_are_counted() -> None:
    frame = pd.DataFrame({"who": ["a", "b", None], "when": START + pd.Timedelta(days=10)})
    events = pd.DataFrame(
        {
            "who": ["a", "a", "c", None, "a", "b"],
            "at": [*[START + pd.Timedelta(days=9)] * 4, pd.NaT, START + pd.Timedelta(days=99)],
            "amount": [1.0, np.inf, 5.0, 5.0, 5.0, 5.0],
            "kind": "x",
        }
    )
    joined = join_tables(frame, make_problem(), {"e": events})
    counted = joined.tables.drop(columns=["first", "last"]).iloc[0].to_dict()
    assert counted == {
        **{"table": "e", "events": 6, "used": 3, "unknown_key": 1, "missing_key": 1, "missing_time": 1},
        **{"not_finite": 1, "later": 1, "rows_without": 2, "too_early": 3},
    }
    assert joined.frame["e_count_5d"].tolist() == [2, 0, 0]
    assert joined.frame["e_amount_sum_5d"].tolist() == [1, 0, 0]
    assert joined.described["column"].tolist() == [c for c in joined.frame if c.startswith("e_")]
    told = joined.described.set_index("column").loc["e_amount_mean_5d"]
    assert told["meaning"] == "mean amount of e in the last 5 days"
    assert told["formula"] == "mean(amount) where time − 5 d ≤ at, at < time"
    assert joined.sentences() == [
        "6 events of e became 17 columns, as known at each row's time; not used: 1 of a key that no row has, "
        "1 without a key, 1 without a time and 1 after the last row."
    ]
    assert "e_trend_2d" in joined._repr_html_()


def test_a_table_without_events_or_without_values() -> None:
    frame = pd.DataFrame({"who": ["a"], "when": [START]})
    none = pd.DataFrame({"who": ["a"], "at": [START], "amount": [1.0], "kind": ["x"]}).head(0)
    found = join(frame, none).iloc[0]
    assert found["e_count_5d"] == 0
    assert np.isnan(found["e_amount_mean_5d"])
    assert np.isnan(found["e_days_since_last"])


@pytest.mark.parametrize("keys", [([7, 8], [7.0, 9.0]), (["7", "8"], [7, 9]), ([7, 8], ["7", "9"])])
def test_keys_match_however_they_are_written(keys: tuple[list, list]) -> None:
    frame = pd.DataFrame({"who": keys[0], "when": START})
    events = pd.DataFrame({"who": keys[1], "at": START - pd.Timedelta(days=1), "amount": 1.0, "kind": "x"})
    assert join(frame, events)["e_count_2d"].tolist() == [1, 0]


def test_times_with_a_zone_are_compared_as_moments() -> None:
    when = pd.to_datetime(["2025-03-10 12:00+00:00"])
    events = pd.DataFrame({"who": ["a"], "amount": 1.0, "kind": "x"})
    frame = pd.DataFrame({"who": ["a"], "when": when})
    for at, inside in (("2025-03-10 13:30+02:00", 1), ("2025-03-10 12:30+00:00", 0)):
        assert join(frame, events.assign(at=pd.to_datetime([at])))["e_count_2d"].tolist() == [inside]


def test_events_may_have_a_key_of_their_own() -> None:
    frame = pd.DataFrame({"who": ["s1", "s2"], "visitor": ["v", None], "when": START})
    events = pd.DataFrame({"visitor": ["v"], "at": START - pd.Timedelta(days=1), "amount": 1.0, "kind": "x"})
    assert join(frame, events, key="visitor")["e_count_2d"].tolist() == [1, 0]
    named = events.rename(columns={"visitor": "customer"}).assign(customer="s2")
    assert join(frame, named, key="customer")["e_count_2d"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "settings_", "message"),
    [
        ({"amount": "much"}, {}, "numeric names 'amount', whose values are not numbers"),
        ({"at": "soon"}, {}, r"events\.e\.time names 'at', whose values are not dates"),
        ({"at": 20250101}, {}, "holds numbers, not dates"),
        ({}, {"numeric": ["amout"]}, r"events\.e names the column 'amout'.* Did you mean 'amount'"),
        ({}, {"key": "whom"}, r"events\.e\.key names the column 'whom'.* Did you mean 'who'"),
    ],
)
def test_an_event_table_that_is_not_what_the_problem_file_says(
    change: dict, settings_: dict, message: str
) -> None:
    frame = pd.DataFrame({"who": ["a"], "when": [START]})
    events = pd.DataFrame({"who": ["a"], "at": [START], "amount": [1.0], "kind": ["x"]}).assign(**change)
    with pytest.raises(DataError, match=message):
        join(frame, events, **settings_)


def test_rows_that_events_cannot_be_joined_to() -> None:
    events = pd.DataFrame({"who": ["a"], "at": [START], "amount": [1.0], "kind": ["x"]})
    frame = pd.DataFrame({"who": ["a"], "when": [START]})
    with pytest.raises(DataError, match="has no column 'when'"):
        join(frame.drop(columns="when"), events)
    with pytest.raises(DataError, match="is empty in 1 rows"):
        join(pd.concat([frame, frame.assign(when=pd.NaT)]), events)
    with pytest.raises(DataError, match="would make columns that are there already: e_count_2d"):
        join(frame.assign(e_count_2d=1), events)
    with pytest.raises(DataError, match=r"key is 'shop'.* has no id to match|does not have"):
        join(frame.drop(columns="who"), events.assign(shop="a"), key="shop")


@pytest.fixture(scope="module")
def joined() -> EventsJoined:
    problem = load_problem(PROBLEMS / "churn_events.yaml")
    table = read_source(problem, n_customers=300, seed=1)
    assert table.events is not None
    return table.events


def test_a_problem_file_with_events_gives_its_table_with_them(joined: EventsJoined) -> None:
    problem = load_problem(PROBLEMS / "churn_events.yaml")
    assert len(joined.described) == 2 * 7 + 1 + 8 + 1
    assert joined.tables["unknown_key"].sum() < joined.tables["events"].sum()
    frame = check_table(joined.frame, problem)
    again = join_events(frame[["customer_id", "snapshot_date"]], problem, 300, 1).frame
    pd.testing.assert_frame_equal(frame[again.columns], again)
    later = frame[frame["snapshot_date"] > "2024-06-01"]
    assert later["purchases_count_60d"].mean() > 0.3
    assert (later["contacts_reason_distinct_30d"] <= later["contacts_count_30d"]).all()


def test_features_of_the_retailer_agree_with_those_that_its_snapshots_carry() -> None:
    """The snapshots count whole calendar months up to the end of the day: three of them are 90 to 92 days."""
    retailer = generate(n_customers=400, seed=3)
    snapshots = retailer.snapshots
    end = snapshots["snapshot_date"] + pd.Timedelta(days=1)
    begin = (end - pd.DateOffset(months=3)).dt.normalize()
    length = (end - begin).dt.days
    for days, rows in snapshots.groupby(length):
        problem = load_problem(PROBLEMS / "churn_events.yaml").model_copy(
            update={"events": _calendar_quarters(int(days))}
        )
        frame = rows[["customer_id"]].assign(snapshot_date=end[rows.index])
        tables = {"purchases": retailer.transactions, "contacts": retailer.support_contacts}
        found = join_tables(frame, problem, tables).frame
        np.testing.assert_array_equal(found[f"purchases_count_{days}d"], rows["transactions_90d"])
        np.testing.assert_allclose(found[f"purchases_amount_sum_{days}d"], rows["spend_90d"], atol=0.006)
        np.testing.assert_array_equal(found[f"contacts_count_{days}d"], rows["support_contacts_90d"])
        recent = found["purchases_days_since_last"] < 89
        since = np.floor(found["purchases_days_since_last"][recent])
        np.testing.assert_array_equal(since, rows["days_since_transaction"][recent])


def _calendar_quarters(days: int) -> dict:
    base = {"source": {"kind": "retailer_table", "table": "transactions"}, "windows": [days]}
    from ml_utils.problem import Events

    return {
        "purchases": Events(**base, time="purchased_at", numeric=["amount"]),
        "contacts": Events(**base, time="contacted_at"),
    }


@pytest.fixture
def shop(problem_file: Callable[..., Path], project: Path, customers: pd.DataFrame) -> Callable[..., Problem]:
    """A problem whose events stand in a CSV file beside it."""
    customers.to_csv(project / "table.csv", index=False)
    orders = pd.DataFrame({"customer": ["K0000", "K0001"], "at": "2024-01-05", "value": [1.5, 2.0]})
    orders.to_csv(project / "orders.csv", index=False)

    def write(**changes: object) -> Problem:
        orders = {
            "source": {"kind": "csv", "path": "orders.csv"},
            "time": "at",
            "numeric": ["value"],
            **changes,
        }
        return load_problem(problem_file(time="joined", events={"orders": orders}))

    return write


def test_events_beside_a_file(shop: Callable[..., Problem]) -> None:
    table = read_source(shop(windows=[1000]))
    assert table.frame["orders_value_sum_1000d"].max() <= 2.0
    assert len(table.frame) == 600
