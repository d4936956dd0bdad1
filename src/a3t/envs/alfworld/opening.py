"""Game files opened as worlds; those opened last stay in memory, shared by all environments of the process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from a3t.envs.alfworld.pddl import load_game
from a3t.envs.alfworld.world import World
from a3t.errors import BadDataError, MissingDataError

MAX_WORLDS = 256
"""More than the episodes that run at once. A world takes 0.2 MB, with its game, and up to 0.5 more as it is seen."""


def open_world(path: Path) -> World:
    """The world of a game file, as it is on disk now.

    Raises:
        MissingDataError: the file is gone.
        BadDataError: it is no game that this engine can play; the message names it.
    """
    try:
        seen = path.stat()
    except OSError as error:
        raise MissingDataError(f"cannot read the game {path}: {error.strerror}.") from None
    return _open(path, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=MAX_WORLDS)
def _open(path: Path, changed: int, size: int) -> World:
    # Worlds hold no play, hence sharing them is safe; time and size are here so that a changed file is read again.
    game = load_game(path)
    try:
        return World(game)
    except BadDataError as error:
        raise BadDataError(f"the game {path} cannot be played: {error}") from None
