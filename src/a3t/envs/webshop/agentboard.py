"""AgentBoard's easy and hard tasks: by our rule, or as an index file says, in either of two notations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from a3t.errors import BadDataError, MissingDataError

if TYPE_CHECKING:
    from a3t.envs.webshop.goals import Goal

NUM_TASKS = 251
"""AgentBoard takes the first this many test tasks and calls each easy or hard."""

MOST_OF_EASY = 2
RULE = f"hard-above-{MOST_OF_EASY}"
"""Ours: hard asks for more attributes and options together than this. Stands in an environment's version."""

Boards = Mapping[str, Sequence[int]]
"""`easy` and `hard`, each with the places of its goals."""

_EXPECTED = 'Expected {"easy": [places], "hard": [places]}, or lines of {"id": place, "difficulty": "easy" or "hard"}.'


def boards_by_rule(goals: Sequence[Goal]) -> Boards:
    boards: dict[str, list[int]] = {"easy": [], "hard": []}
    for place, goal in enumerate(goals[:NUM_TASKS]):
        boards["hard" if goal.num_requirements > MOST_OF_EASY else "easy"].append(place)
    return boards


def read_boards(path: Path, num_goals: int) -> Boards:
    """From a JSON object of two lists, or JSONL with `id` and `difficulty` in each line (more fields do no harm).

    Raises:
        MissingDataError: no such file.
        BadDataError: says which line or list makes no sense.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MissingDataError(f"cannot read the AgentBoard index file {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise BadDataError(f"the AgentBoard index file {path} is not UTF-8: {error.reason}.") from None
    boards: dict[str, list[int]] = {"easy": [], "hard": []}
    seen: set[int] = set()
    for where, name, place in _entries(text, path):
        if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < num_goals:
            raise BadDataError(f"{where}: places must be whole numbers below {num_goals}, found {place!r:.60}.\n  {_EXPECTED}")
        if place in seen:
            raise BadDataError(f"{where}: the place {place} came before; each is easy or hard, once.")
        seen.add(place)
        boards[name].append(place)
    if not seen:
        raise BadDataError(f"the AgentBoard index file {path} names no tasks.\n  {_EXPECTED}")
    return boards


def _entries(text: str, path: Path) -> Iterator[tuple[str, str, object]]:
    """Where it stands, `easy` or `hard`, and the place."""
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "difficulty" not in whole:
        for name in ("easy", "hard"):
            if not isinstance(whole.get(name), list):
                raise BadDataError(f"{path}: {name!r} is {whole.get(name)!r:.60}, no list.\n  {_EXPECTED}")
            yield from ((f"{path}, {name!r}", name, place) for place in whole[name])
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _entry(line, f"{path}, line {number}")


def _entry(line: str, where: str) -> tuple[str, str, object]:
    try:
        fields = json.loads(line)
        name, place = fields["difficulty"], fields["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadDataError(f"{where} is no AgentBoard task: {error}.\n  {_EXPECTED}") from None
    if name not in ("easy", "hard"):
        raise BadDataError(f"{where}: the difficulty is {name!r:.60}.\n  {_EXPECTED}")
    return where, name, int(place) if isinstance(place, str) and place.isascii() and place.isdigit() else place
