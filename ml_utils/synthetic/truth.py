"""The known effects of the synthetic retailer: one frozen object that the generator reads.

Every number that a stage of the project can be held against is written here once, with its unit and its
meaning. Months are counted from 0 (January 2024) to 23 (December 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import pandas as pd


def _number(value: float, unit: str, meaning: str) -> Any:
    """Declare one known number of a section."""
    return field(default=value, metadata={"unit": unit, "meaning": meaning})


def _levels(values: dict[str, float], unit: str, meaning: str) -> Any:
    """Declare one known number a level; the mapping cannot be written to."""
    return field(
        default_factory=lambda: MappingProxyType(values), metadata={"unit": unit, "meaning": meaning}
    )


@dataclass(frozen=True)
class ChurnTruth:
    """Monthly hazard of leaving: the base times every multiplier; p = 1 - exp(-hazard)."""

    base_hazard: float = _number(
        0.0100, "hazard a month", "one-year contract, standard segment, tenure of 6 months or more, no events"
    )
    new_customer: float = _number(3.0, "hazard ratio", "tenure below new_customer_months")
    new_customer_months: int = _number(6, "months", "tenure from which a customer is no longer new")
    contract: Mapping[str, float] = _levels(
        {"month-to-month": 3.2, "one year": 1.0, "two year": 0.30}, "hazard ratio", "contract"
    )
    price_rise: float = _number(2.0, "hazard ratio", "a price rise within the last 3 months")
    services: Mapping[str, float] = _levels(
        {"online_security": 0.60, "tech_support": 0.45, "streaming": 0.75},
        "hazard ratio",
        "the service is taken",
    )
    support_contact: float = _number(1.9, "hazard ratio a contact", "support contacts in the last 90 days")
    support_contact_cap: int = _number(6, "contacts", "contacts beyond this number add nothing")
    usage_fall: float = _number(
        1.9, "hazard ratio a 10 % fall", "usage of the last month below that of the 3 months before"
    )
    payment_method: Mapping[str, float] = _levels(
        {"bank transfer": 1.0, "credit card": 1.0, "electronic check": 1.6, "mailed check": 1.3},
        "hazard ratio",
        "payment method",
    )
    segment: Mapping[str, float] = _levels(
        {"standard": 1.0, "family": 0.75, "premium": 0.60, "student": 1.5}, "hazard ratio", "segment"
    )
    no_effect: Mapping[str, float] = _levels(
        {"gender": 1.0, "card_type": 1.0, "region": 1.0}, "hazard ratio", "known nulls: no effect on leaving"
    )


@dataclass(frozen=True)
class SpendTruth:
    """Purchases a month: Poisson with the base rate times every multiplier; amounts are gamma."""

    base_rate: float = _number(
        1.25, "purchases a month", "standard segment, one product, reference income and usage, tenure 0"
    )
    segment: Mapping[str, float] = _levels(
        {"standard": 1.0, "family": 1.3, "premium": 1.5, "student": 0.75}, "rate ratio", "segment"
    )
    income_elasticity: float = _number(0.5, "exponent", "income over income_reference")
    income_reference: float = _number(42_000.0, "currency a year", "income at which its factor is 1")
    product: float = _number(1.15, "rate ratio a product", "each product beyond the first")
    usage_elasticity: float = _number(0.4, "exponent", "usage of the month over usage_reference")
    usage_reference: float = _number(30.0, "hours a month", "usage at which its factor is 1")
    tenure_year: float = _number(1.08, "rate ratio a year", "years of tenure, counted up to tenure_cap")
    tenure_cap: float = _number(4.0, "years", "tenure beyond this adds nothing")
    amount: Mapping[str, float] = _levels(
        {"standard": 38.0, "family": 46.0, "premium": 74.0, "student": 24.0}, "currency", "mean of a purchase"
    )
    amount_shape: float = _number(
        1.2, "gamma shape", "of a purchase's amount; its variance is mean**2 / shape"
    )


@dataclass(frozen=True)
class ConversionTruth:
    """Odds that a web session orders: the base times every multiplier; never after a single page."""

    base_odds: float = _number(
        0.0567, "odds", "two pages and a minute before the decision, desktop, gsearch, /home, new visitor"
    )
    minimum_pages: int = _number(2, "pages", "a session with fewer pages before the decision never orders")
    page: float = _number(1.10, "odds ratio a page", "pages before the decision beyond minimum_pages")
    page_cap: int = _number(8, "pages", "pages beyond this number add nothing")
    product_view: float = _number(1.20, "odds ratio a view", "product pages before the decision")
    cart: float = _number(5.0, "odds ratio", "at least one view of the cart before the decision")
    seconds_elasticity: float = _number(0.4, "exponent of the odds", "minutes spent before the decision")
    repeat: float = _number(1.275, "odds ratio", "a session of a visitor who was here before")
    device: Mapping[str, float] = _levels({"desktop": 1.0, "mobile": 0.60}, "odds ratio", "device")
    source: Mapping[str, float] = _levels(
        {"gsearch": 1.0, "bsearch": 1.05, "socialbook": 0.60, "direct": 1.40}, "odds ratio", "utm source"
    )
    landing_page: Mapping[str, float] = _levels(
        {
            "/home": 1.0,
            "/lander-1": 0.85,
            "/lander-2": 1.10,
            "/lander-3": 0.95,
            "/lander-4": 0.75,
            "/lander-5": 1.25,
        },
        "odds ratio",
        "landing page",
    )
    evening: float = _number(1.12, "odds ratio", "started between 18:00 and 22:59")
    night: float = _number(0.88, "odds ratio", "started between 00:00 and 05:59")
    weekend: float = _number(0.90, "odds ratio", "started on a Saturday or Sunday")
    no_effect: Mapping[str, float] = _levels({"region": 1.0}, "odds ratio", "known null")


@dataclass(frozen=True)
class DriftTruth:
    """What changes and when: covariates first, with the relation as before; then the relation."""

    covariate_month: int = _number(17, "month index", "covariates shift from this month (2025-06) on")
    relation_month: int = _number(20, "month index", "the relation changes from this month (2025-09) on")
    price_rise_monthly: float = _number(0.03, "share a month", "individual price rises, in all months")
    price_rise_share: float = _number(0.75, "share", "customers hit by the rise of covariate_month")
    logins: float = _number(0.75, "ratio", "logins from covariate_month on (a new app; no effect on leaving)")
    sources: Mapping[str, float] = _levels(
        {"gsearch": 0.60, "bsearch": 0.13, "socialbook": 0.07, "direct": 0.20},
        "share",
        "sessions before covariate_month",
    )
    sources_after: Mapping[str, float] = _levels(
        {"gsearch": 0.52, "bsearch": 0.12, "socialbook": 0.18, "direct": 0.18},
        "share",
        "sessions from covariate_month on",
    )
    mobile_share: float = _number(0.30, "share", "mobile sessions before covariate_month")
    mobile_share_after: float = _number(0.45, "share", "mobile sessions from covariate_month on")
    month_to_month: float = _number(1.0, "hazard ratio", "month-to-month contract from relation_month on")
    tech_support: float = _number(1.0, "hazard ratio", "tech support from relation_month on: no protection")
    support_contact: float = _number(2.5, "hazard ratio a contact", "support contacts from relation_month on")
    usage_fall: float = _number(1.45, "hazard ratio a 10 % fall", "usage fall from relation_month on")
    mobile: float = _number(0.35, "odds ratio", "mobile device from relation_month on")


@dataclass(frozen=True)
class OfferTruth:
    """What an offer does to the outcome of the one who gets it."""

    hazard: Mapping[str, float] = _levels(
        {"standard": 0.70, "family": 0.50, "premium": 0.35, "student": 1.0},
        "hazard ratio",
        "retention offer, by segment",
    )
    spend_uplift: Mapping[str, float] = _levels(
        {"standard": 0.04, "family": 0.10, "premium": 0.15, "student": 0.0},
        "relative change",
        "offer's effect on the expected spend, by segment",
    )
    odds: Mapping[str, float] = _levels(
        {"desktop": 1.10, "mobile": 1.35}, "odds ratio", "new landing page, by device"
    )


@dataclass(frozen=True)
class DefectTruth:
    """Rates of the defects in the raw views; ids, times and targets have none."""

    duplicates: float = _number(0.005, "share of rows", "exact duplicates, added beside the row")
    customer_missing: Mapping[str, float] = _levels(
        {"age": 0.01, "balance": 0.03, "usage_hours": 0.015, "streaming": 0.01, "card_type": 0.01},
        "share of rows",
        "missing completely at random, customer views",
    )
    income_missing: Mapping[str, float] = _levels(
        {"standard": 0.02, "family": 0.02, "premium": 0.02, "student": 0.10},
        "share of rows",
        "income missing at random given the segment",
    )
    charges_outliers: float = _number(0.003, "share of rows", "monthly_charges times charges_factor")
    charges_factor: float = _number(100.0, "factor", "monthly charges entered in cents")
    age_impossible: float = _number(0.002, "share of rows", "age is -1 or 999")
    customer_mistyped: Mapping[str, float] = _levels(
        {"contract": 0.010, "payment_method": 0.010, "gender": 0.005},
        "share of rows",
        "case, trailing blank, or blank for hyphen",
    )
    session_missing: Mapping[str, float] = _levels(
        {"landing_page": 0.01, "region": 0.02, "seconds_before_decision": 0.01},
        "share of rows",
        "missing completely at random, sessions",
    )
    source_missing: Mapping[str, float] = _levels(
        {"desktop": 0.005, "mobile": 0.03}, "share of rows", "utm_source missing at random given the device"
    )
    seconds_outliers: float = _number(0.003, "share of rows", "seconds_before_decision times seconds_factor")
    seconds_factor: float = _number(1000.0, "factor", "seconds recorded as milliseconds")
    session_mistyped: Mapping[str, float] = _levels(
        {"utm_source": 0.005, "device_type": 0.005}, "share of rows", "case or trailing blank"
    )


@dataclass(frozen=True)
class Truth:
    """All known effects, by section.

    Attributes
    ----------
    churn, spend, conversion : ChurnTruth, SpendTruth, ConversionTruth
        How covariates make the outcome.
    drift : DriftTruth
        What changes and in which month.
    offer : OfferTruth
        What an offer does.
    defects : DefectTruth
        How often the raw views are wrong.

    Examples
    --------
    >>> TRUTH.churn.new_customer
    3.0
    >>> TRUTH.to_frame().set_index("effect").loc["churn.contract[two year]", "value"]
    np.float64(0.3)
    """

    churn: ChurnTruth = field(default_factory=ChurnTruth)
    spend: SpendTruth = field(default_factory=SpendTruth)
    conversion: ConversionTruth = field(default_factory=ConversionTruth)
    drift: DriftTruth = field(default_factory=DriftTruth)
    offer: OfferTruth = field(default_factory=OfferTruth)
    defects: DefectTruth = field(default_factory=DefectTruth)

    def to_frame(self) -> pd.DataFrame:
        """List every known number.

        Returns
        -------
        pandas.DataFrame
            Columns effect (``section.name`` or ``section.name[level]``), value, unit, meaning.
        """
        rows: list[tuple[str, float, str, str]] = []
        for section in fields(self):
            part = getattr(self, section.name)
            for item in fields(part):
                value = getattr(part, item.name)
                note = (item.metadata["unit"], item.metadata["meaning"])
                name = f"{section.name}.{item.name}"
                if isinstance(value, Mapping):
                    rows += [(f"{name}[{level}]", float(v), *note) for level, v in value.items()]
                else:
                    rows.append((name, float(value), *note))
        return pd.DataFrame(rows, columns=["effect", "value", "unit", "meaning"])


TRUTH = Truth()
