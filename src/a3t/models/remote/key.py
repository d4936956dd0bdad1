"""The API key: read from the environment or a private file, sent to the server, and shown to nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from a3t.errors import RecipeError


class Key:
    """A secret that prints as `***` and can take itself out of other people's text."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Key(***)" if self._value else "Key(none)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")

    def reveal(self) -> str:
        """For the request's header, and nothing else."""
        return self._value

    def redact(self, text: str) -> str:
        """`text` without the key: servers repeat it in their errors, whole or as a beginning and an end with stars between."""
        if not self._value:
            return text
        text = text.replace(self._value, "***")
        if len(self._value) >= 12:
            # "Incorrect API key provided: sk-abcde***wxyz": even its ends stay out of logs.
            for end in (self._value[:8], self._value[-8:], self._value[-4:]):
                text = text.replace(end, "***")
        return text


def read_key(env: str | None, file: str | None) -> Key:
    """The key that a recipe points at; an empty one where it points nowhere.

    Raises:
        RecipeError: the variable or the file is absent or empty, others may read the file, or it holds no usable key.
    """
    if env is not None:
        value, where = os.environ.get(env, ""), f"the environment variable {env}"
        if not value.strip():
            raise RecipeError(f"key_env names {env}, which is not set.\n  Try: export {env}=…, or key_file=PATH.")
    elif file is not None:
        value, where = _read_private(Path(file).expanduser()), f"the file {file}"
    else:
        return Key()
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise RecipeError(f"{where} does not hold an API key: expected one word of printable ASCII.")
    return Key(value)


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            # The open file is what is checked, so that nobody can swap it in between.
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise RecipeError(
                    f"key_file {path} can be read by others (mode {stat.S_IMODE(mode):o}, expected 600).\n  Try: chmod 600 {path}"
                )
            return file.read(64 * 1024)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read key_file {path}: {type(error).__name__}.") from None
