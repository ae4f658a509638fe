"""How the customers' covariates make the outcomes: the hazard of leaving and the expected spend.

The numbers are those of `TRUTH`; this module says how they are put together, and over which columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_utils.synthetic.truth import TRUTH

START: Final = np.datetime64("2024-01", "M")
N_MONTHS: Final = 24
LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "gender": ("female", "male"),
    "region": ("north", "south", "east", "west"),
    "segment": tuple(TRUTH.churn.segment),
    "contract": tuple(TRUTH.churn.contract),
    "card_type": ("silver", "gold", "platinum"),
    "payment_method": tuple(TRUTH.churn.payment_method),
    "internet_service": ("fiber", "dsl", "none"),
    "online_security": ("no", "yes"),
    "tech_support": ("no", "yes"),
    "streaming": ("no", "yes"),
}
FEATURES: Final = (
    *("age", "gender", "region", "segment", "income"),
    *("tenure_months", "contract", "card_type", "payment_method", "monthly_charges", "total_charges"),
    *("n_products", "balance", "internet_service", "online_security", "tech_support", "streaming"),
    *("price_rise_90d", "usage_hours", "usage_change", "logins_30d"),
    *("support_contacts_90d", "complaints_90d", "late_payments_90d"),
    *("transactions_90d", "spend_90d", "days_since_transaction"),
)


def month_index(dates: pd.Series | NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Count months from the first one.

    Parameters
    ----------
    dates : Series or array of datetime64, shape (n,)

    Returns
    -------
    ndarray of int, shape (n,)
        0 for January 2024, 23 for December 2025.

    Examples
    --------
    >>> month_index(np.array(["2024-01-31", "2025-06-30"], dtype="datetime64[D]")).tolist()
    [0, 17]
    """
    return (np.asarray(dates).astype("datetime64[M]") - START).astype(np.int64)


def _by_level(values: Mapping[str, float], column: str, codes: np.ndarray) -> np.ndarray:
    return np.array([values[level] for level in LEVELS[column]])[codes]


def log_hazard(state: Mapping[str, np.ndarray], month: int | np.ndarray) -> NDArray[np.float64]:
    """Natural log of the monthly hazard of leaving, after `month`.

    Parameters
    ----------
    state : mapping of str to ndarray, shape (n,)
        Covariates as of the month's end; categories as codes into `LEVELS`.
    month : int or ndarray of int
        Month index; the relation changes at ``TRUTH.drift.relation_month``.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    churn, drift = TRUTH.churn, TRUTH.drift
    changed = np.asarray(month) >= drift.relation_month
    contract = _by_level(churn.contract, "contract", state["contract"])
    to_month = state["contract"] == LEVELS["contract"].index("month-to-month")
    contract = np.where(changed & to_month, drift.month_to_month, contract)
    support = np.log(np.where(changed, drift.tech_support, churn.services["tech_support"]))
    contact = np.log(np.where(changed, drift.support_contact, churn.support_contact))
    usage_fall = np.log(np.where(changed, drift.usage_fall, churn.usage_fall))
    fall = np.clip(-state["usage_change"], 0.0, None) * 10
    return (
        np.log(churn.base_hazard)
        + np.log(churn.new_customer) * (state["tenure_months"] < churn.new_customer_months)
        + np.log(contract)
        + np.log(churn.price_rise) * state["price_rise_90d"]
        + np.log(churn.services["online_security"]) * state["online_security"]
        + support * state["tech_support"]
        + np.log(churn.services["streaming"]) * state["streaming"]
        + contact * np.minimum(state["support_contacts_90d"], churn.support_contact_cap)
        + usage_fall * fall
        + np.log(_by_level(churn.payment_method, "payment_method", state["payment_method"]))
        + np.log(_by_level(churn.segment, "segment", state["segment"]))
    )


def churn_probability(snapshots: pd.DataFrame) -> NDArray[np.float64]:
    """Give the true probability that each customer leaves within the next month.

    Parameters
    ----------
    snapshots : DataFrame, shape (n, any)
        Clean rows of the churn view.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    state: dict[str, np.ndarray] = {
        name: pd.Categorical(snapshots[name], categories=list(LEVELS[name])).codes
        if name in LEVELS
        else snapshots[name].to_numpy()
        for name in FEATURES
    }
    return -np.expm1(-np.exp(log_hazard(state, month_index(snapshots["snapshot_date"]))))


def expected_spend(state: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Give the purchase rate of a month and the mean amount of a purchase, given the covariates.

    Parameters
    ----------
    state : mapping of str to ndarray, shape (n,)
        Covariates of the month; categories as codes into `LEVELS`.

    Returns
    -------
    rate, amount : ndarray of float, shape (n,)
        Purchases a month; currency a purchase.
    """
    spend = TRUTH.spend
    years = np.minimum(state["tenure_months"] / 12, spend.tenure_cap)
    rate = (
        spend.base_rate
        * _by_level(spend.segment, "segment", state["segment"])
        * (state["income"] / spend.income_reference) ** spend.income_elasticity
        * spend.product ** (state["n_products"] - 1)
        * (state["usage_hours"] / spend.usage_reference) ** spend.usage_elasticity
        * spend.tenure_year**years
    )
    return rate, _by_level(spend.amount, "segment", state["segment"])
