"""A trajectory as JSON and back: one documented form for files, exports and other people's logs; strict on the way in.

A field that equals its default may be left out, so the least a stranger must write is the task, what was seen and done, and the
reward:

    {"task_id": "…", "split": "train", "observation": "…", "steps": [{"action": "…", "observation": "…"}], "reward": 1.0}

Numbers that JSON lacks are the strings "NaN", "Infinity" and "-Infinity". All fields: docs/records.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from a3t.errors import BadDataError
from a3t.store.fields import (
    JsonObject,
    read_bool,
    read_choice,
    read_float,
    read_int,
    read_list,
    read_object,
    read_text,
    shown,
    to_float,
)
from a3t.text.unicode import is_unicode
from a3t.types import Author, Cost, Gate, Stage, Step, Stop, Task, Tokens, Trajectory

RECORD_VERSION = 1
"""Of this form and of the records in the store; grows when a field changes its meaning."""


def _names(record: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(record))


_TRAJECTORY_KEYS = (_names(Trajectory) - {"task"}) | _names(Task) | {"version"}
_STEP_KEYS, _TOKENS_KEYS, _GATE_KEYS, _COST_KEYS = map(_names, (Step, Tokens, Gate, Cost))

_INT64 = range(-(2**63), 2**63)
_AUTHORS = {author.value: author for author in Author}
_STAGES = {stage.value: stage for stage in Stage}
_STOPS = {stop.value: stop for stop in Stop}


# ---- trajectory -> JSON ----------------------------------------------------------------------------------------------------


def _tokens_to_json(tokens: Tokens) -> JsonObject:
    return {"ids": [int(i) for i in tokens.ids], "logprobs": [_number(p) for p in tokens.logprobs]}


def to_json(trajectory: Trajectory, tokens_to_json: Callable[[Tokens], object] = _tokens_to_json) -> JsonObject:
    """The record as JSON values, keys always in the same order; `from_json` gives the equal trajectory back."""
    task = trajectory.task
    data: JsonObject = {
        "version": RECORD_VERSION,
        "task_id": task.task_id,
        "split": task.split,
        "task_type": task.task_type,
        "instruction": task.instruction,
        "stage": trajectory.stage.value,
        "round_index": int(trajectory.round_index),
        "attempt": int(trajectory.attempt),
        "environment": trajectory.environment,
        "agent": trajectory.agent,
        "annotator": trajectory.annotator,
        "tokenizer": trajectory.tokenizer,
        "seed": int(trajectory.seed),
        "reward": _number(trajectory.reward),
        "success": bool(trajectory.success),
        "stop": trajectory.stop.value,
        "observation": trajectory.observation,
        "steps": [step_to_json(step, tokens_to_json) for step in trajectory.steps],
    }
    if trajectory.duplicate:
        data["duplicate"] = True
    if trajectory.cost != Cost():
        data["cost"] = cost_to_json(trajectory.cost)
    if trajectory.error:
        data["error"] = trajectory.error
    return data


def step_to_json(step: Step, tokens_to_json: Callable[[Tokens], object] = _tokens_to_json) -> JsonObject:
    data: JsonObject = {
        "thought": step.thought,
        "action": step.action,
        "observation": step.observation,
        "thought_by": step.thought_by.value,
        "action_by": step.action_by.value,
    }
    if not step.valid:
        data["valid"] = False
    if not step.trained:
        data["trained"] = False
    if step.thought_tokens is not None:
        data["thought_tokens"] = tokens_to_json(step.thought_tokens)
    if step.action_tokens is not None:
        data["action_tokens"] = tokens_to_json(step.action_tokens)
    if step.gate is not None:
        data["gate"] = {"logprob_with": _number(step.gate.logprob_with), "logprob_without": _number(step.gate.logprob_without)}
    return data


def cost_to_json(cost: Cost) -> JsonObject:
    return {
        "prompt_tokens": int(cost.prompt_tokens),
        "completion_tokens": int(cost.completion_tokens),
        "model_calls": int(cost.model_calls),
        "seconds": _number(cost.seconds),
        "usd": _number(cost.usd),
    }


def _number(value: float) -> float | str:
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


# ---- JSON -> trajectory ----------------------------------------------------------------------------------------------------


def _tokens_from_json(data: object, where: str) -> Tokens:
    fields = read_object(data, _TOKENS_KEYS, where)
    ids, logprobs = read_list(fields, "ids", where), read_list(fields, "logprobs", where, [])
    if not set(map(type, ids)) <= {int}:
        raise BadDataError(f"{where}.ids: expected whole numbers, got {shown(next(i for i in ids if type(i) is not int))}.")
    if set(map(type, logprobs)) <= {float}:
        return Tokens(tuple(ids), tuple(logprobs))
    return Tokens(tuple(ids), tuple(to_float(p, f"{where}.logprobs[{i}]") for i, p in enumerate(logprobs)))


def from_json(data: object, tokens_from_json: Callable[[object, str], Tokens] = _tokens_from_json) -> Trajectory:
    """Read one record.

    Left out, a field has its default: `success` is reward 1, `stop` follows from it, `stage` is `import`, thoughts and actions
    are by `human`.

    Raises:
        BadDataError: names the field (`steps[3].action`), what was expected and what came.
    """
    fields = read_object(data, _TRAJECTORY_KEYS, "")
    version = read_int(fields, "version", "", RECORD_VERSION)
    if version != RECORD_VERSION:
        raise BadDataError(f"version: this a3t reads records of version {RECORD_VERSION}, got {version}.\n  Try a newer a3t.")
    reward = read_float(fields, "reward", "")
    success = read_bool(fields, "success", "", reward == 1.0)
    trajectory = Trajectory(
        task=Task(
            read_text(fields, "task_id", ""),
            read_text(fields, "split", ""),
            read_text(fields, "task_type", "", ""),
            read_text(fields, "instruction", "", ""),
        ),
        observation=read_text(fields, "observation", ""),
        steps=tuple(
            [step_from_json(step, f"steps[{i}]", tokens_from_json) for i, step in enumerate(read_list(fields, "steps", ""))]
        ),
        reward=reward,
        success=success,
        stop=read_choice(fields, "stop", "", _STOPS, Stop.SUCCESS if success else Stop.FAILURE),
        stage=read_choice(fields, "stage", "", _STAGES, Stage.IMPORT),
        environment=read_text(fields, "environment", "", ""),
        round_index=read_int(fields, "round_index", "", 0),
        attempt=read_int(fields, "attempt", "", 0),
        agent=read_text(fields, "agent", "", ""),
        annotator=read_text(fields, "annotator", "", ""),
        tokenizer=read_text(fields, "tokenizer", "", ""),
        seed=read_int(fields, "seed", "", 0),
        duplicate=read_bool(fields, "duplicate", "", False),
        cost=cost_from_json(fields["cost"]) if "cost" in fields else Cost(),
        error=read_text(fields, "error", "", ""),
    )
    check(trajectory)
    return trajectory


def step_from_json(data: object, where: str, tokens_from_json: Callable[[object, str], Tokens] = _tokens_from_json) -> Step:
    fields = read_object(data, _STEP_KEYS, where)
    thought, action = fields.get("thought_tokens"), fields.get("action_tokens")
    return Step(
        thought=read_text(fields, "thought", where, ""),
        action=read_text(fields, "action", where),
        observation=read_text(fields, "observation", where),
        thought_by=read_choice(fields, "thought_by", where, _AUTHORS, Author.HUMAN),
        action_by=read_choice(fields, "action_by", where, _AUTHORS, Author.HUMAN),
        valid=read_bool(fields, "valid", where, True),
        thought_tokens=None if thought is None else tokens_from_json(thought, f"{where}.thought_tokens"),
        action_tokens=None if action is None else tokens_from_json(action, f"{where}.action_tokens"),
        gate=_gate_from_json(fields["gate"], f"{where}.gate") if fields.get("gate") is not None else None,
        trained=read_bool(fields, "trained", where, True),
    )


def _gate_from_json(data: object, where: str) -> Gate:
    fields = read_object(data, _GATE_KEYS, where)
    return Gate(read_float(fields, "logprob_with", where), read_float(fields, "logprob_without", where))


def cost_from_json(data: object) -> Cost:
    fields = read_object(data, _COST_KEYS, "cost")
    return Cost(
        read_int(fields, "prompt_tokens", "cost", 0),
        read_int(fields, "completion_tokens", "cost", 0),
        read_int(fields, "model_calls", "cost", 0),
        read_float(fields, "seconds", "cost", 0.0),
        read_float(fields, "usd", "cost", 0.0),
    )


def check(trajectory: Trajectory) -> None:
    """What every record must satisfy, at either door: a file being read, or the store being written.

    Raises:
        BadDataError: names the field.
    """
    task = trajectory.task
    if not 0.0 <= trajectory.reward <= 1.0:
        raise BadDataError(f"reward: expected a number in [0, 1], got {trajectory.reward!r}.")
    if not task.task_id:
        raise BadDataError("task_id: expected a name, got an empty string.")
    for name, text in (("task_id", task.task_id), ("split", task.split), ("task_type", task.task_type)):
        if not is_unicode(text):
            raise BadDataError(f"{name}: expected text that UTF-8 can hold, got {text!r} (a lone surrogate is half a character).")
    if trajectory.seed.bit_length() > 128:
        raise BadDataError(f"seed: expected a whole number of at most 128 bits, got one of {trajectory.seed.bit_length()}.")
    # Round -1 is the base model, evaluated before round 0.
    for name, index, least in (("round_index", trajectory.round_index, -1), ("attempt", trajectory.attempt, 0)):
        if not least <= index < 2**31:
            raise BadDataError(f"{name}: expected a whole number from {least}, got {index}.")
    cost = trajectory.cost
    for name in ("prompt_tokens", "completion_tokens", "model_calls"):
        count = getattr(cost, name)
        if count not in _INT64:
            raise BadDataError(f"cost.{name}: expected a number of at most 63 bits, got {count}.")
    for name, amount in (("seconds", cost.seconds), ("usd", cost.usd)):
        if not math.isfinite(amount):
            raise BadDataError(f"cost.{name}: expected a finite number, got {amount}.")
    for index, step in enumerate(trajectory.steps):
        for name, tokens in (("thought_tokens", step.thought_tokens), ("action_tokens", step.action_tokens)):
            if tokens is not None and tokens.logprobs and len(tokens.logprobs) != len(tokens.ids):
                raise BadDataError(
                    f"steps[{index}].{name}: expected one logprob per id or none, got {len(tokens.logprobs)} to {len(tokens.ids)}"
                )
