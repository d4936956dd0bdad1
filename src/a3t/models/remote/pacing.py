"""How much one server gets, and when: additive increase, multiplicative decrease; pauses it asked for; a circuit breaker.

Pure: the time is handed in, so every rule can be worked out by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FAILURES_TO_OPEN = 5
"""Failures in a row after which a server is left alone for a while."""
FIRST_REST_S = 0.5
LONGEST_REST_S = 15.0


@dataclass
class Pace:
    """One server's state. All times are seconds on one monotonic clock."""

    url: str
    most: int
    """Requests at once, at most."""
    limit: float = field(default=8.0)
    """Requests at once, for now: grows by one per `limit` answers, halves when the server is overloaded."""
    in_flight: int = 0
    paused_until: float = 0.0
    """The server said `Retry-After`."""
    failures: int = 0
    """In a row."""
    rest_until: float = 0.0
    """The breaker is open until then; afterwards one request tries."""
    rest_s: float = FIRST_REST_S
    is_trying: bool = False
    """The breaker is half open and its one request is on the way."""
    decreased_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.limit = min(self.limit, float(self.most))

    @property
    def is_broken(self) -> bool:
        return self.failures >= FAILURES_TO_OPEN

    def closed_for(self, now: float) -> float:
        """Seconds until a request may start, 0 where only a free slot is needed."""
        return max(0.0, self.paused_until - now, self.rest_until - now if self.is_broken else 0.0)

    def free(self, now: float) -> int:
        """Requests that may start now."""
        if self.closed_for(now) > 0:
            return 0
        if self.is_broken:
            return 0 if self.is_trying else 1
        return max(0, int(self.limit) - self.in_flight)

    def start(self, now: float) -> None:
        assert self.free(now) > 0
        self.in_flight += 1
        self.is_trying = self.is_broken

    def answered(self) -> None:
        """A request came back whole."""
        self.in_flight -= 1
        self.is_trying = False
        self.failures = 0
        self.rest_s = FIRST_REST_S
        self.limit = min(float(self.most), self.limit + 1.0 / self.limit)

    def failed(self, started: float, now: float, *, is_overload: bool, retry_after_s: float | None = None) -> None:
        """A request came to nothing, or to nonsense.

        Args:
            started: when it was sent; requests sent before the last decrease say nothing about the new limit.
            is_overload: 429, 503, a time-out or no connection: the server has too much to do.
            retry_after_s: what the server asked for.
        """
        self.in_flight -= 1
        self.is_trying = False
        if retry_after_s is not None:
            self.paused_until = max(self.paused_until, now + retry_after_s)
        if is_overload and started > self.decreased_at:
            self.limit = max(1.0, self.limit / 2)
            self.decreased_at = now
        self.failures += 1
        if self.is_broken:
            self.rest_until = now + self.rest_s
            self.rest_s = min(LONGEST_REST_S, self.rest_s * 2)

    def left(self) -> None:
        """A request was given up by us: it says nothing about the server."""
        self.in_flight -= 1
        self.is_trying = False
