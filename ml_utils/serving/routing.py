"""Which variant of a model answers whom: a stable, salted hash of the customer against the weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from ml_utils.errors import ParameterError

Variant = Literal["champion", "challenger"]


def position(salt: str, unit: str) -> float:
    """Place a customer in [0, 1), the same whenever salt and customer are.

    Parameters
    ----------
    salt : str
        Another salt deals the customers anew, so that two experiments do not share their groups.
    unit : str
        Customer id; the request's id where there is no customer.

    Examples
    --------
    >>> position("spring", "K0001") == position("spring", "K0001") != position("autumn", "K0001")
    True
    """
    digest = hashlib.sha256(f"{salt}:{unit}".encode("utf-8", "surrogatepass")).digest()
    # 53 bits, so that the float never rounds up to 1
    return (int.from_bytes(digest[:8]) >> 11) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Router:
    """Deals customers to champion and challenger.

    Parameters
    ----------
    challenger : float
        The challenger's share, from 0 to 1. It takes the customers at the bottom of [0, 1), so a canary
        whose share grows keeps those it has.
    salt : str
    """

    challenger: float = 0.0
    salt: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.challenger <= 1.0:
            raise ParameterError(f"The challenger's share is between 0 and 1; got {self.challenger}.")

    @classmethod
    def from_weights(cls, champion: float, challenger: float, salt: str) -> Router:
        """Make a router from two weights of any size, like 9 and 1.

        Raises
        ------
        ParameterError
            If a weight is negative or both are zero.
        """
        total = champion + challenger
        if not (champion >= 0 and challenger >= 0 and 0 < total < float("inf")):
            raise ParameterError(
                f"Weights are numbers from 0 up, one of them above 0; got champion {champion}, "
                f"challenger {challenger}."
            )
        return cls(challenger / total, salt)

    def choose(self, unit: str) -> Variant:
        """Return who answers."""
        if self.challenger <= 0.0:
            return "champion"
        return "challenger" if position(self.salt, unit) < self.challenger else "champion"
