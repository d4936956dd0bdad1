"""One rollout: a task, a world, and somebody who moves; whatever goes wrong in the world costs this episode and no more."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import NamedTuple

from a3t.agents.asking import Asking
from a3t.agents.react import ReactPolicy
from a3t.errors import A3TError, EnvironmentFailure
from a3t.protocols import Environment
from a3t.text.react import THOUGHT_REPLY, tidy_observation
from a3t.types import Author, Completed, Cost, Gate, Stage, Step, Stop, Task, Tokens, Trajectory


class Situation(NamedTuple):
    """What a mover sees before a turn."""

    task: Task
    observation: str
    """o_1, tidied."""
    steps: tuple[Step, ...]
    actions: Sequence[str] | None
    """Admissible actions, or None where the world cannot list them."""
    invalid_in_a_row: int
    """Consecutive invalid actions that the policy chose itself."""
    unread: Completed | None = None
    """A line that the policy's turn before left over."""


class Move(NamedTuple):
    """What a mover decides: a step without its observation."""

    thought: str
    action: str
    thought_by: Author = Author.POLICY
    action_by: Author = Author.POLICY
    thought_tokens: Tokens | None = None
    action_tokens: Tokens | None = None
    gate: Gate | None = None
    is_thought_only: bool = False
    malformed: bool = False
    cost: Cost = Cost()
    failed: str = ""
    context_full: bool = False
    unread: Completed | None = None


MOST_OF_AN_ERROR = 2000
"""Characters of a world's complaint that are kept."""

Mover = Callable[[Situation], Asking[Move]]


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


@dataclass(frozen=True)
class Terms:
    """What is common to the episodes of a stage."""

    stage: Stage
    round_index: int
    agent: str
    environment: str
    max_turns: int
    max_thoughts_in_a_row: int = 3
    drop_banner: bool = True
    tokenizer: str = ""
    annotator: str = ""


def rollout(worlds: Worlds, task: Task, mover: Mover, terms: Terms, *, seed: int, attempt: int = 0) -> Asking[Trajectory]:
    """Play one episode; the result is always a trajectory, a broken one marked as such."""
    started = time.perf_counter()
    steps: list[Step] = []
    observation, reward, stop, cost, error = "", 0.0, Stop.TURN_LIMIT, Cost(), ""
    env: Environment | None = None
    try:
        env = worlds.borrow()
        with _guarded(worlds.timeout_s):
            text, info = env.reset(seed=seed, options={"task_id": task.task_id})
            observation = tidy_observation(_text(text), terms.drop_banner)
            told = _told(info)
        unread: Completed | None = None
        num_turns, invalid_in_a_row, thoughts_in_a_row = 0, 0, 0
        while num_turns < terms.max_turns:
            situation = Situation(task, observation, tuple(steps), told.actions, invalid_in_a_row, unread)
            move = yield from mover(situation)
            cost += move.cost
            unread = move.unread
            if move.failed or move.context_full:
                stop, error = (Stop.TOKEN_LIMIT, "") if move.context_full else (Stop.MODEL_ERROR, move.failed)
                break
            step = _step(move)
            if move.is_thought_only:
                thoughts_in_a_row += 1
                within = thoughts_in_a_row < terms.max_thoughts_in_a_row
                steps.append(replace(step, observation=THOUGHT_REPLY, valid=within))
                num_turns += not within
                invalid_in_a_row = invalid_in_a_row if within else invalid_in_a_row + 1
                continue
            thoughts_in_a_row = 0
            num_turns += 1
            with _guarded(worlds.timeout_s):
                text, value, terminated, truncated, info = env.step(move.action)
                text, value = tidy_observation(_text(text), terms.drop_banner), _reward(value)
                told = _told(info)
            reward = value
            valid = told.valid and not move.malformed
            steps.append(replace(step, observation=text, valid=valid))
            if move.action_by is Author.POLICY:
                invalid_in_a_row = 0 if valid else invalid_in_a_row + 1
            else:
                invalid_in_a_row = 0
            if told.success if told.success is not None else reward >= 1.0:
                stop = Stop.SUCCESS
                break
            if terminated or truncated:
                stop = Stop.FAILURE if terminated else Stop.TURN_LIMIT
                break
    except EnvironmentFailure as failure:
        stop, reward, error = Stop.ENVIRONMENT_ERROR, 0.0, str(failure)[:MOST_OF_AN_ERROR]
        if env is not None:
            worlds.throw_away(env)
            env = None
    finally:
        if env is not None:
            worlds.give_back(env)
    return Trajectory(
        task=task,
        observation=observation,
        steps=tuple(steps),
        reward=reward,
        success=stop is Stop.SUCCESS,
        stop=stop,
        stage=terms.stage,
        environment=terms.environment,
        round_index=terms.round_index,
        attempt=attempt,
        agent=terms.agent,
        annotator=terms.annotator if any(s.thought_by is Author.ANNOTATOR for s in steps) else "",
        tokenizer=terms.tokenizer,
        seed=seed,
        cost=replace(cost, seconds=time.perf_counter() - started),
        error=error,
    )


def policy_mover(policy: ReactPolicy, *, temperature: float, seed: int, session: str) -> Mover:
    """The policy plays by itself."""

    def move(situation: Situation) -> Asking[Move]:
        turn_seed = seed + 1000 * len(situation.steps)
        turn = yield from policy.turn(
            situation.task,
            situation.observation,
            situation.steps,
            temperature=temperature,
            seed=turn_seed,
            session=session,
            unread=situation.unread,
        )
        return Move(
            turn.thought,
            turn.action,
            thought_tokens=turn.thought_tokens,
            action_tokens=turn.action_tokens,
            is_thought_only=turn.is_thought_only,
            malformed=turn.malformed,
            cost=turn.cost,
            failed=turn.failed,
            context_full=turn.context_full,
            unread=turn.unread,
        )

    return move


def _step(move: Move) -> Step:
    return Step(
        thought=move.thought,
        action=move.action,
        observation="",
        thought_by=move.thought_by,
        action_by=move.action_by,
        thought_tokens=move.thought_tokens,
        action_tokens=move.action_tokens,
        gate=move.gate,
    )


class _Told(NamedTuple):
    """What `info` says."""

    actions: tuple[str, ...] | None
    valid: bool
    success: bool | None
    """None where the world does not say; a full reward says it then."""


def _told(info: object) -> _Told:
    if not isinstance(info, Mapping):
        raise EnvironmentFailure(f"the environment's info is {type(info).__name__}; expected a dict.")
    actions, success = info.get("actions"), info.get("success")
    if actions is not None:
        if isinstance(actions, str) or not isinstance(actions, Iterable):
            raise EnvironmentFailure(f"info['actions'] is {type(actions).__name__}; expected a list of actions, or None.")
        actions = tuple(actions)
        stray = next((action for action in actions if not isinstance(action, str)), None)
        if stray is not None:
            raise EnvironmentFailure(f"info['actions'] holds {type(stray).__name__}; expected text.")
    return _Told(actions, bool(info.get("valid", True)), None if success is None else bool(success))


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
