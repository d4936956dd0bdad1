"""A user's own conversations as training data: read from JSONL, and rendered by the base's own chat template.

A conversation is kept as a trajectory of the environment `chat`, so that one data set holds both: what the user says is the
observation, what the assistant answers the action. Only the answers are trained on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from a3t.errors import BadDataError, MissingDataError
from a3t.text.segments import Role, Segment
from a3t.text.unicode import is_unicode
from a3t.types import Author, Stage, Step, Stop, Task, Trajectory

CHAT = "chat"
"""The environment's name of a conversation."""


def read_chat(path: Path) -> tuple[Trajectory, ...]:
    """A line each: `{"messages": [{"role": "system" | "user" | "assistant", "content": "…"}, …]}`.

    A system message may come first; then user and assistant take turns, and the assistant speaks last.

    Raises:
        MissingDataError: no such file.
        BadDataError: names the line, what was expected and what came.
    """
    try:
        # A byte order mark is no part of what is said.
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise MissingDataError(f"there is no chat data at {path}.\n  mixture.chat names a JSONL file of conversations.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(f"cannot read the chat data {path}: {error}.") from None
    # Not `splitlines`: of what it parts at, JSON allows U+2028, U+0085 and their like inside a string.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise BadDataError(f"{path} holds no conversation.")
    return tuple(_conversation(line, f"{path}, line {number}", number) for number, line in lines)


def chat_segments(trajectory: Trajectory, tokenizer: Any) -> list[Segment]:
    """A conversation as the base's template writes it; a base without a template gets `User:` and `Assistant:`.

    Raises:
        BadDataError: the template writes an earlier turn differently once a later one has come, so that no text could be both
            prompt and answer.
    """
    messages = chat_messages(trajectory)
    if not getattr(tokenizer, "chat_template", None):
        names = {"system": "System", "user": "User", "assistant": "Assistant"}
        return [
            segment
            for message in messages
            for segment in _plain(names[message["role"]], message["content"], message["role"] == "assistant")
        ]
    segments: list[Segment] = []
    done: tuple[int, ...] = ()
    for end, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asked = _template(tokenizer, messages[:end], cue=True)
        answered = _template(tokenizer, messages[: end + 1], cue=False)
        if asked[: len(done)] != done or answered[: len(asked)] != asked:
            raise BadDataError(
                f"{trajectory.task.task_id}: the tokenizer's chat template rewrites earlier turns, so this conversation cannot "
                "be trained on turn by turn.\n  Give its turns as conversations of their own."
            )
        segments += [
            Segment("", Role.PROMPT, ids=asked[len(done) :]),
            Segment(message["content"], Role.ACTION, ids=answered[len(asked) :]),
        ]
        done = answered
    return segments


def _conversation(line: str, where: str, number: int) -> Trajectory:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise BadDataError(f"{where}: not JSON: {error}.") from None
    except RecursionError:
        raise BadDataError(f"{where}: nested too deeply; expected a list of messages, each a role and its words.") from None
    messages = data.get("messages") if isinstance(data, dict) else None
    if not isinstance(messages, list) or not all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str) for m in messages
    ):
        raise BadDataError(f'{where}: expected {{"messages": [{{"role": "…", "content": "…"}}, …]}}.')
    roles = [message["role"] for message in messages]
    system = messages[0]["content"] if roles[:1] == ["system"] else ""
    turns = messages[1:] if roles[:1] == ["system"] else messages
    expected = ["user", "assistant"] * (len(turns) // 2)
    if not turns or [message["role"] for message in turns] != expected:
        raise BadDataError(
            f"{where}: expected user and assistant in turns, the assistant last; got {', '.join(roles) or 'nothing'}."
        )
    half = next((message["content"] for message in messages if not is_unicode(message["content"])), None)
    if half is not None:
        raise BadDataError(
            f"{where}: a lone surrogate (half a character, which no file and no tokenizer can hold) in {ascii(half)[:80]}.\n"
            "  Expected whole characters: write the text anew from where it came from, or take it out."
        )
    said = [message["content"] for message in turns]
    steps = tuple(
        Step("", answer, following, thought_by=Author.HUMAN, action_by=Author.HUMAN)
        for answer, following in zip(said[1::2], [*said[2::2], ""], strict=True)
    )
    task = Task(f"{CHAT}-{number}", CHAT, CHAT, system)
    return Trajectory(task, said[0], steps, 1.0, True, Stop.SUCCESS, Stage.IMPORT, CHAT)


def chat_messages(trajectory: Trajectory) -> list[dict[str, str]]:
    """The conversation as it was read."""
    messages = [{"role": "system", "content": trajectory.task.instruction}] if trajectory.task.instruction else []
    asked = trajectory.observation
    for step in trajectory.steps:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": step.action}]
        asked = step.observation
    return messages


def _template(tokenizer: Any, messages: list[dict[str, str]], *, cue: bool) -> tuple[int, ...]:
    # The template's own markers are special tokens, so it is the tokenizer that encodes here, and not our rule for text.
    ids = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=cue, return_dict=False)
    return tuple(ids)


def _plain(name: str, content: str, is_answer: bool) -> list[Segment]:
    return [
        Segment(f"{name}:", Role.FORMAT),
        Segment(f" {content}\n", Role.ACTION if is_answer else Role.PROMPT),
    ]
