"""Several servers of one model: an episode stays where its prefix is cached, the rest goes where there is least to do."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence

from a3t.models.remote.pacing import Pace

REMEMBERED_SESSIONS = 100_000


class Pool:
    """Hands out turns at the servers. Lives on one event loop."""

    def __init__(self, urls: Sequence[str], most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            most: requests at once, all servers together.
        """
        self.paces = [Pace(url, most) for url in urls]
        self.clock = clock
        self._homes: OrderedDict[str, Pace] = OrderedDict()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {url: deque() for url in urls}
        self._silent_since: float | None = None
        self._turns = asyncio.Semaphore(most)

    @property
    def silent_for_s(self) -> float:
        """Seconds since the first failure that no answer has followed, from any server."""
        return 0.0 if self._silent_since is None else self.clock() - self._silent_since

    def turns(self) -> asyncio.Semaphore:
        """Bounds what is on its way in all, waits before retries included."""
        return self._turns

    def choose(self, session: str) -> Pace:
        """The server for the next request of a conversation; a conversation moves only when its server is closed."""
        now = self.clock()
        home = self._homes.get(session)
        if home is not None and home.closed_for(now) == 0 and not home.is_broken:
            self._homes.move_to_end(session)
            return home
        # A server that asks for rest comes last; among the others, the least busy for what it takes, ties in the order given.
        best = min(
            self.paces,
            key=lambda pace: (
                pace.closed_for(now),
                pace.is_broken and pace.is_trying,
                (pace.in_flight + len(self._waiting[pace.url])) / pace.limit,
            ),
        )
        if session:
            self._homes[session] = best
            self._homes.move_to_end(session)
            if len(self._homes) > REMEMBERED_SESSIONS:
                self._homes.popitem(last=False)
        return best

    def release(self, sessions: Iterable[str]) -> None:
        """These conversations are over."""
        for session in sessions:
            self._homes.pop(session, None)

    async def acquire(self, session: str, patience_s: float) -> Pace | None:
        """Wait for a turn; None where no server has answered anything for `patience_s`."""
        while True:
            if self.silent_for_s > patience_s:
                return None
            pace = self.choose(session)
            now = self.clock()
            if pace.free(now) > 0:
                pace.start(now)
                return pace
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[pace.url].append(waiter)
            # A full server wakes us when a slot is free; a closed one, when its rest is over.
            delay = pace.closed_for(now) or (1.0 if pace.is_broken else None)
            try:
                async with asyncio.timeout(None if delay is None else min(delay, patience_s)):
                    await waiter
            except TimeoutError:
                pass
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    # The slot that was meant for us goes to the next one.
                    self._wake(pace)
                raise
            finally:
                if waiter in self._waiting[pace.url]:
                    self._waiting[pace.url].remove(waiter)

    def answered(self, pace: Pace) -> None:
        self._silent_since = None
        pace.answered()
        self._wake(pace)

    def failed(self, pace: Pace, started: float, *, is_overload: bool, retry_after_s: float | None) -> None:
        now = self.clock()
        if self._silent_since is None:
            self._silent_since = started
        pace.failed(started, now, is_overload=is_overload, retry_after_s=retry_after_s)
        self._wake(pace)

    def left(self, pace: Pace) -> None:
        pace.left()
        self._wake(pace)

    def _wake(self, pace: Pace) -> None:
        """As many as may start; all of them where the server just closed, so that they can go elsewhere."""
        now = self.clock()
        waiting = self._waiting[pace.url]
        number = len(waiting) if pace.closed_for(now) > 0 else pace.free(now)
        while waiting and number > 0:
            waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                number -= 1
