"""Reads one element at a time from a JSON file too big for memory, knowing at every moment which byte it has reached.

Works on a top-level array (`items_shuffle.json`) or object (`items_ins_v2.json`). Because each element says where it ended,
reading can start again there after an interruption; because each says where it began, a broken file can be named to the byte.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from a3t.errors import BadDataError, MissingDataError

CHUNK_BYTES = 1 << 21
MAX_ELEMENT_BYTES = 1 << 28
"""One product that is larger than this is taken for a broken file."""

_SPACE = re.compile(r"[ \t\r\n]*")
_SEPARATOR = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")
_NAMES = (re.compile(r'"asin"\s*:\s*"([^"\\]{1,40})"'), re.compile(r'"name"\s*:\s*"([^"\\]{1,60})'))
"""What a broken product may still tell of itself, the best first."""


@dataclass(frozen=True, slots=True)
class Element:
    """One member of the top-level array or object."""

    index: int
    """Counted from 0."""
    key: str
    """Of an object's member; empty in an array."""
    value: Any
    start: int
    """Byte offset of its first character."""
    end: int
    """Byte offset just after it: hand it back as `resume_at` to go on from here."""


def read_elements(
    path: Path, resume_at: int = 0, resume_index: int = 0, chunk_bytes: int = CHUNK_BYTES, array: bool = True
) -> Iterator[Element]:
    """The members of a JSON array or object, in file order, in memory one at a time.

    Args:
        path: the file.
        resume_at: `Element.end` of the last element that needs no second reading; 0 starts at the top.
        resume_index: how many elements lie before `resume_at`.
        chunk_bytes: how much is read at once.
        array: whether an array will do, or only an object with its keys.

    Raises:
        MissingDataError: no such file.
        BadDataError: not JSON, or cut short; says which element and which byte.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise MissingDataError(f"cannot read {path}: {error.strerror or error}.") from None
    with file:
        window = _Window(path, file, chunk_bytes)
        opening = window.open(array)
        if resume_at:
            window.seek(resume_at)
        yield from _members(window, opening, resume_index)


def _members(window: _Window, opening: str, index: int) -> Iterator[Element]:
    closing = "]" if opening == "[" else "}"
    while True:
        window.skip(_SEPARATOR)
        if window.peek(f"element {index}") == closing:
            window.finish(closing)
            return
        start = window.offset
        key = ""
        if opening == "{":
            key = window.decode(index, "")
            if not isinstance(key, str):
                raise window.broken(index, "", f"expected a key in quotes, found {key!r}", start)
            window.skip(_SPACE)
            if window.peek(f"element {index} ({key!r})") != ":":
                raise window.broken(index, key, "expected ':' after the key", start)
            window.advance(1)
            window.skip(_SPACE)
        value = window.decode(index, key)
        end = window.offset
        yield Element(index, key, value, start, end)
        index += 1
        window.skip(_SPACE)
        if window.peek(f"what follows element {index - 1}") not in (",", closing):
            raise window.broken(index, "", f"expected ',' or '{closing}' after element {index - 1}")


class _Window:
    """The part of the file that is being looked at, as text, with the byte offset of its cursor."""

    def __init__(self, path: Path, file: BinaryIO, chunk_bytes: int) -> None:
        self._path = path
        self._file = file
        self._chunk_bytes = chunk_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder()
        self._text = ""
        self._cursor = 0
        self._read_bytes = 0
        self._at_end = False
        self.offset = 0

    def open(self, array: bool) -> str:
        self._more()
        if self._text.startswith("\ufeff"):
            self.advance(1)
        self.skip(_SPACE)
        opening = self.peek("the beginning")
        if opening != "{" and not (array and opening == "["):
            expected = "array or object" if array else "object"
            found = self._text[self._cursor : self._cursor + 20]
            raise BadDataError(f"{self._path}: expected a JSON {expected}, found {found!r} at byte {self.offset}.")
        self.advance(1)
        return opening

    def seek(self, offset: int) -> None:
        self._file.seek(offset)
        self._decoder.reset()
        self._text, self._cursor, self._read_bytes, self._at_end = "", 0, offset, False
        self.offset = offset

    def peek(self, expected: str) -> str:
        while self._cursor >= len(self._text):
            if not self._more():
                raise BadDataError(
                    f"{self._path} is cut short: it ends at byte {self.offset}, where {expected} was expected.\n"
                    "  Try: download or unpack it again, and import it anew."
                )
        return self._text[self._cursor]

    def skip(self, pattern: re.Pattern[str]) -> None:
        while True:
            found = pattern.match(self._text, self._cursor)
            length = len(found.group()) if found else 0
            self.advance(length)
            if self._cursor < len(self._text) or not self._more():
                return
            # A separator may straddle two chunks; what is left of it can only be white space.
            pattern = _SPACE if pattern is _SEPARATOR and length and "," in (found.group() if found else "") else pattern

    def finish(self, closing: str) -> None:
        """Past the bracket that closes the file, where nothing but white space may be left."""
        self.advance(1)
        self.skip(_SPACE)
        if self._cursor < len(self._text):
            raise BadDataError(
                f"{self._path} is malformed: after the final {closing!r} nothing should follow, found "
                f"{self._text[self._cursor : self._cursor + 20]!r} at byte {self.offset}.\n"
                "  Try: download or unpack it again, and import it anew."
            )

    def advance(self, length: int) -> None:
        # ASCII, which nearly all of it is, needs no encoding to be measured.
        passed = self._text[self._cursor : self._cursor + length]
        self.offset += len(passed) if passed.isascii() else len(passed.encode("utf-8"))
        self._cursor += length

    def decode(self, index: int, key: str) -> Any:
        """The JSON value at the cursor; reads on until it is whole."""
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._cursor)
            except json.JSONDecodeError as error:
                # Near the end of the window, or inside a string that has not ended, it may only be unfinished.
                unfinished = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - 16
                if unfinished and len(self._text) - self._cursor < MAX_ELEMENT_BYTES and self._more():
                    continue
                at = self.offset + len(self._text[self._cursor : error.pos].encode("utf-8"))
                if unfinished and self._at_end:
                    raise self.broken(index, key, f"the file ends at byte {self._read_bytes}, in the middle of it") from None
                raise self.broken(index, key, f"{error.msg} at byte {at}") from None
            except RecursionError:
                raise self.broken(index, key, "nested too deeply") from None
            # A number near the end of the window might go on in the next chunk (`0` of `0.5e-7`).
            length = end - self._cursor
            if isinstance(value, int | float) and len(self._text) - end < 32 and self._more():
                continue
            self.advance(length)
            return value

    def broken(self, index: int, key: str, why: str, start: int | None = None) -> BadDataError:
        found = (pattern.search(self._text, self._cursor, self._cursor + 100_000) for pattern in _NAMES)
        named = key or next((name.group(1) for name in found if name), "")
        which = f"element {index}" + (f" ({named})" if named else "")
        return BadDataError(
            f"{self._path} is malformed or cut short: "
            f"{which}, which begins at byte {self.offset if start is None else start}: {why}.\n"
            "  Try: download or unpack it again, and import it anew."
        )

    def _more(self) -> bool:
        if self._at_end:
            return False
        data = self._file.read(self._chunk_bytes)
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise BadDataError(
                f"{self._path} is not UTF-8 at about byte {self._read_bytes + error.start}: {error.reason}."
            ) from None
        self._read_bytes += len(data)
        if not data:
            self._at_end = True
        # Only what is still to be read is kept.
        self._text = self._text[self._cursor :] + text
        self._cursor = 0
        return bool(data)
