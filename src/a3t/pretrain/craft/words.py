"""The crafting world's tokens, appended to a base's own: what it read before keeps every one of its ids.

An item is two words (`oak`, `door`), not one token: test tasks ask for pairs that no training task has. Numbers stand alone,
since they are copied from a line to a command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from a3t.envs.textcraft.names import KINDS, LOOSE
from a3t.pretrain.tokenizer import WORD

PHRASES = (
    "Crafting commands:",
    "Could not find enough items to craft",
    "Could not find a valid recipe for",
    "Could not find",
    "Could not execute",
    "Wrong item format:",
    "Goal: craft",
    "Inventory: [",
    "] (",
    ") [",
    "minecraft:",
    "Crafted",
    "Got",
    "craft",
    "using",
    "get",
    ". lack",
    ". get",
    ". craft",
    ", lack",
    ". check inventory.",
)
"""One token each, with a space before or without. None of them begins a household text's word, phrase or mark."""

MOST = 64
"""The largest number with a token of its own."""


def phrases() -> tuple[str, ...]:
    """The longest first."""
    both = {spelling for phrase in PHRASES for spelling in (phrase, f" {phrase}" if phrase[0].isalpha() else phrase)}
    return tuple(sorted(both, key=lambda phrase: (-len(phrase), phrase)))


def words() -> Iterator[str]:
    """Every word of the world's things, and the numbers."""
    kinds = KINDS.values()
    things = {*LOOSE, *(kind.raw for kind in kinds), *(m for kind in kinds for m in kind.materials)}
    things |= {form for kind in kinds for tier in kind.forms for form in tier}
    for word in (*sorted(things), *map(str, range(1, MOST + 1))):
        yield from (f" {word}", word)


def extend_tokenizer(tokenizer: Any, more: Iterable[str] = ()) -> Any:
    """The same tokenizer with this world's phrases and words after its own; the old one is left as it is.

    Args:
        tokenizer: as `build_tokenizer` makes them, of the household's words.
        more: further words, such as players use in their thoughts.
    """
    from tokenizers import Tokenizer, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    content = json.loads(tokenizer.backend_tokenizer.to_str())
    split = content["pre_tokenizer"]["pretokenizers"][0]
    # After the old phrases (` using the`), before single words: nothing that was one token is split.
    old_phrases = split["pattern"]["Regex"].removesuffix(WORD).removesuffix("|")
    known = set(old_phrases.split("|"))
    added = (phrase for phrase in map(_whole, phrases()) if phrase not in known)
    split["pattern"]["Regex"] = "|".join([old_phrases, *added, WORD])
    vocabulary = content["model"]["vocab"]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for word in (*phrases(), *words(), *more):
        vocabulary.setdefault(byte_level.pre_tokenize_str(word)[0][0], len(vocabulary))
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)),
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
        model_max_length=tokenizer.model_max_length,
        clean_up_tokenization_spaces=False,
    )


def grow_embeddings(model: Any, tokenizer: Any, seed: int) -> None:
    """Rows for the new tokens, drawn as if from among the old ones; `oak` and ` oak` begin almost alike. The old rows stay.

    A new row is the mean of the old plus random shares of what each differs from it by: where the old rows keep directions free
    (for the notes of heads that copy, `a3t.pretrain.heads`), so do the new.
    """
    import torch

    old = model.get_input_embeddings().weight.detach().clone()
    num_old = len(old)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = model.get_input_embeddings().weight
    centre = old.mean(dim=0)
    others = (old - centre) / num_old**0.5
    generator = torch.Generator().manual_seed(seed)
    shared: dict[str, Any] = {}
    with torch.no_grad():
        table[:num_old] = old
        for index in range(num_old, len(tokenizer)):
            word = tokenizer.decode([index]).strip()
            if word not in shared:
                shared[word] = torch.randn(num_old, generator=generator)
            own = torch.randn(num_old, generator=generator)
            table[index] = centre + (shared[word] + 0.3 * own) / 1.09**0.5 @ others


def new_words(texts: Sequence[str], tokenizer: Any, at_least: int) -> list[str]:
    """Words that `tokenizer` spells in bytes although the texts use them so often; the most frequent first."""
    from collections import Counter

    split = tokenizer.backend_tokenizer.pre_tokenizer
    known = tokenizer.get_vocab()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text[start:end] for piece, (start, end) in split.pre_tokenize_str(text) if piece not in known)
    return [word for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count >= at_least]


def _whole(phrase: str) -> str:
    """A phrase as a pattern that does not end within a word."""
    return re.escape(phrase) + (r"(?![A-Za-z])" if phrase[-1].isalpha() else "")
