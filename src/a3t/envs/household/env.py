"""Household games as an environment: `a3t.make("household", seed=0, receptacles=[8, 24], …)`."""

from __future__ import annotations

import string
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import gymnasium

from a3t.envs.alfworld.world import State, World
from a3t.envs.household.difficulty import Difficulty, difficulty, whole
from a3t.envs.household.generate import build
from a3t.envs.household.tasks import SPLITS, Spec, draw_spec, parse_trial
from a3t.errors import RecipeError, UnknownTaskError, nearest, unknown
from a3t.types import Task

TEXTS = ("2.1.2", "2.1.1")
MAX_SEED = 10**18 - 1
MAX_TASKS = 1_000_000

_CHARACTERS = "".join(sorted(set(string.printable)))


class Snapshot(NamedTuple):
    """Where an episode stands: a value, true whatever is played next."""

    world: World
    state: State
    success: bool


class HouseholdEnv(gymnasium.Env[str, str]):
    """Any number of household games, made from a seed when they are played.

    Args:
        seed: makes another household: other floor plans, other games.
        num_train, num_valid_seen, num_valid_unseen: tasks of the three splits. More of a split goes on where fewer end.
        text: `2.1.2` (`move X to R`, as alfworld 0.4) or `2.1.1` (`put X in/on R`, as ReAct's prompts).
        receptacles, distractors, closed_share, task_types, scenes_per_room, unseen_scenes_per_room: see `Difficulty`.

    Raises:
        RecipeError: an option does not make sense.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own declaration)

    def __init__(
        self,
        seed: int = 0,
        *,
        num_train: int = 2000,
        num_valid_seen: int = 200,
        num_valid_unseen: int = 400,
        text: str = "2.1.2",
        **options: Any,
    ) -> None:
        if text not in TEXTS:
            raise RecipeError(f"household: text = {text!r} does not fit: expected {' or '.join(map(repr, TEXTS))}.")
        self.seed = whole("seed", seed, 0, MAX_SEED)
        self.num_tasks = {
            "train": whole("num_train", num_train, 1, MAX_TASKS),
            "valid_seen": whole("num_valid_seen", num_valid_seen, 1, MAX_TASKS),
            "valid_unseen": whole("num_valid_unseen", num_valid_unseen, 1, MAX_TASKS),
        }
        self.difficulty = difficulty(**options)
        self.text = text
        self.observation_space = gymnasium.spaces.Text(100_000, min_length=0, charset=_CHARACTERS)
        self.action_space = gymnasium.spaces.Text(200, min_length=0, charset=_CHARACTERS)
        self._now: Snapshot | None = None

    splits = tuple(SPLITS)

    @property
    def version(self) -> str:
        """Names the world in records."""
        return f"household/{self.text}"

    def tasks(self, split: str) -> Sequence[Task]:
        """All tasks of a split, task types in turn.

        Raises:
            UnknownNameError: no such split.
        """
        if split not in SPLITS:
            raise unknown("split of household", split, SPLITS)
        return _tasks(self.seed, split, self.num_tasks[split], self.difficulty)

    def solution(self, task_id: str) -> list[str]:
        """Commands that win the task, for someone who knows where everything is."""
        return list(self._world(task_id).game.walkthrough)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start `options["task_id"]`, or without one a training task that `seed` chooses.

        Raises:
            UnknownTaskError: this household has no such task.
        """
        super().reset(seed=seed)
        task_id = (options or {}).get("task_id")
        if task_id is None:
            number = int(self.np_random.integers(self.num_tasks["train"]))
            task_id = draw_spec(self.seed, "train", number, self.difficulty).task_id
        world = self._world(task_id)
        self._now = Snapshot(world, world.start, False)
        return world.intro, self._info(valid=True)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """One command. What is not admissible now changes nothing and is answered `Nothing happens.`, as is all after the end."""
        now = self._playing()
        if now.success:
            return now.world.game.wording.refused, 1.0, True, False, self._info(valid=False)
        state, answer, valid = now.world.play(now.state, action.strip().lower() if len(action) < MAX_ACTION else "")
        success = now.world.won(state)
        self._now = Snapshot(now.world, state, success)
        return answer, float(success), success, False, self._info(valid)

    def snapshot(self) -> Snapshot:
        return self._playing()

    def restore(self, state: object) -> None:
        if not isinstance(state, Snapshot):
            raise TypeError(f"household restores its own snapshots, not a {type(state).__name__}.")
        self._now = state

    def _playing(self) -> Snapshot:
        if self._now is None:
            raise gymnasium.error.ResetNeeded("household: call reset() before playing.")
        return self._now

    def _info(self, valid: bool) -> dict[str, Any]:
        now = self._playing()
        return {"actions": [] if now.success else list(now.world.actions(now.state)), "valid": valid, "success": now.success}

    def _world(self, task_id: object) -> World:
        return _world(self._spec(task_id), self.difficulty, self.text)

    def _spec(self, task_id: object) -> Spec:
        """The task that an id names: made again from the number in it, and held against the whole id."""
        found = parse_trial(task_id.rpartition("/")[2]) if isinstance(task_id, str) and len(task_id) < MAX_ACTION else None
        if found is None:
            raise UnknownTaskError(self._unknown(task_id, "its last part is not like 's0-t00042'"))
        seed, split, index = found
        if seed != self.seed:
            raise UnknownTaskError(
                self._unknown(task_id, f"it belongs to a household with seed={seed}, this one has seed={self.seed}")
            )
        if index >= self.num_tasks[split]:
            raise UnknownTaskError(self._unknown(task_id, f"{split} has {self.num_tasks[split]} tasks (num_{split})"))
        spec = draw_spec(seed, split, index, self.difficulty)
        if spec.task_id != task_id:
            raise UnknownTaskError(self._unknown(task_id, f"number {index} of {split} is {spec.task_id!r} under these options"))
        return spec

    def _unknown(self, task_id: object, why: str) -> str:
        shown = ascii(task_id)[:120]
        close = (
            nearest(task_id, (t.task_id for t in self.tasks("train")), 1)
            if isinstance(task_id, str) and len(task_id) < 200
            else []
        )
        hint = f"Nearest: {close[0]!r}. " if close else ""
        return f"household has no task {shown}: {why}.\n  {hint}`a3t tasks household` lists them."


MAX_ACTION = 1000
"""Characters; no command is nearly as long."""


@lru_cache(maxsize=16)
def _tasks(seed: int, split: str, num: int, hardness: Difficulty) -> tuple[Task, ...]:
    specs = (draw_spec(seed, split, index, hardness) for index in range(num))
    return tuple(Task(spec.task_id, split, str(spec.goal.task_type), spec.instruction) for spec in specs)


@lru_cache(maxsize=256)
def _world(spec: Spec, hardness: Difficulty, text: str) -> World:
    """Compiled games, shared by all environments of the process: a task is often played many times in a row."""
    return World(build(spec, hardness, text))
