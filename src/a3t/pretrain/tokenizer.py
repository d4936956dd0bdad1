"""The base's tokenizer: byte-level, with one token per word and one per instance (`cabinet 1`), any other text spelled in bytes.

It is a plain `tokenizers` BPE without merges: `ignore_merges` lets a whole word that is in the vocabulary be one token, and
whatever is not falls back to its bytes, so every text survives the round trip and no world needs a new tokenizer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

WORD = r" ?[A-Za-z]+ \d{1,2}(?!\d)| ?[A-Za-z]+| ?\d+| ?[^\sA-Za-z\d]|\n|\s"
"""An instance, a word, a number, a mark: each with the space before it, so that `>` ends a token and ` go` begins one."""

END = "<|end|>"
"""End of text, and padding."""


def pieces_of(texts: Iterable[str]) -> Counter[str]:
    """How often each pre-token occurs."""
    from tokenizers import Regex, pre_tokenizers

    split = pre_tokenizers.Split(Regex(WORD), behavior="isolated")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(piece for piece, _span in split.pre_tokenize_str(text))
    return counts


def build_tokenizer(words: Iterable[str], max_context: int) -> Any:
    """A fast tokenizer whose vocabulary is 256 bytes, `words` in the order given, and `END`.

    Args:
        words: pre-tokens, leading space included; the most frequent first.

    Returns:
        A `PreTrainedTokenizerFast`, ready for `save_pretrained`.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    spelled = (byte_level.pre_tokenize_str(word)[0][0] for word in words)
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys([END, *alphabet, *spelled]))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(WORD), behavior="isolated"), byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END,
        model_max_length=max_context,
        clean_up_tokenization_spaces=False,
    )
