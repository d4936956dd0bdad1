"""From the tries at one task to revisions: pair, judge, splice, replay, repair, and think; every step of it is recorded.

tries ── pairs ── first bad step ── splice ── replay ─┬─ as recorded ─────────── confirmed ─┐
                       │                              ├─ other answers, good end ─ repaired ─┼─ thought ── kept
                       └─ none: no transition         └─ no way on ── search ─┬── repaired ─┘
                                                                              └── rejected
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from a3t.agents.asking import Asking
from a3t.agents.react import ReactPolicy
from a3t.config import ReviseConfig
from a3t.episode import Terms
from a3t.revision.judge import ActorJudge
from a3t.revision.judgement import Judgement, judge_by_value, transition
from a3t.revision.pairs import Pair, by_promise, find_pairs, is_good, is_worse
from a3t.revision.past import NO_PAST, Past
from a3t.revision.records import Lesson, Lessons, Outcome, ref
from a3t.revision.repair import repair
from a3t.revision.replay import Finding, ending_of, found, replay
from a3t.revision.splice import Splice, last_open, revision_step, splice, splice_at_the_end
from a3t.revision.thoughts import Reviser
from a3t.revision.tries import Try, acts
from a3t.search.actor import Actor
from a3t.search.tree import Settings
from a3t.types import Cost, Step, Stop, Task, Trajectory
from a3t.worlds import Worlds

FOUND = "another ending was found"


@dataclass(frozen=True)
class Workshop:
    """What revisions are made with."""

    worlds: Worlds
    policy: ReactPolicy
    actor: Actor
    """Who looks for another ending: the policy, drawn from."""
    make_judge: Callable[[Task], ActorJudge]
    """One for each task: it remembers what it said."""
    reviser: Reviser
    config: ReviseConfig
    settings: Settings
    """Of the search for another ending; its seed is the recorded episode's."""
    terms: Terms


class Ending(NamedTuple):
    """What the environment confirmed after a bad beginning; without steps, nothing."""

    outcome: Outcome
    why: str
    steps: tuple[Step, ...] = ()
    reward: float = 0.0
    stop: Stop | None = None
    """None where the episode was not over: it ended with the turns."""
    differs_at: int | None = None
    num_rollouts: int = 0
    cost: Cost = Cost()


class Made(NamedTuple):
    """What one pair came to."""

    lesson: Lesson
    cost: Cost
    revision: Trajectory | None = None


def revise(
    task: Task,
    tries: Sequence[Try],
    shop: Workshop,
    *,
    alpha: float,
    seed: int,
    past: Past = NO_PAST,
    max_tokens: int | None = None,
    record: Callable[[Trajectory], None] = lambda _trajectory: None,
) -> Asking[Lessons]:
    """Make what revisions there are to be made of one task's tries.

    Args:
        alpha: what a good reward is in this iteration.
        past: of the bad tries in earlier rounds; settled ones have no pair, and may be the good one of another.
        max_tokens: model tokens to take; the pair that goes past them is finished, and there is always one. None sets no bound.
        record: called with every revision as soon as it is confirmed; their attempts are numbered from 0.
    """
    judge = shop.make_judge(task)
    lessons: list[Lesson] = []
    made: set[tuple[str, ...]] = set()
    cost, attempt = Cost(), 0

    pairs = pairs_of(tries, shop.config, alpha, past)
    if max_tokens is not None:
        # What the tokens do not reach should be what promises least.
        pairs = by_promise(pairs, lambda one: ref(one.trajectory) in past.tried)
    for number, pair in enumerate(pairs):
        if max_tokens is not None and cost.tokens >= max_tokens:
            break
        one = yield from _learn(pair, shop, judge, made, alpha, seed, seed + 1_000_003 * number, attempt)
        cost += one.cost
        lessons.append(one.lesson)
        if one.revision is not None:
            record(one.revision)
            attempt += 1
    return Lessons(
        task_id=task.task_id,
        split=task.split,
        round_index=shop.terms.round_index,
        alpha=alpha,
        beta=shop.config.beta,
        num_tries=len(tries),
        num_good=sum(is_good(one.reward, alpha) for one in tries),
        num_settled=sum(ref(one.trajectory) in past.settled for one in tries),
        num_left=len(pairs) - len(lessons),
        lessons=tuple(lessons),
        cost=replace(cost, seconds=0.0),
    )


def pairs_of(tries: Sequence[Try], config: ReviseConfig, alpha: float, past: Past = NO_PAST) -> list[Pair]:
    """The pairs of one task as the recipe has them."""
    return find_pairs(
        tries,
        alpha,
        config.beta,
        config.max_pairs_per_task,
        is_settled=lambda one: ref(one.trajectory) in past.settled,
        was_tried=lambda one: ref(one.trajectory) in past.tried,
    )


