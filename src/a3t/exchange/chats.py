"""Rows that are chats: OpenAI's fine-tuning lines, ShareGPT, and TRL's prompt and completion. Pure, both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from a3t.errors import BadDataError
from a3t.exchange.foreign import Defaults, from_chat, read_messages
from a3t.exchange.item import FIELD, Item, Read, digest, packed, reread, unpacked
from a3t.learning.chat import CHAT, chat_messages
from a3t.text.conversation import Message, converse, listen, openai_messages, up_to_the_agents_last_word
from a3t.text.react import Speech

Row = dict[str, Any]


class Encoded(NamedTuple):
    """An item as the trainer sees it."""

    ids: list[int]
    trained: list[bool]


Encode: TypeAlias = Callable[[Item], Encoded]
IGNORED = -100
"""The label that every trainer of the Hugging Face family leaves out of the loss."""


@dataclass(frozen=True, slots=True)
class Chat:
    """One of the three: how messages become a row, and a row messages."""

    to_row: Callable[[Sequence[Message], Item], Row]
    to_messages: Callable[[Mapping[str, Any], str], list[Message]]
    keeps_failures: bool
    """The row can say that it is not to be imitated."""
    keeps_any_mask: bool
    """Each message says for itself whether it is trained on; else only what comes after the last mistake is."""


def visible_row(
    item: Item,
    chat: Chat,
    speech: Speech,
    lost: Counter[str],
    *,
    with_failures: bool = False,
    encode: Encode | None = None,
) -> Row | None:
    """A row without the field of ours; None where the format cannot hold the item. What is lost is counted in words."""
    messages = up_to_the_agents_last_word(said(item, speech))
    if not any(message.role == "assistant" for message in messages):
        lost["left out: the agent says nothing"] += 1
        return None
    weight = item.weight
    if weight is not None and weight <= 0 and not (with_failures and chat.keeps_failures):
        lost["left out: a weight of 0 or less would be imitated"] += 1
        return None
    if weight not in (None, 0.0, 1.0):
        lost["weight other than 0 and 1: the trainer will take it for 1"] += 1
    if all(message.role != "assistant" or not message.trained for message in messages):
        lost["left out: no message is trained on"] += 1
        return None
    if encode is not None:
        return tokens_row(encode(item), item)
    trained = [index for index, message in enumerate(messages) if message.role == "assistant" and message.trained]
    if not chat.keeps_any_mask and trained[0] < first_trained(messages):
        lost["mask with holes: only what comes after the last masked message is trained on"] += 1
    return chat.to_row(messages, item)


def said(item: Item, speech: Speech) -> list[Message]:
    """An episode in the text format's words; a conversation of the user's own (`mixture.chat`) in its own."""
    trajectory = item.trajectory
    if trajectory.environment == CHAT:
        return [Message(message["role"], message["content"]) for message in chat_messages(trajectory)]
    return converse(speech.of(trajectory.task), trajectory.observation, trajectory.steps, condition=item.condition)


def tokens_row(encoded: Encoded, item: Item) -> Row:
    """Pre-tokenised, as TRL's trainers take it: any mask, and the very ids that were sampled."""
    row: Row = {
        "input_ids": encoded.ids,
        "labels": [i if trained else IGNORED for i, trained in zip(encoded.ids, encoded.trained, strict=True)],
        "completion_mask": [int(trained) for trained in encoded.trained],
    }
    return row if item.weight is None else {**row, "weight": item.weight}


def write_row(visible: Row, item: Item) -> Row:
    return {**visible, FIELD: packed(item, visible)}


def read_row(row: Mapping[str, Any], chat: Chat, where: str, index: int, defaults: Defaults) -> Read:
    """
    Raises:
        BadDataError: says where, what was expected and what came.
    """
    visible = {key: value for key, value in row.items() if key != FIELD}
    return combine(row.get(FIELD), visible, lambda: chat.to_messages(visible, where), visible, where, index, defaults)


def combine(
    record: object,
    visible: object,
    messages: Callable[[], list[Message]],
    row: Mapping[str, Any],
    where: str,
    index: int,
    defaults: Defaults,
) -> Read:
    """What a row comes to, with or without a record of ours; see `item.py`."""
    if record is None:
        return Read(from_chat(messages(), row, where, index, defaults))
    try:
        found = unpacked(record)
    except BadDataError as error:
        raise BadDataError(f"{where}: {error}") from None
    if found.digest == digest(visible):
        return Read(found.item)
    return Read(reread(found.item, *listen(messages(), defaults.speech.of(found.item.trajectory.task))), edited=True)


# --- OpenAI: {"messages": [{"role", "content", "weight"}]}; 0 and 1, assistant only ---------


def _openai_row(messages: Sequence[Message], item: Item) -> Row:
    return {"messages": openai_messages(messages)}


def _openai_messages(row: Mapping[str, Any], where: str) -> list[Message]:
    return read_messages(row.get("messages"), f"{where}: messages")


# --- ShareGPT: {"conversations": [{"from", "value", "weight"}]} -----------------------------

_FROM = {"system": "system", "user": "human", "assistant": "gpt"}


def _sharegpt_row(messages: Sequence[Message], item: Item) -> Row:
    def one(message: Message) -> Row:
        made: Row = {"from": _FROM[message.role], "value": message.content}
        return made if message.role != "assistant" or message.trained else {**made, "weight": 0}

    row: Row = {"id": item.trajectory.task.task_id, "conversations": [one(message) for message in messages]}
    return row if item.weight is None else {**row, "weight": item.weight}


def _sharegpt_messages(row: Mapping[str, Any], where: str) -> list[Message]:
    return read_messages(row.get("conversations"), f"{where}: conversations", role="from", content="value")


# --- TRL: {"prompt": [messages], "completion": [messages], "label", "weight"} ----------------


def first_trained(messages: Sequence[Message]) -> int:
    """Where the last unbroken stretch of trained assistant messages begins: what comes before is context.

    Masked messages at the very end are cut off with it: see `_trl_row`.
    """
    start = len(messages)
    for index in reversed(range(len(messages))):
        if messages[index].role == "assistant":
            if messages[index].trained:
                start = index
            elif start < len(messages):
                break
    return start


def _trl_row(messages: Sequence[Message], item: Item) -> Row:
    start = first_trained(messages)
    end = max(i for i, m in enumerate(messages) if m.role == "assistant" and m.trained) + 1
    row: Row = {
        "prompt": [{"role": m.role, "content": m.content} for m in messages[:start]],
        "completion": [{"role": m.role, "content": m.content} for m in messages[start:end]],
        "label": item.weight is None or item.weight > 0,
    }
    return row if item.weight is None else {**row, "weight": item.weight}


def _trl_messages(row: Mapping[str, Any], where: str) -> list[Message]:
    if "messages" in row:
        return read_messages(row["messages"], f"{where}: messages")
    if "input_ids" in row:
        raise BadDataError(f"{where}: token ids alone: without a record of ours ({FIELD}) nobody knows what they say.")
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, str) and isinstance(completion, str):
        return [Message("user", prompt), Message("assistant", completion)]
    before = read_messages(prompt, f"{where}: prompt")
    context = [Message(m.role, m.content, trained=False) for m in before]
    return [*context, *read_messages(completion, f"{where}: completion")]


OPENAI = Chat(_openai_row, _openai_messages, keeps_failures=False, keeps_any_mask=True)
SHAREGPT = Chat(_sharegpt_row, _sharegpt_messages, keeps_failures=False, keeps_any_mask=True)
TRL = Chat(_trl_row, _trl_messages, keeps_failures=True, keeps_any_mask=False)
