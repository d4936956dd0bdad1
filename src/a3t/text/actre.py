"""ActRe as text: an episode in the order observation, action, reason (Tables 11 and 12 of the paper), and the reason read back.

    Observation: You are in the middle of a room. … Your task is to: put some vase in safe.
    Action: go to drawer 1
    Reason: To solve the task I need a vase. …
    Observation: The drawer 1 is closed.
    Action: open drawer 1
    Reason:

Where ReAct reasons before it acts, ActRe is given the action and says why. A thought without an action joins the next action's
reason; a step without a thought has no reason line.
"""

from __future__ import annotations

from collections.abc import Sequence

from a3t.text.segments import Role, Segment
from a3t.types import Step

OBSERVATION = "Observation:"
ACTION = "Action:"
REASON = "Reason:"
STOP = ("\n",)


def actre_segments(observation: str, steps: Sequence[Step], action: str, *, header: str = "") -> list[Segment]:
    """The history in ActRe's order, then the action to be explained, ending with the cue for its reason."""
    result = [Segment(header, Role.PROMPT)] if header else []
    result.append(Segment(f"{OBSERVATION} {observation}\n", Role.OBSERVATION))
    pending: list[str] = []
    for index, step in enumerate(steps):
        if not step.action:
            pending.append(step.thought)
            continue
        result += explained(index, step.action, " ".join([*pending, step.thought]))
        result.append(Segment(f"{OBSERVATION} {step.observation}\n", Role.OBSERVATION, index))
        pending = []
    result.append(Segment(f"{ACTION} {' '.join(action.split())}\n", Role.ACTION, len(steps)))
    result.append(Segment(REASON, Role.FORMAT, len(steps)))
    return result


def explained(index: int, action: str, reason: str) -> list[Segment]:
    """An action and, where there is one, its reason."""
    pieces = [Segment(f"{ACTION} {' '.join(action.split())}\n", Role.ACTION, index)]
    if reason.strip():
        pieces += [Segment(REASON, Role.FORMAT, index), Segment(f" {' '.join(reason.split())}\n", Role.THOUGHT, index)]
    return pieces


def parse_reason(completion: str) -> str:
    """The reason without brackets and markers; empty where the annotator said nothing of use."""
    text = " ".join(completion.split())
    for marker in (REASON, "Reason for the action:", "think:", "think["):
        if text.lower().startswith(marker.lower()):
            # The bracket stays for now: it has a partner.
            text = text[len(marker.rstrip("[")) :].strip()
    if text.startswith("[") and _closes_at(text) in (len(text) - 1, None):
        text = text[1:].removesuffix("]").strip()
    return text


def _closes_at(text: str) -> int | None:
    """Where the bracket that `text` begins with is closed; None where it never is."""
    depth = 0
    for index, character in enumerate(text):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth == 0:
            return index
    return None
