"""Prefix extension: what a server reads in a conversation's next turn continues, id for id, what it read and wrote before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from a3t.types import Completed, Prompt, prompt_text

REMEMBERED = 10_000


class _Turn(NamedTuple):
    text: str
    """Prompt and completion."""
    ids: tuple[int, ...]
    """Of both."""


class Continuity:
    """Remembers each conversation's last turn and looks at the next.

    A next prompt that is another text (an annotator's question, a tree search that went back) is a new beginning, not a break.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, _Turn] = OrderedDict()

    def broken_at(self, session: str, prompt: Prompt, ids: Sequence[int]) -> int | None:
        """The position of the first id that differs, where the text continues the last turn and the ids do not."""
        last = self._last.get(session)
        if last is None or not prompt_text(prompt).startswith(last.text) or tuple(ids[: len(last.ids)]) == last.ids:
            return None
        return next((i for i, (a, b) in enumerate(zip(last.ids, ids, strict=False)) if a != b), min(len(last.ids), len(ids)))

    def carries_own_ids(self, session: str, prompt: Prompt) -> bool:
        """Whether the prompt says to hold, as ids, all that the model wrote in this conversation's last turn."""
        last = self._last.get(session)
        if last is None or isinstance(prompt, str):
            return False
        at = 0
        for part in prompt:
            at += len(part.text)
            if at >= len(last.text):
                return part.ids is not None
        return False

    def remember(self, session: str, prompt: Prompt, ids: Sequence[int], answer: Completed) -> None:
        """After a turn that ended with a stop text; a line cut short is encoded afresh by design, so nothing is kept of it."""
        if not session:
            return
        if answer.tokens is None or answer.finish != "stop":
            self._last.pop(session, None)
            return
        self._last[session] = _Turn(prompt_text(prompt) + answer.text, (*ids, *answer.tokens.ids))
        self._last.move_to_end(session)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def release(self, sessions: Iterable[str]) -> None:
        for session in sessions:
            self._last.pop(session, None)
