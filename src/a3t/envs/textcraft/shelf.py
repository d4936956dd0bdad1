"""Tasks out of a recipe book: one for each item of the right depth, with its recipes and some that use the same ingredients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from a3t.envs.household.draws import Draws
from a3t.envs.textcraft.book import Book, Recipe
from a3t.envs.textcraft.names import SPLITS
from a3t.envs.textcraft.plan import MAX_COMMANDS, plan
from a3t.envs.textcraft.world import Game

_TENTHS = ("train",) * 7 + ("valid",) + ("test",) * 2


def split_of_item(item: str) -> str:
    """Which split asks for an item: a hash of its name decides, the same for all folders and seeds."""
    return Draws("textcraft split", item).one_of(_TENTHS)


@lru_cache(maxsize=8)
def targets(book: Book, depths: tuple[int, ...]) -> Mapping[str, tuple[str, ...]]:
    """Split: the items to craft, in a fixed order that is no order of names. Splits may be empty."""
    fit = [
        item for item in sorted(book.by_output) if book.depth(item) in depths and plan(book, item).num_commands <= MAX_COMMANDS
    ]
    return {
        split: tuple(Draws("textcraft order", split).shuffled([item for item in fit if split_of_item(item) == split]))
        for split in SPLITS
    }


def game_of(book: Book, target: str, seed: int, distractors: tuple[int, int]) -> Game:
    """The game that asks for `target`: all recipes it may take, and distractors that `seed` draws, in an order that it draws.

    Args:
        distractors: how many, least and most; fewer where the book has no more that use the same ingredients.
    """
    draws = Draws("textcraft game", seed, target, *distractors)
    useful = book.needed_for(target)
    lures = draws.shuffled(_lures(book, useful))[: draws.between(*distractors)]
    return Game(book, target, tuple(draws.shuffled([*useful, *lures])))


def _lures(book: Book, useful: list[Recipe]) -> list[Recipe]:
    """Recipes that share an ingredient with a useful one and are none."""
    names = {ingredient.name for recipe in useful for ingredient in recipe.ingredients}
    apart = set(useful)
    return [recipe for recipe in book.recipes if recipe not in apart and any(name in names for name, _ in recipe.ingredients)]
