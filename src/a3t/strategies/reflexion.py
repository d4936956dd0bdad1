"""Reflexion: after a failed trial the agent writes down what went wrong, and the next trial begins with all that was written.

The model behind the policy writes the reflection; trials are greedy, as in the original. As there, the last three reflections are
kept. What differs: there is no heuristic that cuts a trial short; an attempt ends where its episode does.

Source: Shinn et al. 2023 (arXiv 2303.11366).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from a3t.agents.asking import Asking, complete
from a3t.strategies.playing import Playing
from a3t.text.prompting import Header
from a3t.text.react import as_prompt
from a3t.text.reflecting import STOP, memory_text, parse_reflection, reflection_segments
from a3t.types import Completion, Cost, Task, Trajectory

NUM_KEPT = 3
"""Reflections that the next trial is told."""


@dataclass(frozen=True, slots=True)
class Remembering:
    """A header with what was learned after it, directly before the task."""

    header: Header
    reflections: tuple[str, ...]

    def __call__(self, task: Task, observation: str) -> str:
        return self.header(task, observation) + memory_text(self.reflections[-NUM_KEPT:])


class Reflection(NamedTuple):
    text: str
    """Empty where the model had nothing to say, no room to say it, or failed; the next trial then knows no more than this one."""
    cost: Cost


def reflexion(playing: Playing, task: Task) -> Asking[tuple[Trajectory, ...]]:
    played: list[Trajectory] = []
    reflections: list[str] = []
    spent = Cost()
    for attempt in range(playing.num_tries):
        policy = replace(playing.policy, header=Remembering(playing.policy.header, tuple(reflections)))
        mover = playing.own_mover(task, "reflexion", attempt, greedy=True, policy=policy)
        trajectory = yield from playing.trial(task, mover, attempt)
        # What was written before a trial is part of what the trial took.
        played.append(replace(trajectory, cost=trajectory.cost + spent))
        if trajectory.success or attempt + 1 == playing.num_tries:
            break
        reflection = yield from reflect(playing, trajectory, attempt)
        spent = reflection.cost
        if reflection.text:
            reflections.append(reflection.text)
    return tuple(played)


def reflect(playing: Playing, trajectory: Trajectory, attempt: int) -> Asking[Reflection]:
    """What the policy's model writes about a failed attempt."""
    policy = playing.policy
    pieces = reflection_segments(
        policy.speech.of(trajectory.task),
        trajectory.observation,
        trajectory.steps,
        header=playing.reflect_header,
        own_ids=bool(policy.tokenizer),
    )
    session = playing.session(trajectory.task, "reflexion", attempt) + "#reflect"
    request = Completion(as_prompt(pieces), STOP, playing.max_tokens, 0.0, playing.seed_of(attempt), session)
    answer = yield from complete(policy.model, request)
    text = "" if answer.finish in ("error", "context") else parse_reflection(answer.text)
    return Reflection(text, answer.cost)
