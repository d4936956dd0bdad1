"""The grammar of a `game.tw-pddl` read into a `Wording` and the task it announces.

The official grammar is a general text generator, of which the games use one small, fixed part: every rule is a template over the
entities of a command, or a list of objects. We read the templates and insist on the rest: a rule of another shape is refused,
because a guess would give observations that look right and are not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from string import Formatter
from typing import Any, NamedTuple

from a3t.envs.alfworld.wording import WORDING_212, Description, Wording
from a3t.errors import BadDataError

TASK_LEAD = "Your task is to: "

_PART = re.compile(
    r"""\s+ | \#[^\n]*                                                # white space, comments
    | grammar\s*::\s*\"\"\"(?P<grammar>.*?)\"\"\"\s*;
    | action\s+(?P<action>[\w/-]+)\s*\{
    | template\s*::\s*"(?P<template>[^"]*)"\s*;
    | feedback\s*::\s*"(?P<feedback>[^"]*)"\s*;
    | pddl\s*::\s*\"\"\".*?\"\"\"\s*;
    | (?P<end>\})""",
    re.VERBOSE | re.DOTALL,
)

_TASK = re.compile(r'"task"\s*:\s*\[\s*\{\s*"rhs"\s*:\s*("(?:[^"\\]|\\.)*")')

_ENTITIES = {"o": "o", "r": "r", "lend": "place", "co": "o", "ko": "tool"}
"""Names of the grammar's variables in our templates."""

_LISTS = {
    "o.indefinite + ' ' + o.name | inreceptacle(o:object, r:receptacle)": "{items}",
    "o.indefinite + ' ' + o.name | holds(a:agent, o:object)": "{items}",
    "o2.indefinite + ' ' + o2.name | inreceptacleobject(o2:object, o:object)": "{items}",
    "r.name | receptacleatlocation(r:receptacle, lend:location)": "{r}",
    "r.name | atlocation(a:agent, l:location) & receptacleatlocation(r:receptacle, l:location)": "{receptacles}",
}
"""The lists that the engine knows how to fill, as the grammar writes them."""

_FLAGS = {
    "isreceptacleobject": "is_receptacle",
    "isclean": "clean",
    "ishot": "hot",
    "iscool": "cool",
    "issliced": "sliced",
    "sliceable": "sliceable",
    "toggleable": "toggleable",
    "istoggled": "toggled",
}

_OPEN = "openable(r:receptacle) & opened(r:receptacle)"
_OPENABLE = "openable(r:receptacle)"
_HERE = "atlocation(a:agent, l:location) & receptacleatlocation(r:receptacle, l:location)"
_BESIDE = (
    "atlocation(a:agent, l:location) & objectatlocation(o:object, l:location)"
    " & receptacleatlocation(r:receptacle, l:location) & not_inreceptacle(o:object, r:receptacle)"
)


_MAY_NAME = {
    **dict.fromkeys(("go_to", "open", "close", "examine_receptacle", "closed", "is_closed"), "r"),
    **dict.fromkeys(("take", "put", "clean", "heat", "cool", "taken", "put_down", "cleaned", "heated", "cooled"), "o r"),
    **dict.fromkeys(("use", "examine_object", "used"), "o"),
    **dict.fromkeys(("slice", "sliced"), "o tool"),
    **dict.fromkeys(("inventory", "look", "help", "carrying_nothing"), ""),
    **dict.fromkeys(("is_open", "on_it"), "r items"),
    "arrived": "r place listing",
    "opened": "r listing",
    "carrying": "items",
    "facing": "receptacles items",
    "in_the_room": "receptacles",
    "intro": "look task",
}
"""What the engine can put into each template of a `Wording`."""


class Told(NamedTuple):
    wording: Wording
    task: str


class _Rule(NamedTuple):
    condition: str
    rhs: str


@dataclass(frozen=True, slots=True)
class _Action:
    template: str
    feedback: str


def read_grammar(text: str) -> Told:
    """The words of a game and its task.

    Raises:
        BadDataError: the grammar cannot be parsed, misses a rule, or has one that the engine does not know how to tell.
    """
    found = _TASK.search(text)
    if found is None:
        raise BadDataError("its grammar announces no task: expected a rule 'task'.")
    try:
        task: str = json.loads(found[1])
    except json.JSONDecodeError as error:
        raise BadDataError(f"the task in its grammar is not a JSON string: {error}.") from None
    # All games of a generation share everything but the task, so that the rest is read once.
    wording = _read_wording(text[: found.start(1)] + '""' + text[found.end(1) :])
    lead = TASK_LEAD if task.startswith(TASK_LEAD) else ""
    if not lead:
        wording = replace(wording, task="{task}")
    return Told(wording, task.removeprefix(lead))


