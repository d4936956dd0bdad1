"""How the program talks to a person: progress that moves on a terminal, plain lines elsewhere, errors as one message."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

PLAIN_EVERY_S = 10.0
"""Where there is no terminal, a line this often."""


class RichProgress:
    """One bar per stage: what, how far, success so far, how fast, time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self.console = Console()
        self._progress = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task: Any = None
        self._tally = Tally()

    def begin(self, what: str, total: int) -> None:
        self._tally = Tally(total=total)
        self._progress.start()
        self._task = self._progress.add_task(what, total=total or None, shown="")

    def advance(self, num: int = 1, **shown: object) -> None:
        text = self._tally.advance(num, shown)
        self._progress.update(self._task, completed=self._tally.done, total=self._tally.total or None, shown=text)

    def end(self) -> None:
        self._progress.update(self._task, total=self._tally.done or 1, completed=self._tally.done or 1)
        self._progress.stop_task(self._task)
        self._progress.stop()

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False)


class PlainProgress:
    """The same as lines of text, for logs and pipes."""

    def __init__(self) -> None:
        self._what = ""
        self._tally = Tally()
        self._last = 0.0

    def begin(self, what: str, total: int) -> None:
        self._what, self._tally, self._last = what, Tally(total=total), time.monotonic()

    def advance(self, num: int = 1, **shown: object) -> None:
        text = self._tally.advance(num, shown)
        now = time.monotonic()
        if now - self._last >= PLAIN_EVERY_S:
            self._last = now
            self._line(text)

    def end(self) -> None:
        self._line(self._tally.text + " · done")

    def say(self, text: str) -> None:
        print(text, flush=True)

    def _line(self, text: str) -> None:
        tally = self._tally
        far = f"{tally.done}/{tally.total}" if tally.total else f"{tally.done}"
        spent = time.monotonic() - tally.started
        left = spent / tally.done * (tally.total - tally.done) if 0 < tally.done < tally.total else 0.0
        print(f"{self._what:<24} {far:>11}  {text}  {spent:.0f} s{f', about {left:.0f} s left' if left else ''}", flush=True)


class Tally:
    """What a stage has come to so far."""

    def __init__(self, total: int = 0) -> None:
        self.total, self.done, self.solved, self.counted = total, 0, 0, 0
        self.started = time.monotonic()
        self.text = ""

    def advance(self, num: int, shown: dict[str, object]) -> str:
        """Count, and say what to show."""
        if "of" in shown:
            self.total, self.done = int(str(shown.pop("of"))), int(str(shown.pop("at", 0)))
        else:
            self.done += num
        parts = []
        if "solved" in shown:
            self.counted += num
            self.solved += num * bool(shown.pop("solved"))
            parts.append(f"solved {self.solved / self.counted:.0%}")
        rate = self.done / max(1e-9, time.monotonic() - self.started)
        parts += [f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in shown.items()]
        if not shown:
            parts.append(f"{rate:.1f}/s")
        self.text = " · ".join(parts)
        return self.text


def make_progress() -> RichProgress | PlainProgress:
    return RichProgress() if sys.stdout.isatty() else PlainProgress()


class StopRequest:
    """Ctrl-C once asks to stop; twice stops at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    @contextmanager
    def listening(self) -> Iterator[None]:
        def ask(_signum: int, _frame: FrameType | None) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True
            print(
                "\nStopping after this step; Ctrl-C again stops at once. What is finished is saved.", file=sys.stderr, flush=True
            )

        previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def complain(message: str) -> None:
    """An error on stderr."""
    kind, _, rest = message.partition(": ")
    if sys.stderr.isatty():
        sys.stderr.write(f"\033[1;31m{kind}\033[0m: {rest}\n")
    else:
        sys.stderr.write(f"{message}\n")
