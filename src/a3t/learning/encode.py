"""A conversation as one row of tokens: each knows whose word it is, whether it is trained, and how likely it was when said.

    segments   PROMPT            OBSERVATION          FORMAT ACTION             OBSERVATION
    tokens     <s> Interact .    you see a drawer     >      open drawer \\n     it is empty \\n
    trained     .  .        .    x   x   x x          .      x    x      x      x  x  x     x     (observation_loss)
    trained     .  .        .    .   .   . .          .      x    x      x      .  .  .     .

No end-of-sequence token is added: an episode is ended by its environment or its turn limit, never by the model, and a policy that
had learned to say `</s>` would only cut its own turns short.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from a3t.errors import BadDataError
from a3t.learning.tokens import encode_text, opening_ids
from a3t.text.segments import AGENT_ROLES, Role, Segment


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One trajectory as tokens; all arrays have shape [T]."""

    ids: npt.NDArray[np.int64]
    trained: npt.NDArray[np.bool_]
    """In the loss; never true of token 0, which nothing predicts."""
    agent: npt.NDArray[np.bool_]
    """Thought or action."""
    step: npt.NDArray[np.int64]
    """Index of the step; -1 before the first."""
    behaviour: npt.NDArray[np.float32]
    """Log-probability when it was sampled, nats; NaN where nobody recorded it."""
    roles: tuple[Role, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def cut(self, max_tokens: int) -> Row:
        """Its first tokens, as many as a model's context holds."""
        if len(self) <= max_tokens:
            return self
        kept = slice(max_tokens)
        return Row(self.ids[kept], self.trained[kept], self.agent[kept], self.step[kept], self.behaviour[kept], self.roles[kept])

    @property
    def num_trained(self) -> int:
        return int(self.trained.sum())


def encode_segments(segments: Sequence[Segment], tokenizer: Any, *, observation_loss: bool = True) -> Row:
    """Encode a conversation, piece by piece.

    Args:
        segments: in order; a segment with `ids` keeps them (they are the record, its text is a view).
        tokenizer: of the base model; segments without ids are encoded special tokens off, by the rule the model rolls out with.
        observation_loss: observations are trained on (joint world model, Eq. 1).

    Returns:
        Prompt and format tokens are never trained, nor are those of a segment with `trained=False`.

    Raises:
        BadDataError: a segment has another number of log-probs than ids.
    """
    opening = opening_ids(tokenizer)
    if segments and segments[0].ids is not None and segments[0].ids[: len(opening)] == opening:
        opening = ()
    ids, roles, steps, trained = list(opening), [Role.PROMPT] * len(opening), [-1] * len(opening), [False] * len(opening)
    behaviour = [math.nan] * len(opening)
    for segment in segments:
        tokens = segment.ids if segment.ids is not None else encode_text(tokenizer, segment.text)
        if segment.logprobs and len(segment.logprobs) != len(tokens):
            raise BadDataError(
                f"step {segment.step} has {len(tokens)} {segment.role} tokens but {len(segment.logprobs)} log-probs for them.\n"
                "  The record of this trajectory is damaged, or its tokens belong to another tokenizer."
            )
        ids += tokens
        roles += [segment.role] * len(tokens)
        steps += [segment.step] * len(tokens)
        trained += [segment.trained and _in_loss(segment.role, observation_loss)] * len(tokens)
        behaviour += segment.logprobs or [math.nan] * len(tokens)
    if trained:
        trained[0] = False
    return Row(
        np.asarray(ids, np.int64),
        np.asarray(trained, np.bool_),
        np.asarray([role in AGENT_ROLES for role in roles], np.bool_),
        np.asarray(steps, np.int64),
        np.asarray(behaviour, np.float32),
        tuple(roles),
    )


def _in_loss(role: Role, observation_loss: bool) -> bool:
    return role in AGENT_ROLES or (role is Role.OBSERVATION and observation_loss)
