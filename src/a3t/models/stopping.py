"""Where a completion ends: stop texts are found on text, whichever way the tokenizer cut it up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Texts:
    """Turns produced ids into text, and says when a stop text may have just been completed."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._pieces: dict[int, str] = {}
        probe = list(tokenizer.encode("a b", add_special_tokens=False))
        # Sentencepiece-like decoders drop the space in front of the first word: such text is decoded after its neighbour.
        self._needs_neighbour = "".join(map(self.piece, probe)) != self._decode(probe)

    def text(self, before: Sequence[int], ids: Sequence[int]) -> str:
        """The text of `ids` as it reads after the ids `before` (only the last of those is looked at)."""
        if not self._needs_neighbour or not before:
            return self._decode(ids)
        neighbour = self._decode(before[-1:])
        whole = self._decode([before[-1], *ids])
        return whole[len(neighbour) :] if whole.startswith(neighbour) else self._decode(ids)

    def piece(self, token: int) -> str:
        """The text of one id by itself; holds U+FFFD where it is only part of a character."""
        text = self._pieces.get(token)
        if text is None:
            text = self._pieces[token] = self._decode([token])
        return text

    def may_complete(self, token: int, stops: Sequence[str]) -> bool:
        """False only where `token` cannot be the one that completes a stop text: it lacks the last character of each."""
        piece = self.piece(token)
        return any(stop[-1] in piece or stop[-1] == " " or "\ufffd" in piece for stop in stops)

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the first of the stop texts begins, or None.

    >>> first_stop("go to desk 1\\n> ", ("\\n", "> "))
    12
    """
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    return min(found, default=None)
