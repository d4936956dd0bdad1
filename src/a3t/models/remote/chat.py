"""A chat model continues text: the one place where our text format meets a chat template."""

from __future__ import annotations

from functools import cache
from pathlib import Path


def messages(prompt: str) -> list[dict[str, str]]:
    """The prompt as a conversation: an instruction to continue (`chat.txt`), then the text as it is."""
    return [{"role": "system", "content": _instruction()}, {"role": "user", "content": prompt}]


def continuation(prompt: str, reply: str) -> str:
    """What the reply adds to the prompt.

    Chat models open with blank lines, or repeat the cue that the prompt ends with:

    >>> continuation("You see a desk.\\n> ", "\\n> go to desk 1")
    'go to desk 1'
    """
    reply = reply.lstrip()
    cue = prompt.rsplit("\n", 1)[-1].strip()
    if cue and len(cue) <= 40 and reply.startswith(cue):
        reply = reply[len(cue) :].lstrip()
    return reply


@cache
def _instruction() -> str:
    return (Path(__file__).parent / "chat.txt").read_text(encoding="utf-8").strip()
