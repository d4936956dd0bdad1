"""ReAct as text: a trajectory rendered into segments, and a model's line parsed into a thought or an action.

Two dialects, both ReAct's own (Yao et al. 2023). The household one is a command line:

    You are in the middle of a room. …
    Your task is to: put some vase in safe.
    > think: To solve the task I need a vase.
    OK.
    > go to drawer 1
    The drawer 1 is closed.
    >

TextCraft and ScienceWorld are written like it, under names of their own that their prompts go by. The WebShop dialect marks both
sides (`Action: search[…]`, `Observation: …`). A completion is one line; it ends with the newline, which belongs to it. `OK.` is
said by the agent, never by the world.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from a3t.errors import unknown
from a3t.text.segments import Role, Segment
from a3t.types import Part, Step, Task, Tokens, Trajectory

THOUGHT_REPLY = "OK."
"""What the agent tells itself after a thought."""

_BANNER = re.compile(r"\A-=[^\n]*=-[ ]*(?:\n\s*|\Z)")
_BLANK_LINES = re.compile(r"\n(?:[ ]*\n)+")
_THOUGHT = re.compile(r"think\s*(?::(?P<rest>.*)|\[(?P<inside>.*?)\]?)\Z", re.IGNORECASE | re.DOTALL)
"""Either dialect's way to think, since models mix them; a bracket that was never closed is a thought all the same."""


class Line(NamedTuple):
    """What a model's line turned out to be."""

    is_thought: bool
    text: str
    """The thought, or the action exactly as it goes to the environment."""
    malformed: bool
    """An empty line, or a thought without words: recorded, and counted as an invalid action."""


class Speech(Protocol):
    """Which dialect a task is played in: a dialect is one itself; runs of several worlds have one for each."""

    def of(self, task: Task) -> Dialect: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """How turns are written. `cue` is what the model continues."""

    name: str
    cue: str
    before_observation: str
    after_observation: str
    thought_open: str
    thought_close: str

    def of(self, task: Task) -> Dialect:
        """Itself: whatever the task (`Speech`)."""
        return self

    @property
    def stop(self) -> tuple[str, ...]:
        return ("\n",)

    def thought_line(self, thought: str) -> str:
        return f" {self.thought_open}{_one_line(thought)}{self.thought_close}\n"

    def action_line(self, action: str) -> str:
        return f" {_one_line(action)}\n"

    def parse(self, completion: str) -> Line:
        """Read one completed line. Never raises: nonsense is an action that the world will refuse."""
        text = completion.strip()
        match = _THOUGHT.match(text)
        if match is not None:
            thought = (match["rest"] or match["inside"] or "").strip()
            return Line(True, thought, malformed=not thought)
        return Line(False, text, malformed=not text)

    def opening(self, header: str, observation: str, condition: str = "") -> list[Segment]:
        """What stands before the first turn: instructions and examples, then the first observation."""
        first = f"{observation}{self.after_observation}"
        segments = [Segment(header, Role.PROMPT)] if header else []
        if condition:
            segments.append(Segment(f"{condition}\n", Role.PROMPT))
        return [*segments, Segment(first, Role.OBSERVATION)]

    def turn(self, index: int, step: Step, *, thoughts: bool = True, own_ids: bool = True) -> list[Segment]:
        """One step, from its cue to what the environment answered."""
        segments: list[Segment] = []
        if step.thought and thoughts:
            segments += [
                Segment(self.cue, Role.FORMAT, index),
                self._said(Role.THOUGHT, index, self.thought_line(step.thought), step.thought_tokens, own_ids, step.trained),
            ]
            segments.append(self._observed(index, THOUGHT_REPLY, Role.FORMAT, step.trained))
        if step.action or not step.thought:
            segments += [
                Segment(self.cue, Role.FORMAT, index),
                self._said(Role.ACTION, index, self.action_line(step.action), step.action_tokens, own_ids, step.trained),
                self._observed(index, step.observation, Role.OBSERVATION, step.trained),
            ]
        return segments

    def _observed(self, index: int, text: str, role: Role, trained: bool) -> Segment:
        return Segment(f"{self.before_observation}{text}{self.after_observation}", role, index, trained=trained)

    @staticmethod
    def _said(role: Role, index: int, text: str, tokens: Tokens | None, own_ids: bool, trained: bool) -> Segment:
        if tokens is None or not own_ids:
            return Segment(text, role, index, trained=trained)
        return Segment(text, role, index, tokens.ids, trained, tokens.logprobs)


HOUSEHOLD = Dialect(
    name="household",
    cue=">",
    before_observation="",
    after_observation="\n",
    thought_open="think: ",
    thought_close="",
)

WEBSHOP = Dialect(
    name="webshop",
    cue="Action:",
    before_observation="Observation: ",
    after_observation="\n\n",
    thought_open="think[",
    thought_close="]",
)

# Played at a command line, as in the originals' prompts (ADaPT, SwiftSage): the same marks, prompts of their own.
TEXTCRAFT = replace(HOUSEHOLD, name="textcraft")
SCIENCEWORLD = replace(HOUSEHOLD, name="scienceworld")

DIALECTS = {dialect.name: dialect for dialect in (HOUSEHOLD, WEBSHOP, TEXTCRAFT, SCIENCEWORLD)}


def dialect(name: str) -> Dialect:
    """Raises `UnknownNameError`."""
    if name not in DIALECTS:
        raise unknown("text format", name, DIALECTS)
    return DIALECTS[name]


def tidy_observation(text: str, drop_banner: bool = True) -> str:
    """The world's text as the agent reads it: no welcome line, no blank lines, no control characters."""
    text = "".join(c if c == "\n" or c.isprintable() else " " for c in text)
    text = _BANNER.sub("", text) if drop_banner else text
    return _BLANK_LINES.sub("\n", text).strip()


def segments(
    dialect: Dialect,
    observation: str,
    steps: Iterable[Step],
    *,
    header: str = "",
    condition: str = "",
    thoughts: bool = True,
    own_ids: bool = True,
    cued: bool = False,
) -> list[Segment]:
    """A beginning of an episode as text.

    Args:
        observation: o_1 as the agent reads it (`tidy_observation`).
        header: instructions and examples before it.
        condition: a label shown before the task (Table 7's label-conditioned variant).
        thoughts: False leaves thoughts out (the action-only ablation).
        own_ids: use the token ids that the steps carry; False where they belong to another tokenizer.
        cued: end with the cue, ready for the model to go on.
    """
    result = dialect.opening(header, observation, condition)
    index = -1
    for index, step in enumerate(steps):
        result += dialect.turn(index, step, thoughts=thoughts, own_ids=own_ids)
    if cued:
        result.append(Segment(dialect.cue, Role.FORMAT, index + 1))
    return result


def render(
    trajectory: Trajectory, dialect: Dialect, *, tokenizer: str = "", thoughts: bool = True, header: str = "", condition: str = ""
) -> list[Segment]:
    """A whole trajectory for the trainer; its own ids are kept where they belong to `tokenizer`."""
    return segments(
        dialect,
        trajectory.observation,
        trajectory.steps,
        header=header,
        condition=condition,
        thoughts=thoughts,
        own_ids=bool(tokenizer) and trajectory.tokenizer == tokenizer,
    )


def as_prompt(pieces: Sequence[Segment]) -> tuple[Part, ...]:
    return tuple(Part(piece.text, piece.ids) for piece in pieces)


def _one_line(text: str) -> str:
    """A turn is one line, whatever its author wrote."""
    return " ".join(text.split())
