"""How hard the generated games are: size of the rooms, clutter, closed doors, kinds of task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from a3t.envs.alfworld.game import TaskType
from a3t.errors import RecipeError, nearest

MIN_RECEPTACLES, MAX_RECEPTACLES = 6, 80
MAX_DISTRACTORS = 120
MAX_SCENES = 100_000


@dataclass(frozen=True, slots=True)
class Difficulty:
    """What a household's games are like. Hashable: scenes and tasks are remembered by it. Build it with `difficulty()`."""

    receptacles: tuple[int, int] | None = (8, 24)
    """Receptacles in a room, least and most; None has as many as the room's kind usually has (6 to 54)."""
    distractors: tuple[int, int] | None = (10, 30)
    """Objects in a room that are not of the wanted type, least and most; None: as many as usual (10 to 60)."""
    closed_share: float = 0.83
    """Part of the cabinets, drawers and safes that have doors and start closed (real games: 0.83); fridges and microwaves do."""
    task_types: tuple[TaskType, ...] = tuple(TaskType)
    """Dealt in turn, so that a split is balanced over them."""
    scenes_per_room: int = 40
    """Training floor plans of each of the four kinds of room (ALFWorld: 27)."""
    unseen_scenes_per_room: int = 10
    """Unseen floor plans of each kind of room (ALFWorld: 1)."""

    @property
    def layout_key(self) -> str:
        """What decides floor plans."""
        return f"{self.receptacles}/{self.closed_share}"

    @property
    def key(self) -> str:
        """What decides everything else about a game of given seed, split and index."""
        types = ",".join(self.task_types)
        return f"{self.layout_key}/{self.distractors}/{types}/{self.scenes_per_room}/{self.unseen_scenes_per_room}"


def difficulty(**options: Any) -> Difficulty:
    """A checked `Difficulty` from what a recipe says: `[8, 24]`, `16` or `"natural"` for the two ranges.

    Raises:
        RecipeError: an option is unknown, or its value does not make sense.
    """
    known = [field.name for field in fields(Difficulty)]
    for name in options:
        if name not in known:
            close = nearest(name, known, limit=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
            raise RecipeError(f"household has no option {name!r}: {hint}")
    return _checked(**options)


def _checked(
    *,
    receptacles: Any = (8, 24),
    distractors: Any = (10, 30),
    closed_share: Any = 0.83,
    task_types: Any = tuple(TaskType),
    scenes_per_room: Any = 40,
    unseen_scenes_per_room: Any = 10,
) -> Difficulty:
    return Difficulty(
        receptacles=_range("receptacles", receptacles, MIN_RECEPTACLES, MAX_RECEPTACLES),
        distractors=_range("distractors", distractors, 0, MAX_DISTRACTORS),
        closed_share=_share("closed_share", closed_share),
        task_types=_task_types(task_types),
        scenes_per_room=whole("scenes_per_room", scenes_per_room, 1, MAX_SCENES),
        unseen_scenes_per_room=whole("unseen_scenes_per_room", unseen_scenes_per_room, 1, MAX_SCENES),
    )


def whole(name: str, value: Any, low: int, high: int) -> int:
    """`value`, where it is a whole number from `low` to `high`.

    Raises:
        RecipeError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RecipeError(f"household: {name} = {value!r} does not fit: expected a whole number from {low} to {high}.")
    return value


def _range(name: str, value: Any, low: int, high: int) -> tuple[int, int] | None:
    if value is None or value == "natural":
        return None
    pair = [value, value] if isinstance(value, int) else list(value) if isinstance(value, Sequence) else []
    numbers = len(pair) == 2 and all(isinstance(n, int) and not isinstance(n, bool) for n in pair)
    if not numbers or not low <= pair[0] <= pair[1] <= high:
        expected = f'[least, most] between {low} and {high}, one number, or "natural"'
        raise RecipeError(f"household: {name} = {value!r} does not fit: expected {expected}.")
    return pair[0], pair[1]


def _share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RecipeError(f"household: {name} = {value!r} does not fit: expected a share from 0 to 1.")
    return float(value)


def _task_types(value: Any) -> tuple[TaskType, ...]:
    names = [value] if isinstance(value, str) else value
    known = {str(kind) for kind in TaskType}
    if not isinstance(names, Sequence) or not names:
        raise RecipeError(f"household: task_types = {value!r} does not fit: expected a list of {', '.join(sorted(known))}.")
    for name in names:
        if name not in known:
            close = nearest(str(name), known, limit=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}."
            raise RecipeError(f"household: task_types has an unknown type {name!r}: {hint}")
    # In the order of the enumeration, so that the same set in another order is the same household.
    return tuple(kind for kind in TaskType if kind in names)


DEFAULT = Difficulty()
