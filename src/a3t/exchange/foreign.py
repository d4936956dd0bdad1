"""Rows that somebody else wrote: a chat, and whatever the row says of task and reward, as a trajectory of stage `import`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from a3t.errors import BadDataError
from a3t.exchange.item import Item, number
from a3t.text.conversation import Message, listen
from a3t.text.react import HOUSEHOLD, Dialect, Speech
from a3t.types import Stage, Step, Stop, Task, Trajectory

ID_KEYS = ("task_id", "id", "session_id", "instance_id")
REWARD_KEYS = ("reward", "score")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the command line says of rows that do not say it themselves."""

    reward: float | None = None
    split: str = "train"
    name: str = "row"
    """Beginning of the task ids of rows without one: the file's name."""
    dialect: Dialect = HOUSEHOLD
    """Of rows that no run of ours exported."""
    speech: Speech = HOUSEHOLD
    """Of rows that one did, and somebody edited."""


def read_messages(value: Any, where: str, *, role: str = "role", content: str = "content") -> list[Message]:
    """A list of `{role, content}`; `weight` 0 and `train` false mark what is context only."""
    if not isinstance(value, list) or not value:
        raise BadDataError(f"{where}: expected a list of messages.")
    messages = []
    for index, one in enumerate(value):
        at = f"{where}[{index}]"
        if not isinstance(one, Mapping):
            raise BadDataError(f"{at}: expected an object, got {type(one).__name__}.")
        who, text = one.get(role), one.get(content)
        if not isinstance(who, str):
            raise BadDataError(f"{at}.{role}: expected a role, got {type(who).__name__}.")
        calls = one.get("tool_calls")
        if isinstance(calls, list) and calls:
            text = _with_calls(text, calls, at)
        if isinstance(text, list):
            text = "".join(str(part.get("text", "")) for part in text if isinstance(part, Mapping))
        if not isinstance(text, str):
            raise BadDataError(f"{at}.{content}: expected text, got {type(text).__name__}.")
        trained = one.get("weight", 1) != 0 and one.get("train", True) is not False
        messages.append(Message(ROLES.get(who, "user"), text, trained))
    return messages


ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "tool": "user",
    "function": "user",
    "observation": "user",
    "environment": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "agent": "assistant",
    "model": "assistant",
    "function_call": "assistant",
}


def call_text(name: str, arguments: Any) -> str:
    """A tool call as one action: the lone text argument of a tool that takes a command, or `name(arguments)`."""
    if isinstance(arguments, Mapping) and len(arguments) == 1:
        (only,) = arguments.values()
        if isinstance(only, str) and name in ("act", "action", "bash", "step", "command"):
            return only
        if isinstance(only, str):
            return f"{name}[{only}]"
    if isinstance(arguments, Mapping):
        inside = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        return f"{name}({inside})"
    return f"{name}({arguments})" if arguments else name


def _with_calls(text: Any, calls: Sequence[Any], where: str) -> str:
    """Words and tool calls of one message in the marked form that `listen` reads."""
    said = []
    for call in calls:
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadDataError(f"{where}.tool_calls: expected functions with a name.")
        said.append(call_text(function["name"], function.get("arguments")))
    action = "; ".join(said)
    return f"Thought: {text}\nAction: {action}" if isinstance(text, str) and text.strip() else f"Action: {action}"


def from_chat(messages: Sequence[Message], row: Mapping[str, Any], where: str, index: int, defaults: Defaults) -> Item:
    observation, steps = listen(messages, defaults.dialect)
    if not steps:
        raise BadDataError(f"{where}: no message of the assistant: there is nothing that an agent did.")
    return foreign(observation, steps, row, where, index, defaults)


def foreign(
    observation: str, steps: tuple[Step, ...], row: Mapping[str, Any], where: str, index: int, defaults: Defaults
) -> Item:
    """
    Raises:
        BadDataError: neither the row nor the command line says what the episode was worth.
    """
    said = next((row[key] for key in REWARD_KEYS if row.get(key) is not None), None)
    reward = defaults.reward if said is None else number(said, f"{where}: reward")
    if reward is None:
        raise BadDataError(f"{where}: no reward is given, and none can be guessed.\n  Demonstrations: a3t import … --reward 1")
    if not 0 <= reward <= 1:
        raise BadDataError(f"{where}: reward: expected a number in [0, 1], got {reward}.")
    name = next((str(row[key]) for key in ID_KEYS if row.get(key) not in (None, "")), f"{defaults.name}-{index}")
    split = row.get("split")
    trajectory = Trajectory(
        task=Task(name, split if isinstance(split, str) and split else defaults.split, str(row.get("task_type") or "")),
        observation=observation,
        steps=steps,
        reward=reward,
        success=reward == 1.0,
        stop=Stop.SUCCESS if reward == 1.0 else Stop.FAILURE,
        stage=Stage.IMPORT,
        environment="",
    )
    weight = row.get("weight")
    return Item(trajectory, None if weight is None else number(weight, f"{where}: weight"))
