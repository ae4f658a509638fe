"""A time budget that a search shares among its candidates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


class OutOfTime(Exception):
    """What comes next would not end within the budget."""


@dataclass
class Budget:
    """Seconds that may be spent, counted from when the budget is made.

    Parameters
    ----------
    seconds : float or None
        None never ends.
    clock : callable
        Gives the time in seconds.

    Examples
    --------
    >>> now = [0.0]
    >>> budget = Budget(10.0, clock=lambda: now[0])
    >>> now[0] = 4.0
    >>> budget.left(), budget.fits(5.0), budget.fits(7.0), budget.part(2).left()
    (6.0, True, False, 3.0)
    """

    seconds: float | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def __post_init__(self) -> None:
        self._end = math.inf if self.seconds is None else self.clock() + self.seconds

    @property
    def bounded(self) -> bool:
        """Whether there is an end."""
        return self.seconds is not None

    def left(self) -> float:
        """Seconds left; infinite without an end."""
        return max(self._end - self.clock(), 0.0)

    def fits(self, seconds: float) -> bool:
        """Tell whether work of that length would end in time."""
        return seconds <= self.left()

    def part(self, n: int, kept_back: float = 0.0) -> Budget:
        """Return the share of the next of `n` in what is left after `kept_back` seconds are put aside."""
        if not self.bounded:
            return Budget(None, self.clock)
        return Budget(max(self.left() - kept_back, 0.0) / max(n, 1), self.clock)
