"""Environments lent to whoever plays, and every answer of theirs checked: whatever a world does wrong becomes one error.

A world may crash, hang or answer nonsense; here that is `EnvironmentFailure`, which costs an episode and no more.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NamedTuple

from a3t.errors import A3TError, EnvironmentFailure
from a3t.protocols import Environment
from a3t.text.react import tidy_observation
from a3t.types import Stop, Task


class Seen(NamedTuple):
    """What a world said, checked."""

    observation: str
    """Tidied: see `tidy_observation`."""
    actions: tuple[str, ...] | None
    """Admissible actions, or None where the world cannot list them."""
    reward: float = 0.0
    """In [0, 1]."""
    valid: bool = True
    """False where it refused the action."""
    stop: Stop | None = None
    """SUCCESS, FAILURE or TURN_LIMIT where the episode is over."""
    open: tuple[str, ...] = ()
    """Beginnings of actions that may go on with any text."""


@dataclass
class Worlds:
    """Environments of one kind, lent to episodes and reused; a broken one is thrown away."""

    make: Callable[[], Environment]
    timeout_s: float = 30.0
    _free: list[Environment] = field(default_factory=list)

    def borrow(self) -> Environment:
        """Raises `EnvironmentFailure` where a new one crashes; our own errors (data missing, say) rise: no episode can go on."""
        if self._free:
            return self._free.pop()
        try:
            return self.make()
        except A3TError:
            raise
        except Exception as error:
            raise EnvironmentFailure(f"the environment could not be made: {type(error).__name__}: {error}") from error

    def give_back(self, env: Environment) -> None:
        self._free.append(env)

    def throw_away(self, env: Environment) -> None:
        """Whatever state it is in, nobody plays in it again; what it holds (a process, say) is let go if it can be."""
        close = getattr(env, "close", None)
        if close is not None:
            with suppress(EnvironmentFailure), _guarded(self.timeout_s):
                close()

    def reset(self, env: Environment, task: Task, *, seed: int, drop_banner: bool) -> Seen:
        """Begin the task. Raises `EnvironmentFailure`."""
        with _guarded(self.timeout_s):
            text, info = env.reset(seed=seed, options={"task_id": task.task_id, "split": task.split})
            told = _told(info)
            return Seen(tidy_observation(_text(text), drop_banner), told.actions, open=told.open)

    def step(self, env: Environment, action: str, *, drop_banner: bool) -> Seen:
        """Take one action. Raises `EnvironmentFailure`."""
        with _guarded(self.timeout_s):
            text, value, terminated, truncated, info = env.step(action)
            observation, reward = tidy_observation(_text(text), drop_banner), _reward(value)
            told = _told(info)
        stop: Stop | None = None
        if told.success if told.success is not None else reward >= 1.0:
            stop = Stop.SUCCESS
        elif terminated or truncated:
            stop = Stop.FAILURE if terminated else Stop.TURN_LIMIT
        return Seen(observation, told.actions, reward, told.valid, stop, told.open)

    def version(self, env: Any) -> str:
        """What the world calls itself in this episode, for records; empty where it does not say."""
        told = ""
        # A world that stumbles over its own name can be played all the same.
        with suppress(EnvironmentFailure), _guarded(self.timeout_s):
            told = str(getattr(env, "version", None) or "")
        return told

    def snapshot(self, env: Any) -> object | None:
        """Where the world stands, as a value; None where it keeps none. Raises `EnvironmentFailure`."""
        if not (hasattr(env, "snapshot") and hasattr(env, "restore")):
            return None
        with _guarded(self.timeout_s):
            state: object = env.snapshot()
            return state

    def restore(self, env: Any, state: object) -> None:
        """Back to where a snapshot was taken. Raises `EnvironmentFailure`."""
        with _guarded(self.timeout_s):
            env.restore(state)


class _Told(NamedTuple):
    """What `info` says."""

    actions: tuple[str, ...] | None
    valid: bool
    success: bool | None
    """None where the world does not say; a full reward says it then."""
    open: tuple[str, ...]


def _told(info: object) -> _Told:
    if not isinstance(info, Mapping):
        raise EnvironmentFailure(f"the environment's info is {type(info).__name__}; expected a dict.")
    success = info.get("success")
    valid, succeeded = bool(info.get("valid", True)), None if success is None else bool(success)
    return _Told(_texts(info, "actions"), valid, succeeded, _texts(info, "open") or ())


def _texts(info: Mapping[str, object], key: str) -> tuple[str, ...] | None:
    texts = info.get(key)
    if texts is None:
        return None
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise EnvironmentFailure(f"info[{key!r}] is {type(texts).__name__}; expected a list of actions, or None.")
    texts = tuple(texts)
    stray = next((text for text in texts if not isinstance(text, str)), None)
    if stray is not None:
        raise EnvironmentFailure(f"info[{key!r}] holds {type(stray).__name__}; expected text.")
    return texts


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise EnvironmentFailure(f"the environment answered {type(value).__name__} where text was expected.")
    return value


def _reward(value: object) -> float:
    try:
        if isinstance(value, str):
            raise TypeError
        reward = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise EnvironmentFailure(f"the environment's reward is {value!r}; expected a number in [0, 1].") from None
    if math.isnan(reward) or not 0.0 <= reward <= 1.0:
        raise EnvironmentFailure(f"the environment's reward is {reward}; expected a number in [0, 1].")
    return reward


@contextmanager
def _guarded(timeout_s: float) -> Iterator[None]:
    """Turn anything a world does wrong, hanging included, into `EnvironmentFailure`.

    The alarm interrupts Python code and blocking calls; it needs the main thread, and elsewhere only exceptions are caught.
    """
    armed = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    try:
        with _alarm(timeout_s) if armed else nullcontext():
            yield
    except EnvironmentFailure:
        raise
    except _TooLate:
        raise EnvironmentFailure(f"the environment did not answer within {timeout_s:g} s.") from None
    except (Exception, SystemExit) as error:
        raise EnvironmentFailure(f"the environment raised {type(error).__name__}: {error}") from error


@contextmanager
def _alarm(timeout_s: float) -> Iterator[None]:
    """Raises `_TooLate` inside after `timeout_s`; an alarm that somebody else had set rings when it would have."""
    started = time.monotonic()
    previous = signal.signal(signal.SIGALRM, _too_late)
    try:
        others_s, interval_s = signal.setitimer(signal.ITIMER_REAL, timeout_s)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL if previous is None else previous)
        if others_s:
            signal.setitimer(signal.ITIMER_REAL, max(others_s - (time.monotonic() - started), 1e-3), interval_s)


class _TooLate(BaseException):
    """Not an `Exception`, so that an environment's own `except Exception` cannot swallow it."""


def _too_late(_signum: int, _frame: FrameType | None) -> None:
    raise _TooLate
