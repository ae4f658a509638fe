"""What the service answers, typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_utils.errors import ServiceError


@dataclass(frozen=True)
class Warned:
    """A value that training never saw; it was scored all the same."""

    column: str
    check: str
    rows: int
    message: str


@dataclass(frozen=True)
class Answer:
    """A row's score.

    Parameters
    ----------
    score : float
        P(positive), or the predicted value of a regression.
    act : bool or None
        Whether the score reaches the threshold; None for a regression.
    version : int or None
        Of the model that scored.
    variant : str
        champion or challenger.
    request_id : str
        What `Client.feedback` takes, with `row` where it was one of several.
    row : int
        Number of the row in its request.
    warnings : tuple of Warned
        Of the whole request.
    """

    score: float
    act: bool | None
    version: int | None
    variant: str
    request_id: str
    row: int = 0
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """What made a row's score: base and contributions sum to it, on their scale.

    Parameters
    ----------
    score, base : float
    scale : str
        log-odds, or the target's unit.
    contributions : dict of str to float
        By column, largest first.
    """

    score: float
    base: float
    scale: str
    contributions: dict[str, float]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request."""

    field: str
    message: str


class ServiceRefused(ServiceError):
    """The service refused a request.

    Parameters
    ----------
    status : int
        Of HTTP.
    faults : sequence of Fault
        What is wrong with which field.
    request_id : str or None
        Under which the service's log has it.
    """

    def __init__(self, status: int, faults: Sequence[Fault], request_id: str | None) -> None:
        said = "; ".join(
            f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults
        )
        super().__init__(f"The service refused the request ({status}): {said or 'it did not say why'}")
        self.status = status
        self.faults = tuple(faults)
        self.request_id = request_id

    @property
    def fields(self) -> list[str]:
        """Fields that are wrong, as `row.tenure` or `rows.3.tenure`."""
        return [fault.field for fault in self.faults if fault.field]


def warnings_of(body: Mapping[str, Any]) -> tuple[Warned, ...]:
    """Read the warnings of an answer."""
    return tuple(Warned(**item) for item in body["warnings"])


def faults_of(body: object) -> list[Fault]:
    """Read what is wrong from a refusal; nothing where it is not the service's own (a proxy's, say)."""
    detail = body.get("detail") if isinstance(body, dict) else None
    if not isinstance(detail, list):
        return []
    return [Fault(str(item.get("field", "")), str(item.get("message", ""))) for item in detail]