def _learn(
    pair: Pair,
    shop: Workshop,
    judge: ActorJudge,
    made: set[tuple[str, ...]],
    alpha: float,
    judge_seed: int,
    seed: int,
    attempt: int,
) -> Asking[Made]:
    """One pair, from its transition point to a revision or to the reason why there is none. Adds to `made`.

    Args:
        judge_seed: the same for all pairs of the task: what a judge says of a beginning must not hang on which pair it met it in.
        seed: of the thought.
    """
    bad, terms = pair.bad.trajectory, shop.terms
    session = f"{terms.round_index}/{terms.stage}/{bad.task.split}/{bad.task.task_id}"
    lesson, cost = yield from _judged(pair, shop, judge, judge_seed, session)
    if lesson.transition is None:
        return Made(lesson, cost)
    at_the_end = lesson.judge == "end"
    later = [index for index in range(lesson.transition + 1, last_open(bad)) if acts(bad.steps[index])]
    noticed = notice(lesson.transition, later, shop.config.late, seed)
    lesson = replace(lesson, noticed=noticed)
    joined = splice_at_the_end(pair, terms.tokenizer) if at_the_end else splice(pair, noticed, terms.tokenizer)
    if joined is None:
        return Made(replace(lesson, why=Finding.OVER), cost)
    if joined.actions in made:
        return Made(replace(lesson, outcome=Outcome.DUPLICATE), cost)
    made.add(joined.actions)
    ending = yield from _ending(pair, joined, shop, alpha, seed)
    cost += ending.cost
    lesson = replace(
        lesson, outcome=ending.outcome, why=ending.why, differs_at=ending.differs_at, num_rollouts=ending.num_rollouts
    )
    if not ending.steps:
        return Made(lesson, cost)
    thought = yield from shop.reviser.think(
        shop.policy,
        bad.task,
        bad.observation,
        joined.beginning,
        next(step.action for step in ending.steps if acts(step)),
        _mistake(lesson, bad),
        seed=seed,
        session=session,
    )
    steps = (*joined.beginning, revision_step(thought.text, thought.gate), *ending.steps)
    stop = ending.stop or Stop.TURN_LIMIT
    revision = terms.record(bad.task, bad.observation, steps, stop, reward=ending.reward, seed=bad.seed, attempt=attempt)
    if thought.source == "actre":
        revision = replace(revision, annotator=terms.annotator)
    gain = thought.gate.gain if thought.gate else None
    lesson = replace(lesson, thought=thought.text, thought_source=thought.source, gain=gain, revision=ref(revision))
    return Made(lesson, cost + thought.cost, revision)


def _mistake(lesson: Lesson, bad: Trajectory) -> str:
    """What the judge said of it, with the action where that was not the last one."""
    if not lesson.mistake or lesson.transition is None or lesson.noticed == lesson.transition:
        return lesson.mistake
    return f"{bad.steps[lesson.transition].action}: {lesson.mistake}"


def notice(transition: int, later: Sequence[int], late: float, seed: int) -> int:
    """The step after which the agent sees its mistake: the mistake itself, or with probability `late` an action after it.

    Args:
        later: indices of those actions that the episode goes on after.
    """
    rng = np.random.default_rng([seed, 17])
    if not later or rng.random() >= late:
        return transition
    return later[int(rng.integers(len(later)))]


def _judged(pair: Pair, shop: Workshop, judge: ActorJudge, seed: int, session: str) -> Asking[tuple[Lesson, Cost]]:
    """A lesson as far as its transition point; with one, it counts as rejected until an ending is found."""
    config, bad = shop.config, pair.bad.trajectory
    by_value = judge_by_value(pair.bad, pair.parting.bad, config.value_drop)
    judgements: tuple[Judgement, ...] = by_value if config.judge == "value" else ()
    cost, failed = Cost(), ""
    if config.judge == "actor":
        judgements, cost, failed = yield from judge.judge(bad, pair.parting.bad, seed=seed, session=session)
    at = last_open(bad) - 1 if config.judge == "end" else transition(judgements)
    none = Outcome.UNJUDGED if failed else Outcome.NO_TRANSITION
    lesson = Lesson(
        bad=ref(bad),
        good=ref(pair.good.trajectory),
        bad_from=pair.parting.bad,
        good_from=pair.parting.good,
        outcome=none if at is None else Outcome.REJECTED,
        why=failed,
        judge=config.judge,
        transition=at,
        value_transition=transition(by_value),
        judgements=judgements,
    )
    return lesson, cost


def _ending(pair: Pair, joined: Splice, shop: Workshop, alpha: float, seed: int) -> Asking[Ending]:
    """The good ending as the environment lets it happen, or another one that the search finds."""
    bad, config, terms = pair.bad.trajectory, shop.config, shop.terms

    def is_good_enough(reward: float) -> bool:
        return is_good(reward, alpha) and is_worse(bad.reward, reward, config.beta)

    played = replay(shop.worlds, bad.task, joined, bad.observation, terms, bad.seed)
    finding = found(played, joined, is_good=is_good_enough(played.reward))
    if finding in (Finding.CONFIRMED, Finding.OTHER_ANSWERS):
        outcome = Outcome.CONFIRMED if finding is Finding.CONFIRMED else Outcome.REPAIRED
        return Ending(outcome, finding, ending_of(played, joined), played.reward, played.stop, played.differs_at)
    if finding is not Finding.NO_WAY_ON or config.num_repairs == 0:
        return Ending(Outcome.REJECTED, finding, differs_at=played.differs_at)
    mended = yield from repair(
        shop.worlds,
        bad.task,
        bad.observation,
        (*joined.beginning, revision_step(shop.reviser.stock(seed))),
        shop.actor,
        terms,
        replace(shop.settings, seed=bad.seed),
        num_rollouts=config.num_repairs,
        max_turns=terms.max_turns,
        is_good=is_good_enough,
    )
    outcome, why = (Outcome.REPAIRED, FOUND) if mended.ending else (Outcome.REJECTED, finding)
    return Ending(outcome, why, mended.ending, mended.reward, mended.stop, played.differs_at, mended.num_rollouts, mended.cost)
