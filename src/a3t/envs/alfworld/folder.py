"""The official data folder: which splits it has, which games, and what each asks for.

    $ALFWORLD_DATA/json_2.1.1/<split>/<task_type>-<object>-<mrecep>-<recep>-<scene>/trial_*/game.tw-pddl

Listing 3,554 games must not take parsing 3,554 files of 80 kB each: what a task needs is found in their bytes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from a3t.envs.alfworld.game import TaskType
from a3t.envs.alfworld.grammar import TASK_LEAD
from a3t.envs.alfworld.pddl import GAME_FILE
from a3t.errors import MissingDataError, UnknownTaskError, nearest, unknown
from a3t.types import Task

VARIABLE = "ALFWORLD_DATA"
INNER = "json_2.1.1"
"""The folder that all official archives unpack into, whatever their own version."""

SPLITS = ("train", "valid_train", "valid_seen", "valid_unseen")
"""What the official archives hold. Folders of other names, beside them, are splits too."""

GET_IT = "Try: a3t data fetch alfworld, or a3t data import alfworld PATH where you have the archives."

MAX_TASK_ID = 200

_TASK_TYPES = {task_type.value for task_type in TaskType}
_TASK_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_SAID = re.compile(rb'\\"rhs\\"\s*:\s*\\"' + re.escape(TASK_LEAD.encode()) + rb'(.*?)(?<!\\)\\"', re.DOTALL)
_SOLVABLE = re.compile(rb'"solvable"\s*:\s*(true|false)')

HEAD, TAIL = 24_000, 8_000
"""Bytes: the task is announced before the first, the verdict comes after the second."""


class Where(NamedTuple):
    """A game on disk."""

    split: str
    task_id: str
    path: Path


def default_folder() -> Path:
    """Where alfworld itself looks: $ALFWORLD_DATA, or ~/.cache/alfworld."""
    return Path(os.environ.get(VARIABLE) or "~/.cache/alfworld").expanduser()


class DataFolder:
    """An ALFWorld data folder, read only.

    Args:
        data: the folder; None takes `default_folder()`.

    Raises:
        MissingDataError: there is no such folder, or it holds no split.
    """

    def __init__(self, data: Path | str | None = None) -> None:
        self.root = Path(data).expanduser() if data else default_folder()
        if not self.root.is_dir():
            says = (
                "`data=` says"
                if data
                else f"${VARIABLE} says"
                if os.environ.get(VARIABLE)
                else f"neither `data=` nor ${VARIABLE} says"
            )
            raise MissingDataError(f"{says} where ALFWorld's data are, but there is no folder {self.root}.\n  {GET_IT}")
        inner = self.root / INNER
        self.games = inner if inner.is_dir() else self.root
        self.splits = _splits(self.games)
        self._found: dict[tuple[str, str | None], Where] = {}
        if not self.splits:
            raise MissingDataError(
                f"{self.root} holds no ALFWorld games: looked for {INNER}/{{{','.join(SPLITS)}}}/*/trial_*/{GAME_FILE}."
                f"\n  {GET_IT}"
            )

    def tasks(self, split: str) -> tuple[Task, ...]:
        """The playable tasks of a split, sorted by id.

        Raises:
            UnknownNameError: there is no such split.
            MissingDataError: the split holds no playable game.
        """
        folder = self._split_folder(split)
        return _tasks(folder, split, folder.stat().st_mtime_ns)

    def find(self, task_id: str, split: str | None = None) -> Where:
        """Where a task's game is; in the first split that has it, where none is named.

        A game marked unsolvable is no task, and can be opened by its id all the same.

        Raises:
            UnknownNameError: there is no such split.
            UnknownTaskError: there is no such task.
        """
        known = self._found.get((task_id, split)) if isinstance(task_id, str) else None
        if known is not None:
            return known
        folders = [(split, self._split_folder(split))] if split else [(name, self.games / name) for name in self.splits]
        # The id becomes a path, so nothing but two plain names may pass.
        if _is_path(task_id) and _playable(task_id):
            for name, folder in folders:
                path = folder / task_id / GAME_FILE
                if path.is_file():
                    return self._found.setdefault((task_id, split), Where(name, task_id, path))
        raise self._unknown_task(_shown(task_id), [name for name, _ in folders], split)

    def every_game(self) -> Iterator[Where]:
        """All games, split by split, solvable or not; each may turn out to be damaged.

        Raises:
            MissingDataError: all splits are empty.
        """
        is_empty = True
        for split in self.splits:
            for where in _games(self.games / split, split):
                is_empty = False
                yield where
        if is_empty:
            raise _no_games(self.games / self.splits[0], self.splits[0])

    def _tasks_if_any(self, split: str) -> tuple[Task, ...]:
        try:
            return self.tasks(split)
        except MissingDataError:
            return ()

    def _split_folder(self, split: str) -> Path:
        if split not in self.splits:
            if split in SPLITS:
                raise MissingDataError(
                    f"the data in {self.root} have no split {split!r}: there is no {self.games / split}"
                    f" (found: {', '.join(self.splits)}).\n  {GET_IT}"
                )
            raise unknown("split of alfworld", split, self.splits)
        return self.games / split

    def _unknown_task(self, task_id: str, searched: list[str], split: str | None) -> UnknownTaskError:
        ids = [task.task_id for name in searched for task in self._tasks_if_any(name)]
        close = nearest(task_id, ids, limit=2)
        hint = f"Nearest: {', '.join(map(repr, close))}. " if close else ""
        if split:
            return UnknownTaskError(
                f"alfworld/{split} has no task {task_id!r}.\n  {hint}`a3t tasks alfworld --split {split}` lists all {len(ids)}."
            )
        return UnknownTaskError(
            f"alfworld has no task {task_id!r} in {', '.join(searched)}.\n"
            f"  {hint}`a3t tasks alfworld --split {searched[0]}` lists those of one split."
        )


def _is_path(task_id: object) -> bool:
    return (
        isinstance(task_id, str)
        and len(task_id) <= MAX_TASK_ID
        and _TASK_ID.fullmatch(task_id) is not None
        and ".." not in task_id.split("/")
    )


def _shown(task_id: object) -> str:
    """A task id fit for a message, whatever came."""
    text = task_id if isinstance(task_id, str) else repr(task_id)
    return text[:MAX_TASK_ID].encode("utf-8", "replace").decode()


def _splits(games: Path) -> tuple[str, ...]:
    found = {entry.name for entry in os.scandir(games) if entry.is_dir() and _has_trials(Path(entry.path))}
    found |= {name for name in SPLITS if (games / name).is_dir()}
    return tuple([name for name in SPLITS if name in found] + sorted(found - set(SPLITS)))


def _has_trials(folder: Path) -> bool:
    return any(entry.name.partition("-")[0] in _TASK_TYPES and entry.is_dir() for entry in os.scandir(folder))


def _playable(task_id: str) -> bool:
    """Of one of the six types; the official loader leaves out games with movable receptacles and slices by the folder's name."""
    folder = task_id.partition("/")[0]
    return folder.partition("-")[0] in _TASK_TYPES and "movable" not in folder and "Sliced" not in folder


