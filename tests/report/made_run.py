"""A run that never happened but could have: records of four rounds in a household, the same for the same seed.

The loop is not needed to test what tells its story. Figures come from the records through the code under test, none is typed in.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from a3t.evaluate import accumulated, by_split, score
from a3t.report import costs, exploration
from a3t.types import Author, Cost, Gate, Round, Stage, Step, Stop, Task, Trajectory

TYPES = {
    "pick_and_place_simple": "put some {o} on {r}",
    "pick_clean_then_place_in_recep": "clean some {o} and put it in {r}",
    "pick_heat_then_place_in_recep": "heat some {o} and put it in {r}",
    "pick_cool_then_place_in_recep": "cool some {o} and put it in {r}",
    "look_at_obj_in_light": "look at {o} under the desklamp",
    "pick_two_obj_and_place": "find two {o} and put them in {r}",
}
EASE = dict(zip(TYPES, (0.62, 0.45, 0.40, 0.42, 0.50, 0.25), strict=True))
OBJECTS = ("mug", "apple", "book", "soapbar", "plate", "pencil", "statue", "tomato")
RECEPTACLES = ("cabinet", "drawer", "shelf", "countertop", "sidetable", "diningtable", "garbagecan")


def make_tasks(split: str, number: int) -> list[Task]:
    rng = random.Random(split)
    tasks = []
    for i in range(number):
        kind = list(TYPES)[i % len(TYPES)]
        thing, place = rng.choice(OBJECTS), rng.choice(RECEPTACLES)
        goal = f"Your task is to: {TYPES[kind].format(o=thing, r=place)}."
        tasks.append(Task(f"{kind}-{thing.title()}-None-{place.title()}-{i}", split, kind, goal))
    return tasks


def play(
    task: Task, round_index: int, stage: Stage, rng: random.Random, *, success: bool, attempt: int = 0, composed: bool = False
) -> Trajectory:
    """An episode that ends as told: search, take, put, with some explored and explained turns where it is composed."""
    thing = task.task_id.split("-")[1].lower()
    steps: list[Step] = []

    def turn(action: str, observation: str, thought: str = "", valid: bool = True) -> None:
        explored = composed and valid and rng.random() < 0.3
        reason = f"The {thing} has not been found yet. It may be there, so I {action.replace('go to', 'go and look at')} next."
        gain = rng.gauss(0.8, 1.4)
        steps.append(
            Step(
                thought=reason if explored else thought,
                action=action,
                observation=observation,
                thought_by=Author.ANNOTATOR if explored else Author.POLICY,
                action_by=Author.EXPLORER if explored else Author.POLICY,
                valid=valid,
                gate=Gate(-2.5 + gain, -2.5) if explored else None,
            )
        )

    for i in range(rng.randint(1, 5)):
        place = f"{rng.choice(RECEPTACLES)} {rng.randint(1, 5)}"
        thought = f"I need to find a {thing}. I can check the {place.split()[0]}s one by one." if i == 0 else ""
        turn(
            f"go to {place}", f"You arrive at {place}. On the {place}, you see a cup {rng.randint(1, 3)}, and a fork 2.", thought
        )
    if success:
        turn(f"take {thing} 1 from {place}", f"You pick up the {thing} 1 from the {place}.", f"Here is {thing} 1. I take it.")
        turn("go to fridge 1", "You arrive at fridge 1. The fridge 1 is closed.")
        if rng.random() < 0.3:
            turn(f"put {thing} 1", "Nothing happens.", valid=False)
        turn(
            f"move {thing} 1 to {place}", f"You move the {thing} 1 to the {place}.", f"Now I put the {thing} 1 where it belongs."
        )
    else:
        for _ in range(rng.randint(6, 40)):
            turn(f"take {thing} {rng.randint(2, 6)} from {place}", "Nothing happens.", valid=rng.random() < 0.4)
    if composed and not any(step.is_explored for step in steps):
        steps[0] = replace(
            steps[0], action_by=Author.EXPLORER, thought_by=Author.ANNOTATOR, thought="A good place.", gate=Gate(-1.0, -1.5)
        )
    listing = "You are in the middle of a room. Looking quickly around you, you see a cabinet 1, a drawer 1, and a fridge 1."
    return Trajectory(
        task=task,
        observation=f"{listing}\n\n{task.instruction}",
        steps=tuple(steps),
        reward=float(success),
        success=success,
        stop=Stop.SUCCESS if success else Stop.TURN_LIMIT,
        stage=stage,
        environment="household 1",
        round_index=round_index,
        attempt=attempt,
        agent=f"rounds/{round_index:02d}",
        annotator="builtin:tiny" if composed else "",
        seed=rng.randrange(2**31),
        cost=Cost(40 * len(steps), 14 * len(steps), len(steps), 0.05 * len(steps)),
    )


def make_run(
    num_rounds: int = 4, num_test: int = 120, num_train: int = 60, num_compositions: int = 8, with_base: bool = True
) -> tuple[list[Round], list[Trajectory]]:
    """Rounds with their metrics, and every trajectory they came from."""
    rng = random.Random(0)
    train = make_tasks("train", num_train)
    tests = [*make_tasks("valid_seen", num_test), *make_tasks("valid_unseen", num_test)]
    validation_tasks = make_tasks("validation", 24)
    everything: list[Trajectory] = []
    trials: list[list[Trajectory]] = []
    rounds = []
    for r in range(num_rounds):
        skill = 0.16 * r

        def chance(task: Task, skill: float = skill) -> bool:
            return rng.random() < EASE[task.task_type] + skill + (0.08 if task.split == "valid_seen" else 0)

        new = [play(task, r, Stage.COLLECT, rng, success=chance(task)) for task in train]
        if r:
            for failure in [t for t in new if not t.success]:
                for attempt in range(num_compositions):
                    won = rng.random() < 0.25
                    t = play(failure.task, r, Stage.EXPLORE, rng, success=won, attempt=attempt, composed=True)
                    new.append(replace(t, duplicate=rng.random() < 0.05))
        tried = [play(task, r, Stage.EVALUATE, rng, success=chance(task)) for task in tests]
        if r == 1:
            tried[5] = replace(tried[5], stop=Stop.ENVIRONMENT_ERROR, success=False, reward=0.0, error="the world hung")
        checked = [play(task, r, Stage.EVALUATE, rng, success=chance(task)) for task in validation_tasks]
        everything += [*new, *tried]
        trials.append(tried)
        best = {
            s: accumulated([[t for t in each if t.task.split == s] for each in trials]) for s in ("valid_seen", "valid_unseen")
        }
        best["train"] = accumulated(
            [[t for t in everything if t.task.split == "train" and t.round_index == i] for i in range(r + 1)]
        )
        metrics: dict[str, object] = {
            "scores": {split: scores.to_json() for split, scores in by_split(tried).items()},
            "accumulated": {split: scores.to_json() for split, scores in best.items()},
            "validation": score(checked).to_json(),
            "dataset": _dataset(everything, r),
            "training": {"epochs": _epochs(r), "seconds": 60.0},
            "cost": costs(
                [*new, *tried], {"collect": 20.0 + r, "explore": 30.0 * bool(r), "train": 60.0 - 5 * r, "evaluate": 25.0}
            ),
        }
        if r:
            metrics["explore"] = exploration(new).to_json()
        elif with_base:
            base = [play(task, -1, Stage.EVALUATE, rng, success=chance(task, -0.15)) for task in tests]
            metrics["base"] = {split: scores.to_json() for split, scores in by_split(base).items()}
        rounds.append(Round(r, f"rounds/{r:02d}", metrics))
    return rounds, everything


def _dataset(everything: Sequence[Trajectory], r: int) -> dict[str, object]:
    won = [t for t in everything if t.success and t.stage is not Stage.EVALUATE]
    lost = [t for t in everything if not t.success and t.stage is Stage.COLLECT and 0 < t.round_index <= r]
    total, failed = sum(t.num_steps for t in [*won, *lost]), sum(t.num_steps for t in lost)
    return {
        "total": {"trajectories": len(won) + len(lost), "steps": total, "tokens": 20 * total},
        "failed": {"trajectories": len(lost), "steps": failed, "tokens": 20 * failed},
        "successes_per_failed_task": {"1": 8, "2": 12, "3": 6, "5": 2} if r else {},
        "mean_successes_per_failed_task": 2.1 if r else 0.0,
        "failed_weight_share": failed / total,
    }


def _epochs(r: int) -> list[dict[str, object]]:
    def epoch(e: int) -> dict[str, object]:
        won = 0.9 / (1 + 0.6 * e) + 0.18 - 0.02 * r
        return {"epoch": e, "loss": won, "success_nll": won, "failed_nll": won + 0.08 * e if r else None}

    return [epoch(e) for e in range(10 if r == 0 else 6)]


PROVENANCE = {
    "Engine": "a3t 0.1.0, household 1",
    "Policy": "builtin:tiny",
    "Test splits": "valid_seen, valid_unseen",
    "Recipe": "household, 5f3a9c01d2be",
    "Seed": "0",
    "Machine": "2 cores",
}
