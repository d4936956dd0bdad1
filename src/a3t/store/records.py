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
from enum import Enum
from typing import Any, NoReturn, TypeAlias, TypeVar

from a3t.errors import BadDataError, nearest
from a3t.types import Author, Cost, Gate, Stage, Step, Stop, Task, Tokens, Trajectory

RECORD_VERSION = 1
"""Of this form and of the records in the store; grows when a field changes its meaning."""

JsonObject: TypeAlias = dict[str, Any]
Choice = TypeVar("Choice", bound=Enum)


def _names(record: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(record))


_TRAJECTORY_KEYS = (_names(Trajectory) - {"task"}) | _names(Task) | {"version"}
_STEP_KEYS, _TOKENS_KEYS, _GATE_KEYS, _COST_KEYS = map(_names, (Step, Tokens, Gate, Cost))

_NOT_IN_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_INT64 = range(-(2**63), 2**63)


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
        "steps": [_step_to_json(step, tokens_to_json) for step in trajectory.steps],
    }
    if trajectory.duplicate:
        data["duplicate"] = True
    if trajectory.cost != Cost():
        data["cost"] = _cost_to_json(trajectory.cost)
    if trajectory.error:
        data["error"] = trajectory.error
    return data


def _step_to_json(step: Step, tokens_to_json: Callable[[Tokens], object]) -> JsonObject:
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


def _cost_to_json(cost: Cost) -> JsonObject:
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
    fields = _object(data, _TOKENS_KEYS, where)
    ids, logprobs = _list(fields, "ids", where), _list(fields, "logprobs", where, [])
    if not set(map(type, ids)) <= {int}:
        raise BadDataError(f"{where}.ids: expected whole numbers, got {_shown(next(i for i in ids if type(i) is not int))}.")
    if set(map(type, logprobs)) <= {float}:
        return Tokens(tuple(ids), tuple(logprobs))
    return Tokens(tuple(ids), tuple(_to_float(p, f"{where}.logprobs[{i}]") for i, p in enumerate(logprobs)))


def from_json(data: object, tokens_from_json: Callable[[object, str], Tokens] = _tokens_from_json) -> Trajectory:
    """Read one record.

    Left out, a field has its default: `success` is reward 1, `stop` follows from it, `stage` is `import`, thoughts and actions
    are by `human`.

    Raises:
        BadDataError: names the field (`steps[3].action`), what was expected and what came.
    """
    fields = _object(data, _TRAJECTORY_KEYS, "")
    version = _int(fields, "version", "", RECORD_VERSION)
    if version != RECORD_VERSION:
        raise BadDataError(f"version: this a3t reads records of version {RECORD_VERSION}, got {version}.\n  Try a newer a3t.")
    reward = _float(fields, "reward", "")
    success = _bool(fields, "success", "", reward == 1.0)
    trajectory = Trajectory(
        task=Task(
            _text(fields, "task_id", ""),
            _text(fields, "split", ""),
            _text(fields, "task_type", "", ""),
            _text(fields, "instruction", "", ""),
        ),
        observation=_text(fields, "observation", ""),
        steps=tuple(
            [_step_from_json(step, f"steps[{i}]", tokens_from_json) for i, step in enumerate(_list(fields, "steps", ""))]
        ),
        reward=reward,
        success=success,
        stop=_choice(fields, "stop", "", _STOPS, Stop.SUCCESS if success else Stop.FAILURE),
        stage=_choice(fields, "stage", "", _STAGES, Stage.IMPORT),
        environment=_text(fields, "environment", "", ""),
        round_index=_int(fields, "round_index", "", 0),
        attempt=_int(fields, "attempt", "", 0),
        agent=_text(fields, "agent", "", ""),
        annotator=_text(fields, "annotator", "", ""),
        tokenizer=_text(fields, "tokenizer", "", ""),
        seed=_int(fields, "seed", "", 0),
        duplicate=_bool(fields, "duplicate", "", False),
        cost=_cost_from_json(fields["cost"]) if "cost" in fields else Cost(),
        error=_text(fields, "error", "", ""),
    )
    check(trajectory)
    return trajectory


