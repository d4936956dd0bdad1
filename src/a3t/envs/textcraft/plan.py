"""How to craft something, for someone who knows all recipes: what to fetch, then what to craft, shallow things first."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from a3t.envs.textcraft.book import Book, Recipe, words

MAX_COMMANDS = 100
"""Longer plans are not asked for: Agent-R gives an episode 100 turns."""


class Plan(NamedTuple):
    fetched: tuple[tuple[str, int], ...]
    """Item and how many, sorted."""
    crafted: tuple[tuple[Recipe, tuple[str, ...], int], ...]
    """Recipe, the items that fill it, how often; ingredients before what is made of them."""

    @property
    def num_commands(self) -> int:
        """Commands it takes, each fetch and each single crafting being one."""
        return len(self.fetched) + sum(times for _, _, times in self.crafted)

    @property
    def commands(self) -> list[str]:
        fetch = [f"get {count} {words(item)}" for item, count in self.fetched]
        return fetch + [recipe.filled(items) for recipe, items, times in self.crafted for _ in range(times)]


def plan(book: Book, target: str) -> Plan:
    """The plan along each item's shallowest recipe; what is left over of a batch is used before more is made.

    Args:
        target: a craftable item of the book.
    """
    needs: Counter[str] = Counter({target: 1})
    fetched: list[tuple[str, int]] = []
    crafted: list[tuple[Recipe, tuple[str, ...], int]] = []
    # The deepest first: everything that needs an item is settled before the item itself is.
    while needs:
        item = max(needs, key=lambda name: (book.depth(name), name))
        needed = needs.pop(item)
        if book.can_get(item):
            fetched.append((item, needed))
            continue
        recipe = min(book.by_output[item], key=lambda recipe: _cost(book, recipe))
        times = -(-needed // recipe.count)
        items = tuple(_shallowest(book, ingredient.name) for ingredient in recipe.ingredients)
        for ingredient, chosen in zip(recipe.ingredients, items, strict=True):
            needs[chosen] += ingredient.number * times
        crafted.append((recipe, items, times))
    return Plan(tuple(sorted(fetched)), tuple(reversed(crafted)))


def _cost(book: Book, recipe: Recipe) -> tuple[int, int, str]:
    return max(book.depth(ingredient.name) for ingredient in recipe.ingredients), len(recipe.ingredients), recipe.command


def _shallowest(book: Book, name: str) -> str:
    """The option for an ingredient with the fewest steps below it, then the simplest recipe; its own name where that is one."""

    def effort(option: str) -> tuple[int, int, int, bool, str]:
        ways = ((len(recipe.ingredients), -recipe.count) for recipe in book.by_output.get(option, ()))
        return book.depth(option), *min(ways, default=(0, 0)), option != name, option

    return min(book.options(name), key=effort)
