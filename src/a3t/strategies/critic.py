"""A critic: the policy's own model says how likely success is from a situation, as a number from 0 to 10.

A model that answers with anything else says nothing: the situation is worth one half, and choices fall back on what the policy
drew first. So a strategy with a critic is never worse informed than one without, only dearer.
"""

from __future__ import annotations

from typing import NamedTuple

from a3t.agents.asking import Asking, complete
from a3t.episode import Situation
from a3t.search.actor import Chance
from a3t.search.grow import Judgement, ValueFunction
from a3t.strategies.playing import Playing
from a3t.text.react import as_prompt
from a3t.text.reflecting import STOP, critic_segments, parse_chance
from a3t.types import Completion, Cost, Step, Task

UNTOLD = 0.5
"""What a situation is worth of which the critic said nothing."""
MOST_TOKENS = 8


class Opinion(NamedTuple):
    chance: float | None
    """In [0, 1]; None where the critic said nothing that can be read, or had no room to."""
    cost: Cost
    failed: str = ""


def judge(playing: Playing, task: Task, observation: str, steps: tuple[Step, ...], *, seed: int, session: str) -> Asking[Opinion]:
    """What the critic says of a situation, real or imagined."""
    policy = playing.policy
    dialect = policy.speech.of(task)
    pieces = critic_segments(dialect, observation, steps, header=playing.critic_header, own_ids=bool(policy.tokenizer))
    request = Completion(as_prompt(pieces), STOP, MOST_TOKENS, 0.0, seed, f"{session}#critic")
    answer = yield from complete(policy.model, request)
    if answer.finish == "error":
        return Opinion(None, answer.cost, answer.error or "the critic gave no answer and no reason why")
    return Opinion(None if answer.finish == "context" else parse_chance(answer.text), answer.cost)


def value_function(playing: Playing) -> ValueFunction:
    """The critic as tree search wants it."""

    def value(situation: Situation, chance: Chance) -> Asking[Judgement]:
        task, observation, steps, *_rest = situation
        opinion = yield from judge(playing, task, observation, steps, seed=chance.seed, session=chance.session)
        return Judgement(UNTOLD if opinion.chance is None else opinion.chance, opinion.cost, opinion.failed)

    return value
