"""One rollout: a task, a world, and somebody who moves; whatever goes wrong in the world costs this episode and no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from a3t.agents.asking import Asking
from a3t.agents.react import ReactPolicy, Turn
from a3t.errors import EnvironmentFailure
from a3t.protocols import Environment
from a3t.text.joint import version_for
from a3t.text.react import THOUGHT_REPLY
from a3t.types import Author, Completed, Cost, Gate, Stage, Step, Stop, Task, Tokens, Trajectory
from a3t.worlds import Worlds as Worlds


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
    open: tuple[str, ...] = ()
    """Beginnings of actions that may go on with any text (`search[`); of these, `actions` holds proposals only."""


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

    def record(
        self,
        task: Task,
        observation: str,
        steps: tuple[Step, ...],
        stop: Stop,
        *,
        reward: float,
        seed: int,
        attempt: int = 0,
        duplicate: bool = False,
        cost: Cost = Cost(),  # noqa: B008 (frozen)
        error: str = "",
    ) -> Trajectory:
        """An episode under these terms; the annotator is named where it explained a step."""
        return Trajectory(
            task=task,
            observation=observation,
            steps=steps,
            reward=reward,
            success=stop is Stop.SUCCESS,
            stop=stop,
            stage=self.stage,
            environment=version_for(task, self.environment),
            round_index=self.round_index,
            attempt=attempt,
            agent=self.agent,
            annotator=self.annotator if any(step.thought_by is Author.ANNOTATOR for step in steps) else "",
            tokenizer=self.tokenizer,
            seed=seed,
            duplicate=duplicate,
            cost=cost,
            error=error,
        )


def rollout(worlds: Worlds, task: Task, mover: Mover, terms: Terms, *, seed: int, attempt: int = 0) -> Asking[Trajectory]:
    """Play one episode; the result is always a trajectory, a broken one marked as such."""
    started = time.perf_counter()
    steps: list[Step] = []
    observation, reward, stop, cost, error = "", 0.0, Stop.TURN_LIMIT, Cost(), ""
    env: Environment | None = None
    try:
        env = worlds.borrow()
        seen = worlds.reset(env, task, seed=seed, drop_banner=terms.drop_banner)
        observation = seen.observation
        # A folder may hold games of several versions.
        terms = replace(terms, environment=worlds.version(env) or terms.environment)
        unread: Completed | None = None
        num_turns, invalid_in_a_row, thoughts_in_a_row = 0, 0, 0
        while num_turns < terms.max_turns:
            situation = Situation(task, observation, tuple(steps), seen.actions, invalid_in_a_row, unread, seen.open)
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
            seen = worlds.step(env, move.action, drop_banner=terms.drop_banner)
            reward = seen.reward
            valid = seen.valid and not move.malformed
            steps.append(replace(step, observation=seen.observation, valid=valid))
            if move.action_by is Author.POLICY:
                invalid_in_a_row = 0 if valid else invalid_in_a_row + 1
            else:
                invalid_in_a_row = 0
            if seen.stop is not None:
                stop = seen.stop
                break
    except EnvironmentFailure as failure:
        stop, reward, error = Stop.ENVIRONMENT_ERROR, 0.0, str(failure)[:MOST_OF_AN_ERROR]
        if env is not None:
            worlds.throw_away(env)
            env = None
    finally:
        if env is not None:
            worlds.give_back(env)
    cost = replace(cost, seconds=time.perf_counter() - started)
    return terms.record(task, observation, tuple(steps), stop, reward=reward, seed=seed, attempt=attempt, cost=cost, error=error)


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
        return as_move(turn, turn.cost)

    return move


def as_move(turn: Turn, cost: Cost) -> Move:
    """The policy's turn as a decision that took `cost` to make."""
    return Move(
        turn.thought,
        turn.action,
        thought_tokens=turn.thought_tokens,
        action_tokens=turn.action_tokens,
        is_thought_only=turn.is_thought_only,
        malformed=turn.malformed,
        cost=cost,
        failed=turn.failed,
        context_full=turn.context_full,
        unread=turn.unread,
    )


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
