"""Floor plans: a scene is a room and its receptacles; unseen scenes share no layout with training scenes.

A layout is what a player can tell from the text: the room's kind and, per type of receptacle, how many there are and how many
have doors. A hash of the layout decides, once for all seeds, whether it belongs to training or to the unseen part, so the two are
disjoint by construction, however many scenes are drawn, and an agent raised under one seed meets no known layout under another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b

from a3t.envs.alfworld.game import Receptacle
from a3t.envs.household.affordances import ALWAYS_OPENABLE, CAN_CONTAIN, SOMETIMES_OPENABLE
from a3t.envs.household.difficulty import Difficulty
from a3t.envs.household.draws import Draws
from a3t.envs.household.rooms import ROOMS, Room
from a3t.errors import RecipeError

UNSEEN_PARTS = 8
"""One layout in this many is unseen."""

NUM_ATTEMPTS = 500
"""Draws before the options are called too narrow: unseen layouts come up once in eight."""

_BASINS = {"SinkBasin": "Sink", "BathtubBasin": "Bathtub"}
"""ALFRED calls these by the thing they are part of: `Sink|x|y|z|SinkBasin`."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A room with furniture and nothing on it."""

    scene_id: str
    """`k017`: kitchen 17; `uk003`: unseen kitchen 3."""
    room: Room
    receptacles: tuple[Receptacle, ...]
    start: str
    """Location id where the agent begins: away from all receptacles."""

    @cached_property
    def layout(self) -> str:
        """What the text shows of the floor plan: `k Cabinet*5/4 CounterTop*2/0 …` (number, of which with doors)."""
        doors = Counter(r.type for r in self.receptacles if r.openable)
        return " ".join([self.room.letter, *(f"{kind}*{len(self.by_type[kind])}/{doors[kind]}" for kind in sorted(self.by_type))])

    @cached_property
    def by_type(self) -> Mapping[str, tuple[Receptacle, ...]]:
        found: dict[str, tuple[Receptacle, ...]] = {}
        for receptacle in self.receptacles:
            found[receptacle.type] = (*found.get(receptacle.type, ()), receptacle)
        return found

    @cached_property
    def places(self) -> Mapping[str, Mapping[str, int]]:
        """Object type: receptacle type: weight; objects of the room's kind that find no place here are left out.

        Where none of the usual places is here, anything that can take the object will do.
        """
        places = {}
        for kind, found in self.room.objects.items():
            usual = {place: weight for place, weight in found.places.items() if place in self.by_type}
            places[kind] = usual or {place: 1 for place in self.by_type if kind in CAN_CONTAIN[place]}
        return {kind: where for kind, where in places.items() if where}


def is_unseen(layout: str) -> bool:
    """Whether a layout belongs to the unseen part; the same for every seed and option."""
    return blake2b(layout.encode(), digest_size=4).digest()[0] % UNSEEN_PARTS == 0


@lru_cache(maxsize=4096)
def make_scene(seed: int, difficulty: Difficulty, letter: str, number: int, unseen: bool) -> Scene:
    """Scene `number` of a room, from the training part or the unseen one.

    Raises:
        RecipeError: the options leave so few layouts that none falls into this part.
    """
    room = ROOMS[letter]
    part = "u" if unseen else ""
    for attempt in range(NUM_ATTEMPTS):
        draws = Draws("scene", seed, difficulty.layout_key, part + letter, number, attempt)
        scene = _furnish(f"{part}{letter}{number:03d}", room, _counts(room, difficulty, draws), difficulty, draws)
        if is_unseen(scene.layout) == unseen:
            return scene
    raise RecipeError(
        f"household finds no {'unseen' if unseen else 'training'} {room.name} with receptacles={difficulty.receptacles} and "
        f"closed_share={difficulty.closed_share}: too few layouts are possible.\n  Try a wider range: receptacles=[8, 24]."
    )


def _counts(room: Room, difficulty: Difficulty, draws: Draws) -> dict[str, int]:
    """How many receptacles of each type: what such a room usually has, then trimmed or filled up to the size asked for."""
    counts = {kind: draws.one_of(usual.counts) for kind, usual in room.receptacles.items() if draws.chance(usual.share)}
    for kind in room.core:
        counts.setdefault(kind, 1)
    if difficulty.receptacles is None:
        return counts
    size = draws.between(*difficulty.receptacles)
    spare = draws.shuffled([kind for kind, n in counts.items() for _ in range(n - (kind in room.core))])
    for kind in spare[: max(0, sum(counts.values()) - size)]:
        counts[kind] -= 1
    for _ in range(size - sum(counts.values())):
        kind = draws.one_of(room.filler)
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _furnish(scene_id: str, room: Room, counts: dict[str, int], difficulty: Difficulty, draws: Draws) -> Scene:
    taken: set[str] = set()
    receptacles = tuple(
        Receptacle(
            id=new_id(kind, draws, taken),
            type=kind,
            location=_new_location(draws, taken),
            openable=kind in ALWAYS_OPENABLE or (kind in SOMETIMES_OPENABLE and draws.chance(difficulty.closed_share)),
        )
        for kind in sorted(counts)
        for _ in range(counts[kind])
    )
    return Scene(scene_id, room, receptacles, _new_location(draws, taken))


def new_id(kind: str, draws: Draws, taken: set[str]) -> str:
    """An id, mangled as in the official files: `Apple_bar__minus_01_dot_29_bar__plus_00_dot_90_bar__plus_02_dot_58`."""
    base, suffix = (_BASINS[kind], f"_bar_{kind}") if kind in _BASINS else (kind, "")
    while True:
        x, y, z = (draws.between(-399, 399) for _ in range(3))
        found = f"{base}_bar_{_coordinate(x)}_bar_{_coordinate(abs(y))}_bar_{_coordinate(z)}{suffix}"
        if found not in taken:
            taken.add(found)
            return found


def _coordinate(centimetres: int) -> str:
    metres, rest = divmod(abs(centimetres), 100)
    return f"{'_minus_' if centimetres < 0 else '_plus_'}{metres:02d}_dot_{rest:02d}"


def _new_location(draws: Draws, taken: set[str]) -> str:
    while True:
        x, z = draws.between(-12, 30), draws.between(-12, 30)
        found = f"loc_bar_{_grid(x)}_bar_{_grid(z)}_bar_{draws.below(4)}_bar_{draws.one_of(('30', '45', '60'))}"
        if found not in taken:
            taken.add(found)
            return found


def _grid(steps: int) -> str:
    return f"_minus_{-steps}" if steps < 0 else str(steps)
