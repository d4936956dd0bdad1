"""A `game.tw-pddl` read into a `Game`.

The file is one JSON object: `pddl_domain` (the rules, the same in all games of a generation), `grammar` (the words and the task),
`pddl_problem` (who is where, and the goal), `solvable`, and in some releases `walkthrough`. Of the domain we take what it decides
by naming types; its actions must be those the engine plays.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from a3t.envs.alfworld.game import Game, Goal, Item, Receptacle, Rules, TaskType
from a3t.envs.alfworld.grammar import read_grammar
from a3t.errors import BadDataError, MissingDataError

GAME_FILE = "game.tw-pddl"

_KEYS = ("pddl_domain", "grammar", "pddl_problem")

_FACT = re.compile(r"\(\s*([^\s()]+)((?:\s+[^\s()]+)*)\s*\)")

_ITEM_FLAGS = {
    "pickupable": "pickupable",
    "cleanable": "cleanable",
    "heatable": "heatable",
    "coolable": "coolable",
    "sliceable": "sliceable",
    "toggleable": "toggleable",
    "isreceptacleobject": "is_receptacle",
    "isclean": "clean",
    "ishot": "hot",
    "iscool": "cool",
    "issliced": "sliced",
    "istoggled": "toggled",
}

_WITHOUT_EFFECT = {
    "ison",
    "moveable",
    "full",
    "checked",
    "examined",
    "wasinreceptacle",
    "isreceptacleobjectfull",
    "distance",
    "=",
}
"""Facts that no precondition, answer or goal of a game asks for."""

_MOVES = {"gotolocation", "openobject", "closeobject", "pickupobject", "putobject"}
_CHANGES = {"cleanobject", "heatobject", "coolobject", "toggleobject", "sliceobject"}
_QUESTIONS = {"look", "inventory", "examinereceptacle", "examineobject"}
_ACTIONS = _MOVES | _CHANGES | _QUESTIONS
"""What a domain must offer, no more and no less, apart from `help`."""

_GOALS = {
    TaskType.PICK: "objecttype(o,O) receptacletype(r,R) inreceptacle(o,r)",
    TaskType.CLEAN: "objecttype(o,O) receptacletype(r,R) inreceptacle(o,r) cleanable(o) isclean(o)",
    TaskType.HEAT: "objecttype(o,O) receptacletype(r,R) inreceptacle(o,r) heatable(o) ishot(o)",
    TaskType.COOL: "objecttype(o,O) receptacletype(r,R) inreceptacle(o,r) coolable(o) iscool(o)",
    TaskType.TWO: "objecttype(o1,O) receptacletype(r,R) inreceptacle(o1,r) objecttype(o2,O) inreceptacle(o2,r) =(o1,o2)",
    TaskType.LOOK: "objecttype(ot,L) toggleable(ot) istoggled(ot) receptacleatlocation(r,l) atlocation(a,l)"
    " inreceptacle(ot,r) objecttype(o,O) holds(a,o)",
}
"""The six goals as the sets of their literals; capitals stand for a type."""


def load_game(path: Path | str) -> Game:
    """Read one game.

    Raises:
        MissingDataError: there is no such file.
        BadDataError: the file is damaged or not a game that this engine can play; the message names it.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingDataError(f"there is no game at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(f"cannot read the game {path}: {error}.") from None
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadDataError(
            f"the game {path} is not valid JSON: {error}.\n  It may be cut short ({len(text)} characters)."
            " Try: a3t data fetch alfworld"
        ) from None
    return parse_game(data, str(path))


def parse_game(data: Any, where: str) -> Game:
    """The game in the decoded JSON of a `game.tw-pddl`.

    Raises:
        BadDataError: as `load_game`; `where` says in the message what was being read.
    """
    if not isinstance(data, Mapping):
        raise BadDataError(f"the game {where} is {type(data).__name__}; expected a JSON object with {', '.join(_KEYS)}.")
    for key in _KEYS:
        if not isinstance(data.get(key), str):
            got = f"{key!r} is {type(data[key]).__name__}" if key in data else f"it has no {key!r}"
            raise BadDataError(f"the game {where} is incomplete: {got}; expected the texts {', '.join(_KEYS)}.")
    walkthrough = data.get("walkthrough") or ()
    if not isinstance(walkthrough, list | tuple) or not all(isinstance(command, str) for command in walkthrough):
        raise BadDataError(f"the game {where}: its walkthrough is not a list of commands.")
    try:
        rules = _read_domain(data["pddl_domain"])
        told = read_grammar(data["grammar"])
        start, receptacles, items, can_contain, goal = _read_problem(data["pddl_problem"])
    except BadDataError as error:
        raise BadDataError(f"the game {where} cannot be played: {error}") from None
    return Game(told.task, goal, start, receptacles, items, can_contain, rules, told.wording, tuple(walkthrough))


@lru_cache(maxsize=16)
def _read_domain(text: str) -> Rules:
    text = re.sub(r";[^\n]*", "", text).lower()
    bodies = dict(re.findall(r"\(\s*:action\s+([\w-]+)(.*?)(?=\(\s*:action|\Z)", text, re.DOTALL))
    missing, unknown = _ACTIONS - bodies.keys(), bodies.keys() - _ACTIONS - {"help"}
    if missing or unknown:
        raise BadDataError(
            f"its domain {'lacks' if missing else 'has'} the action {sorted(missing or unknown)[0]!r}; "
            f"this engine plays {len(_ACTIONS)} actions and help."
        )

    def types(action: str, predicate: str) -> tuple[str, ...]:
        return tuple(re.findall(rf"\(\s*{predicate}\s+\?\w+\s+(\w+?)type\s*\)", bodies[action]))

    return Rules(
        clean_in=types("cleanobject", "receptacletype"),
        heat_in=types("heatobject", "receptacletype"),
        cool_in=types("coolobject", "receptacletype"),
        slice_with=types("sliceobject", "objecttype"),
        has_help="help" in bodies,
        # The official domains declare `(?l - location, ?r - receptacle)`: the comma makes a type that nothing has.
        examine_in_reach="exists" in bodies["examineobject"] and "location," not in bodies["examineobject"],
    )


def _read_problem(
    text: str,
) -> tuple[str, tuple[Receptacle, ...], tuple[Item, ...], frozenset[tuple[str, str]], Goal]:
    text = re.sub(r";[^\n]*", "", text).lower()
    try:
        init, goal = text[text.index("(:init") + len("(:init") :].split("(:goal")
    except ValueError:
        raise BadDataError("its problem needs one (:init …) followed by one (:goal …).") from None
    if text.count("(") != text.count(")"):
        raise BadDataError("the parentheses of its problem do not match.")
    facts = _facts(init)
    mentioned = {name for predicate, found in facts.items() if predicate != "cancontain" for names in found for name in names}

    def pairs(predicate: str) -> list[tuple[str, str]]:
        found = facts.pop(predicate, [])
        for arguments in found:
            if len(arguments) != 2:
                raise BadDataError(f"its problem says ({predicate} {' '.join(arguments)}); expected two names.")
        return [(first, second) for first, second in found]

    def ones(predicate: str) -> set[str]:
        found = facts.pop(predicate, [])
        for arguments in found:
            if len(arguments) != 1:
                raise BadDataError(f"its problem says ({predicate} {' '.join(arguments)}); expected one name.")
        return {arguments[0] for arguments in found}

    starts = pairs("atlocation")
    if len(starts) != 1:
        raise BadDataError(f"its problem puts the agent at {len(starts)} places; expected one (atLocation agent place).")
    stands_at = _single("receptacleatlocation", pairs("receptacleatlocation"))
    receptacle_types = _single("receptacletype", pairs("receptacletype"))
    item_types = _single("objecttype", pairs("objecttype"))
    item_places = _single("objectatlocation", pairs("objectatlocation"))
    openable, opened = ones("openable"), ones("opened")
    inside, contents = defaultdict(list), defaultdict(list)
    for item, receptacle in pairs("inreceptacle"):
        inside[item].append(receptacle)
    for inner, outer in pairs("inreceptacleobject"):
        contents[outer].append(inner)
    can_contain = frozenset((_bare(receptacle), _bare(item)) for receptacle, item in pairs("cancontain"))
    flags = {flag: ones(predicate) for predicate, flag in _ITEM_FLAGS.items()}
    unknown = facts.keys() - _WITHOUT_EFFECT
    if unknown:
        raise BadDataError(f"its problem uses the predicate {sorted(unknown)[0]!r}, which this engine does not know.")

    receptacles = tuple(
        Receptacle(id_, _bare(receptacle_types.get(id_, "")), place, id_ in openable, id_ in opened)
        for id_, place in stands_at.items()
    )
    # An id that only some flag mentions (a cracked egg's, say) is nowhere, and counts in the numbering of names all the same.
    elsewhere = {starts[0][1], *stands_at, *stands_at.values(), *item_places.values()}
    named = item_types.keys() | item_places.keys() | inside.keys() | {id_ for id_ in mentioned - elsewhere if "_bar_" in id_}
    items = tuple(
        Item(
            id_,
            _bare(item_types.get(id_, "")),
            item_places.get(id_),
            tuple(dict.fromkeys(inside.get(id_, ()))),
            tuple(dict.fromkeys(contents.get(id_, ()))),
            **{flag: id_ in having for flag, having in flags.items()},
        )
        for id_ in sorted(named)
    )
    return starts[0][1], receptacles, items, can_contain, _read_goal(goal)


def _facts(text: str) -> dict[str, list[tuple[str, ...]]]:
    facts: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for predicate, arguments in _FACT.findall(text):
        facts[predicate].append(tuple(arguments.split()))
    return facts


def _single(predicate: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The one value of each name; a repeated fact is no contradiction, a second value is."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if values.setdefault(name, value) != value:
            raise BadDataError(f"its problem has two facts ({predicate} {name} …); this engine expects one.")
    return values


def _read_goal(text: str) -> Goal:
    types: dict[str, set[str]] = defaultdict(set)
    literals = set()
    for predicate, rest in _FACT.findall(text):
        arguments = [argument.lstrip("?") for argument in rest.split()]
        if predicate in ("objecttype", "receptacletype") and len(arguments) == 2:
            slot = "R" if predicate == "receptacletype" else "L" if arguments[0] == "ot" else "O"
            types[slot].add(_bare(arguments[1]))
            arguments[1] = slot
        if not predicate.startswith("?"):
            literals.add(f"{predicate}({','.join(arguments)})")
    for task_type, template in _GOALS.items():
        if literals == set(template.split()) and all(len(named) == 1 for named in types.values()):
            kinds = {slot: next(iter(named)) for slot, named in types.items()}
            return Goal(task_type, kinds["O"], kinds.get("R", ""), kinds.get("L", ""))
    raise BadDataError("its goal is none of the six that this engine knows.")


def _bare(type_: str) -> str:
    return type_.removesuffix("type")