@lru_cache(maxsize=16)
def _read_wording(text: str) -> Wording:
    rules, actions = _parse(text)

    def action(name: str) -> _Action:
        if name not in actions:
            raise BadDataError(f"its grammar says nothing about the action {name!r}.")
        return actions[name]

    def only(symbol: str, conditions: tuple[str, ...] = ("",)) -> list[str]:
        """Right-hand sides of a symbol whose rules must have just these conditions."""
        if symbol not in rules:
            raise BadDataError(f"its grammar has no rule {symbol!r}.")
        got = tuple(rule.condition for rule in rules[symbol])
        if got != conditions:
            raise BadDataError(f"the rule {symbol!r} of its grammar asks for {got}; this engine knows {conditions}.")
        return [rule.rhs for rule in rules[symbol]]

    def said(action_name: str) -> str:
        """The one template that answers an action."""
        return _template(only(_symbol(action(action_name).feedback))[0])

    def command(action_name: str) -> str:
        return _template(action(action_name).template)

    is_open, is_closed, on_it = map(_template, only("examineReceptacle.feedback", (_OPEN, _OPENABLE, "")))
    carrying, carrying_nothing = map(_template, only(_symbol(action("inventory").feedback), ("holdsany(a:agent)", "")))
    used = only(
        _symbol(action("ToggleObject").feedback),
        ("toggleable(o:object) & istoggled(o:object)", "toggleable(o:object)", ""),
    )[0]
    facing, in_the_room = only("look.feedback", (_HERE, ""))
    facing = facing.replace("#look-variations#", only("look-variations")[0])
    beside, no_one_beside = only("list_objects_on_the_floor", (_BESIDE, ""))
    appliances, no_appliances = only("list_appliances", ("receptacleatlocation(r:receptacle, l:location)", ""))
    _expect("list_objects_on_the_floor", beside, f"[{{#overview(o)#|{_BESIDE}}}]")
    _expect("list_appliances", appliances, "[{#overview(r)#|receptacleatlocation(r:receptacle, l:location)}]")
    _expect("overview(o)", only("overview(o)")[0], "{o.indefinite} {o.name}")
    _expect("overview(r)", only("overview(r)")[0], "{r.indefinite} {r.name or r.id}")
    nothing = only("list_empty")[0]
    for symbol, empty in (("list_objects_on_the_floor", no_one_beside), ("list_appliances", no_appliances)):
        _expect(symbol, empty, nothing)
    intro = only("intro")[0].replace("#look.feedback#", "{look}").replace("#task#", "{task}")
    help_action = actions.get("help")
    wording = Wording(
        version=WORDING_212.version if help_action else "2.1.1",
        go_to=command("GotoLocation"),
        open=command("OpenObject"),
        close=command("CloseObject"),
        take=command("PickupObject"),
        put=command("PutObject"),
        clean=command("CleanObject"),
        heat=command("HeatObject"),
        cool=command("CoolObject"),
        use=command("ToggleObject"),
        slice=command("SliceObject"),
        examine_receptacle=command("examineReceptacle"),
        examine_object=command("examineObject"),
        inventory=command("inventory"),
        look=command("look"),
        help=help_action.template if help_action else "",
        intro=intro,
        task=TASK_LEAD + "{task}",
        arrived=said("GotoLocation"),
        opened=said("OpenObject"),
        closed=said("CloseObject"),
        taken=said("PickupObject"),
        put_down=said("PutObject"),
        cleaned=said("CleanObject"),
        heated=said("HeatObject"),
        cooled=said("CoolObject"),
        used=_template(used),
        sliced=said("SliceObject"),
        is_open=is_open,
        is_closed=is_closed,
        on_it=on_it,
        descriptions=_descriptions(rules),
        carrying=carrying,
        carrying_nothing=carrying_nothing,
        facing=_template(facing.replace("#list_objects_on_the_floor#", "{items}")),
        in_the_room=_template(in_the_room.replace("#list_appliances#", "{receptacles}")),
        # The official parser drops a line break that the text begins with.
        help_text=help_action.feedback.lstrip() if help_action else "",
        article=WORDING_212.article,
        nothing=nothing,
        separator=only("list_separator")[0],
        last_separator=only("list_last_separator")[0],
        refused=WORDING_212.refused,
    )
    for name, allowed in _MAY_NAME.items():
        _check_places(name, getattr(wording, name), allowed)
    for description in wording.descriptions:
        _check_places("examineObject.feedback", description.text, "o items")
    return wording


