"""A synthetic subscription retailer whose effects are known.

Customers, transactions, usage, support contacts and web sessions over 24 months, and three views of them:
`churn`, `conversion` and `spend`. What makes the outcomes is written down in `TRUTH`, so that every stage
can be held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Final

import numpy as np
import pandas as pd

from ml_utils.errors import ParameterError, ProblemError, list_known
from ml_utils.synthetic.defects import add_duplicates, spoil_customers, spoil_sessions
from ml_utils.synthetic.offers import offer_effect, offer_outcomes
from ml_utils.synthetic.relations import FEATURES, churn_probability
from ml_utils.synthetic.sessions import make_sessions, order_probability
from ml_utils.synthetic.tables import KEYS, CustomerTables, make_customer_tables
from ml_utils.synthetic.truth import TRUTH, Truth

__all__ = [
    "TRUTH",
    "Retailer",
    "Truth",
    "churn_probability",
    "generate",
    "offer_effect",
    "offer_outcomes",
    "order_probability",
    "read_view",
]

VIEWS: Final = ("churn", "conversion", "spend")
MIN_CUSTOMERS: Final = 200
MAX_CUSTOMERS: Final = 200_000  # ids have six and seven digits

# One sub-stream a table, so that none disturbs another. New ones are added at the end.
_STREAMS: Final = (
    *("attributes", "dynamics", "transactions", "support", "sessions", "spoil_customers", "spoil_sessions"),
    *("duplicate_churn", "duplicate_conversion", "duplicate_spend"),
)


@dataclass(frozen=True, eq=False)
class Retailer:
    """One simulated retailer.

    Attributes
    ----------
    customers : DataFrame
        One row a customer: what does not change, when they joined and left (NaT: still there).
    transactions : DataFrame
        One row a purchase of these customers, from three months before the first month on.
    usage : DataFrame
        One row a customer and month.
    support_contacts : DataFrame
        One row a contact.
    sessions : DataFrame
        One row a web session.
    snapshots : DataFrame
        One row an active customer and month end: features as of that day, `churned` and `spend_next_90d`
        (missing where the 90 days are not complete). Clean.
    n_customers, seed : int
        What it was made from.
    """

    customers: pd.DataFrame = field(repr=False)
    transactions: pd.DataFrame = field(repr=False)
    usage: pd.DataFrame = field(repr=False)
    support_contacts: pd.DataFrame = field(repr=False)
    sessions: pd.DataFrame = field(repr=False)
    snapshots: pd.DataFrame = field(repr=False)
    n_customers: int
    seed: int
    _truths: Mapping[str, pd.DataFrame] = field(repr=False)

    def view(self, name: str, defects: bool = True) -> pd.DataFrame:
        """Give one of the three tables to learn from.

        Parameters
        ----------
        name : str
            "churn", "conversion" or "spend".
        defects : bool
            With the defects of ``TRUTH.defects``, as a warehouse would give it; otherwise clean.

        Returns
        -------
        DataFrame
            Rows in order of time, then id.

        Raises
        ------
        ProblemError
            If there is no view of this name.
        """
        _check_name(name)
        return _view(name, self.sessions if name == "conversion" else self.snapshots, self.seed, defects)

    def truth(self, name: str) -> pd.DataFrame:
        """Give what is true about each row of a view.

        Parameters
        ----------
        name : str
            "churn", "conversion" or "spend".

        Returns
        -------
        DataFrame
            Key columns, segment or device_type, and `true_probability` (`true_value`, the expectation, for
            spend). One row a distinct row of the view, in its order.

        Raises
        ------
        ProblemError
            If there is no view of this name.
        """
        _check_name(name)
        return self._truths[name].copy(deep=False)


def _check_name(name: str) -> None:
    if name not in VIEWS:
        raise ProblemError(f"The retailer has no view {name!r}. {list_known(str(name), VIEWS)}")


def _check_size(n_customers: int, seed: int) -> None:
    whole = isinstance(n_customers, Integral) and not isinstance(n_customers, bool)
    if not whole or not MIN_CUSTOMERS <= n_customers <= MAX_CUSTOMERS:
        raise ParameterError(
            f"n_customers is {n_customers!r}; allowed are whole numbers from {MIN_CUSTOMERS} to "
            f"{MAX_CUSTOMERS}. Below that, months would be left without anyone who leaves."
        )
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise ParameterError(f"seed is {seed!r}; allowed are whole numbers from 0 on, such as 42.")


def _streams(seed: int) -> dict[str, np.random.SeedSequence]:
    return dict(zip(_STREAMS, np.random.SeedSequence(seed).spawn(len(_STREAMS)), strict=True))


def _view(name: str, table: pd.DataFrame, seed: int, defects: bool) -> pd.DataFrame:
    """Cut a view from its clean table, spoilt where asked for."""
    streams = _streams(seed)
    if defects:
        spoil, stream = (
            (spoil_sessions, "spoil_sessions")
            if name == "conversion"
            else (spoil_customers, "spoil_customers")
        )
        table = spoil(table, streams[stream])
    if name == "churn":
        table = table[[*KEYS, *FEATURES, "churned"]]
    elif name == "spend":
        complete = table["spend_next_90d"].notna()
        table = table.loc[complete, [*KEYS, *FEATURES, "spend_next_90d"]]
    table = table.reset_index(drop=True)
    return add_duplicates(table, streams[f"duplicate_{name}"]) if defects else table


def _customer_truths(tables: CustomerTables) -> dict[str, pd.DataFrame]:
    base = tables.truth[[*KEYS, "segment"]]
    complete = tables.truth["spend"].notna()
    spend = base.assign(true_value=tables.truth["spend"])[complete].reset_index(drop=True)
    return {"churn": base.assign(true_probability=tables.truth["leave"]), "spend": spend}


def generate(n_customers: int = 10_000, seed: int = 42) -> Retailer:
    """Simulate the retailer.

    Parameters
    ----------
    n_customers : int
        Customers in all, 200 or more: those there at the start and those who join.
    seed : int
        The same seed gives the same retailer.

    Returns
    -------
    Retailer

    Raises
    ------
    ParameterError
        If `n_customers` or `seed` is out of range.

    Examples
    --------
    >>> retailer = generate(n_customers=200, seed=1)
    >>> retailer.view("churn").shape[1], retailer.view("churn", defects=False)["customer_id"].nunique()
    (30, 200)
    >>> retailer.view("weather")
    Traceback (most recent call last):
    ml_utils.errors.ProblemError: The retailer has no view 'weather'. Known: churn, conversion, spend.
    """
    _check_size(n_customers, seed)
    streams = _streams(seed)
    tables = make_customer_tables(n_customers, streams)
    sessions, conversion = make_sessions(n_customers, streams["sessions"])
    return Retailer(
        customers=tables.customers,
        transactions=tables.transactions,
        usage=tables.usage,
        support_contacts=tables.support_contacts,
        sessions=sessions,
        snapshots=tables.snapshots,
        n_customers=int(n_customers),
        seed=int(seed),
        _truths={**_customer_truths(tables), "conversion": conversion},
    )


def read_view(name: str, n_customers: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Generate one view and its truth, and nothing that it does not need.

    Parameters
    ----------
    name : str
        "churn", "conversion" or "spend".
    n_customers, seed : int
        As for `generate`.

    Returns
    -------
    view, truth : DataFrame
        The rows that ``generate(n_customers, seed)`` gives as ``view(name)`` and ``truth(name)``.

    Raises
    ------
    ProblemError
        If there is no view of this name.
    ParameterError
        If `n_customers` or `seed` is out of range.
    """
    _check_name(name)
    _check_size(n_customers, seed)
    streams = _streams(seed)
    if name == "conversion":
        sessions, truth = make_sessions(n_customers, streams["sessions"])
        return _view(name, sessions, seed, True), truth
    tables = make_customer_tables(n_customers, streams)
    return _view(name, tables.snapshots, seed, True), _customer_truths(tables)[name]
