"""The engine: playing is a function from one `State` to the next.

    world = World(game)
    state = world.start                        # a snapshot is the state itself
    state, answer, valid = world.play(state, "go to desk 1")
    world.actions(state)                       # sorted admissible commands
    world.won(state)

Comments below say where the official engine does what nobody would expect; docs/alfworld.md lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from a3t.envs.alfworld.game import Game, TaskType
from a3t.envs.alfworld.layout import lay_out
from a3t.envs.alfworld.state import State, mask_of, with_member, without_member

MAX_SCENES = 256
"""Distinct situations whose commands a world remembers; forgetting them all costs a few microseconds each to list again."""


class Turn(NamedTuple):
    state: State
    answer: str
    valid: bool
    """False where the command was refused and the state is the old one."""


Move: TypeAlias = tuple[Callable[[State, int, int], tuple[State, str]], int, int]
"""What a command does: a rule and the two entities it is about (-1 where there is none)."""


class _Scene(NamedTuple):
    """What can be done in a situation."""

    moves: dict[str, Move]
    actions: tuple[str, ...]


class World:
    """One game, ready to be played. Holds no play, so any number of episodes share it.

    Raises:
        BadDataError: the game names something that it does not define, or defines it twice.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.layout = lay_out(game)
        self.start = self.layout.start
        self._scenes: dict[object, _Scene] = {}
        self._anywhere = self._moves_anywhere()
        self.intro = self._intro()
        """What `reset` shows."""

    @property
    def names(self) -> dict[str, str]:
        """Display names by lower-case id, those of places included."""
        return self.layout.names

    def __reduce__(self) -> tuple[type[World], tuple[Game]]:
        # What it has remembered of play can be had again, and bound methods do not belong in a pickle.
        return World, (self.game,)

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
        layout, inside = self.layout, state.inside
        if self.game.task_type is TaskType.LOOK:
            return state.held in layout.wanted and any(
                o in layout.lamps and state.toggled >> o & 1 for r in layout.here[state.place] for o in inside[r]
            )
        for r in layout.targets:
            if layout.wanted.isdisjoint(inside[r]):
                continue
            found = [o for o in inside[r] if o in layout.wanted]
            if self.game.task_type is TaskType.TWO:
                if len(found) > 1:
                    return True
            elif layout.needs is None or any(mask_of(state, layout.needs) >> o & 1 for o in found):
                return True
        return False

    # The rules: each takes a state and two entities, and gives the next state and the answer.

    def _go(self, state: State, place: int, r: int) -> tuple[State, str]:
        after = state._replace(place=place)
        return after, self.game.wording.arrived.format(
            r=self.layout.receptacle_names[r], place=self.layout.place_names[place], listing=self._listing(after, r)
        )

    def _open(self, state: State, r: int, _: int) -> tuple[State, str]:
        after = state._replace(opened=state.opened | 1 << r)
        return after, self.game.wording.opened.format(r=self.layout.receptacle_names[r], listing=self._listing(after, r))

    def _close(self, state: State, r: int, _: int) -> tuple[State, str]:
        after = state._replace(opened=state.opened & ~(1 << r))
        return after, self._told(self.game.wording.closed, r=r)

    def _take(self, state: State, o: int, r: int) -> tuple[State, str]:
        # Only this receptacle lets go of it: an object that is in a second one stays there while it is held.
        after = state._replace(
            held=o,
            inside=without_member(state.inside, r, o),
            at=without_member(state.at, state.place, o),
            taken=with_member(state.taken, r, o),
        )
        return after, self._told(self.game.wording.taken, o, r)

    def _put(self, state: State, o: int, r: int) -> tuple[State, str]:
        after = state._replace(
            held=-1,
            inside=with_member(state.inside, r, o),
            at=with_member(state.at, state.place, o),
            taken=without_member(state.taken, r, o),
        )
        return after, self._told(self.game.wording.put_down, o, r)

    def _clean(self, state: State, o: int, r: int) -> tuple[State, str]:
        return state._replace(clean=state.clean | 1 << o), self._told(self.game.wording.cleaned, o, r)

    def _heat(self, state: State, o: int, r: int) -> tuple[State, str]:
        after = state._replace(hot=state.hot | 1 << o, cool=state.cool & ~(1 << o))
        return after, self._told(self.game.wording.heated, o, r)

    def _cool(self, state: State, o: int, r: int) -> tuple[State, str]:
        after = state._replace(cool=state.cool | 1 << o, hot=state.hot & ~(1 << o))
        return after, self._told(self.game.wording.cooled, o, r)

    def _use(self, state: State, o: int, _: int) -> tuple[State, str]:
        # Using it again does not turn it off.
        return state._replace(toggled=state.toggled | 1 << o), self._told(self.game.wording.used, o)

    def _slice(self, state: State, o: int, tool: int) -> tuple[State, str]:
        names = self.layout.item_names
        return state._replace(sliced=state.sliced | 1 << o), self.game.wording.sliced.format(o=names[o], tool=names[tool])

    def _examine_receptacle(self, state: State, r: int, _: int) -> tuple[State, str]:
        return state, self._listing(state, r)

    def _examine_object(self, state: State, o: int, _: int) -> tuple[State, str]:
        lasting = self.layout.lasting
        holds = (
            text
            for when, text in self.game.wording.descriptions
            if all((lasting[flag] if flag in lasting else mask_of(state, flag)) >> o & 1 for flag in when)
        )
        return state, next(holds).format(o=self.layout.item_names[o], items=self._listed(self.layout.contents[o]))

    def _inventory(self, state: State, _: int, __: int) -> tuple[State, str]:
        if state.held < 0:
            return state, self.game.wording.carrying_nothing
        return state, self.game.wording.carrying.format(items=self._listed([self.layout.item_names[state.held]]))

    def _look(self, state: State, _: int, __: int) -> tuple[State, str]:
        layout, wording = self.layout, self.game.wording
        here = layout.here[state.place]
        if not here:
            # The list of receptacles is asked for this place only, so that it is empty before the first move.
            return state, wording.in_the_room.format(receptacles=wording.nothing)
        # An object shows once for each receptacle here that it was taken from: put into the neighbour, it lies "next to it".
        beside = [layout.item_names[o] for o in state.at[state.place] for r in here if o in state.taken[r]]
        facing = wording.enumerate([layout.receptacle_names[r] for r in here])
        return state, wording.facing.format(receptacles=facing, items=self._listed(beside))

    def _help(self, state: State, _: int, __: int) -> tuple[State, str]:
        return state, self.game.wording.help_text

    # What can be done

    def _scene(self, state: State) -> _Scene:
        """The commands of a situation, remembered by everything that they depend on."""
        place, held, inside = state.place, state.held, state.inside
        here = self.layout.here[place]
        key = (
            place,
            held,
            state.opened & self.layout.here_mask[place],
            inside[here[0]] if len(here) == 1 else tuple([inside[r] for r in here]),
            state.at[place] if held in self.layout.tools else None,
        )
        scene = self._scenes.get(key)
        if scene is None:
            if len(self._scenes) >= MAX_SCENES:
                self._scenes.clear()
            moves = self._moves_here(state)
            scene = self._scenes[key] = _Scene(moves, tuple(sorted(moves)))
        return scene

    def _moves_here(self, state: State) -> dict[str, Move]:
        layout, wording, items = self.layout, self.game.wording, self.layout.item_names
        held, place = state.held, state.place
        # Going to a neighbour at the same place would change nothing, and the planner drops what changes nothing.
        moves = {command: move for command, move in self._anywhere.items() if move[1] != place}
        for r in layout.here[place]:
            name = layout.receptacle_names[r]
            openable, is_open = layout.openable >> r & 1, state.opened >> r & 1
            in_reach = is_open or not openable
            moves[wording.examine_receptacle.format(r=name)] = (self._examine_receptacle, r, -1)
            if openable and is_open:
                moves[wording.close.format(r=name)] = (self._close, r, -1)
            elif openable:
                moves[wording.open.format(r=name)] = (self._open, r, -1)
            for o in state.inside[r]:
                if in_reach and held < 0 and layout.items[o].pickupable:
                    moves[wording.take.format(o=items[o], r=name)] = (self._take, o, r)
                if in_reach and self.game.rules.examine_in_reach:
                    moves[wording.examine_object.format(o=items[o])] = (self._examine_object, o, -1)
                # A lamp in a closed cabinet can be used.
                if layout.items[o].toggleable:
                    moves[wording.use.format(o=items[o])] = (self._use, o, -1)
            if in_reach and held in layout.fits[r]:
                moves[wording.put.format(o=items[held], r=name)] = (self._put, held, r)
        if held >= 0:
            moves |= self._moves_with(state)
        return moves

    def _moves_with(self, state: State) -> dict[str, Move]:
        """What can be done with, or to, the object in the hand."""
        layout, wording, items, held = self.layout, self.game.wording, self.layout.item_names, state.held
        item, name = layout.items[held], items[held]
        moves: dict[str, Move] = {wording.examine_object.format(o=name): (self._examine_object, held, -1)}
        # The type of the receptacle decides, not its door.
        for r in layout.here[state.place]:
            if item.cleanable and r in layout.cleaners:
                moves[wording.clean.format(o=name, r=layout.receptacle_names[r])] = (self._clean, held, r)
            if item.heatable and r in layout.heaters:
                moves[wording.heat.format(o=name, r=layout.receptacle_names[r])] = (self._heat, held, r)
            if item.coolable and r in layout.coolers:
                moves[wording.cool.format(o=name, r=layout.receptacle_names[r])] = (self._cool, held, r)
        if held in layout.tools:
            for o in state.at[state.place]:
                if layout.items[o].sliceable:
                    moves[wording.slice.format(o=items[o], tool=name)] = (self._slice, o, held)
        return moves

    def _moves_anywhere(self) -> dict[str, Move]:
        wording = self.game.wording
        moves: dict[str, Move] = {wording.look: (self._look, -1, -1), wording.inventory: (self._inventory, -1, -1)}
        if wording.help and self.game.rules.has_help:
            moves[wording.help] = (self._help, -1, -1)
        for r, name in enumerate(self.layout.receptacle_names):
            moves[wording.go_to.format(r=name)] = (self._go, self.layout.stands_at[r], r)
        return moves

    # What is said

    def _intro(self) -> str:
        wording = self.game.wording
        if self.layout.here[self.start.place]:
            _, look = self._look(self.start, -1, -1)
        else:
            look = wording.in_the_room.format(receptacles=self._listed(self.layout.receptacle_names))
        return wording.intro.format(look=look, task=wording.task.format(task=self.game.task))

    def _listing(self, state: State, r: int) -> str:
        layout, wording = self.layout, self.game.wording
        if layout.openable >> r & 1 and not state.opened >> r & 1:
            return wording.is_closed.format(r=layout.receptacle_names[r])
        template = wording.is_open if layout.openable >> r & 1 else wording.on_it
        return template.format(r=layout.receptacle_names[r], items=self._listed([layout.item_names[o] for o in state.inside[r]]))

    def _listed(self, names: Iterable[str]) -> str:
        wording = self.game.wording
        return wording.enumerate([f"{wording.article} {name}" for name in names])

    def _told(self, template: str, o: int = -1, r: int = -1) -> str:
        return template.format(o=self.layout.item_names[o] if o >= 0 else "", r=self.layout.receptacle_names[r] if r >= 0 else "")
