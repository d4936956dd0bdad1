"""Which task is number `index` of a split: scene, goal and wording, drawn without making the game.

Task ids are spelled as ALFWorld's: `pick_heat_then_place_in_recep-Egg-None-DiningTable-k017/s0-t00042`. The part behind the slash
says all that is needed to make the game again: the household's seed, the split's letter and the index.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import lru_cache

from a3t.envs.alfworld.game import Goal, TaskType
from a3t.envs.household.affordances import CAN_CONTAIN, CLEANABLE, COOLABLE, COOLS, HEATABLE, TOGGLEABLE, WARMS
from a3t.envs.household.difficulty import Difficulty
from a3t.envs.household.draws import Draws
from a3t.envs.household.scenes import Scene, make_scene
from a3t.errors import RecipeError, unknown

SPLITS: Mapping[str, str] = {"train": "t", "valid_seen": "s", "valid_unseen": "u"}
"""Split: the letter in its task ids."""

LAMP = "DeskLamp"

ROOMS_FOR: Mapping[TaskType, Mapping[str, int]] = {
    TaskType.PICK: {"k": 10, "l": 27, "b": 30, "t": 33},
    TaskType.LOOK: {"b": 82, "l": 18},
    TaskType.CLEAN: {"k": 77, "t": 23},
    TaskType.HEAT: {"k": 1},
    TaskType.COOL: {"k": 1},
    TaskType.TWO: {"k": 16, "l": 26, "b": 29, "t": 29},
}
"""Where each kind of task is set, in per cent of the real training games."""

PHRASINGS: Mapping[TaskType, tuple[str, str]] = {
    TaskType.PICK: ("put a {object} in {receptacle}.", "put some {object} on {receptacle}."),
    TaskType.LOOK: ("look at {object} under the {lamp}.", "examine the {object} with the {lamp}."),
    TaskType.CLEAN: ("put a clean {object} in {receptacle}.", "clean some {object} and put it in {receptacle}."),
    TaskType.HEAT: ("put a hot {object} in {receptacle}.", "heat some {object} and put it in {receptacle}."),
    TaskType.COOL: ("put a cool {object} in {receptacle}.", "cool some {object} and put it in {receptacle}."),
    TaskType.TWO: ("put two {object} in {receptacle}.", "find two {object} and put them in {receptacle}."),
}

NEVER_GOALS = frozenset({"SinkBasin", "BathtubBasin", "HandTowelHolder", "TowelHolder"})
"""Receptacles that no task asks to put things into: they are where things are washed or hang."""

_CHANGED_IN: Mapping[TaskType, str] = {TaskType.HEAT: WARMS, TaskType.COOL: COOLS}
_AFFORDANCE: Mapping[TaskType, frozenset[str]] = {TaskType.CLEAN: CLEANABLE, TaskType.HEAT: HEATABLE, TaskType.COOL: COOLABLE}
_NUM_ATTEMPTS = 300
_TRIAL = re.compile(r"s(0|[1-9]\d{0,17})-([tsu])(\d{5,9})")


@dataclass(frozen=True, slots=True)
class Spec:
    """One task, before its objects are placed."""

    seed: int
    split: str
    index: int
    scene: Scene
    goal: Goal
    phrasing: int

    @property
    def task_id(self) -> str:
        goal = self.goal
        where = goal.receptacle_type or goal.lamp_type
        return (
            f"{goal.task_type}-{goal.object_type}-None-{where}-{self.scene.scene_id}/{trial(self.seed, self.split, self.index)}"
        )

    @property
    def instruction(self) -> str:
        goal = self.goal
        return PHRASINGS[goal.task_type][self.phrasing].format(
            object=goal.object_type.lower(), receptacle=goal.receptacle_type.lower(), lamp=goal.lamp_type.lower()
        )


def trial(seed: int, split: str, index: int) -> str:
    return f"s{seed}-{SPLITS[split]}{index:05d}"


def parse_trial(text: str) -> tuple[int, str, int] | None:
    """(seed, split, index) from the last part of a task id; None where it is not one of ours."""
    match = _TRIAL.fullmatch(text)
    if match is None:
        return None
    seed, letter, index = match.groups()
    split = next(name for name, its_letter in SPLITS.items() if its_letter == letter)
    return (int(seed), split, int(index)) if trial(int(seed), split, int(index)) == text else None


def draw_spec(seed: int, split: str, index: int, difficulty: Difficulty) -> Spec:
    """Task `index` of a split. Task types are dealt in turn.

    Raises:
        UnknownNameError: no such split.
        RecipeError: the options leave no task of this type.
    """
    if split not in SPLITS:
        raise unknown("split of household", split, SPLITS)
    task_type = difficulty.task_types[index % len(difficulty.task_types)]
    draws = Draws("task", seed, difficulty.key, split, index)
    unseen = split == "valid_unseen"
    num_scenes = difficulty.unseen_scenes_per_room if unseen else difficulty.scenes_per_room
    for _ in range(_NUM_ATTEMPTS):
        letter = draws.weighted(ROOMS_FOR[task_type])
        scene = make_scene(seed, difficulty, letter, draws.below(num_scenes), unseen)
        goals = possible_goals(scene, task_type)
        if goals:
            target = draws.one_of(list(goals))
            return Spec(seed, split, index, scene, _goal(task_type, target, draws.one_of(goals[target])), draws.below(2))
    raise RecipeError(
        f"household: none of the {num_scenes} scenes per room of {split} allows {task_type}.\n"
        "  Try more scenes per room, or larger rooms (receptacles=[8, 24])."
    )


def _goal(task_type: TaskType, target: str, where: str) -> Goal:
    if task_type is TaskType.LOOK:
        return Goal(task_type, target, lamp_type=where)
    return Goal(task_type, target, receptacle_type=where)


@lru_cache(maxsize=4096)
def possible_goals(scene: Scene, task_type: TaskType) -> dict[str, tuple[str, ...]]:
    """Object type: receptacle types (for LOOK: lamp types) that a task of this type can name in this scene."""
    return {target: where for target in scene.places if (where := _wheres(scene, task_type, target))}


def _wheres(scene: Scene, task_type: TaskType, target: str) -> tuple[str, ...]:
    if target in TOGGLEABLE or (task_type in _AFFORDANCE and target not in _AFFORDANCE[task_type]):
        return ()
    if task_type is TaskType.LOOK:
        return (LAMP,) if LAMP in scene.places else ()
    return tuple(where for where in sorted(scene.by_type) if _asks(task_type, target, where, scene.places[target].keys()))


def _asks(task_type: TaskType, target: str, where: str, begins_in: Set[str]) -> bool:
    """Whether a task may ask for `target` in `where`: it fits, there is something to do, and it can begin elsewhere."""
    if where in NEVER_GOALS or target not in CAN_CONTAIN[where] or where == _CHANGED_IN.get(task_type):
        return False
    # A picked object never begins where it is wanted; a changed one may, since it is not hot or clean yet.
    return task_type not in (TaskType.PICK, TaskType.TWO) or bool(begins_in - {where})
