"""Games from numbers: seed, split and index in, a whole `Game` out, solvable and not solved at the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from a3t.envs.alfworld.game import Game, Item, Rules, TaskType
from a3t.envs.alfworld.wording import WORDING_211, WORDING_212
from a3t.envs.household.affordances import CAN_CONTAIN, CLEANABLE, COOLABLE, COOLS, HEATABLE, HOLLOW, SLICEABLE, TOGGLEABLE
from a3t.envs.household.difficulty import DEFAULT, Difficulty
from a3t.envs.household.draws import Draws
from a3t.envs.household.scenes import new_id
from a3t.envs.household.solution import solution
from a3t.envs.household.tasks import LAMP, Spec, draw_spec

INSTANCES = (1, 1, 2, 2, 3)
"""Things of a kind that lie about in one room, each number as likely as the next."""
TARGETS = (1, 1, 1, 2, 2, 3, 3, 4)
TARGETS_OF_TWO = (2, 2, 2, 3, 3, 4)
"""Things of the wanted kind, as in the real games."""
COOL_SHARE = 0.06
"""Part of the things in a fridge that count as cool at the start, as in the real games."""


def generate(seed: int, split: str, index: int, difficulty: Difficulty = DEFAULT, text: str = "2.1.2") -> Game:
    """The game of task `index` of a split.

    Args:
        text: `2.1.2` (`move X to R`) or `2.1.1` (`put X in/on R`): the same game in other words.

    Raises:
        UnknownNameError: no such split.
        RecipeError: the options leave no such game.
    """
    return build(draw_spec(seed, split, index, difficulty), difficulty, text)


def build(spec: Spec, difficulty: Difficulty, text: str = "2.1.2") -> Game:
    """The game of a task, its objects placed and its solution worked out."""
    draws = Draws("objects", spec.seed, difficulty.key, spec.split, spec.index)
    places = _places(spec)
    items = tuple(_place(spec, places, _inventory(spec, places, difficulty, draws), draws))
    kinds = {item.type for item in items}
    unsolved = Game(
        task=spec.instruction,
        goal=spec.goal,
        start=spec.scene.start,
        receptacles=spec.scene.receptacles,
        items=items,
        can_contain=frozenset((r, o) for r in spec.scene.by_type for o in CAN_CONTAIN[r] & kinds),
        rules=Rules(has_help=text != "2.1.1"),
        wording=WORDING_211 if text == "2.1.1" else WORDING_212,
    )
    return replace(unsolved, walkthrough=tuple(solution(unsolved)))


def _inventory(spec: Spec, places: Mapping[str, Mapping[str, int]], difficulty: Difficulty, draws: Draws) -> list[str]:
    """The types of the objects in the room, the wanted ones first."""
    goal = spec.goal
    objects = spec.scene.room.objects
    wanted = [goal.object_type] * draws.one_of(TARGETS_OF_TWO if goal.task_type is TaskType.TWO else TARGETS)
    lamps = [LAMP] if goal.task_type is TaskType.LOOK else []
    kinds = [kind for kind in places if kind != goal.object_type and kind not in lamps]
    others: list[str] = []
    for kind in draws.shuffled(kinds):
        if draws.chance(objects[kind].share):
            others += [kind] * (1 if kind in TOGGLEABLE else draws.one_of(INSTANCES))
    if difficulty.distractors is not None:
        num_others = draws.between(*difficulty.distractors)
        carried = [kind for kind in kinds if kind not in TOGGLEABLE]
        others = others[:num_others]
        others += [draws.one_of(carried) for _ in range(num_others - len(others))]
    return wanted + lamps + others


def _place(spec: Spec, places: Mapping[str, Mapping[str, int]], kinds: list[str], draws: Draws) -> Iterator[Item]:
    """Each object in one receptacle where such things are found."""
    taken: set[str] = set()
    by_type = spec.scene.by_type
    for kind in kinds:
        receptacle = draws.one_of(by_type[draws.weighted(places[kind])])
        yield Item(
            id=new_id(kind, draws, taken),
            type=kind,
            location=receptacle.location,
            inside=(receptacle.id,),
            pickupable=kind not in TOGGLEABLE,
            cleanable=kind in CLEANABLE,
            heatable=kind in HEATABLE,
            coolable=kind in COOLABLE,
            sliceable=kind in SLICEABLE,
            toggleable=kind in TOGGLEABLE,
            is_receptacle=kind in HOLLOW,
            cool=kind in COOLABLE and receptacle.type == COOLS and draws.chance(COOL_SHARE),
        )


def _places(spec: Spec) -> Mapping[str, Mapping[str, int]]:
    """Object type: receptacle type: weight, in this scene. A thing to be picked never begins where it is wanted."""
    goal = spec.goal
    if goal.task_type not in (TaskType.PICK, TaskType.TWO):
        return spec.scene.places
    elsewhere = {place: weight for place, weight in spec.scene.places[goal.object_type].items() if place != goal.receptacle_type}
    return {**spec.scene.places, goal.object_type: elsewhere}
