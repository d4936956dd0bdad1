"""Scripted players that act on observations alone: one that solves most games, and the same with habits that make it fail.

The base model reads them all. Alone it therefore is a mediocre agent; what it needs to be a good one is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from a3t.pretrain.knowledge import APPLIANCE, PREPARATIONS, Knowledge, kind_of


@dataclass(frozen=True, slots=True)
class Habits:
    """What a player does wrong, for a whole episode. The defaults do nothing wrong."""

    hasty: bool = False
    """Forgets that the goal asks for a clean, hot or cool thing."""
    careless: bool = False
    """Never opens anything while searching."""
    one_is_enough: bool = False
    """After one of two objects it walks on without looking for the other."""
    forgets_lamp: bool = False
    """With the object in hand it goes on looking at places instead of using the lamp."""
    takes_all: bool = False
    """Hasty, it takes a thing although it lies where it belongs, instead of passing it by."""

    @property
    def is_good(self) -> bool:
        return not (self.hasty or self.careless or self.one_is_enough or self.forgets_lamp)


def decide(known: Knowledge, habits: Habits, put_verb: str, rng: np.random.Generator) -> str:
    """The next action, from what is known alone. `put_verb` is `move … to` (2.1.2) or `put … in/on` (2.1.1)."""
    aim, here = known.aim, known.here
    state = "" if habits.hasty else aim.state
    if known.holding and not known.has_wanted:
        return _put(known.holding, known.taken_from.get(known.holding, here) or here, put_verb, here, known)
    if known.has_wanted:
        if state and state not in known.states.get(known.holding, ()):
            return _at(known, _first(known, APPLIANCE[state]), f"{PREPARATIONS[state]} {known.holding} with {{place}}")
        if aim.kind == "look":
            return _to_lamp(known, habits, rng)
        target = known.delivered[0][1] if aim.kind == "two" and known.delivered else _first(known, aim.place)
        if target in known.closed and known.here == target:
            return f"open {target}"
        return _at(known, target, _put_template(known.holding, put_verb))
    if habits.one_is_enough and known.delivered:
        return _search(known, habits, rng, aimless=True)
    found = [(thing, place) for thing, place in known.where(aim.thing) if aim.kind != "two" or kind_of(place) != aim.place]
    # What already lies where it belongs must still be fetched if it has to be clean, hot or cool.
    fetches = bool(state) or aim.kind == "look" or (habits.hasty and habits.takes_all)
    found = [(thing, place) for thing, place in found if fetches or kind_of(place) != aim.place]
    if found:
        thing, place = found[0]
        if place in known.closed and known.here == place:
            return f"open {place}"
        return _at(known, place, f"take {thing} from {{place}}")
    return _search(known, habits, rng)


def _to_lamp(known: Knowledge, habits: Habits, rng: np.random.Generator) -> str:
    lamps = known.where(known.aim.place)
    if lamps and not habits.forgets_lamp:
        lamp, place = lamps[0]
        return _at(known, place, f"use {lamp}")
    return _search(known, habits, rng, aimless=habits.forgets_lamp)


def _search(known: Knowledge, habits: Habits, rng: np.random.Generator, aimless: bool = False) -> str:
    """The next place in the order of the description; when all are seen, around again."""
    if known.here in known.closed and known.here not in known.contents and not habits.careless:
        return f"open {known.here}"
    unseen = [place for place in known.unseen if place != known.here]
    if habits.careless:
        unseen = [place for place in unseen if place not in known.closed]
    if aimless or not unseen:
        others = [place for place in known.places if place != known.here]
        return f"go to {others[int(rng.integers(len(others)))]}" if others else "look"
    return f"go to {unseen[0]}"


def _first(known: Knowledge, kind: str) -> str:
    """The first place of a type in the description, the one here before all; `here` where there is none."""
    places = [place for place in known.places if kind_of(place) == kind]
    return known.here if known.here in places or not places else places[0]


def _at(known: Knowledge, place: str, action: str) -> str:
    """The action if the player stands at the place, else the way there."""
    return action.format(place=place) if known.here == place else f"go to {place}"


def _put_template(thing: str, put_verb: str) -> str:
    return f"move {thing} to {{place}}" if put_verb == "move" else f"put {thing} in/on {{place}}"


def _put(thing: str, place: str, put_verb: str, here: str, known: Knowledge) -> str:
    if place in known.closed and here == place:
        return f"open {place}"
    return _put_template(thing, put_verb).format(place=place) if here == place else f"go to {place}"


def wander(actions: Sequence[str], rng: np.random.Generator) -> str:
    """Any admissible action, verbs balanced so that not everything is `go to`."""
    kinds = sorted({action.split(" ", 1)[0] for action in actions})
    verb = kinds[int(rng.integers(len(kinds)))]
    group = [action for action in actions if action.split(" ", 1)[0] == verb]
    return group[int(rng.integers(len(group)))]
