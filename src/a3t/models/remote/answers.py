"""Answers that were paid for once are not paid for again: a cache keyed by everything that decides an answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from a3t.types import Completed, Tokens

KIND = "answer"
VERSION = 1


class Blobs(Protocol):
    """Where bytes are kept; the run's `Store` is one."""

    def get_blob(self, kind: str, key: str) -> bytes | None: ...

    def put_blob(self, kind: str, key: str, value: bytes) -> None: ...


def key(urls: Sequence[str], body: Mapping[str, Any], all_stops: Sequence[str], seed: int) -> str:
    """Names an answer.

    Args:
        urls: another server may hold another model under the same name.
        body: what is sent.
        all_stops: also those that are cut here rather than there.
        seed: part of the name even where the server ignores it, so that two draws stay two.
    """
    drawn = seed if body.get("temperature", 0) else 0
    decides = [VERSION, sorted(urls), dict(body), list(all_stops), drawn]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def pack(answer: Completed) -> bytes:
    tokens = None if answer.tokens is None else [list(answer.tokens.ids), list(answer.tokens.logprobs)]
    return json.dumps([answer.text, tokens, answer.finish, answer.num_prompt_tokens]).encode()


def unpack(value: bytes) -> Completed | None:
    """None where the bytes are not an answer: it is asked for again."""
    try:
        text, tokens, finish, num_prompt_tokens = json.loads(value)
        kept = None if tokens is None else Tokens(tuple(map(int, tokens[0])), tuple(map(float, tokens[1])))
        return Completed(str(text), kept, str(finish), int(num_prompt_tokens))
    except (ValueError, TypeError, IndexError):
        return None
