"""Files that appear whole or not at all, and JSON objects as lines of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from a3t.errors import NO_SPACE, A3TError, DiskFullError, StoreError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A draft beside `path` that takes its place when the block ends well.

    Raises:
        DiskFullError: no room; what was at `path` is untouched. StoreError: the folder cannot be written to.
    """
    draft = path.with_name(path.name + ".part")
    try:
        yield draft
        draft.replace(path)
    except A3TError:
        # A file to read that is not there is an OSError too, but not about writing.
        raise
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFullError(f"no space is left for {path}; nothing was changed there.") from None
        raise StoreError(f"cannot write {path}: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)


def write_line(file: IO[bytes], row: Mapping[str, Any]) -> None:
    """One object as a line of plain UTF-8; half a character (a lone surrogate) is escaped, as JSON allows."""
    # Inside JSON's quotes a lone surrogate's Python escape, \\udc80, is JSON's too.
    file.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n")
