"""What the base reads: episodes of scripted players in generated rooms, told in ReAct's order, in ActRe's, or without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from a3t.pretrain.knowledge import Knowledge
from a3t.pretrain.players import Habits, decide, wander
from a3t.pretrain.reasons import SILENT, need_phrase, reason
from a3t.text.actre import actre_segments, explained
from a3t.text.react import HOUSEHOLD, segments, tidy_observation
from a3t.text.segments import Role, Segment
from a3t.types import Author, Step, Task


class Slips(NamedTuple):
    """How a player errs now and then."""

    rate: float = 0.0
    """Chance at each turn."""
    random: float = 0.7
    """Share of slips that are random admissible actions; the others get a number wrong."""
    imagined: float = 0.0
    """Chance, before those, that with empty hands it takes the wanted thing where it is not."""


NO_SLIPS = Slips()


@dataclass(frozen=True)
class Mixture:
    """What share of what the base reads."""

    hasty: Mapping[str, float] = field(
        default_factory=lambda: {
            "pick_heat_then_place_in_recep": 0.6,
            "pick_cool_then_place_in_recep": 0.45,
            "pick_clean_then_place_in_recep": 0.45,
        }
    )
    """Chance by task type that the player forgets the clean, hot or cool."""
    one_is_enough: float = 0.6
    forgets_lamp: float = 0.45
    careless: float = 0.25
    slips: float = 0.2
    """Share of episodes in which the player now and then takes a random or impossible action: context, never trained on."""
    slip_rate: float = 0.15
    """Chance of a slip at each turn of such an episode."""
    actre: float = 0.25
    """Share of episodes told in ActRe's order."""
    silent: float = 0.05
    """Share of random play without a word: world-model text."""
    random_slips: float = 0.7
    imagined: float = 0.0
    """See `Slips`."""
    takes_all: bool = False
    """Hasty players take a thing although it lies where it belongs."""
    admits: bool = False
    """After a refused action, the next thought begins by saying so (`look again.`)."""
    max_turns: int = 30
    max_turns_of_failures: int = 12


def habits_for(task_type: str, mixture: Mixture, rng: np.random.Generator) -> Habits:
    return Habits(
        hasty=bool(rng.random() < mixture.hasty.get(task_type, 0.0)),
        careless=bool(rng.random() < mixture.careless),
        one_is_enough=task_type == "pick_two_obj_and_place" and bool(rng.random() < mixture.one_is_enough),
        forgets_lamp=task_type == "look_at_obj_in_light" and bool(rng.random() < mixture.forgets_lamp),
        takes_all=mixture.takes_all,
    )


def play(
    env: Any,
    task: Task,
    habits: Habits,
    rng: np.random.Generator,
    *,
    slips: Slips = NO_SLIPS,
    admits: bool = False,
    wordless: bool = False,
    max_turns: int = 30,
) -> tuple[str, list[Step], bool]:
    """One episode of a scripted player; the opening observation, its steps and whether it won."""
    text, info = env.reset(options={"task_id": task.task_id})
    opening = tidy_observation(text)
    known = Knowledge.from_reset(opening)
    put_verb = "put" if "2.1.1" in env.version else "move"
    steps: list[Step] = []
    slipped = False
    for _ in range(max_turns):
        is_slip = bool(rng.random() < slips.rate)
        thought = ""
        if wordless:
            action = wander(info["actions"], rng) if rng.random() < 0.5 else decide(known, habits, put_verb, rng)
        elif is_slip:
            action, thought = _slip(info["actions"], known, put_verb, rng, slips)
        elif known.refused:
            # What was just refused is not tried again.
            action = decide(known, habits, put_verb, rng)
            action = wander(info["actions"], rng) if action in known.refused else action
        else:
            action = decide(known, habits, put_verb, rng)
        speaks = not wordless and (action.split(" ", 1)[0] not in SILENT or is_slip or slipped or rng.random() < 0.1)
        thought = thought or reason(known, action, hasty=habits.hasty)
        if known.refused and not is_slip and admits:
            thought = f"look again. {thought}"
        text, _reward, _terminated, _truncated, info = env.step(action)
        observation = tidy_observation(text)
        steps.append(
            Step(
                thought if speaks else "",
                action,
                observation,
                Author.SCRIPT,
                Author.SCRIPT,
                valid=info["valid"],
                trained=not is_slip,
            )
        )
        known.see(action, observation)
        slipped = is_slip
        if info["success"]:
            return opening, steps, True
    return opening, steps, False


def _slip(actions: list[str], known: Knowledge, put_verb: str, rng: np.random.Generator, slips: Slips) -> tuple[str, str]:
    """What a distracted player does, and the thought that goes with it (empty: the usual reason).

    It sees the wanted thing where it is not, or takes any admissible action, or gets a number wrong.
    """
    if slips.imagined and not known.holding and known.here and rng.random() < slips.imagined:
        thing = f"{known.aim.thing} {int(rng.integers(1, 4))}"
        return f"take {thing} from {known.here}", f"{need_phrase(known, known.aim.state)} {thing} is here. take it."
    if rng.random() < slips.random:
        return wander(actions, rng), ""
    words = decide(known, Habits(), put_verb, rng).split(" ")
    for index, word in enumerate(words):
        if word.isdigit():
            words[index] = str(int(word) + int(rng.integers(1, 4)))
            break
    return " ".join(words), ""


def transcript(env: Any, task: Task, mixture: Mixture, rng: np.random.Generator) -> list[Segment]:
    """One row of training text."""
    draw = rng.random()
    wordless = bool(draw < mixture.silent)
    habits = habits_for(task.task_type, mixture, rng)
    slip_rate = mixture.slip_rate if rng.random() < mixture.slips else 0.0
    max_turns = mixture.max_turns if habits.is_good else mixture.max_turns_of_failures
    opening, steps, _won = play(
        env,
        task,
        habits,
        rng,
        slips=Slips(slip_rate, mixture.random_slips, mixture.imagined),
        admits=mixture.admits,
        wordless=wordless,
        max_turns=max_turns,
    )
    if not wordless and draw > 1 - mixture.actre:
        return actre_row(env, opening, steps, task, habits)
    return segments(HOUSEHOLD, opening, steps)


def actre_row(env: Any, opening: str, steps: list[Step], task: Task, habits: Habits) -> list[Segment]:
    """The same episode with every action explained after the fact; slips too, for explaining any action is ActRe's trade."""
    known = Knowledge.from_reset(opening)
    row = actre_segments(opening, [], "")[:-2]
    for index, step in enumerate(steps):
        row += explained(index, step.action, reason(known, step.action, hasty=habits.hasty))
        row.append(Segment(f"Observation: {step.observation}\n", Role.OBSERVATION, index))
        known.see(step.action, step.observation)
    return row


def transcripts(env: Any, tasks: list[Task], mixture: Mixture, seed: int) -> Iterator[list[Segment]]:
    """Rows for these tasks, each from a generator of its own: row k is the same whatever came before it."""
    for index, task in enumerate(tasks):
        yield transcript(env, task, mixture, np.random.default_rng([seed, index]))