def _step_from_json(data: object, where: str, tokens_from_json: Callable[[object, str], Tokens]) -> Step:
    fields = _object(data, _STEP_KEYS, where)
    thought, action = fields.get("thought_tokens"), fields.get("action_tokens")
    return Step(
        thought=_text(fields, "thought", where, ""),
        action=_text(fields, "action", where),
        observation=_text(fields, "observation", where),
        thought_by=_choice(fields, "thought_by", where, _AUTHORS, Author.HUMAN),
        action_by=_choice(fields, "action_by", where, _AUTHORS, Author.HUMAN),
        valid=_bool(fields, "valid", where, True),
        thought_tokens=None if thought is None else tokens_from_json(thought, f"{where}.thought_tokens"),
        action_tokens=None if action is None else tokens_from_json(action, f"{where}.action_tokens"),
        gate=_gate_from_json(fields["gate"], f"{where}.gate") if fields.get("gate") is not None else None,
        trained=_bool(fields, "trained", where, True),
    )


def _gate_from_json(data: object, where: str) -> Gate:
    fields = _object(data, _GATE_KEYS, where)
    return Gate(_float(fields, "logprob_with", where), _float(fields, "logprob_without", where))


def _cost_from_json(data: object) -> Cost:
    fields = _object(data, _COST_KEYS, "cost")
    return Cost(
        _int(fields, "prompt_tokens", "cost", 0),
        _int(fields, "completion_tokens", "cost", 0),
        _int(fields, "model_calls", "cost", 0),
        _float(fields, "seconds", "cost", 0.0),
        _float(fields, "usd", "cost", 0.0),
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
        if not _is_unicode(text):
            raise BadDataError(f"{name}: expected text that UTF-8 can hold, got {text!r} (a lone surrogate is half a character).")
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


# ---- one field -------------------------------------------------------------------------------------------------------------

_AUTHORS = {author.value: author for author in Author}
_STAGES = {stage.value: stage for stage in Stage}
_STOPS = {stop.value: stop for stop in Stop}


def _object(data: object, known: frozenset[str], where: str) -> JsonObject:
    if type(data) is not dict:
        raise BadDataError(f"{where or 'the record'}: expected an object, got {_shown(data)}.")
    if not data.keys() <= known:
        stray = min(map(str, data.keys() - known))
        close = nearest(stray, known, limit=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}."
        raise BadDataError(f"{_at(where, stray)}: unknown field; {hint}")
    return data


def _text(fields: JsonObject, key: str, where: str, default: str | None = None) -> str:
    value = fields.get(key, default)
    if type(value) is not str:
        _refuse(fields, key, where, "a string")
    return value


def _int(fields: JsonObject, key: str, where: str, default: int | None = None) -> int:
    value = fields.get(key, default)
    if type(value) is not int:  # so that True is no 1
        _refuse(fields, key, where, "a whole number")
    return value


def _bool(fields: JsonObject, key: str, where: str, default: bool) -> bool:
    value = fields.get(key, default)
    if type(value) is not bool:
        _refuse(fields, key, where, "true or false")
    return value


def _float(fields: JsonObject, key: str, where: str, default: float | None = None) -> float:
    value = fields.get(key, default)
    if type(value) is float:
        return value
    if key not in fields:
        _refuse(fields, key, where, "a number")
    return _to_float(value, _at(where, key))


def _to_float(value: object, where: str) -> float:
    if type(value) is float:
        return value
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    if type(value) is str and value in _NOT_IN_JSON:
        return _NOT_IN_JSON[value]
    raise BadDataError(f"{where}: expected a number, got {_shown(value)}.")


def _list(fields: JsonObject, key: str, where: str, default: list[Any] | None = None) -> list[Any]:
    value = fields.get(key, default)
    if type(value) is not list:
        _refuse(fields, key, where, "a list")
    return value


def _choice(fields: JsonObject, key: str, where: str, choices: dict[str, Choice], default: Choice) -> Choice:
    if key not in fields:
        return default
    value = fields[key]
    if type(value) is not str or value not in choices:
        _refuse(fields, key, where, f"one of {', '.join(choices)}")
    return choices[value]


def _refuse(fields: JsonObject, key: str, where: str, expected: str) -> NoReturn:
    got = _shown(fields[key]) if key in fields else "nothing: the field is missing"
    raise BadDataError(f"{_at(where, key)}: expected {expected}, got {got}.")


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _shown(value: object, limit: int = 60) -> str:
    """A value that does not fit, short enough for a message."""
    kind = {dict: "an object", list: "a list", type(None): "null"}.get(type(value))
    text = repr(value) if not isinstance(value, str) else ascii(value[: limit + 1])
    return kind or (text if len(text) <= limit else f"{text[:limit]}…")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
