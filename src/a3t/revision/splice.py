"""A splice: the bad beginning, what the agent tells itself about it, and a better ending.

    steps     go to fridge 1   open drawer 2   think: An apple is kept cool …   open fridge 1   take apple 1
    from      ╰─ bad, up to its first mistake ─╯   revision thought             ╰─ good, from where they part ─╯
    trained         .                .                     x                          x               x

The thought is a turn of thought alone: it is the agent's own, and no word of it ever reaches the world.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from a3t.revision.pairs import Pair
from a3t.text.react import THOUGHT_REPLY
from a3t.types import Author, Gate, Step, Stop, Trajectory


@dataclass(frozen=True, slots=True)
class Splice:
    """What is to be played again; the thought comes between its two parts."""

    beginning: tuple[Step, ...]
    """The bad steps up to the first mistake, or to where it was noticed. Context only: none is trained."""
    ending: tuple[Step, ...]
    """The good steps from where the two parted."""
    reward: float
    """What that ending came to where it was found."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.beginning, *self.ending)

    @property
    def actions(self) -> tuple[str, ...]:
        return tuple(step.action for step in self.steps)


def splice(pair: Pair, transition: int, tokenizer: str = "") -> Splice | None:
    """Join a pair at the transition point.

    Args:
        transition: index of the bad trajectory's first mistake, or of a later step where that is noticed; it is in the beginning.
        tokenizer: of the policy to be trained; token ids that belong to another one are left out.

    Returns:
        None where the mistake ended the episode (a wrong purchase): there is nothing to go on from.
    """
    bad, good = pair.bad.trajectory, pair.good.trajectory
    if transition >= last_open(bad):
        return None
    beginning = tuple(untrained(step) for step in own_tokens(bad, tokenizer)[: transition + 1])
    return Splice(beginning, own_tokens(good, tokenizer)[pair.parting.good :], good.reward)


def splice_at_the_end(pair: Pair, tokenizer: str = "") -> Splice | None:
    """Direct-Revision, the ablation: the whole bad trajectory, but for a last step that ended the episode."""
    last = last_open(pair.bad.trajectory) - 1
    return splice(pair, last, tokenizer) if last >= pair.parting.bad else None


def last_open(trajectory: Trajectory) -> int:
    """How many of its steps the episode goes on after."""
    ended = trajectory.stop in (Stop.SUCCESS, Stop.FAILURE)
    return len(trajectory.steps) - ended


def revision_step(thought: str, gate: Gate | None = None) -> Step:
    """The turn in which the agent sees its mistake."""
    return Step(thought, "", THOUGHT_REPLY, thought_by=Author.REVISER, gate=gate)


def untrained(step: Step) -> Step:
    return replace(step, trained=False)


def revision_at(trajectory: Trajectory) -> int | None:
    """Index of the revision thought; None where the trajectory is no revision."""
    return next((index for index, step in enumerate(trajectory.steps) if step.thought_by is Author.REVISER), None)


def own_tokens(trajectory: Trajectory, tokenizer: str) -> tuple[Step, ...]:
    """Its steps, with their token ids only where these belong to `tokenizer`."""
    if tokenizer and trajectory.tokenizer == tokenizer:
        return trajectory.steps
    return tuple(replace(step, thought_tokens=None, action_tokens=None) for step in trajectory.steps)
