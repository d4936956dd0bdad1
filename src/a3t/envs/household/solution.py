"""An omniscient plan: the commands that win a game for someone who knows where everything is."""

from __future__ import annotations

from collections.abc import Iterator

from a3t.envs.alfworld.game import Game, Item, Receptacle, TaskType
from a3t.envs.alfworld.naming import display_names
from a3t.envs.household.affordances import COOLS, WARMS, WASHES

_CHANGES = {TaskType.CLEAN: ("clean", WASHES), TaskType.HEAT: ("heat", WARMS), TaskType.COOL: ("cool", COOLS)}


def solution(game: Game) -> list[str]:
    """Commands that take `game` from its start to success, each valid when its turn comes.

    For games of the generator: every object is in one receptacle, and no two receptacles share a location.

    Raises:
        ValueError: the game lacks what its goal names.
    """
    return list(_Plan(game).commands())


class _Plan:
    """Walks through the game in mind; remembers where the agent stands and which doors are open."""

    def __init__(self, game: Game) -> None:
        self.game, self.words = game, game.wording
        ids = [*(r.id for r in game.receptacles), *(item.id for item in game.items)]
        names = display_names(id_.lower() for id_ in ids)
        self.names = {id_: names[id_.lower()] for id_ in ids}
        self.at = ""
        self.open = {receptacle.id for receptacle in game.receptacles if receptacle.opened}

    def commands(self) -> Iterator[str]:
        goal = self.game.goal
        if goal.task_type is TaskType.LOOK:
            yield from self.fetch(self.targets()[0])
            lamp = next((item for item in self.game.items if item.type == goal.lamp_type), None)
            if lamp is None:
                raise ValueError(f"the game has no {goal.lamp_type}")
            # A lamp shines from a closed cupboard too: no door needs opening.
            yield from self.go(self.holder(lamp))
            yield self.words.use.format(o=self.names[lamp.id])
            return
        where = self.receptacle(goal.receptacle_type)
        needed = 2 if goal.task_type is TaskType.TWO else 1
        targets = self.targets()[:needed]
        if len(targets) < needed:
            raise ValueError(f"the game has fewer than {needed} {goal.object_type}")
        for target in targets:
            yield from self.fetch(target)
            if goal.task_type in _CHANGES:
                verb, kind = _CHANGES[goal.task_type]
                appliance = self.receptacle(kind)
                yield from self.go(appliance)
                yield getattr(self.words, verb).format(o=self.names[target.id], r=self.names[appliance.id])
            yield from self.go(where)
            yield from self.unlock(where)
            yield self.words.put.format(o=self.names[target.id], r=self.names[where.id])

    def fetch(self, item: Item) -> Iterator[str]:
        holder = self.holder(item)
        yield from self.go(holder)
        yield from self.unlock(holder)
        yield self.words.take.format(o=self.names[item.id], r=self.names[holder.id])

    def go(self, receptacle: Receptacle) -> Iterator[str]:
        if self.at != receptacle.id:
            self.at = receptacle.id
            yield self.words.go_to.format(r=self.names[receptacle.id])

    def unlock(self, receptacle: Receptacle) -> Iterator[str]:
        if receptacle.openable and receptacle.id not in self.open:
            self.open.add(receptacle.id)
            yield self.words.open.format(r=self.names[receptacle.id])

    def targets(self) -> list[Item]:
        found = [item for item in self.game.items if item.type == self.game.goal.object_type and item.pickupable]
        if not found:
            raise ValueError(f"the game has no {self.game.goal.object_type}")
        return found

    def receptacle(self, kind: str) -> Receptacle:
        found = next((receptacle for receptacle in self.game.receptacles if receptacle.type == kind), None)
        if found is None:
            raise ValueError(f"the game has no {kind}")
        return found

    def holder(self, item: Item) -> Receptacle:
        return next(receptacle for receptacle in self.game.receptacles if receptacle.id in item.inside)
