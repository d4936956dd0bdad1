"""Household games as an environment: `a3t.make("household", seed=0, receptacles=[8, 24], …)`.

Only where the games come from is told here; playing them is ALFWorld's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from string import printable
from typing import Any

import gymnasium

from a3t.envs.alfworld.env import ENGINE, MAX_TEXT, AlfworldEnv, Snapshot
from a3t.envs.alfworld.world import World
from a3t.envs.household.difficulty import Difficulty, difficulty, whole
from a3t.envs.household.generate import build
from a3t.envs.household.tasks import SPLITS, Spec, draw_spec, parse_trial
from a3t.errors import RecipeError, UnknownTaskError, nearest, unknown
from a3t.types import Task

TEXTS = ("2.1.2", "2.1.1")
MAX_SEED = 10**18 - 1
MAX_TASKS = 1_000_000
MAX_ID = 300
"""Characters; no task id is as long."""
MAX_COMPARED = 20_000


class HouseholdEnv(AlfworldEnv):
    """Any number of household games, made from a seed when they are played.

    Args:
        seed: makes another household: other floor plans, other games.
        num_train, num_valid_seen, num_valid_unseen: tasks of the three splits. More of a split goes on where fewer end.
        text: `2.1.2` (`move X to R`, as alfworld 0.4) or `2.1.1` (`put X in/on R`, as ReAct's prompts).
        split: where `reset` without a `task_id` draws its task from.
        max_steps: truncate an episode after so many steps; None never does.
        receptacles, distractors, closed_share, task_types, scenes_per_room, unseen_scenes_per_room: see `Difficulty`.

    Raises:
        RecipeError: an option does not make sense.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        num_train: int = 2000,
        num_valid_seen: int = 200,
        num_valid_unseen: int = 400,
        text: str = "2.1.2",
        split: str = "train",
        max_steps: int | None = None,
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
        if split not in SPLITS:
            raise unknown("split of household", split, SPLITS)
        self.split = split
        self.max_steps = None if max_steps is None else whole("max_steps", max_steps, 1, 10**9)
        self.observation_space = gymnasium.spaces.Text(MAX_TEXT, min_length=0, charset=printable)
        self.action_space = gymnasium.spaces.Text(200, min_length=0, charset=printable)
        self._now: Snapshot | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(SPLITS)

    @property
    def version(self) -> str:
        """Names the world in records."""
        return f"household/{self.text} {ENGINE}"

    def tasks(self, split: str) -> Sequence[Task]:
        """All tasks of a split, task types in turn.

        Raises:
            UnknownNameError: no such split.
        """
        if split not in SPLITS:
            raise unknown("split of household", split, SPLITS)
        return _tasks(self.seed, split, self.num_tasks[split], self.difficulty)

    def task(self, split: str, number: int) -> Task:
        """The task of that number, from 0, without drawing those before it.

        Raises:
            UnknownNameError: no such split.
            UnknownTaskError: the split has fewer tasks.
        """
        if split not in SPLITS:
            raise unknown("split of household", split, SPLITS)
        if not 0 <= number < self.num_tasks[split]:
            raise UnknownTaskError(self._unknown(number, f"{split} has tasks 0 to {self.num_tasks[split] - 1} (num_{split})"))
        return _task(draw_spec(self.seed, split, number, self.difficulty))

    def solution(self, task_id: str) -> list[str]:
        """Commands that win the task, for someone who knows where everything is."""
        return list(self._world(self._spec(task_id)).game.walkthrough)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start `options["task_id"]`; without one, a task that `seed` draws from `options["split"]` or the environment's split.

        Raises:
            UnknownTaskError: this household has no such task.
            UnknownNameError: no such split.
        """
        gymnasium.Env.reset(self, seed=seed)
        options = options or {}
        task_id = options.get("task_id")
        if task_id is None:
            tasks = self.tasks(options.get("split") or self.split)
            task_id = tasks[int(self.np_random.integers(len(tasks)))].task_id
        spec = self._spec(task_id)
        world = self._world(spec)
        self._now = Snapshot(_task(spec), world, world.start, world.intro, 0, False)
        return world.intro, self._info(self._now, valid=True)

    def _world(self, spec: Spec) -> World:
        return _world(spec, self.difficulty, self.text)

    def _spec(self, task_id: object) -> Spec:
        """The task that an id names: made again from the number in it, and held against the whole id."""
        found = parse_trial(task_id.rpartition("/")[2]) if isinstance(task_id, str) and len(task_id) < MAX_ID else None
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
        # Comparing with all of very many tasks would take longer than the reader waits.
        few = isinstance(task_id, str) and len(task_id) < MAX_ID and self.num_tasks["train"] <= MAX_COMPARED
        close = nearest(str(task_id), (task.task_id for task in self.tasks("train")), limit=1) if few else []
        hint = f"Nearest: {close[0]!r}. " if close else ""
        return f"household has no task {shown}: {why}.\n  {hint}`a3t tasks household` lists them."


def _task(spec: Spec) -> Task:
    return Task(spec.task_id, spec.split, str(spec.goal.task_type), spec.instruction)


@lru_cache(maxsize=16)
def _tasks(seed: int, split: str, num: int, hardness: Difficulty) -> tuple[Task, ...]:
    specs = (draw_spec(seed, split, index, hardness) for index in range(num))
    return tuple(map(_task, specs))


@lru_cache(maxsize=256)
def _world(spec: Spec, hardness: Difficulty, text: str) -> World:
    """Compiled games, shared by all environments of the process: a task is often played many times in a row."""
    return World(build(spec, hardness, text))
