"""Ctrl-C once: finish the step, save, say how to go on. Twice: stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Inside, SIGINT and SIGTERM only set a flag, which the function handed out reads; a second one acts as usual.

    Who listened to them before (a command that answers the person) hears the first one too.
    Off the main thread, where Python delivers no signals, the flag stays down.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked = False
    before: dict[int, Any] = {}

    def note(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        put_back()
        # Python's own handler would stop at once.
        if callable(before[number]) and before[number] is not signal.default_int_handler:
            before[number](number, frame)

    def put_back() -> None:
        for number, handler in before.items():
            # None: installed by something other than Python, which cannot be put back from here.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, note)
    try:
        yield lambda: asked
    finally:
        put_back()
