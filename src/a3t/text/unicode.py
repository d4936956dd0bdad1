"""Whether a text is whole: half a character (a lone surrogate) can be in a string, but in no file and no tokenizer."""

from __future__ import annotations


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
