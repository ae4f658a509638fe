"""What a new column is, in words that a person can read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Created:
    """A column that was made from others.

    `sources` are the columns that it is made from, `kind` says how (ratio, bin, date, ...), `meaning` what it
    tells and `formula` how it is computed.
    """

    name: str
    sources: tuple[str, ...]
    kind: str
    meaning: str
    formula: str
