"""A recipe book: which items are made of which, how deep each lies, and whether what a player puts together is a recipe.

Items are named as Minecraft names them (`minecraft:oak_planks`); commands say `oak planks`. A *generic* ingredient (`planks`)
stands for any of its members. Source of the rules: TextCraft of ADaPT (Prasad et al. 2024, github.com/archiki/ADaPT).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from a3t.errors import BadDataError

NAMESPACE = "minecraft:"


def words(item: str) -> str:
    """`oak planks` for `minecraft:oak_planks`; other namespaces stay: `mod:red gear`."""
    return item.removeprefix(NAMESPACE).replace("_", " ")


def item_id(text: str) -> str:
    """The item that `text` names in a command. As in the original, `minecraft:` is never typed: `minecraft:log` names nothing."""
    spelled = text.replace(" ", "_")
    return spelled if ":" in spelled and not spelled.startswith(NAMESPACE) else NAMESPACE + spelled


class Ingredient(NamedTuple):
    name: str
    """An item, or a generic."""
    number: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """So many of each ingredient become `count` of `output`."""

    output: str
    count: int
    ingredients: tuple[Ingredient, ...]
    """At least one; no two of one name."""

    @property
    def command(self) -> str:
        """`craft 4 oak planks using 1 oak log`: how the task shows it, and how it is done."""
        return self.filled([ingredient.name for ingredient in self.ingredients])

    def filled(self, items: Iterable[str]) -> str:
        """The command with these items for its ingredients, in order."""
        used = zip(self.ingredients, items, strict=True)
        listed = ", ".join(f"{ingredient.number} {words(item)}" for ingredient, item in used)
        return f"craft {self.count} {words(self.output)} using {listed}"


class Book:
    """Recipes without circles, and what follows from them.

    Args:
        recipes: in the order in which they are tried.
        members: the items that each generic stands for. One of whose members none can be crafted is fetched by its own name, as
            in the original (`get 3 logs`); its members will do as well.

    Raises:
        BadDataError: something is made, over some steps, of itself.
    """

    def __init__(self, recipes: Iterable[Recipe], members: Mapping[str, Iterable[str]] | None = None) -> None:
        self.recipes = tuple(dict.fromkeys(recipes))
        self.by_output: dict[str, tuple[Recipe, ...]] = {}
        for recipe in self.recipes:
            self.by_output[recipe.output] = (*self.by_output.get(recipe.output, ()), recipe)
        self._options: dict[str, tuple[str, ...]] = {}
        generic = set()
        for name, items in (members or {}).items():
            kept = set(items)
            if kept & self.by_output.keys() and name not in self.by_output:
                generic.add(name)
            else:
                kept.add(name)
            self._options[name] = tuple(sorted(kept))
        self.generic = frozenset(generic)
        """Names that no item has: neither fetched nor carried."""
        named = (ingredient.name for recipe in self.recipes for ingredient in recipe.ingredients)
        self.items = frozenset({*self.by_output, *(option for name in named for option in self.options(name))})
        self._depth = self._depths()

    def options(self, name: str) -> tuple[str, ...]:
        """The items that do for an ingredient, sorted: a generic's members, or the item itself."""
        return self._options.get(name, (name,))

    def can_get(self, item: str) -> bool:
        """Whether the world gives it away: known, and nothing that must be crafted."""
        return item in self.items and item not in self.by_output

    def depth(self, name: str) -> int:
        """Crafting steps above what the world gives: 0 for that; else 1 + the deepest ingredient, by the shallowest recipe.

        Of a generic, the depth of its shallowest member. Source: the original's `get_min_depth`.
        """
        return min(self._depth.get(option, 0) for option in self.options(name))

    def crafts(self, output: str, given: Sequence[Ingredient]) -> Recipe | None:
        """The recipe of `output` that takes exactly what is given, in any order; None where there is none."""
        return next((recipe for recipe in self.by_output.get(output, ()) if self._takes(recipe, given)), None)

    def needed_for(self, item: str) -> list[Recipe]:
        """All recipes of an item, of its ingredients, of theirs, and so on; the item's own first."""
        found: dict[Recipe, None] = {}
        seen, waiting = {item}, [item]
        while waiting:
            for recipe in self.by_output.get(waiting.pop(), ()):
                found[recipe] = None
                for option in (option for ingredient in recipe.ingredients for option in self.options(ingredient.name)):
                    if option not in seen:
                        seen.add(option)
                        waiting.append(option)
        return list(found)

    def _takes(self, recipe: Recipe, given: Sequence[Ingredient]) -> bool:
        """Whether given things and ingredients can be paired off (a matching, found by augmenting paths)."""
        wanted = recipe.ingredients
        if len(given) != len(wanted):
            return False
        fits = [
            [slot for slot, want in enumerate(wanted) if want.number == thing.number and thing.name in self.options(want.name)]
            for thing in given
        ]
        holder: dict[int, int] = {}

        def seat(thing: int, tried: set[int]) -> bool:
            for slot in fits[thing]:
                if slot not in tried:
                    tried.add(slot)
                    if slot not in holder or seat(holder[slot], tried):
                        holder[slot] = thing
                        return True
            return False

        return all(seat(thing, set()) for thing in range(len(given)))

    def _depths(self) -> dict[str, int]:
        made_of = {
            output: {
                option for recipe in recipes for ingredient in recipe.ingredients for option in self.options(ingredient.name)
            }
            for output, recipes in self.by_output.items()
        }
        depths: dict[str, int] = {}
        try:
            for item in TopologicalSorter(made_of).static_order():
                recipes = self.by_output.get(item, ())
                costs = (
                    1 + max(min(depths[option] for option in self.options(ingredient.name)) for ingredient in recipe.ingredients)
                    for recipe in recipes
                )
                depths[item] = min(costs, default=0)
        except CycleError as error:
            circle = " → ".join(words(item) for item in error.args[1][:6])
            raise BadDataError(
                f"a recipe book must end at items that need no crafting; this one goes round: {circle}."
            ) from error
        return depths