def _check_places(name: str, text: str, allowed: str) -> None:
    """A rule may speak of what its command is about and of nothing else: there would be nothing to put there in play."""
    try:
        places = [(place, spec, conversion) for _, place, spec, conversion in Formatter().parse(text) if place is not None]
    except ValueError as error:
        raise BadDataError(f"what its grammar says for {name!r} makes no sense: {text!r} ({error}).") from None
    known = allowed.split()
    for place, spec, conversion in places:
        if place not in known or spec or conversion:
            may = ", ".join(map(repr, known)) or "nothing"
            raise BadDataError(
                f"what its grammar says for {name!r} names {place!r}: {text!r}; this engine has {may} to put there."
            )


def _parse(text: str) -> tuple[dict[str, list[_Rule]], dict[str, _Action]]:
    rules: dict[str, list[_Rule]] = {}
    actions: dict[str, _Action] = {}
    name, at = "", 0
    parts: dict[str, str] = {}
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or found.end() == at:
            line = text.count("\n", 0, at) + 1
            raise BadDataError(f"its grammar makes no sense from line {line}: {text[at : at + 40]!r}.")
        at = found.end()
        if found["grammar"] is not None:
            rules |= _read_rules(found["grammar"])
        elif found["action"] is not None:
            name, parts = found["action"], {}
        elif found["template"] is not None:
            parts["template"] = found["template"]
        elif found["feedback"] is not None:
            parts["feedback"] = found["feedback"]
        elif found["end"] is not None:
            if parts.keys() != {"template", "feedback"}:
                raise BadDataError(f"the action {name!r} of its grammar needs a template and a feedback.")
            actions[name] = _Action(parts["template"], parts["feedback"])
    return rules, actions


def _read_rules(block: str) -> dict[str, list[_Rule]]:
    try:
        data: Any = json.loads("\n".join(line for line in block.split("\n") if not line.lstrip().startswith("#")))
        return {
            symbol: [_Rule(_one_line(rule.get("condition", "")), rule["rhs"]) for rule in rules] for symbol, rules in data.items()
        }
    except json.JSONDecodeError as error:
        raise BadDataError(f"a block of its grammar is not JSON: {error}.") from None
    except (AttributeError, KeyError, TypeError) as error:
        raise BadDataError(f"a rule of its grammar is malformed: {error!r}.") from None


def _descriptions(rules: dict[str, list[_Rule]]) -> tuple[Description, ...]:
    described = []
    for rule in rules.get("examineObject.feedback", []):
        terms = [term.strip() for term in rule.condition.split("&")] if rule.condition else []
        names = [term.partition("(")[0] for term in terms]
        if "not_istoggled" in names:
            # A fact that only appears once something made it false; nothing ever turns a lamp off.
            continue
        unknown = [name for name, term in zip(names, terms, strict=True) if name not in _FLAGS or term != f"{name}(o:object)"]
        if unknown:
            raise BadDataError(f"its grammar describes objects by {unknown[0]!r}, which this engine does not know.")
        described.append(Description(frozenset(_FLAGS[name] for name in names), _template(rule.rhs)))
    if not described or described[-1].when:
        raise BadDataError("its grammar does not say what examining a plain object tells.")
    return tuple(described)


def _template(rhs: str) -> str:
    """`You open the {r.name}. #examineReceptacle.feedback#` as `You open the {r}. {listing}`."""
    text = rhs.replace("#examineReceptacle.feedback#", "{listing}")
    for written, ours in _LISTS.items():
        text = text.replace(f"[{{{written}}}]", ours)
    for theirs, ours in _ENTITIES.items():
        text = text.replace(f"{{{theirs}.name}}", f"{{{ours}}}")
        text = re.sub(rf"\{{{theirs}\}}", f"{{{ours}}}", text)
    rest = re.sub(r"\{(o|r|place|tool|items|receptacles|listing)\}", "", text)
    if re.search(r"[\[\]{}#|]", rest):
        raise BadDataError(f"its grammar says {rhs!r}, which this engine does not know how to tell.")
    return text


def _symbol(feedback: str) -> str:
    if len(feedback) < 3 or feedback[0] != "#" or feedback[-1] != "#":
        raise BadDataError(f"its grammar answers with {feedback!r}; expected one #symbol#.")
    return feedback[1:-1]


def _expect(symbol: str, got: str, expected: str) -> None:
    if _one_line(got).replace(" | ", "|") != expected:
        raise BadDataError(f"the rule {symbol!r} of its grammar is {got!r}; this engine knows {expected!r}.")


def _one_line(text: str) -> str:
    return " ".join(text.split())
