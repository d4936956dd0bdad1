"""The words of a game: one template per command and per answer, in the two generations of text that are in use.

A game file carries its words as a grammar; `grammar.py` reads them into a `Wording`. The two constants are what official files
say: `WORDING_212` (alfworld 0.4: `move X to R`) and `WORDING_211` (alfworld 0.3, and the prompts of the ReAct era:
`put X in/on R`). Templates are `str.format` strings over `{o}` an object's name, `{r}` a receptacle's, `{place}` a location's,
`{tool}` what it is sliced with, `{items}` a list of objects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple


class Description(NamedTuple):
    """What examining an object says, where all of these hold for it; the first that fits is said."""

    when: frozenset[str]
    """Of `is_receptacle`, `clean`, `hot`, `cool`, `sliced`, `sliceable`, `toggleable`, `toggled`."""
    text: str


@dataclass(frozen=True, slots=True)
class Wording:
    """Every command and every answer of a game."""

    version: str
    """The generation, `2.1.1` or `2.1.2`."""

    go_to: str
    open: str
    close: str
    take: str
    put: str
    clean: str
    heat: str
    cool: str
    use: str
    slice: str
    examine_receptacle: str
    examine_object: str
    inventory: str
    look: str
    help: str
    """Empty where the game knows no help."""

    intro: str
    """What `reset` shows, over `{look}` and `{task}`."""
    task: str
    """How the task is announced, over `{task}`."""
    arrived: str
    """Over `{r}`, `{place}` and `{listing}`."""
    opened: str
    """Over `{r}` and `{listing}`."""
    closed: str
    taken: str
    put_down: str
    cleaned: str
    heated: str
    cooled: str
    used: str
    sliced: str
    is_open: str
    is_closed: str
    on_it: str
    descriptions: tuple[Description, ...]
    carrying: str
    carrying_nothing: str
    facing: str
    """Over `{receptacles}` and `{items}`."""
    in_the_room: str
    """Over `{receptacles}`."""
    help_text: str
    article: str
    """Between an article and a name in every list: `a` for all."""
    nothing: str
    """An empty list."""
    separator: str
    last_separator: str
    refused: str
    """The answer to whatever is not a currently valid command."""

    def enumerate(self, names: list[str]) -> str:
        """`a mug 1, a cup 2, and a fork 1`, given the entries with their articles."""
        if len(names) < 2:
            return names[0] if names else self.nothing
        return self.separator.join(names[:-1]) + self.last_separator + names[-1]


def _described(*when: str, text: str) -> Description:
    return Description(frozenset(when), text)


DESCRIPTIONS = (
    _described("is_receptacle", text="This is a normal {o}. In it, you see {items}."),
    _described("clean", "hot", "sliced", text="This is a hot and clean sliced {o}."),
    _described("clean", "cool", "sliced", text="This is a cool and clean sliced {o}."),
    _described("clean", "sliced", text="This is a clean sliced {o}."),
    _described("hot", "sliced", text="This is a hot sliced {o}."),
    _described("cool", "sliced", text="This is a cool sliced {o}."),
    _described("clean", "hot", text="This is a hot and clean {o}."),
    _described("clean", "cool", text="This is a cool and clean {o}."),
    _described("hot", text="This is a hot {o}."),
    _described("clean", text="This is a clean {o}."),
    _described("cool", text="This is a cold {o}."),
    _described("toggleable", "toggled", text="This {o} is on."),
    _described("sliceable", "sliced", text="This is a sliced {o}."),
    _described(text="There's nothing special about {o}."),
)
"""`This {o} is off.` is in the official grammar too, but asks for a fact that no official game ever comes to hold."""

HELP_TEXT = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""

WORDING_212 = Wording(
    version="2.1.2",
    go_to="go to {r}",
    open="open {r}",
    close="close {r}",
    take="take {o} from {r}",
    put="move {o} to {r}",
    clean="clean {o} with {r}",
    heat="heat {o} with {r}",
    cool="cool {o} with {r}",
    use="use {o}",
    slice="slice {o} with {tool}",
    examine_receptacle="examine {r}",
    examine_object="examine {o}",
    inventory="inventory",
    look="look",
    help="help",
    intro="-= Welcome to TextWorld, ALFRED! =-\n\n{look}\n\n{task}",
    task="Your task is to: {task}",
    arrived="You arrive at {r}. {listing}",
    opened="You open the {r}. {listing}",
    closed="You close the {r}.",
    taken="You pick up the {o} from the {r}.",
    put_down="You move the {o} to the {r}.",
    cleaned="You clean the {o} using the {r}.",
    heated="You heat the {o} using the {r}.",
    cooled="You cool the {o} using the {r}.",
    used="You turn on the {o}.",
    sliced="You sliced the {o} with the {tool}.",
    is_open="The {r} is open. In it, you see {items}.",
    is_closed="The {r} is closed.",
    on_it="On the {r}, you see {items}.",
    descriptions=DESCRIPTIONS,
    carrying="You are carrying: {items}.",
    carrying_nothing="You are not carrying anything.",
    facing="You are facing the {receptacles}. Next to it, you see {items}.",
    in_the_room="You are in the middle of a room. Looking quickly around you, you see {receptacles}.",
    help_text=HELP_TEXT,
    article="a",
    nothing="nothing",
    separator=", ",
    last_separator=", and ",
    refused="Nothing happens.",
)

WORDING_211 = replace(
    WORDING_212,
    version="2.1.1",
    put="put {o} in/on {r}",
    help="",
    arrived="You arrive at {place}. {listing}",
    put_down="You put the {o} in/on the {r}.",
    help_text="",
)
