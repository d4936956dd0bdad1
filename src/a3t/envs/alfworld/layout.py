"""A `Game` laid out for play: ids become numbers, types become sets of numbers, and the first `State` is there.

Items, receptacles and places are numbered along their sorted lower-case ids. Every list that the official engine prints follows
that order, so that ascending numbers are the right order everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from a3t.envs.alfworld.game import Game, Item, TaskType
from a3t.envs.alfworld.naming import display_names
from a3t.envs.alfworld.state import State
from a3t.errors import BadDataError

_NEEDS = {TaskType.CLEAN: ("cleanable", "clean"), TaskType.HEAT: ("heatable", "hot"), TaskType.COOL: ("coolable", "cool")}
"""For the goals that ask for a change: the affordance, and the mask of `State` that shows it was done."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The unchanging side of a game, by number."""

    names: dict[str, str]
    """Display names by lower-case id, those of places included."""
    items: tuple[Item, ...]
    item_names: tuple[str, ...]
    receptacle_names: tuple[str, ...]
    place_names: tuple[str, ...]
    stands_at: tuple[int, ...]
    """The place of each receptacle."""
    here: tuple[tuple[int, ...], ...]
    """The receptacles of each place."""
    here_mask: tuple[int, ...]
    openable: int
    """Mask of receptacles."""
    contents: tuple[tuple[str, ...], ...]
    """Per item: names of what is in it, where it is a bowl or the like."""
    fits: tuple[frozenset[int], ...]
    """Per receptacle: items that may be put into it."""
    cleaners: frozenset[int]
    heaters: frozenset[int]
    coolers: frozenset[int]
    tools: frozenset[int]
    """Items that slice."""
    lasting: dict[str, int]
    """Masks of items for what descriptions ask and play never changes: `is_receptacle`, `sliceable`, `toggleable`."""
    wanted: frozenset[int]
    """Items that count for the goal, once they are where and how it says."""
    targets: tuple[int, ...]
    """Receptacles that the goal accepts."""
    lamps: frozenset[int]
    needs: str | None
    """The mask of `State` in which a wanted item must be set; None where being there is enough."""
    start: State


def lay_out(game: Game) -> Layout:
    """Number everything.

    Raises:
        BadDataError: the game names something that it does not define, or defines it twice.
    """
    items = sorted(game.items, key=lambda item: item.id.lower())
    receptacles = sorted(game.receptacles, key=lambda receptacle: receptacle.id.lower())
    locations = [game.start, *(r.location for r in receptacles), *(i.location for i in items if i.location is not None)]
    places = sorted({location.lower() for location in locations})
    item_index = _index("object", (item.id for item in items))
    receptacle_index = _index("receptacle", (receptacle.id for receptacle in receptacles))
    place_index = {place: number for number, place in enumerate(places)}
    names = display_names([*item_index, *receptacle_index, *places])
    if len(names) != len(items) + len(receptacles) + len(places):
        raise BadDataError("a game uses one id for two things among its objects, receptacles and places.")

    item_types = [item.type.lower() for item in items]
    receptacle_types = [receptacle.type.lower() for receptacle in receptacles]
    stands_at = tuple(place_index[receptacle.location.lower()] for receptacle in receptacles)
    here = tuple(tuple(r for r, at in enumerate(stands_at) if at == place) for place in range(len(places)))
    fitting: dict[str, set[str]] = {}
    for receptacle_type, item_type in game.can_contain:
        fitting.setdefault(receptacle_type.lower(), set()).add(item_type.lower())
    able, needs = _NEEDS.get(game.task_type, (None, None))
    wanted = _of_type((game.goal.object_type,), item_types)
    return Layout(
        names=names,
        items=tuple(items),
        item_names=tuple(names[id_] for id_ in item_index),
        receptacle_names=tuple(names[id_] for id_ in receptacle_index),
        place_names=tuple(names[place] for place in places),
        stands_at=stands_at,
        here=here,
        here_mask=tuple(_mask(group) for group in here),
        openable=_mask(r for r, receptacle in enumerate(receptacles) if receptacle.openable),
        contents=tuple(
            tuple(names[items[inner].id.lower()] for inner in sorted(_find(item_index, "object", item.id, item.contents)))
            for item in items
        ),
        fits=tuple(_of_type(fitting.get(receptacle_type, ()), item_types) for receptacle_type in receptacle_types),
        cleaners=_of_type(game.rules.clean_in, receptacle_types),
        heaters=_of_type(game.rules.heat_in, receptacle_types),
        coolers=_of_type(game.rules.cool_in, receptacle_types),
        tools=_of_type(game.rules.slice_with, item_types),
        lasting={flag: _having(flag, items) for flag in ("is_receptacle", "sliceable", "toggleable")},
        wanted=frozenset(o for o in wanted if able is None or getattr(items[o], able)),
        targets=tuple(sorted(_of_type((game.goal.receptacle_type,), receptacle_types))),
        lamps=frozenset(o for o in _of_type((game.goal.lamp_type,), item_types) if items[o].toggleable),
        needs=needs,
        start=State(
            place=place_index[game.start.lower()],
            held=-1,
            opened=_mask(r for r, receptacle in enumerate(receptacles) if receptacle.opened),
            inside=_groups(len(receptacles), (_find(receptacle_index, "receptacle", i.id, i.inside) for i in items)),
            at=_groups(len(places), ([place_index[i.location.lower()]] if i.location is not None else [] for i in items)),
            taken=((),) * len(receptacles),
            clean=_having("clean", items),
            hot=_having("hot", items),
            cool=_having("cool", items),
            sliced=_having("sliced", items),
            toggled=_having("toggled", items),
        ),
    )


def _index(kind: str, ids: Iterable[str]) -> dict[str, int]:
    index: dict[str, int] = {}
    for id_ in ids:
        if id_.lower() in index:
            raise BadDataError(f"a game defines the {kind} {id_!r} twice.")
        index[id_.lower()] = len(index)
    return index


def _find(index: dict[str, int], kind: str, owner: str, ids: Iterable[str]) -> list[int]:
    found = []
    for id_ in ids:
        if id_.lower() not in index:
            raise BadDataError(f"a game says that {owner!r} is with the {kind} {id_!r}, which it does not define.")
        found.append(index[id_.lower()])
    return found


def _groups(size: int, groups_of: Iterable[list[int]]) -> tuple[tuple[int, ...], ...]:
    """The members of each group, given the groups of each member."""
    members: list[list[int]] = [[] for _ in range(size)]
    for member, groups in enumerate(groups_of):
        for group in set(groups):
            members[group].append(member)
    return tuple(map(tuple, members))


def _mask(numbers: Iterable[int]) -> int:
    mask = 0
    for number in numbers:
        mask |= 1 << number
    return mask


def _having(flag: str, items: list[Item]) -> int:
    return _mask(o for o, item in enumerate(items) if getattr(item, flag))


def _of_type(wanted: Iterable[str], types: list[str]) -> frozenset[int]:
    """Which entities are of one of the wanted types (PDDL does not mind case; an empty type is none)."""
    names = {name.lower() for name in wanted if name}
    return frozenset(number for number, type_ in enumerate(types) if type_ in names)
