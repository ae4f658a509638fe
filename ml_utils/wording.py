"""Numbers as people write them, for sentences that are computed."""

from __future__ import annotations

import math
from collections.abc import Sequence


def count(n: float) -> str:
    """Format a whole number with thousands separators.

    >>> count(472871)
    '472,871'
    """
    return f"{round(n):,}"


def percent(share: float, digits: int = 1) -> str:
    """Format a share (0 to 1) as a percentage.

    >>> percent(0.0683)
    '6.8 %'
    """
    return "not defined" if not math.isfinite(share) else f"{100 * share:.{digits}f} %"


def money(amount: float, currency: str = "") -> str:
    """Format an amount in whole units, the sign in front.

    >>> money(-47390.4, "EUR")
    '−EUR 47,390'
    """
    sign = "−" if round(amount) < 0 else ""
    return f"{sign}{currency}{' ' if currency else ''}{abs(round(amount)):,}"


def figure(value: float, digits: int = 3) -> str:
    """Format a metric; "not defined" where it is not finite.

    >>> figure(0.84961)
    '0.850'
    """
    return "not defined" if not math.isfinite(value) else f"{value:,.{digits}f}"


def listing(items: Sequence[str], limit: int = 5) -> str:
    """Join names into a phrase.

    >>> listing(["age", "income", "tenure"])
    'age, income and tenure'
    """
    names = list(items)
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def times(n: int, noun: str, plural: str | None = None) -> str:
    """Format a count with its noun.

    >>> times(1, "alert"), times(0, "alert")
    ('1 alert', 'no alerts')
    """
    word = noun if n == 1 else (plural or f"{noun}s")
    return f"{'no' if n == 0 else count(n)} {word}"
