"""What goes into the log, and what is said when it cannot."""

from __future__ import annotations

from typing import NamedTuple

from ml_utils.errors import OctavoError


class LogUnavailable(OctavoError):
    """The log cannot be written now: nothing was acknowledged; it is tried anew with the next entry."""


class EntryRefused(OctavoError, ValueError):
    """This entry can never be stored: its id stands for another prediction, or a value is impossible."""


class Entry(NamedTuple):
    """One prediction; the fields are in the order of the table's columns, so that it is stored as it is.

    Parameters
    ----------
    request_id : str
        With `row` and `shadow` what the log knows it by. The same entry may be appended again (a retry).
    time : float
        Seconds since 1970, UTC.
    customer : str or None
        Whose prediction it is: what `purge` asks for.
    version : int
        Of the model.
    variant : str
        champion, challenger, ...
    score : float
    act : bool or None
        Whether the score reaches the threshold; None where the model decides nothing.
    inputs : bytes
        The raw columns as a JSON object.
    shadow : bool
        Scored aside; the answer was another variant's.
    row : int
        Number of the row in a request of several.
    """

    request_id: str
    time: float
    customer: str | None
    version: int
    variant: str
    score: float
    act: bool | None
    inputs: bytes
    shadow: bool = False
    row: int = 0


class Feedback(NamedTuple):
    """A true outcome, known later.

    Parameters
    ----------
    outcome : float
        1 or 0 for what happened or not, or the true value.
    time : float
        When it was so: seconds since 1970, UTC. Of two outcomes the later one counts.
    request_id : str, optional
        The prediction that it answers.
    customer : str, optional
        In place of a request: the customer's latest prediction at that time.
    row : int
        Number of the row in a request of several.
    """

    outcome: float
    time: float
    request_id: str | None = None
    customer: str | None = None
    row: int = 0
