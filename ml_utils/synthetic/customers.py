"""The retailer's customers, simulated month by month: who they are, what they do, when they leave.

All covariates are drawn before the draw that decides about leaving, and a customer who leaves in a month
does so on its first day. Customers who left are followed for three more months without being shown, so
that the expected spend of a window can be computed along the path they would have taken.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from ml_utils.synthetic.relations import LEVELS, N_MONTHS, log_hazard
from ml_utils.synthetic.truth import TRUTH

State = dict[str, np.ndarray]

LAST_SNAPSHOT: Final = 22
BURN_IN: Final = 72  # months before month 0, so that tenure and contracts have settled
WARM_UP: Final = 3  # of these, months whose events are kept: 90-day features exist from month 0
JOIN_SHARE: Final = 0.0262  # joiners a month during the burn-in, as a share of all customers
FOLLOWED: Final = 3  # months that one who left is followed

STATIC: Final = (
    *("gender", "region", "segment", "income", "card_type", "payment_method", "n_products"),
    *("internet_service", "online_security", "tech_support", "streaming"),
)


def _join(rng: np.random.Generator, n: int, first_number: int) -> State:
    """Draw the customers who join in a month."""
    segment = rng.choice(4, n, p=[0.45, 0.25, 0.15, 0.15]).astype(np.int8)
    student = segment == LEVELS["segment"].index("student")
    internet = rng.choice(3, n, p=[0.45, 0.40, 0.15]).astype(np.int8)
    online = internet != LEVELS["internet_service"].index("none")
    services = {
        name: ((rng.random(n) < share) & online).astype(np.int8)
        for name, share in (("online_security", 0.40), ("tech_support", 0.40), ("streaming", 0.50))
    }
    age = np.where(student, rng.uniform(18, 30, n), np.clip(rng.normal(46, 14, n), 18, 90))
    income_mean = np.array([42_000, 50_000, 78_000, 20_000])[segment]
    n_products = 1 + rng.binomial(3, 0.3, n)
    charge = 18 + np.array([42, 22, 0])[internet] + 6 * (n_products - 1) + rng.normal(0, 3, n)
    return {
        "number": first_number + np.arange(n),
        "age_at_join": age,
        "gender": rng.integers(0, 2, n, dtype=np.int8),
        "region": rng.integers(0, 4, n, dtype=np.int8),
        "segment": segment,
        "income": np.round(income_mean * rng.lognormal(0, 0.35, n), -2),
        "contract": rng.choice(3, n, p=[0.60, 0.25, 0.15]).astype(np.int8),
        "card_type": rng.choice(3, n, p=[0.5, 0.3, 0.2]).astype(np.int8),
        "payment_method": rng.choice(4, n, p=[0.25, 0.25, 0.35, 0.15]).astype(np.int8),
        "n_products": n_products,
        "internet_service": internet,
        **services,
        "monthly_charges": charge + 7 * sum(services.values()),
        "usage_level": rng.normal(np.log(30), 0.45, n),
        "contact_rate": rng.gamma(0.7, 0.45 / 0.7, n),
        **_blank(n),
    }


def _blank(n: int) -> State:
    """The part of a new customer's state that has no history yet."""
    state: State = {name: np.zeros(n) for name in ("usage_deviation", "total_charges", "balance", "p_leave")}
    state |= {f"usage_{lag}": np.full(n, np.nan) for lag in (1, 2, 3)}
    for name in ("support", "complaints", "late"):
        state |= {f"{name}_{lag}": np.zeros(n, dtype=np.int64) for lag in (0, 1, 2)}
    state["tenure_months"] = np.zeros(n, dtype=np.int64)
    state["months_since_rise"] = np.full(n, 99)
    state["gone"] = np.zeros(n, dtype=np.int64)
    return state


def _change_terms(state: State, rng: np.random.Generator, month: int) -> None:
    """Contracts that lapse or are taken, price rises, what has been charged."""
    n = len(state["number"])
    draw = rng.random(n)
    lapse = draw < np.array([0.0, 0.035, 0.025])[state["contract"]]
    take = (state["contract"] == 0) & (draw < 0.012)
    state["contract"] = np.where(lapse, 0, np.where(take, 1, state["contract"])).astype(np.int8)
    drift = TRUTH.drift
    rise = (rng.random(n) < drift.price_rise_monthly) & (state["tenure_months"] > 1)
    if month == drift.covariate_month:
        rise |= rng.random(n) < drift.price_rise_share
    factor = np.where(rise, 1 + rng.uniform(0.04, 0.12, n), 1.0)
    state["monthly_charges"] = np.round(state["monthly_charges"] * factor, 2)
    state["months_since_rise"] = np.where(rise, 0, state["months_since_rise"] + 1)
    state["price_rise_90d"] = (state["months_since_rise"] < 3).astype(np.int64)
    state["total_charges"] = np.round(state["total_charges"] + state["monthly_charges"], 2)
    state["balance"] = np.round(0.7 * state["balance"] + rng.normal(90, 120, n), 2)


