"""A plan that wins a game, made by looking into the world: the expert whose demonstrations the games never ship.

The files of the training games hold no walkthrough. A plan for each of the six tasks is the same few errands: fetch an object,
change it where the goal says so, bring it to its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from a3t.envs.alfworld.game import Item, Receptacle, TaskType
from a3t.envs.alfworld.world import World

_Thing = TypeVar("_Thing", Item, Receptacle)


def plan(world: World) -> list[str] | None:
    """Commands that win from the start: the game's own walkthrough where it wins, ours otherwise, None where neither does."""
    own = list(world.game.walkthrough)
    if own and _wins(world, own):
        return own
    for attempt in _attempts(world):
        if attempt is not None:
            return attempt
    return None


def _wins(world: World, commands: Iterable[str]) -> bool:
    state = world.start
    for command in commands:
        state, _, valid = world.play(state, command)
        if not valid:
            return False
    return world.won(state)


def _attempts(world: World) -> Iterable[list[str] | None]:
    goal = world.game.goal
    if goal.task_type is TaskType.LOOK:
        for lamp in _of_type(world.game.items, goal.lamp_type):
            yield _Errands(world).light(lamp)
        return
    for target in _of_type(world.game.receptacles, goal.receptacle_type):
        yield _Errands(world).bring(target, 2 if goal.task_type is TaskType.TWO else 1)


class _Errands:
    """Plays commands and keeps those that were admissible; the rest are opened doors and the like."""

    def __init__(self, world: World) -> None:
        self.world, self.state, self.done = world, world.start, list[str]()

    def bring(self, target: Receptacle, count: int) -> list[str] | None:
        goal, wording, names = self.world.game.goal, self.world.game.wording, self.world.names
        left = _of_type(self.world.game.items, goal.object_type)
        for _ in range(count):
            item = self._fetch([item for item in left if target.id.lower() not in {id_.lower() for id_ in item.inside}])
            if item is None or not self._change(item):
                return None
            left.remove(item)
            self._visit(target)
            self._do(wording.put.format(o=names[item.id.lower()], r=names[target.id.lower()]))
        return self._won()

    def light(self, lamp: Item) -> list[str] | None:
        goal, wording, names = self.world.game.goal, self.world.game.wording, self.world.names
        if self._fetch(_of_type(self.world.game.items, goal.object_type)) is None:
            return None
        for receptacle in self._holding(lamp):
            self._visit(receptacle)
            self._do(wording.use.format(o=names[lamp.id.lower()]))
            if won := self._won():
                return won
        return None

    def _fetch(self, items: Iterable[Item]) -> Item | None:
        wording, names = self.world.game.wording, self.world.names
        for item in items:
            for receptacle in self._holding(item):
                self._visit(receptacle)
                if self._do(wording.take.format(o=names[item.id.lower()], r=names[receptacle.id.lower()])):
                    return item
        return None

    def _change(self, item: Item) -> bool:
        """Clean, heat or cool what is held, where the goal asks for it."""
        game, wording = self.world.game, self.world.game.wording
        ways = {
            TaskType.CLEAN: (wording.clean, game.rules.clean_in),
            TaskType.HEAT: (wording.heat, game.rules.heat_in),
            TaskType.COOL: (wording.cool, game.rules.cool_in),
        }
        if game.task_type not in ways:
            return True
        command, types = ways[game.task_type]
        names = self.world.names
        for receptacle in _of_type(game.receptacles, *types):
            self._go(receptacle)
            if self._do(command.format(o=names[item.id.lower()], r=names[receptacle.id.lower()])):
                return True
        return False

    def _holding(self, item: Item) -> list[Receptacle]:
        ids = {id_.lower() for id_ in item.inside}
        return [receptacle for receptacle in self.world.game.receptacles if receptacle.id.lower() in ids]

    def _visit(self, receptacle: Receptacle) -> None:
        self._go(receptacle)
        self._do(self.world.game.wording.open.format(r=self.world.names[receptacle.id.lower()]))

    def _go(self, receptacle: Receptacle) -> None:
        self._do(self.world.game.wording.go_to.format(r=self.world.names[receptacle.id.lower()]))

    def _do(self, command: str) -> bool:
        self.state, _, valid = self.world.play(self.state, command)
        if valid:
            self.done.append(command)
        return valid

    def _won(self) -> list[str] | None:
        return self.done if self.world.won(self.state) else None


def _of_type(things: Iterable[_Thing], *types: str) -> list[_Thing]:
    wanted = {type_.lower() for type_ in types}
    return [thing for thing in things if thing.type.lower() in wanted]
