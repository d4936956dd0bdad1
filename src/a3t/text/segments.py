"""A conversation cut into pieces that say whose words they are: the meeting point of text formats and the trainer.

The ends of a segment are token boundaries: a trajectory's token row is its segments' ids one after the other, never the joined
text encoded afresh, so that the trainer sees the very tokens that the policy saw and produced.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Whose words a token belongs to: masks and objectives go by it."""

    PROMPT = "prompt"
    """Instructions and examples before the task: context, never trained."""
    OBSERVATION = "observation"
    """What the environment said, the task itself included: trained with `observation_loss` (the joint world model)."""
    THOUGHT = "thought"
    """Internal reasoning, whoever wrote it, and the line end that closes it."""
    ACTION = "action"
    """An external action, and the line end that closes it."""
    FORMAT = "format"
    """Markers that the text format puts there and the model is never asked to write (`> `, `OK.`): context, never trained."""


AGENT_ROLES = frozenset({Role.THOUGHT, Role.ACTION})
"""What the agent says: behaviour probabilities and preferences are about these tokens alone."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a conversation; its ends are token boundaries."""

    text: str
    role: Role
    step: int = -1
    """Index of the step it belongs to; -1 for what comes before the first (prompt, initial observation)."""
    ids: tuple[int, ...] | None = None
    """The ids that the policy sampled for this text, if they belong to the tokenizer in use; None: encode the text."""
    trained: bool = True
    """False where the step is context only (`Step.trained`)."""
    logprobs: tuple[float, ...] = ()
    """Log-probability of each of `ids` when it was sampled, nats; empty where unknown."""


def segments_text(segments: Iterable[Segment]) -> str:
    return "".join(segment.text for segment in segments)
