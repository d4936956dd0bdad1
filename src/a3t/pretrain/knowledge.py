"""What somebody who only reads the observations knows about a household game. Both text generations."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

_THING = r"[a-z]+ \d+"
_LISTED = re.compile(rf"\ban? ({_THING})")
_LISTING = re.compile(
    rf"(?:On the (?P<on>{_THING}), you see|The (?P<open>{_THING}) is open\. In it, you see) (?P<things>[^.]*)\."
)
_CLOSED = re.compile(rf"The ({_THING}) is closed\.")
_TASK = re.compile(r"Your task is to: (?P<task>[^\n]*)")
_ROOM = re.compile(r"you see (?P<things>[^\n]*)")

PREPARATIONS = {"clean": "clean", "hot": "heat", "cool": "cool"}
"""The state that a goal asks for, and the verb that makes it."""
APPLIANCE = {"clean": "sinkbasin", "hot": "microwave", "cool": "fridge"}

_GOALS = (
    (re.compile(r"put two (?P<o>\w+) in/on (?P<r>\w+)|put two (?P<o2>\w+) (?:in|on) (?P<r2>\w+)"), "two"),
    (re.compile(r"find two (?P<o>\w+) and put them (?:in|on) (?P<r>\w+)"), "two"),
    (re.compile(r"(?:look at|examine the) (?P<o>\w+) (?:under|with) the (?P<r>\w+)"), "look"),
    (re.compile(r"put (?:a|an|some)? ?(?P<s>clean|hot|cool) (?P<o>\w+) (?:in/on|in|on) (?P<r>\w+)"), "pick"),
    (re.compile(r"(?P<v>clean|heat|cool) (?:some|a) (?P<o>\w+) and put it (?:in/on|in|on) (?P<r>\w+)"), "pick"),
    (re.compile(r"put (?:a|an|some) (?P<o>\w+) (?:in/on|in|on) (?P<r>\w+)"), "pick"),
)


class Aim(NamedTuple):
    """A goal, read from its sentence."""

    kind: str
    """`pick`, `two` or `look`."""
    thing: str
    """Type of the object."""
    place: str
    """Type of the receptacle, or of the lamp for `look`."""
    state: str = ""
    """`clean`, `hot`, `cool`, or nothing."""


def read_aim(task: str) -> Aim:
    """Raises ValueError for a sentence that is none of ALFWorld's."""
    for pattern, kind in _GOALS:
        match = pattern.search(task)
        if match is None:
            continue
        found = {key.rstrip("2"): value for key, value in match.groupdict().items() if value}
        state = found.get("s", "") or {verb: state for state, verb in PREPARATIONS.items()}.get(found.get("v", ""), "")
        return Aim(kind, found["o"], found["r"], state)
    raise ValueError(f"not a household goal: {task!r}")


def kind_of(thing: str) -> str:
    """`cabinet 3` is a `cabinet`."""
    return thing.split(" ", 1)[0]


@dataclass
class Knowledge:
    """Grows with every observation."""

    aim: Aim
    places: list[str]
    """Receptacles in the order in which the room was described."""
    here: str = ""
    holding: str = ""
    contents: dict[str, list[str]] = field(default_factory=dict)
    """What was seen where; a place is a key once its inside was seen."""
    closed: set[str] = field(default_factory=set)
    taken_from: dict[str, str] = field(default_factory=dict)
    states: dict[str, set[str]] = field(default_factory=dict)
    """`hot`, `clean`, `cool` as made by the player itself."""
    refused: list[str] = field(default_factory=list)
    """Actions that were refused since the last one that was not."""

    @classmethod
    def from_reset(cls, observation: str) -> Knowledge:
        task, room = _TASK.search(observation), _ROOM.search(observation)
        if task is None or room is None:
            raise ValueError(f"not the start of a household game: {observation[:80]!r}")
        return cls(read_aim(task["task"]), _LISTED.findall(room["things"]))

    def see(self, action: str, observation: str) -> None:
        """Take in what the world answered to an action."""
        if observation.startswith("Nothing happens"):
            self.refused.append(action)
            return
        self.refused.clear()
        words = action.split(" ")
        match words[0]:
            case "go":
                self.here = " ".join(words[2:])
            case "take":
                thing = " ".join(words[1:3])
                self.holding = thing
                self._forget(thing)
                self.taken_from[thing] = self.here
            case "move" | "put":
                thing, place = " ".join(words[1:3]), " ".join(words[-2:])
                self.holding = ""
                self.contents.setdefault(place, []).append(thing)
            case "clean" | "heat" | "cool":
                made = {verb: state for state, verb in PREPARATIONS.items()}[words[0]]
                states = self.states.setdefault(" ".join(words[1:3]), set())
                states -= {"hot", "cool"} if made in ("hot", "cool") else set()
                states.add(made)
            case "close":
                self.closed.add(" ".join(words[1:3]))
        for match in _LISTING.finditer(observation):
            place = match["on"] or match["open"]
            self.contents[place] = _LISTED.findall(match["things"])
            self.closed.discard(place)
        for place in _CLOSED.findall(observation):
            self.closed.add(place)

    def _forget(self, thing: str) -> None:
        for things in self.contents.values():
            if thing in things:
                things.remove(thing)

    def where(self, kind: str) -> list[tuple[str, str]]:
        """(object, place) of every object of that type whose place is known, the nearest place first."""
        found = [(thing, place) for place, things in self.contents.items() for thing in things if kind_of(thing) == kind]
        return sorted(found, key=lambda pair: (pair[1] != self.here, self.order(pair[1]), pair[0]))

    def order(self, place: str) -> int:
        """Position in the description, counted from the place after this one, around."""
        if place not in self.places:
            return len(self.places)
        start = self.places.index(self.here) + 1 if self.here in self.places else 0
        return (self.places.index(place) - start) % len(self.places)

    @property
    def unseen(self) -> list[str]:
        """Places whose inside was never seen, the next in the description first."""
        return sorted((place for place in self.places if place not in self.contents), key=self.order)

    @property
    def delivered(self) -> list[tuple[str, str]]:
        """Objects of the wanted type that already are where they should be."""
        return [(thing, place) for thing, place in self.where(self.aim.thing) if kind_of(place) == self.aim.place]

    @property
    def is_ready(self) -> bool:
        """The right thing is in hand, prepared as the goal asks."""
        return self.has_wanted and (not self.aim.state or self.aim.state in self.states.get(self.holding, ()))

    @property
    def has_wanted(self) -> bool:
        return bool(self.holding) and kind_of(self.holding) == self.aim.thing
