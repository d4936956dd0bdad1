"""A household game as plain data: what is where, what can be done to it, what is wanted, and in which words it is told.

The engine (`world.World`) runs any `Game`. Two things make one: the loader, from an official `game.tw-pddl`, and the generator of
household games, from tables of ours. Ids are the official mangled ones (`Desk_bar__minus_01_dot_29_bar_...`): the part before
`_bar_` gives the name, and their lower-case order gives the numbers (`desk 2`, `desk 1`), so nothing else about them matters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from a3t.envs.alfworld.wording import WORDING_212, Wording


class TaskType(StrEnum):
    """The six goals of ALFWorld, by the name that the folders on disk begin with."""

    PICK = "pick_and_place_simple"
    """An object of a type is in a receptacle of a type."""
    LOOK = "look_at_obj_in_light"
    """A used lamp is in a receptacle where the agent is, and the agent holds an object of a type."""
    CLEAN = "pick_clean_then_place_in_recep"
    """As PICK, the object cleanable and clean."""
    HEAT = "pick_heat_then_place_in_recep"
    """As PICK, the object heatable and hot."""
    COOL = "pick_cool_then_place_in_recep"
    """As PICK, the object coolable and cool."""
    TWO = "pick_two_obj_and_place"
    """Two different objects of a type are in the same receptacle of a type."""


@dataclass(frozen=True, slots=True)
class Receptacle:
    """Furniture: it stands somewhere and holds objects."""

    id: str
    type: str
    """ALFRED's word without the suffix `Type`: `Cabinet`, `SinkBasin`, `DiningTable`."""
    location: str
    """Id of the place from which it is reached (`loc_bar_9_bar_6_bar_2_bar_60`). Receptacles may share one."""
    openable: bool = False
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """An object: held, carried, put down; a lamp and a window are objects too, which nobody can pick up."""

    id: str
    type: str
    """`Apple`, `DeskLamp`, …; empty for what has a name and is nowhere."""
    location: str | None = None
    """Where it is at the start; what slicing and "Next to it" look at."""
    inside: tuple[str, ...] = ()
    """Ids of the receptacles it is in at the start: usually one, in a third of the official games also two to four."""
    contents: tuple[str, ...] = ()
    """Ids of the objects in it, where it is a bowl or the like. They only show when it is examined; nothing changes them."""
    pickupable: bool = False
    cleanable: bool = False
    heatable: bool = False
    coolable: bool = False
    sliceable: bool = False
    toggleable: bool = False
    is_receptacle: bool = False
    """A bowl, a pot, a plate: examining it tells what is in it."""
    clean: bool = False
    hot: bool = False
    cool: bool = False
    sliced: bool = False
    toggled: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted; one template per task type."""

    task_type: TaskType
    object_type: str
    receptacle_type: str = ""
    """Where to put it; empty for LOOK."""
    lamp_type: str = ""
    """`DeskLamp` or `FloorLamp` for LOOK; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The few choices that the domain of a game makes by naming types; the defaults are those of every 2.1.2 game."""

    clean_in: tuple[str, ...] = ("Sink", "SinkBasin")
    heat_in: tuple[str, ...] = ("Microwave",)
    cool_in: tuple[str, ...] = ("Fridge",)
    slice_with: tuple[str, ...] = ("Knife", "ButterKnife")
    has_help: bool = True
    """2.1.1 games know no `help`."""
    examine_in_reach: bool = False
    """Can an object be examined that is not held? Meant by the official domain, prevented by a comma in it."""


@dataclass(frozen=True, slots=True)
class Game:
    """One game, whole. Equal games play alike, word for word."""

    task: str
    """What follows `Your task is to: `, the final full stop included."""
    goal: Goal
    start: str
    """Id of the location where the agent begins."""
    receptacles: tuple[Receptacle, ...]
    items: tuple[Item, ...]
    can_contain: frozenset[tuple[str, str]]
    """(receptacle type, object type) pairs that may be combined by putting."""
    rules: Rules = field(default_factory=Rules)
    wording: Wording = WORDING_212
    """`WORDING_211` tells the same game in the words of 2019."""
    walkthrough: tuple[str, ...] = ()
    """Commands that win, where known."""

    @property
    def task_type(self) -> TaskType:
        return self.goal.task_type
