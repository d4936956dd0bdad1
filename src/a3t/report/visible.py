"""Text from outside, made harmless to look at: what a terminal, a browser or a reader could be fooled by becomes an escape."""

from __future__ import annotations

import re
import unicodedata

_KEPT = "\n"
# Cc control, Cf format (bidi overrides, zero-width), Cs lone surrogates, Co private use, Zl and Zp line separators.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_PLAIN = re.compile(r"[\n\x20-\x7e]*\Z")


def visible(text: str) -> str:
    r"""Escape what has no glyph (`\x1b`, `\u202e`); newlines stay, a tab is a space, CRLF is a newline.

    Emoji joiners are escaped too: an environment that needs them is rarer than one that hides text with them.
    """
    if _PLAIN.match(text):
        return text
    text = text.replace("\r\n", "\n").replace("\t", " ")
    return "".join(c if c in _KEPT or unicodedata.category(c) not in _HIDDEN else _escape(c) for c in text)


def one_line(text: str, limit: int | None = None) -> str:
    """Visible text on one line, cut with an ellipsis after `limit` characters."""
    line = " ".join(visible(text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
