"""A synthetic subscription retailer whose effects are known."""

from __future__ import annotations

from ml_utils.synthetic.retailer import (
    TRUTH,
    Retailer,
    Truth,
    churn_probability,
    generate,
    offer_effect,
    offer_outcomes,
    order_probability,
    read_view,
)

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
