"""Generated games as files that the official ALFWorld engine loads: `game.tw-pddl` beside `traj_data.json`.

`domain.txt` and `grammar.txt` say in the engine's two languages what the rules are and how they are told. Both restate ALFWorld's
(MIT, Copyright (c) 2020 Mohit Shridhar and others), cut down to what these games use; predicate, action and rule names have to be
the engine's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from a3t.envs.alfworld.game import Game, Goal, Rules, TaskType
from a3t.errors import BadDataError

_RECEPTACLE_TYPES_OF_DOMAIN = ("Fridge", "Microwave", "Sink", "SinkBasin")
_OBJECT_TYPES_OF_DOMAIN = ("ButterKnife", "Knife")
"""The domain names these, so each problem must declare them."""

_HELP_ACTION = """
 (:action help
    :parameters (?a - agent)
    :precondition ()
    :effect (and (checked ?a)))
"""

_HELP_GRAMMAR = """
action help {{
    template :: "help";
    feedback :: "{text}";
}}
"""


def write_tw_pddl(game: Game, path: Path | str, task_id: str = "") -> Path:
    """Write `game` to `path` (a `game.tw-pddl`), and a `traj_data.json` beside it. Folders are made.

    Args:
        task_id: recorded in `traj_data.json`; the name of the folder otherwise.

    Raises:
        BadDataError: the game has rules that `domain.txt` does not state.
    """
    if not _is_usual(game.rules):
        raise BadDataError(f"only games with the rules of ALFWorld can be written; this one has {game.rules}.")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tw_pddl(game)), encoding="utf-8")
    (path.parent / "traj_data.json").write_text(
        json.dumps(traj_data(game, task_id or path.parent.name), indent=1), encoding="utf-8"
    )
    return path


def _is_usual(rules: Rules) -> bool:
    usual = replace(Rules(), has_help=rules.has_help)
    return repr(rules).lower() == repr(usual).lower()


def tw_pddl(game: Game) -> dict[str, Any]:
    """What a `game.tw-pddl` holds."""
    return {
        "pddl_domain": domain(game),
        "grammar": grammar(game),
        "pddl_problem": problem(game),
        "solvable": True,
        "walkthrough": list(game.walkthrough),
    }


def traj_data(game: Game, task_id: str) -> dict[str, Any]:
    """The part of ALFRED's record that ALFWorld reads: type and target of the task, and its words."""
    goal = game.goal
    return {
        "task_id": task_id,
        "task_type": str(goal.task_type),
        "pddl_params": {
            "mrecep_target": "",
            "object_sliced": False,
            "object_target": goal.object_type,
            "parent_target": goal.receptacle_type,
            "toggle_target": goal.lamp_type,
        },
        "turk_annotations": {"anns": [{"task_desc": game.task, "high_descs": [], "votes": [1]}]},
    }


def domain(game: Game) -> str:
    return _text("domain.txt").replace("@HELP@", _HELP_ACTION if game.rules.has_help else "")


def grammar(game: Game) -> str:
    """How the game is told. The two generations of text differ in putting, arriving and help alone."""
    words = game.wording
    return (
        _text("grammar.txt")
        .replace("@TASK@", game.task)
        .replace("@ARRIVE@", "lend" if "{place}" in words.arrived else "r")
        .replace("@PUT_TEMPLATE@", words.put)
        .replace("@PUT_FEEDBACK@", words.put_down.format(o="{o.name}", r="{r.name}"))
        .replace("@HELP@", _HELP_GRAMMAR.format(text=words.help_text) if game.rules.has_help else "")
    )


def problem(game: Game, name: str = "household") -> str:
    """The PDDL problem: what there is, what holds at the start, what is wanted."""
    declared = ["agent1 - agent", *sorted({f"{id_} - {kind}" for id_, kind in _declarations(game)})]
    facts = [f"({fact})" for fact in _facts(game)]
    return (
        f"(define (problem {name})\n(:domain alfred)\n(:objects\n    "
        + "\n    ".join(declared)
        + "\n)\n(:init\n    "
        + "\n    ".join(facts)
        + f"\n)\n(:goal\n    (and {goal_formula(game.goal)})\n)\n)\n"
    )