def _games(folder: Path, split: str) -> Iterator[Where]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not _playable(entry.name) or not entry.is_dir():
            continue
        for trial in sorted(os.scandir(entry.path), key=lambda trial: trial.name):
            path = Path(trial.path) / GAME_FILE
            if path.is_file():
                yield Where(split, f"{entry.name}/{trial.name}", path)


@lru_cache(maxsize=32)
def _tasks(folder: Path, split: str, stamp: int) -> tuple[Task, ...]:
    tasks = []
    for where in _games(folder, split):
        instruction = _skim(where.path)
        if instruction is not None:
            tasks.append(Task(where.task_id, split, where.task_id.partition("-")[0], instruction))
    if not tasks:
        raise _no_games(folder, split)
    return tuple(tasks)


def _skim(path: Path) -> str | None:
    """The instruction of a game, from the two ends of its file; None where it cannot be solved, or is no game at all."""
    size = path.stat().st_size
    with path.open("rb") as file:
        raw = file.read(HEAD)
        if size > HEAD:
            file.seek(max(HEAD, size - TAIL))
            raw += file.read()
        said, solvable = _SAID.search(raw), _SOLVABLE.search(raw)
        if said is None or solvable is None:
            # Written in another order than the official ones, or cut short: look everywhere.
            file.seek(0)
            raw = file.read()
            if not _is_json_object(raw):
                return None
            said, solvable = _SAID.search(raw), _SOLVABLE.search(raw)
    if solvable is not None and solvable[1] == b"false":
        return None
    return _text(said[1]) if said else ""


def _is_json_object(raw: bytes) -> bool:
    try:
        return isinstance(json.loads(raw), dict)
    except (ValueError, RecursionError):
        return False


def _text(raw: bytes) -> str:
    """A JSON string inside a JSON string, decoded; nothing where it is damaged (playing the game will say so)."""
    try:
        inner: str = json.loads(b'"' + raw + b'"')
        return str(json.loads(f'"{inner}"'))
    except (ValueError, UnicodeDecodeError):
        return ""


def _no_games(folder: Path, split: str) -> MissingDataError:
    trials = sum(1 for _ in folder.glob("*/trial_*"))
    if trials:
        return MissingDataError(
            f"the split {split!r} in {folder} has {trials} trial folders, but none holds a playable {GAME_FILE}: "
            f"the archive of games (json_…_tw-pddl.zip) has not been unpacked there.\n  {GET_IT}"
        )
    return MissingDataError(f"the split {split!r} in {folder} is empty: expected */trial_*/{GAME_FILE}.\n  {GET_IT}")
