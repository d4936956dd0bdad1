"""How a prompt becomes token ids: one rule, for the model that rolls out and for the trainer that learns from it.

A conversation is its parts' ids one after the other. Each part is encoded on its own, ids that the model produced are used as
they are, and text is only text: `</s>` in a product's title is seven characters, never the end of the sequence.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from a3t.types import Part, Prompt

CACHED_PARTS = 8192
"""Encoded texts remembered per tokenizer; observations repeat a lot ("Nothing happens.")."""

_remembered: WeakKeyDictionary[Any, OrderedDict[str, tuple[int, ...]]] = WeakKeyDictionary()
_openings: WeakKeyDictionary[Any, tuple[int, ...]] = WeakKeyDictionary()


def encode_prompt(tokenizer: Any, prompt: Prompt) -> list[int]:
    """The ids of a whole prompt: the opening once, then every part.

    The opening is what the tokenizer itself puts before text (`<s>` for Llama and Mistral, nothing for GPT-2 and Qwen), whatever
    `bos_token` is called in its configuration; it is not repeated where the first part's own ids begin with it.
    """
    parts = (Part(prompt),) if isinstance(prompt, str) else prompt
    ids = encode_parts(tokenizer, parts)
    opening = opening_ids(tokenizer)
    if opening and tuple(ids[: len(opening)]) == opening and parts[0].ids is not None:
        return ids
    return [*opening, *ids]


def encode_parts(tokenizer: Any, parts: Prompt) -> list[int]:
    """The ids of the parts alone, without an opening: a continuation, or the next turn of a conversation."""
    if isinstance(parts, str):
        return list(encode_text(tokenizer, parts))
    ids: list[int] = []
    for part in parts:
        ids.extend(part.ids if part.ids is not None else encode_text(tokenizer, part.text))
    return ids


def encode_text(tokenizer: Any, text: str) -> tuple[int, ...]:
    """The ids of one text, special tokens off: nothing is added, and nothing in the text is taken for a special token.

    Tokens that a vocabulary lists as added but *not* special are ordinary words and stay single tokens.
    """
    known = _remembered.setdefault(tokenizer, OrderedDict())
    ids = known.get(text)
    if ids is None:
        ids = tuple(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)) if text else ()
        known[text] = ids
        if len(known) > CACHED_PARTS:
            known.popitem(last=False)
    else:
        known.move_to_end(text)
    return ids


def opening_ids(tokenizer: Any) -> tuple[int, ...]:
    """What the tokenizer puts before any text by itself: usually its begin-of-sequence token, or nothing."""
    found = _openings.get(tokenizer)
    if found is None:
        found = _openings[tokenizer] = _leading(tokenizer.encode("a"), tokenizer.encode("a", add_special_tokens=False))
    return found


def _leading(whole: Sequence[int], bare: Sequence[int]) -> tuple[int, ...]:
    """The ids of `whole` that stand before `bare` in it.

    >>> _leading([1, 7, 8, 2], [7, 8])
    (1,)
    """
    for start in range(len(whole) - len(bare) + 1):
        if list(whole[start : start + len(bare)]) == list(bare):
            return tuple(whole[:start])
    return ()
