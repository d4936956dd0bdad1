"""One TextCraft game as pure functions: what a command does to an inventory, and what is said about it.

Commands, messages and their order are those of the original (github.com/archiki/ADaPT, TextCraft/env.py; AgentGym's copy says the
same): only the beginning of a command is looked at (`inventory:` will do), the count before a crafted item is not, and any recipe
of the book works, shown or not. Ours differs in little: an item named twice must be carried twice (there, one passes for both and
the program breaks), echoed text is cut and free of control characters, a fetched count ends at a million.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from a3t.envs.textcraft.book import Book, Ingredient, Recipe, item_id, words
from a3t.envs.textcraft.plan import Plan, plan

MAX_ACTION = 2000
"""Characters; a longer command cannot be executed."""
MAX_ECHO = 200
MAX_COUNT = 1_000_000
MAX_FILLINGS = 64
"""Ways to fill one recipe from the inventory that are listed; more work all the same."""

_CRAFT = re.compile(r"craft (.*) using (.*)")
_GET = re.compile(r"get ([0-9]+) (.*)")
_COUNTED = re.compile(r"([0-9]+) (.*)")


@dataclass(frozen=True, slots=True)
class State:
    """What the player carries, in the order in which it came, and whether the goal was crafted."""

    inventory: tuple[tuple[str, int], ...] = ()
    won: bool = False


class Answer(NamedTuple):
    state: State
    text: str
    valid: bool


class _Refused(Exception):
    """The command fails; the text says what the world answers."""


@dataclass(frozen=True)
class Game:
    """A goal, the recipes that the task shows, and the book that decides."""

    book: Book
    goal: str
    shown: tuple[Recipe, ...]

    @cached_property
    def intro(self) -> str:
        commands = "\n".join(recipe.command for recipe in self.shown)
        return f"Crafting commands:\n{commands}\n\nGoal: craft {words(self.goal)}."

    @cached_property
    def plan(self) -> Plan:
        return plan(self.book, self.goal)

    @cached_property
    def gets(self) -> tuple[str, ...]:
        """Fetching each thing that the shown recipes name and the world gives, as many as one of them takes, or the plan."""
        named = {ingredient for recipe in self.shown for ingredient in recipe.ingredients} | set(self.plan.fetched)
        return tuple(f"get {count} {words(item)}" for item, count in sorted(named) if self.book.can_get(item))

    def actions(self, state: State) -> list[str]:
        """The sorted admissible commands that make sense; none once the goal is reached."""
        if state.won:
            return []
        carried = dict(state.inventory)
        crafts = (recipe.filled(items) for recipe in self.shown for items in _fillings(self.book, recipe, carried))
        return sorted({"inventory", *self.gets, *crafts})

    def play(self, state: State, action: str) -> Answer:
        """What comes of a command. Any text is one; what cannot be done leaves the state as it is."""
        try:
            if len(action) <= MAX_ACTION:
                if craft := _CRAFT.match(action):
                    return self._craft(state, craft[1], craft[2])
                if get := _GET.match(action):
                    return self._get(state, int(get[1]), get[2], action)
                if action.startswith("inventory"):
                    return Answer(state, _listed(state), True)
            raise _Refused(f"Could not execute {echo(action)}")
        except _Refused as why:
            return Answer(state, str(why), False)

    def _get(self, state: State, count: int, name: str, action: str) -> Answer:
        item = item_id(name)
        if not self.book.can_get(item):
            raise _Refused(f"Could not find {echo(name)}")
        if count > MAX_COUNT:
            raise _Refused(f"Could not execute {echo(action)}")
        return Answer(State(_changed(state, {item: count})), f"Got {count} {name}", True)

    def _craft(self, state: State, output: str, ingredients: str) -> Answer:
        counted = _COUNTED.match(output)
        target, count = (item_id(counted[2]), int(counted[1])) if counted else (item_id(output), 1)
        given = list(_given(ingredients))
        carried, used = dict(state.inventory), Counter[str]()
        for name, number in given:
            used[name] += number
        generic = target in self.book.generic
        lacking = f"Could not find enough items to craft {None if generic else echo(target)}"
        if any(name not in carried or carried[name] < number for name, number in given):
            raise _Refused(lacking)
        recipe = self.book.crafts(target, given)
        if recipe is None:
            # The original prints its own record here; agents trained on it have read exactly this.
            name = f"tag={echo(target)!r}, item_id=None" if generic else f"tag=None, item_id={echo(target)!r}"
            raise _Refused(f"Could not find a valid recipe for ItemTagWithCount(item_tag=ItemTag({name}), count={count})")
        if any(carried[name] < number for name, number in used.items()):
            raise _Refused(lacking)
        inventory = _changed(state, {name: -number for name, number in used.items()})
        inventory = _changed(State(inventory), {recipe.output: recipe.count})
        return Answer(State(inventory, recipe.output == self.goal), f"Crafted {recipe.count} {recipe.output}", True)


def echo(text: str) -> str:
    """A player's words as an answer may repeat them: printable, on one line, not long."""
    shown = "".join(character if character.isprintable() else " " for character in text[:MAX_ECHO])
    return shown if len(text) <= MAX_ECHO else shown + "..."


def _given(text: str) -> Iterator[Ingredient]:
    for part in text.split(","):
        counted = _COUNTED.match(part.strip())
        if counted is None:
            raise _Refused(f"Wrong item format: {echo(part.strip())}")
        yield Ingredient(item_id(counted[2]), int(counted[1]))


def _listed(state: State) -> str:
    # The space at the end is the original's.
    carried = "".join(f"[{words(item)}] ({count}) " for item, count in state.inventory)
    return f"Inventory: {carried or 'You are not carrying anything.'}"


def _changed(state: State, change: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """The inventory with so many more or fewer of some items; what is used up is gone."""
    carried = dict(state.inventory)
    for item, number in change.items():
        carried[item] = carried.get(item, 0) + number
        if number < 0 and carried[item] == 0:
            del carried[item]
    return tuple(carried.items())


def _fillings(book: Book, recipe: Recipe, carried: dict[str, int]) -> list[tuple[str, ...]]:
    """Ways to fill a recipe from what is carried, at most MAX_FILLINGS."""
    ways: list[tuple[str, ...]] = [()]
    for number, (name, count) in enumerate(recipe.ingredients):
        options = [option for option in book.options(name) if carried.get(option, 0) >= count]
        longer = ((*way, option) for way in ways for option in options)
        ways = [way for way in longer if _affordable(recipe.ingredients[: number + 1], way, carried)][:MAX_FILLINGS]
    return ways


def _affordable(ingredients: tuple[Ingredient, ...], items: tuple[str, ...], carried: dict[str, int]) -> bool:
    used = Counter[str]()
    for (_, count), item in zip(ingredients, items, strict=True):
        used[item] += count
    return all(carried.get(item, 0) >= count for item, count in used.items())
