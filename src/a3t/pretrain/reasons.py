"""Why one would take an action: the words of the scripted players, said before the action (ReAct) or after it (ActRe).

One function for both, so that the base learns one language: the goal restated, then what matters now, then the decision.
"""

from __future__ import annotations

from a3t.pretrain.knowledge import APPLIANCE, Knowledge, kind_of

SILENT = frozenset({"open", "move", "put", "clean", "heat", "cool", "use"})
"""Verbs that the players mostly use without a word, as in ReAct's sparse thoughts: the thought before them said it all."""


def reason(known: Knowledge, action: str, *, hasty: bool = False) -> str:
    """What is behind `action`, given what is known.

    Args:
        hasty: the speaker forgot that the goal asks for a clean, hot or cool thing.
    """
    words = action.split(" ")
    verb, thing, place = words[0], " ".join(words[1:3]), " ".join(words[-2:])
    state = "" if hasty else known.aim.state
    need = need_phrase(known, state)
    match verb:
        case "go":
            return _go(known, place, need, state)
        case "open":
            return f"{thing} is closed. open it."
        case "close":
            return f"{thing} is open. close it."
        case "take":
            if kind_of(thing) == known.aim.thing:
                return f"{need} {thing} is here. take it."
            return f"{need} {thing} is not needed. take it."
        case "move" | "put":
            if known.has_wanted and kind_of(place) == known.aim.place:
                return f"have {state_of(known, state)}{thing}. put it in {place}."
            return f"{thing} is not needed. put it in {place}."
        case "clean" | "heat" | "cool":
            wanted = {"clean": "clean", "heat": "hot", "cool": "cool"}[verb]
            return f"have {thing}. it {'must' if wanted == state else 'need not'} be {wanted}. {verb} it."
        case "use":
            return f"have {known.holding}. use {thing}." if known.holding else f"{need} use {thing}."
        case "inventory":
            return f"{need} check what i have."
        case "examine" | "look" | "help":
            return f"{need} look around."
        case "slice":
            return f"have a knife. slice {thing}."
    return need


def need_phrase(known: Knowledge, state: str) -> str:
    """The goal restated, with what is already done."""
    aim = known.aim
    if aim.kind == "look":
        return f"need {aim.thing} and {aim.place}."
    if aim.kind == "two":
        done = known.delivered
        if done:
            return f"one {aim.thing} is in {done[0][1]}. need one more {aim.thing}."
        return f"need two {aim.thing} for {aim.place}."
    return f"need {state + ' ' if state else ''}{aim.thing} for {aim.place}."


def state_of(known: Knowledge, state: str) -> str:
    return f"{state} " if state and state in known.states.get(known.holding, ()) else ""


def _go(known: Knowledge, place: str, need: str, state: str) -> str:
    held = known.holding
    if held and kind_of(held) == known.aim.thing:
        have = f"have {state_of(known, state)}{held}."
        if state and state not in known.states.get(held, ()) and kind_of(place) == APPLIANCE[state]:
            return f"{have} it must be {state}. go to {place}."
        if known.aim.kind == "look":
            lamps = [thing for thing, where in known.where(known.aim.place) if where == place]
            return (
                f"{have} {lamps[0]} is in {place}. go to {place}." if lamps else f"{have} need {known.aim.place}. check {place}."
            )
        if kind_of(place) == known.aim.place and not (state and state not in known.states.get(held, ())):
            return f"{have} it goes in {known.aim.place}. go to {place}."
        return f"{have} check {place}."
    if held:
        return f"have {held}. it is not needed. go to {place}."
    wanted = [thing for thing, where in known.where(known.aim.thing) if where == place]
    if wanted and (known.aim.kind != "two" or kind_of(place) != known.aim.place):
        return f"{need} {wanted[0]} is in {place}. go to {place}."
    return f"{need} check {place}{' again' if place in known.contents else ''}."
