"""JSON objects in a file, one a line or in one array: read with the line named, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from a3t.errors import BadDataError, MissingDataError
from a3t.store.whole import whole, write_line


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object and where it stands (`line 3`, `element 3`).

    Raises:
        MissingDataError: no such file. BadDataError: names the line.
    """
    try:
        with path.open("rb") as file:
            first = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            file.seek(0)
            if first.startswith(b"["):
                yield from _array(path, file.read())
                return
            for number, line in enumerate(file, start=1):
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield f"line {number}", _object(path, f"line {number}", _parse(path, f"line {number}", line))
    except FileNotFoundError:
        raise MissingDataError(f"there is no file {path}.") from None
    except OSError as error:
        raise BadDataError(f"cannot read {path}: {error.strerror or error}.") from None


def write_objects(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """One object a line; says how many. Half a character is escaped, as JSON allows."""
    count = 0
    with whole(path) as draft, draft.open("wb") as file:
        for row in rows:
            write_line(file, row)
            count += 1
    return count


def _array(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, one in enumerate(_parse(path, "the file", content), start=1):
        yield f"element {number}", _object(path, f"element {number}", one)


def _parse(path: Path, where: str, text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path}, {where}: is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise BadDataError(f"{path}, {where}: is not JSON: {error.msg} at column {error.colno}.") from None
    except (ValueError, RecursionError) as error:
        raise BadDataError(f"{path}, {where}: is not JSON that a3t reads: {error}.") from None


def _object(path: Path, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadDataError(f"{path}, {where}: expected an object, got {type(value).__name__}.")
    return value
