"""Crafting tasks from numbers: seed, split and index in, a whole game out, of exactly the depth asked for and solvable.

A thing of tier t takes one thing of tier t - 1 of its own material, and up to two others from below, so that its depth is its
tier. A distractor is made of what the task needs, and never needed. Recipes hold within a task; the next one has others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from a3t.envs.household.draws import Draws
from a3t.envs.textcraft.book import Book, Ingredient, Recipe, item_id
from a3t.envs.textcraft.names import LOOSE, NUM_TIERS, SPLITS, Thing, things
from a3t.envs.textcraft.world import Game
from a3t.errors import unknown

GENERATOR = "generated 1"
"""Goes into every record; the number changes whenever the same numbers give another task."""

_NUM_ATTEMPTS = 200
_YIELDS: Mapping[int, int] = {1: 4, 2: 2, 3: 1, 4: 3}
"""How many a recipe of tier 1 makes, with weights."""
_YIELDS_ABOVE: Mapping[int, int] = {1: 4, 2: 1}
_EXTRAS: Mapping[int, int] = {0: 3, 1: 5, 2: 2}
_GENERIC_SHARE = 0.35
"""How often a thing of tier 2 takes any planks rather than oak planks."""
_SECOND_SHARE = 0.15
"""How often a thing of tier 1 can be made in two ways."""
_ALIKE_SHARE = 0.4
"""How often a distractor shares its form or material with the goal."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One task, before its recipes are drawn."""

    seed: int
    split: str
    index: int
    target: Thing
    distractors: tuple[int, int]
    """Recipes that lead nowhere, least and most."""

    @property
    def task_id(self) -> str:
        """`oak_door-d3/s0-t00042`: thing, depth; seed, split and index, from which it is made again."""
        target = self.target
        return f"{target.name.replace(' ', '_')}-d{target.tier}/s{self.seed}-{SPLITS[self.split]}{self.index:05d}"


def draw_spec(seed: int, split: str, index: int, depths: tuple[int, ...], distractors: tuple[int, int]) -> Spec:
    """Task `index` of a split; depths are dealt in turn.

    Raises:
        UnknownNameError: no such split.
    """
    if split not in SPLITS:
        raise unknown("split of textcraft", split, SPLITS)
    depth = depths[index % len(depths)]
    draws = Draws("textcraft task", seed, split, index, depth)
    return Spec(seed, split, index, draws.one_of(things(split, depth)), distractors)


def generate(spec: Spec) -> Game:
    """The game of a task."""
    longest = 6 * spec.target.tier
    for attempt in range(_NUM_ATTEMPTS):
        draws = Draws("textcraft recipes", spec.seed, spec.split, spec.index, *spec.target, *spec.distractors, attempt)
        game = _Bench(spec.split, draws).game(spec)
        if game.plan.num_commands <= longest:
            return game
    raise AssertionError(f"no short game in {_NUM_ATTEMPTS} attempts for {spec.task_id}")


class _Bench:
    """Recipes as they are drawn; ingredients are named in words until the book is made."""

    def __init__(self, split: str, draws: Draws) -> None:
        self.split, self.draws = split, draws
        self.recipes: dict[Thing, list[Recipe]] = {}
        self.generic: dict[str, None] = {}
        """Forms of which any material will do; a dict, for its order."""
        self.used: dict[str, None] = {}
        """Ingredients so far."""

    def game(self, spec: Spec) -> Game:
        self.grow(spec.target)
        self.distract(spec.target, self.draws.between(*spec.distractors))
        recipes = [recipe for its in self.recipes.values() for recipe in its]
        members = {item_id(form): [item_id(t.name) for t in self.recipes if t.form == form] for form in self.generic}
        return Game(Book(recipes, members), item_id(spec.target.name), tuple(self.draws.shuffled(recipes)))

    def grow(self, thing: Thing) -> None:
        """A recipe for a thing, and for everything that goes into it."""
        if thing in self.recipes:
            return
        self.recipes[thing] = []
        draws, tier = self.draws, thing.tier
        takes: dict[str, int] = {}
        if tier == 1:
            takes[thing.raw] = draws.weighted({1: 5, 2: 2, 3: 1})
            if draws.chance(_SECOND_SHARE):
                self.add(thing, {draws.one_of(LOOSE): draws.between(1, 3)})
        else:
            takes[self.main(thing)] = draws.between(1, 4)
        for _ in range(draws.weighted(_EXTRAS)):
            takes.setdefault(self.extra(tier), draws.between(1, 3 if tier == 1 else 2))
        self.add(thing, takes)

    def main(self, thing: Thing) -> str:
        """The ingredient one tier below, of the same material; or its form alone, of which two or three materials are at hand."""
        below = self.draws.one_of(things(self.split, thing.tier - 1, thing.kind, thing.material))
        self.grow(below)
        # Of deeper things, each member would bring a whole tree of its own.
        if below.tier > 1 or not self.draws.chance(_GENERIC_SHARE):
            return below.name
        alike = [other for other in things(self.split, 1, below.kind) if other.form == below.form and other != below]
        for other in self.draws.shuffled(alike)[: self.draws.between(1, 2)]:
            self.grow(other)
        self.generic[below.form] = None
        return below.form

    def extra(self, tier: int) -> str:
        """Something else from below `tier`, mostly what the world gives."""
        what = self.draws.weighted({"loose": 4, "raw": 3, "crafted": 3 if tier > 1 else 0})
        if what == "loose":
            return self.draws.one_of(LOOSE)
        other = self.draws.one_of(things(self.split, self.draws.between(1, max(1, tier - 1))))
        if what == "raw":
            return other.raw
        self.grow(other)
        return other.name

    def distract(self, target: Thing, num: int) -> None:
        """Recipes that use up what the task needs, for things that it does not; some sound like the goal."""
        draws, needed = self.draws, list(self.used)
        every = (thing for tier in range(1, NUM_TIERS + 1) for thing in things(self.split, tier))
        useless = draws.shuffled([t for t in every if t not in self.recipes and t.form not in self.generic])
        alike = [thing for thing in useless if target.form == thing.form or target.material == thing.material]
        for _ in range(num):
            thing = (alike if alike and draws.chance(_ALIKE_SHARE) else useless)[0]
            useless.remove(thing)
            if thing in alike:
                alike.remove(thing)
            takes = {draws.one_of(needed): draws.between(1, 4)}
            for _ in range(draws.weighted(_EXTRAS)):
                takes.setdefault(draws.one_of([*needed, *LOOSE]), draws.between(1, 3))
            self.recipes[thing] = []
            self.add(thing, takes)

    def add(self, thing: Thing, takes: Mapping[str, int]) -> None:
        """One more recipe of a thing, its ingredients in any order."""
        listed = self.draws.shuffled(list(takes.items()))
        count = self.draws.weighted(_YIELDS if thing.tier == 1 else _YIELDS_ABOVE)
        ingredients = tuple(Ingredient(item_id(name), number) for name, number in listed)
        self.recipes[thing].append(Recipe(item_id(thing.name), count, ingredients))
        self.used.update(dict.fromkeys(takes))