def _use(state: State, rng: np.random.Generator, month: int) -> None:
    """Usage of the month, its change against the three months before, logins."""
    n = len(state["number"])
    shock = 0.6 * (rng.random(n) < 0.07)
    state["usage_deviation"] = 0.75 * state["usage_deviation"] + rng.normal(0, 0.15, n) - shock
    usage = np.round(np.exp(state["usage_level"] + state["usage_deviation"]), 1).clip(0.1)
    lags = np.stack([state["usage_1"], state["usage_2"], state["usage_3"]])
    known = np.isfinite(lags).sum(axis=0)
    before = np.where(known > 0, np.nansum(lags, axis=0) / np.maximum(known, 1), usage)
    state["usage_change"] = np.round(usage / before - 1, 3)
    state["usage_3"], state["usage_2"], state["usage_1"] = state["usage_2"], state["usage_1"], usage
    state["usage_hours"] = usage
    factor = TRUTH.drift.logins if month >= TRUTH.drift.covariate_month else 1.0
    state["logins_30d"] = rng.poisson(0.5 * usage * factor)


def _contact(state: State, rng: np.random.Generator) -> None:
    """Support contacts, complaints among them, and late payments, with their 90-day sums."""
    contacts = rng.poisson(state["contact_rate"])
    drawn = {
        "support": contacts,
        "complaints": rng.binomial(contacts, 0.3),
        "late": (rng.random(len(contacts)) < np.array([0.03, 0.03, 0.08, 0.10])[state["payment_method"]]),
    }
    names = {"support": "support_contacts_90d", "complaints": "complaints_90d", "late": "late_payments_90d"}
    for name, now in drawn.items():
        state[f"{name}_2"], state[f"{name}_1"] = state[f"{name}_1"], state[f"{name}_0"]
        state[f"{name}_0"] = now.astype(np.int64)
        state[names[name]] = state[f"{name}_0"] + state[f"{name}_1"] + state[f"{name}_2"]


def _step(state: State, rng: np.random.Generator, month: int) -> None:
    """Advance everyone by a month and store the probability of leaving after it."""
    state["tenure_months"] = state["tenure_months"] + 1
    state["age"] = np.floor(state["age_at_join"] + state["tenure_months"] / 12).astype(np.int64)
    state["month"] = np.full(len(state["number"]), month)
    _change_terms(state, rng, month)
    _use(state, rng, month)
    _contact(state, rng)
    state["p_leave"] = -np.expm1(-np.exp(log_hazard(state, month)))


def _leave(state: State, rng: np.random.Generator, month: int) -> State:
    """Draw who leaves on the first day of the next month; drop who need not be followed."""
    leaves = rng.random(len(state["number"])) < state["p_leave"]
    gone = np.where(state["gone"] > 0, state["gone"] + 1, leaves.astype(np.int64))
    state["gone"] = gone
    keep = gone == 0 if month < 0 else gone <= FOLLOWED
    return {name: values[keep] for name, values in state.items()}


def _joiners(n_customers: int, n_first: int) -> list[int]:
    """How many join in each month from 0 to the last snapshot, at an even rate."""
    total = np.linspace(0, n_customers - n_first, LAST_SNAPSHOT + 2).round().astype(int)
    return [*np.diff(total).tolist(), 0]


def simulate_panel(
    n_customers: int, attributes: np.random.Generator, dynamics: np.random.Generator
) -> pd.DataFrame:
    """Simulate every customer-month from the warm-up to the last month.

    Parameters
    ----------
    n_customers : int
        Customers seen from month 0 on.
    attributes, dynamics : numpy.random.Generator
        For who joins, and for what happens to them.

    Returns
    -------
    pandas.DataFrame
        One row a customer and month, in this order; categories as codes into `LEVELS`; `gone` counts the
        months since leaving (0 for active), `p_leave` is the true probability of leaving after the month.
    """
    burn_in = np.diff(np.floor(JOIN_SHARE * n_customers * np.arange(BURN_IN + 1))).astype(int).tolist()
    state = _join(attributes, 0, 0)
    n_joined, kept = 0, []
    for month in range(-BURN_IN, N_MONTHS):
        if month == 0:
            known = np.concatenate([state["number"], n_joined + np.arange(n_customers)])
            joiners = _joiners(n_customers, len(state["number"]))
        n_new = burn_in[month + BURN_IN] if month < 0 else joiners[month]
        new = _join(attributes, n_new, n_joined)
        n_joined += n_new
        state = {name: np.concatenate([state[name], new[name]]) for name in new}
        _step(state, dynamics, month)
        if month >= -WARM_UP:
            kept.append({name: values for name, values in state.items() if name not in _DROPPED})
        state = _leave(state, dynamics, month)
    panel = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
    return _sorted_panel(panel, known)


_DROPPED: Final = frozenset(
    ["usage_level", "usage_deviation", "usage_1", "usage_2", "usage_3", "contact_rate", "months_since_rise"]
    + [f"{name}_{lag}" for name in ("support", "complaints") for lag in (1, 2)]
    + [f"late_{lag}" for lag in (0, 1, 2)]
)


def _sorted_panel(panel: State, known: np.ndarray) -> pd.DataFrame:
    """Keep the customers who are seen from month 0 on, number them, sort by customer and month."""
    keep = np.isin(panel["number"], known)
    panel = {name: values[keep] for name, values in panel.items()}
    panel["number"] = np.unique(panel["number"], return_inverse=True)[1] + 1
    order = np.lexsort((panel["month"], panel["number"]))
    return pd.DataFrame({name: values[order] for name, values in panel.items()})
