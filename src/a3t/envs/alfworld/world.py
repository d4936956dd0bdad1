"""The engine: a `World` is a compiled `Game`, a `State` is an immutable value, and playing is a function from one to the next.

    world = World(game)
    state = world.start                        # a snapshot is the state itself
    state, answer, valid = world.play(state, "go to desk 1")
    world.actions(state)                       # sorted admissible commands
    world.won(state)

What the rules say is in `facts`-like comments below, wherever the official engine does something that nobody would expect. Names
and lists follow the lower-case order of the raw ids, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from a3t.envs.alfworld.game import Game, Item, TaskType
from a3t.envs.alfworld.naming import display_names
from a3t.errors import BadDataError

MAX_SCENES = 1024
"""Distinct situations whose commands a world remembers; forgetting them all costs a few microseconds each to list again."""

Members: TypeAlias = tuple[int, ...]
"""Indices of items, ascending, hence in the order of their ids."""


class State(NamedTuple):
    """Everything that play can change. Items, receptacles and places are indices into their sorted ids."""

    place: int
    held: int
    """-1 with empty hands."""
    opened: int
    """Bit r is set where receptacle r is open; the masks below are over items likewise."""
    inside: tuple[Members, ...]
    """Per receptacle. An item may be in several."""
    at: tuple[Members, ...]
    """Per place: items recorded there, which slicing and `look` ask for. Often not where their receptacle stands."""
    taken: tuple[Members, ...]
    """Per receptacle: items once taken from it and not put back since; `look` lists those as lying next to it."""
    clean: int
    hot: int
    cool: int
    sliced: int
    toggled: int


class Turn(NamedTuple):
    state: State
    answer: str
    valid: bool
    """False where the command was refused and the state is the old one."""


Move: TypeAlias = tuple[Callable[[State, int, int], tuple[State, str]], int, int]
"""What a command does: a rule and the two entities it is about."""


class _Scene(NamedTuple):
    """What can be done in a situation."""

    moves: dict[str, Move]
    actions: tuple[str, ...]


class World:
    """The rules of one game, compiled. Holds no play, so any number of episodes share it.

    Raises:
        BadDataError: the game names something that it does not define, or defines it twice.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        items = sorted(game.items, key=lambda item: item.id.lower())
        receptacles = sorted(game.receptacles, key=lambda receptacle: receptacle.id.lower())
        places = sorted({game.start.lower(), *_lower(r.location for r in receptacles), *_lower(i.location for i in items)})
        item_index = _index("object", (item.id for item in items))
        receptacle_index = _index("receptacle", (receptacle.id for receptacle in receptacles))
        place_index = {place: number for number, place in enumerate(places)}
        names = display_names([*item_index, *receptacle_index, *places])
        if len(names) != len(items) + len(receptacles) + len(places):
            raise BadDataError("a game uses one id for two things among its objects, receptacles and places.")

        self.names = names
        """Display names by lower-case id, those of places included."""
        self._items = items
        self._item_names = [names[id_] for id_ in item_index]
        self._receptacle_names = [names[id_] for id_ in receptacle_index]
        self._place_names = [names[place] for place in places]
        self._stands_at = [place_index[receptacle.location.lower()] for receptacle in receptacles]
        self._here = [tuple(r for r, at in enumerate(self._stands_at) if at == place) for place in range(len(places))]
        self._here_mask = [_mask(here) for here in self._here]
        self._openable = _mask(r for r, receptacle in enumerate(receptacles) if receptacle.openable)
        self._contents = [
            [names[items[inner].id.lower()] for inner in sorted(_find(item_index, "object", item.id, item.contents))]
            for item in items
        ]
        fits = {(receptacle.lower(), kind.lower()) for receptacle, kind in game.can_contain}
        self._fits = [
            frozenset(o for o, item in enumerate(items) if (receptacle.type.lower(), item.type.lower()) in fits)
            for receptacle in receptacles
        ]
        self._flags = {
            "is_receptacle": _mask(o for o, item in enumerate(items) if item.is_receptacle),
            "sliceable": _mask(o for o, item in enumerate(items) if item.sliceable),
            "toggleable": _mask(o for o, item in enumerate(items) if item.toggleable),
        }
        # Where an object is cleaned, heated and cooled depends on the type of the receptacle alone: it may be closed.
        rules = game.rules
        self._changers = [
            (name, command, allowed, _types(rooms, (receptacle.type for receptacle in receptacles)))
            for name, command, allowed, rooms in (
                (self._clean, game.wording.clean, frozenset(o for o, i in enumerate(items) if i.cleanable), rules.clean_in),
                (self._heat, game.wording.heat, frozenset(o for o, i in enumerate(items) if i.heatable), rules.heat_in),
                (self._cool, game.wording.cool, frozenset(o for o, i in enumerate(items) if i.coolable), rules.cool_in),
            )
        ]
        self._tools = _types(rules.slice_with, (item.type for item in items))
        self._compile_goal(items, [receptacle.type for receptacle in receptacles])

        inside: list[list[int]] = [[] for _ in receptacles]
        at: list[list[int]] = [[] for _ in places]
        for o, item in enumerate(items):
            for r in set(_find(receptacle_index, "receptacle", item.id, item.inside)):
                inside[r].append(o)
            if item.location is not None:
                at[place_index[item.location.lower()]].append(o)
        self.start = State(
            place=place_index[game.start.lower()],
            held=-1,
            opened=_mask(r for r, receptacle in enumerate(receptacles) if receptacle.opened),
            inside=tuple(map(tuple, inside)),
            at=tuple(map(tuple, at)),
            taken=((),) * len(receptacles),
            clean=_mask(o for o, item in enumerate(items) if item.clean),
            hot=_mask(o for o, item in enumerate(items) if item.hot),
            cool=_mask(o for o, item in enumerate(items) if item.cool),
            sliced=_mask(o for o, item in enumerate(items) if item.sliced),
            toggled=_mask(o for o, item in enumerate(items) if item.toggled),
        )
        self._scenes: dict[object, _Scene] = {}
        self._anywhere = self._compile_anywhere()
        self.intro = self._compile_intro()

    def __reduce__(self) -> tuple[type[World], tuple[Game]]:
        # What it has remembered of play can be had again, and bound methods do not belong in a pickle.
        return World, (self.game,)

    # Playing

    def play(self, state: State, command: str) -> Turn:
        """Do what `command` says, or refuse it: it must equal an admissible command, apart from white space around it."""
        move = self._scene(state).moves.get(command.strip())
        if move is None:
            return Turn(state, self.game.wording.refused, False)
        rule, first, second = move
        after, answer = rule(state, first, second)
        return Turn(after, answer, True)

    def actions(self, state: State) -> tuple[str, ...]:
        """The admissible commands, sorted."""
        return self._scene(state).actions

    def won(self, state: State) -> bool:
        """Does the goal hold now? It may stop holding when play goes on."""
        if self.game.task_type is TaskType.LOOK:
            return state.held in self._wanted and any(
                o in self._lamps and state.toggled >> o & 1 for r in self._here[state.place] for o in state.inside[r]
            )
        inside = state.inside
        for r in self._targets:
            if self._wanted.isdisjoint(inside[r]):
                continue
            found = [o for o in inside[r] if o in self._wanted]
            if self.game.task_type is TaskType.TWO:
                if len(found) > 1:
                    return True
            elif self._changed is None or any(getattr(state, self._changed) >> o & 1 for o in found):
                return True
        return False

    # The rules: each takes a state and two entities, and gives the next state and the answer.

    def _go(self, state: State, place: int, r: int) -> tuple[State, str]:
        after = state._replace(place=place)
        return after, self.game.wording.arrived.format(
            r=self._receptacle_names[r], place=self._place_names[place], listing=self._listing(after, r)
        )

    def _open(self, state: State, r: int, _: int) -> tuple[State, str]:
        after = state._replace(opened=state.opened | 1 << r)
        return after, self.game.wording.opened.format(r=self._receptacle_names[r], listing=self._listing(after, r))

    def _close(self, state: State, r: int, _: int) -> tuple[State, str]:
        after = state._replace(opened=state.opened & ~(1 << r))
        return after, self.game.wording.closed.format(r=self._receptacle_names[r])

    def _take(self, state: State, o: int, r: int) -> tuple[State, str]:
        # Only this receptacle lets go of it: an object that is in a second one stays there while it is held.
        after = state._replace(
            held=o,
            inside=_without(state.inside, r, o),
            at=_without(state.at, state.place, o),
            taken=_with(state.taken, r, o),
        )
        return after, self.game.wording.taken.format(o=self._item_names[o], r=self._receptacle_names[r])

    def _put(self, state: State, o: int, r: int) -> tuple[State, str]:
        after = state._replace(
            held=-1,
            inside=_with(state.inside, r, o),
            at=_with(state.at, state.place, o),
            taken=_without(state.taken, r, o),
        )
        return after, self.game.wording.put_down.format(o=self._item_names[o], r=self._receptacle_names[r])

    def _clean(self, state: State, o: int, r: int) -> tuple[State, str]:
        after = state._replace(clean=state.clean | 1 << o)
        return after, self.game.wording.cleaned.format(o=self._item_names[o], r=self._receptacle_names[r])

    def _heat(self, state: State, o: int, r: int) -> tuple[State, str]:
        after = state._replace(hot=state.hot | 1 << o, cool=state.cool & ~(1 << o))
        return after, self.game.wording.heated.format(o=self._item_names[o], r=self._receptacle_names[r])

    def _cool(self, state: State, o: int, r: int) -> tuple[State, str]:
        after = state._replace(cool=state.cool | 1 << o, hot=state.hot & ~(1 << o))
        return after, self.game.wording.cooled.format(o=self._item_names[o], r=self._receptacle_names[r])

    def _use(self, state: State, o: int, _: int) -> tuple[State, str]:
        # Using it again does not turn it off.
        after = state._replace(toggled=state.toggled | 1 << o)
        return after, self.game.wording.used.format(o=self._item_names[o])

    def _slice(self, state: State, o: int, tool: int) -> tuple[State, str]:
        after = state._replace(sliced=state.sliced | 1 << o)
        return after, self.game.wording.sliced.format(o=self._item_names[o], tool=self._item_names[tool])

    def _examine_receptacle(self, state: State, r: int, _: int) -> tuple[State, str]:
        return state, self._listing(state, r)

    def _examine_object(self, state: State, o: int, _: int) -> tuple[State, str]:
        bit = 1 << o
        for when, text in self.game.wording.descriptions:
            if all((self._flags[flag] if flag in self._flags else getattr(state, flag)) & bit for flag in when):
                return state, text.format(o=self._item_names[o], items=self._enumerate(self._contents[o]))
        return state, self.game.wording.refused

    def _inventory(self, state: State, _: int, __: int) -> tuple[State, str]:
        if state.held < 0:
            return state, self.game.wording.carrying_nothing
        return state, self.game.wording.carrying.format(items=self._enumerate([self._item_names[state.held]]))

    def _look(self, state: State, _: int, __: int) -> tuple[State, str]:
        here = self._here[state.place]
        wording = self.game.wording
        if not here:
            # The list of receptacles is asked for this place only, so that it is empty before the first move.
            return state, wording.in_the_room.format(receptacles=wording.nothing)
        # An object shows once for each receptacle here that it was taken from: put into the neighbour, it lies "next to it".
        beside = [self._item_names[o] for o in state.at[state.place] for r in here if o in state.taken[r]]
        facing = wording.enumerate([self._receptacle_names[r] for r in here])
        return state, wording.facing.format(receptacles=facing, items=self._enumerate(beside))

    def _help(self, state: State, _: int, __: int) -> tuple[State, str]:
        return state, self.game.wording.help_text

    # What can be done

    def _scene(self, state: State) -> _Scene:
        """The commands of a situation, remembered by everything that they depend on."""
        place, held, opened, inside = state.place, state.held, state.opened, state.inside
        here = self._here[place]
        key = (
            place,
            held,
            opened & self._here_mask[place],
            inside[here[0]] if len(here) == 1 else tuple([inside[r] for r in here]),
            state.at[place] if held in self._tools else None,
        )
        scene = self._scenes.get(key)
        if scene is None:
            if len(self._scenes) >= MAX_SCENES:
                self._scenes.clear()
            moves = self._moves(state)
            scene = self._scenes[key] = _Scene(moves, tuple(sorted(moves)))
        return scene

    def _moves(self, state: State) -> dict[str, Move]:
        wording, items, receptacles = self.game.wording, self._item_names, self._receptacle_names
        held, place = state.held, state.place
        # Going to a neighbour at the same location would change nothing, and the planner drops what changes nothing.
        moves = {command: move for command, move in self._anywhere.items() if move[1] != place}
        for r in self._here[place]:
            name = receptacles[r]
            moves[wording.examine_receptacle.format(r=name)] = (self._examine_receptacle, r, 0)
            is_open = state.opened >> r & 1
            if self._openable >> r & 1:
                if is_open:
                    moves[wording.close.format(r=name)] = (self._close, r, 0)
                else:
                    moves[wording.open.format(r=name)] = (self._open, r, 0)
            reachable = is_open or not self._openable >> r & 1
            for o in state.inside[r]:
                if held < 0 and reachable and self._items[o].pickupable:
                    moves[wording.take.format(o=items[o], r=name)] = (self._take, o, r)
                if reachable and self.game.rules.examine_in_reach:
                    moves[wording.examine_object.format(o=items[o])] = (self._examine_object, o, 0)
                if self._items[o].toggleable:
                    moves[wording.use.format(o=items[o])] = (self._use, o, 0)
            if held >= 0:
                if reachable and held in self._fits[r]:
                    moves[wording.put.format(o=items[held], r=name)] = (self._put, held, r)
                for rule, command, allowed, rooms in self._changers:
                    if held in allowed and r in rooms:
                        moves[command.format(o=items[held], r=name)] = (rule, held, r)
        if held >= 0:
            moves[wording.examine_object.format(o=items[held])] = (self._examine_object, held, 0)
        if held in self._tools:
            for o in state.at[place]:
                if self._items[o].sliceable:
                    moves[wording.slice.format(o=items[o], tool=items[held])] = (self._slice, o, held)
        return moves

    # Building blocks

    def _listing(self, state: State, r: int) -> str:
        wording = self.game.wording
        if self._openable >> r & 1 and not state.opened >> r & 1:
            return wording.is_closed.format(r=self._receptacle_names[r])
        template = wording.is_open if self._openable >> r & 1 else wording.on_it
        return template.format(r=self._receptacle_names[r], items=self._enumerate([self._item_names[o] for o in state.inside[r]]))

    def _enumerate(self, names: list[str]) -> str:
        wording = self.game.wording
        return wording.enumerate([f"{wording.article} {name}" for name in names])

    def _compile_anywhere(self) -> dict[str, Move]:
        wording = self.game.wording
        moves: dict[str, Move] = {wording.look: (self._look, -1, 0), wording.inventory: (self._inventory, -1, 0)}
        if wording.help and self.game.rules.has_help:
            moves[wording.help] = (self._help, -1, 0)
        for r, name in enumerate(self._receptacle_names):
            moves[wording.go_to.format(r=name)] = (self._go, self._stands_at[r], r)
        return moves

    def _compile_intro(self) -> str:
        wording = self.game.wording
        if self._here[self.start.place]:
            _, look = self._look(self.start, 0, 0)
        else:
            look = wording.in_the_room.format(receptacles=self._enumerate(self._receptacle_names))
        return wording.intro.format(look=look, task=wording.task.format(task=self.game.task))

    def _compile_goal(self, items: list[Item], receptacle_types: list[str]) -> None:
        goal = self.game.goal
        able = {TaskType.CLEAN: "cleanable", TaskType.HEAT: "heatable", TaskType.COOL: "coolable"}.get(goal.task_type)
        self._changed = {TaskType.CLEAN: "clean", TaskType.HEAT: "hot", TaskType.COOL: "cool"}.get(goal.task_type)
        of_type = _types((goal.object_type,), (item.type for item in items))
        self._wanted = frozenset(o for o in of_type if able is None or getattr(items[o], able))
        self._targets = sorted(_types((goal.receptacle_type,), receptacle_types))
        lamps = _types((goal.lamp_type,), (item.type for item in items))
        self._lamps = frozenset(o for o in lamps if items[o].toggleable)


def _with(groups: tuple[Members, ...], group: int, member: int) -> tuple[Members, ...]:
    """Put a member into a group; a group is a set, so a second time changes nothing."""
    members = groups[group]
    if member in members:
        return groups
    return (*groups[:group], tuple(sorted((*members, member))), *groups[group + 1 :])


def _without(groups: tuple[Members, ...], group: int, member: int) -> tuple[Members, ...]:
    members = groups[group]
    if member not in members:
        return groups
    return (*groups[:group], tuple([m for m in members if m != member]), *groups[group + 1 :])


def _mask(numbers: Iterable[int]) -> int:
    mask = 0
    for number in numbers:
        mask |= 1 << number
    return mask


def _types(wanted: Iterable[str], types: Iterable[str]) -> frozenset[int]:
    """Which entities are of one of the wanted types (PDDL does not mind case)."""
    names = {name.lower() for name in wanted if name}
    return frozenset(number for number, type_ in enumerate(types) if type_.lower() in names)


def _lower(ids: Iterable[str | None]) -> set[str]:
    return {id_.lower() for id_ in ids if id_ is not None}


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