def _declarations(game: Game) -> Iterator[tuple[str, str]]:
    yield game.start, "location"
    for receptacle in game.receptacles:
        yield receptacle.id, "receptacle"
        yield receptacle.location, "location"
        yield f"{receptacle.type}Type", "rtype"
    for item in game.items:
        yield item.id, "object"
        yield f"{item.type}Type", "otype"
    for kind in (*_RECEPTACLE_TYPES_OF_DOMAIN, *(pair[0] for pair in game.can_contain), game.goal.receptacle_type):
        if kind:
            yield f"{kind}Type", "rtype"
    for kind in (*_OBJECT_TYPES_OF_DOMAIN, *(pair[1] for pair in game.can_contain), game.goal.object_type, game.goal.lamp_type):
        if kind:
            yield f"{kind}Type", "otype"


def _facts(game: Game) -> Iterator[str]:
    yield f"atLocation agent1 {game.start}"
    for receptacle in game.receptacles:
        yield f"receptacleType {receptacle.id} {receptacle.type}Type"
        yield f"receptacleAtLocation {receptacle.id} {receptacle.location}"
        if receptacle.openable:
            yield f"openable {receptacle.id}"
        if receptacle.opened:
            yield f"opened {receptacle.id}"
    for item in game.items:
        yield f"objectType {item.id} {item.type}Type"
        if item.location is not None:
            yield f"objectAtLocation {item.id} {item.location}"
        yield from (f"inReceptacle {item.id} {receptacle}" for receptacle in item.inside)
        yield from (f"inReceptacleObject {inner} {item.id}" for inner in item.contents)
        yield from (f"{word} {item.id}" for word in _properties(item))
    yield from (f"canContain {receptacle}Type {item}Type" for receptacle, item in sorted(game.can_contain))


def _properties(item: Any) -> Iterable[str]:
    words = {
        "pickupable": item.pickupable,
        "cleanable": item.cleanable,
        "heatable": item.heatable,
        "coolable": item.coolable,
        "sliceable": item.sliceable,
        "toggleable": item.toggleable,
        "isReceptacleObject": item.is_receptacle,
        "isClean": item.clean,
        "isHot": item.hot,
        "isCool": item.cool,
        "isSliced": item.sliced,
        "isToggled": item.toggled,
    }
    return (word for word, holds in words.items() if holds)


_CHANGED = {
    TaskType.CLEAN: "(cleanable ?o) (isClean ?o) ",
    TaskType.HEAT: "(heatable ?o) (isHot ?o) ",
    TaskType.COOL: "(coolable ?o) (isCool ?o) ",
    TaskType.PICK: "",
}


def goal_formula(goal: Goal) -> str:
    """The goal in PDDL."""
    wanted = f"(objectType ?o {goal.object_type}Type)"
    if goal.task_type is TaskType.LOOK:
        return (
            "(exists (?ot - object ?r - receptacle ?a - agent ?l - location) "
            f"(and (objectType ?ot {goal.lamp_type}Type) (toggleable ?ot) (isToggled ?ot) "
            "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r))) "
            f"(exists (?o - object ?a - agent) (and {wanted} (holds ?a ?o)))"
        )
    where = f"(receptacleType ?r {goal.receptacle_type}Type)"
    if goal.task_type is TaskType.TWO:
        one, two = wanted.replace("?o", "?o1"), wanted.replace("?o", "?o2")
        return (
            f"(exists (?r - receptacle) (exists (?o1 - object) (and {one} {where} (inReceptacle ?o1 ?r) "
            f"(exists (?o2 - object) (and (not (= ?o1 ?o2)) {two} {where} (inReceptacle ?o2 ?r))))))"
        )
    return (
        f"(exists (?r - receptacle) (exists (?o - object) (and {_CHANGED[goal.task_type]}{wanted} {where} (inReceptacle ?o ?r))))"
    )


def _text(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
