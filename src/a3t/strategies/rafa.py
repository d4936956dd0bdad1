"""RAFA: reason for the future, act for now. At every turn some plans are imagined, a critic judges where they end, the first step
of the best one is taken in the world, and the next turn plans anew from what really happened.

The policy proposes (elite), the model itself says what the world would answer (a policy trained with A³T's joint loss is a world
model already), the critic judges. What differs from the original: plans are drawn one by one instead of as a tree, and there is
no switch that decides when to learn: every turn plans from the whole history.

Source: Liu et al. 2024 (arXiv 2309.17382).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from a3t.agents.asking import Asking, complete
from a3t.agents.react import Turn
from a3t.episode import Move, Mover, Situation, as_move
from a3t.strategies.critic import UNTOLD, judge
from a3t.strategies.playing import Playing
from a3t.text.react import as_prompt, segments
from a3t.text.segments import Role, Segment
from a3t.types import Completion, Cost, Step, Task, Trajectory

MOST_OBSERVED = 80
"""Tokens of an imagined observation."""


def rafa(playing: Playing, task: Task) -> Asking[tuple[Trajectory, ...]]:
    played: list[Trajectory] = []
    for attempt in range(playing.num_tries):
        played.append((yield from playing.trial(task, planning_mover(playing, task, attempt), attempt)))
        if played[-1].success:
            break
    return tuple(played)


def planning_mover(playing: Playing, task: Task, attempt: int) -> Mover:
    """Draws candidates, the first one greedy in the first trial; equal actions are one."""
    session = playing.session(task, "rafa", attempt)

    def move(situation: Situation) -> Asking[Move]:
        seed = playing.seed_of(attempt) + 1000 * len(situation.steps)
        candidates: dict[str, Turn] = {}
        cost, first = Cost(), None
        for number in range(1 if situation.unread is not None else playing.num_candidates):
            turn = yield from playing.policy.turn(
                task,
                situation.observation,
                situation.steps,
                temperature=0.0 if number == attempt == 0 else playing.temperature,
                seed=seed + 10 * number,
                session=session,
                unread=situation.unread,
            )
            cost += turn.cost
            first = first or turn
            if not (turn.failed or turn.context_full):
                candidates.setdefault(turn.action, turn)
        assert first is not None
        best = next(iter(candidates.values()), first)
        if len(candidates) > 1:
            judged = yield from _best(playing, task, situation, list(candidates.values()), seed, session)
            best, cost = judged.turn, cost + judged.cost
        return as_move(best, cost)

    return move


class _Judged(NamedTuple):
    turn: Turn
    cost: Cost


def _best(playing: Playing, task: Task, situation: Situation, turns: list[Turn], seed: int, session: str) -> Asking[_Judged]:
    """The candidate whose imagined future the critic likes best; the first among equals."""
    best, highest, cost = turns[0], -1.0, Cost()
    for number, turn in enumerate(turns):
        plan = f"{session}#plan"
        future = yield from imagine(playing, task, situation, turn, seed + 10 * number, plan)
        opinion = yield from judge(playing, task, situation.observation, future.steps, seed=seed, session=plan)
        cost += future.cost + opinion.cost
        worth = UNTOLD if opinion.chance is None else opinion.chance
        if worth > highest:
            best, highest = turn, worth
    return _Judged(best, cost)


class Future(NamedTuple):
    steps: tuple[Step, ...]
    """What has happened, then what is imagined."""
    cost: Cost


def imagine(playing: Playing, task: Task, situation: Situation, turn: Turn, seed: int, session: str) -> Asking[Future]:
    """Play a plan in the head: `Playing.horizon` actions, the answers to them the model's own."""
    steps = [*situation.steps]
    cost = Cost()
    for ahead in range(playing.horizon):
        if ahead:
            turn = yield from playing.policy.turn(
                task, situation.observation, steps, temperature=0.0, seed=seed + 100 * ahead, session=session
            )
            cost += turn.cost
            if turn.failed or turn.context_full:
                break
        steps.append(Step(turn.thought, turn.action, "", thought_tokens=turn.thought_tokens, action_tokens=turn.action_tokens))
        if turn.is_thought_only:
            break
        request = _observation_request(playing, task, situation.observation, steps, seed + 100 * ahead + 50, session)
        answer = yield from complete(playing.policy.model, request)
        cost += answer.cost
        if answer.finish in ("error", "context"):
            break
        steps[-1] = replace(steps[-1], observation=answer.text.strip())
    return Future(tuple(steps), cost)


def _observation_request(
    playing: Playing, task: Task, observation: str, steps: list[Step], seed: int, session: str
) -> Completion:
    """The history up to the last action; what comes next is the world's answer."""
    policy, dialect = playing.policy, playing.policy.speech.of(task)
    told = segments(dialect, observation, steps, header=policy.header(task, observation), own_ids=bool(policy.tokenizer))
    # The last segment is the observation that is to be imagined: only what marks its beginning stays.
    cue = [Segment(dialect.before_observation, Role.FORMAT, len(steps) - 1)] if dialect.before_observation else []
    return Completion(as_prompt([*told[:-1], *cue]), (dialect.after_observation,), MOST_OBSERVED, 0.0, seed, session)
