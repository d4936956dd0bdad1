"""Trajectories as JSON lines, read and written one at a time: how they leave a run and how other people's logs come in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from a3t.errors import BadDataError, MissingDataError
from a3t.store.records import from_json, to_json
from a3t.store.whole import whole, write_line
from a3t.types import Trajectory


def read_jsonl(path: Path) -> Iterator[Trajectory]:
    """The trajectories of a file, in its order; blank lines are skipped.

    A line without `attempt` is numbered: 0 for the first of its task, stage and round, one more than the highest so far for
    those that follow. Other people's logs rarely count their tries.

    Raises:
        MissingDataError: there is no such file.
        BadDataError: names the file, the line, the field, what was expected and what came.
    """
    path = Path(path)
    next_attempt: dict[tuple[str, ...], int] = {}
    for number, line in _lines(path):
        try:
            data = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
            if isinstance(data, dict) and "attempt" not in data:
                data["attempt"] = next_attempt.get(_try_of(data), 0)
            trajectory = from_json(data)
        except BadDataError as error:
            raise BadDataError(f"{path}, line {number}: {error}") from None
        except UnicodeDecodeError as error:
            raise BadDataError(f"{path}, line {number}: is not UTF-8 (byte {error.start} of the line).") from None
        except json.JSONDecodeError as error:
            hint = "  Is the file cut off?" if error.pos >= len(error.doc.rstrip()) else "  One JSON object per line is expected."
            raise BadDataError(f"{path}, line {number}: is not JSON: {error.msg} at column {error.colno}.\n{hint}") from None
        except (ValueError, RecursionError) as error:
            raise BadDataError(f"{path}, line {number}: is not JSON that a3t reads: {error}.") from None
        key = _try_of(data)
        next_attempt[key] = max(next_attempt.get(key, 0), trajectory.attempt + 1)
        yield trajectory


def write_jsonl(path: Path, trajectories: Iterable[Trajectory]) -> int:
    """Write one trajectory a line and say how many; the file appears whole or not at all.

    Raises:
        DiskFullError: it does not fit; what was at `path` before is untouched.
        StoreError: the folder cannot be written to.
    """
    count = 0
    with whole(Path(path)) as draft, draft.open("wb") as file:
        for trajectory in trajectories:
            write_line(file, to_json(trajectory))
            count += 1
    return count


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank, without the byte-order mark some editors put first."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    yield number, line
    except FileNotFoundError:
        raise MissingDataError(f"there is no file {path}.") from None
    except OSError as error:
        raise BadDataError(f"cannot read {path}: {error.strerror or error}.") from None


def _try_of(data: object) -> tuple[str, ...]:
    """What attempts are counted by; any nonsense is left for `from_json` to refuse."""
    fields = data if isinstance(data, dict) else {}
    return tuple(str(fields.get(key, default)) for key, default in _TRY)


_TRY = (("stage", "import"), ("round_index", 0), ("split", ""), ("task_id", ""))


def _refuse_constant(name: str) -> NoReturn:
    raise BadDataError(f'{name} is not a JSON number (a3t writes such a value as the string "{name}")')
