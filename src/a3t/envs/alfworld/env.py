"""ALFWorld by the contract of DESIGN.md: Gymnasium on strings, over the official data folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import printable
from typing import Any, NamedTuple

import gymnasium

from a3t.envs.alfworld.expert import plan
from a3t.envs.alfworld.folder import DataFolder
from a3t.envs.alfworld.opening import open_world
from a3t.envs.alfworld.state import State
from a3t.envs.alfworld.world import World
from a3t.errors import BadDataError, EnvironmentFailure, RecipeError
from a3t.types import Task

ENGINE = "a3t-engine 1"
"""Goes into every record; the number changes whenever an answer of the engine does."""

MAX_TEXT = 100_000
"""Characters that Gymnasium's text spaces allow for. The engine itself has no limit."""


class Snapshot(NamedTuple):
    """Where an episode stands: a value, true whatever the environment does next."""

    task: Task
    world: World
    state: State
    answer: str
    num_steps: int
    over: bool


def first_world(folder: DataFolder) -> World:
    """The world of the first game that can be read.

    Raises:
        MissingDataError: there are no games.
        BadDataError: all are damaged; says so of the first.
    """
    refused: BadDataError | None = None
    for where in folder.every_game():
        try:
            return open_world(where.path)
        except BadDataError as error:
            refused = refused or error
    assert refused is not None, "an empty folder has no first game"
    raise refused


class AlfworldEnv(gymnasium.Env[str, str]):
    """The official games, answered word for word as alfworld 0.4.2 answers them.

    `info` holds `actions` (the sorted admissible commands), `valid` (False where the command was refused: `Nothing happens.`) and
    `success`. The reward is 1 with success and 0 before; success ends the episode. As in the official environment, a step
    after the end changes nothing and repeats the last answer.

    Args:
        data: the folder that `alfworld-download` fills; None takes $ALFWORLD_DATA, or else ~/.cache/alfworld as alfworld does.
        split: where `reset` without a `task_id` draws its task from; None takes the first of `splits`.
        max_steps: truncate an episode after so many steps; None never does.

    Raises:
        MissingDataError: no data there.
        RecipeError: an option does not make sense.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (Gymnasium's own declaration)

    def __init__(self, data: Path | str | None = None, *, split: str | None = None, max_steps: int | None = None) -> None:
        if max_steps is not None and (not isinstance(max_steps, int) or max_steps < 1):
            raise RecipeError(f"alfworld: max_steps = {max_steps!r} does not fit: expected a positive number; none is no limit.")
        self.folder = DataFolder(data)
        self.split = split or self.folder.splits[0]
        self.max_steps = max_steps
        characters = "".join(sorted(printable))
        self.observation_space = gymnasium.spaces.Text(MAX_TEXT, min_length=0, charset=characters)
        self.action_space = gymnasium.spaces.Text(200, min_length=0, charset=characters)
        self._now: Snapshot | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the data folder holds."""
        return self.folder.splits

    @property
    def version(self) -> str:
        """`alfworld/2.1.2 a3t-engine 1`: the generation of the text, and ours.

        The text is that of the episode, since a folder may hold games of both generations; before one, the first game's that can
        be read.
        """
        world = self._now.world if self._now is not None else first_world(self.folder)
        return f"alfworld/{world.game.wording.version} {ENGINE}"

    @property
    def actions(self) -> list[str]:
        """The sorted admissible commands, as in `info`; for after a `restore`."""
        now = self._playing()
        return list(now.world.actions(now.state))

    def tasks(self, split: str) -> Sequence[Task]:
        """All playable tasks of a split, sorted by `task_id`.

        Raises:
            UnknownNameError: no such split.
            MissingDataError: the split is one of the official ones, but its games are not there.
        """
        return self.folder.tasks(split)

    def solution(self, task_id: str) -> list[str] | None:
        """Commands that win the task, for someone who knows where everything is; None where none is known."""
        return plan(open_world(self.folder.find(task_id).path))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start `options["task_id"]`; without one, a task that `seed` draws from `options["split"]` or the environment's split.

        Raises:
            UnknownTaskError: no such task.
            BadDataError: its game file is damaged.
        """
        super().reset(seed=seed)
        options = options or {}
        task_id, split = options.get("task_id"), options.get("split")
        if task_id is None:
            tasks = self.tasks(split or self.split)
            task_id = tasks[int(self.np_random.integers(len(tasks)))].task_id
            split = split or self.split
        where = self.folder.find(task_id, split)
        world = open_world(where.path)
        task = Task(where.task_id, where.split, world.game.task_type.value, world.game.task)
        self._now = Snapshot(task, world, world.start, world.intro, 0, False)
        return world.intro, self._info(self._now, valid=True)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        task, world, state, answer, num_steps, over = self._playing()
        valid = False
        if not over:
            # What is not text is refused like any other nonsense: no action may raise.
            state, answer, valid = world.play(state, action if isinstance(action, str) else "")
            num_steps += 1
        success = world.won(state)
        truncated = not success and self.max_steps is not None and num_steps >= self.max_steps
        self._now = Snapshot(task, world, state, answer, num_steps, success or truncated)
        return answer, float(success), success, truncated, self._info(self._now, valid)

    def snapshot(self) -> Snapshot:
        """The episode as a value; taking one costs nothing."""
        return self._playing()

    def restore(self, state: object) -> None:
        """Go on from a snapshot, of this environment or another."""
        if not isinstance(state, Snapshot):
            raise EnvironmentFailure(f"alfworld restores its own snapshots, not a {type(state).__name__}.")
        self._now = state

    def _playing(self) -> Snapshot:
        if self._now is None:
            raise gymnasium.error.ResetNeeded("alfworld: call reset() before playing.")
        return self._now

    def _info(self, now: Snapshot, valid: bool) -> dict[str, Any]:
        return {"actions": list(now.world.actions(now.state)), "valid": valid, "success": now.world.won(now.state)}
