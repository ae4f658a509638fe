"""How often one key may ask: a token bucket a key."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` a second; a request takes one.

    Parameters
    ----------
    rate : float
        Tokens a second.
    burst : float
        Tokens it holds when full.

    Examples
    --------
    >>> bucket = TokenBucket(rate=2.0, burst=1.0)
    >>> bucket.take(10.0), bucket.take(10.1)
    (0.0, 0.4)
    >>> bucket.take(10.5)
    0.0
    """

    rate: float
    burst: float
    _tokens: float = field(init=False)
    _at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def take(self, now: float) -> float:
        """Take a token; return 0, or the seconds until there is one.

        Parameters
        ----------
        now : float
            Seconds of a clock that never goes back.
        """
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return max(0.001, round((1.0 - self._tokens) / self.rate, 3))  # 0 would mean that it may go on


class RateLimits:
    """One bucket for each name that asks.

    Parameters
    ----------
    rate : float or None
        Requests a second and key; None for no limit.
    burst : float or None
        Requests at once; by default what the rate gives in a second, at least one.
    """

    def __init__(self, rate: float | None, burst: float | None = None) -> None:
        self.rate = rate
        self.burst = max(1.0, burst if burst is not None else rate or 1.0)
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, name: str, now: float) -> float:
        """Count a request of `name`; return 0, or the seconds it must wait."""
        if self.rate is None:
            return 0.0
        bucket = self._buckets.get(name)
        if bucket is None:  # names are those of the keys, so there are only so many
            bucket = self._buckets[name] = TokenBucket(self.rate, self.burst)
        return bucket.take(now)
