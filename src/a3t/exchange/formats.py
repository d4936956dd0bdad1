"""The formats by name: what each can hold, how a file of it is written, and how one is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a3t.errors import BadDataError, RecipeError, unknown
from a3t.exchange.atif import from_atif, to_atif
from a3t.exchange.chats import OPENAI, SHAREGPT, TRL, Chat, Encode, read_row, visible_row, write_row
from a3t.exchange.foreign import Defaults
from a3t.exchange.item import FIELD, Item, Read, packed
from a3t.exchange.lines import read_objects, write_objects
from a3t.exchange.parquet import read_parquet, write_parquet
from a3t.store import from_json, to_json
from a3t.store.whole import whole, write_line
from a3t.text.react import Speech

BESIDE = ".a3t"
"""Added to the name of an OpenAI file for the records: the service refuses fields that it does not know."""


@dataclass(frozen=True, slots=True)
class Written:
    num: int
    lost: dict[str, int]
    """What the format could not hold, in words -> how many trajectories."""
    beside: Path | None = None
    """A second file, with what the first may not hold."""


@dataclass(frozen=True, slots=True)
class How:
    """How items are written."""

    speech: Speech
    """Which dialect an episode is told in."""
    with_failures: bool = False
    """Write failures too, where the format can tell them from successes."""
    encode: Encode | None = None
    """Write token ids and the mask over them instead of a chat, where the format takes them (trl)."""


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    is_training: bool
    """Made for training: the selected set is written, weights and all; otherwise everything that was recorded."""
    write: Callable[[Path, Iterable[Item], How], Written]
    read: Callable[[Path, Defaults], Iterator[Read]]


def write_file(
    name: str,
    path: Path,
    items: Iterable[Item],
    speech: Speech,
    *,
    with_failures: bool = False,
    encode: Encode | None = None,
) -> Written:
    """
    Raises:
        UnknownNameError: no such format. RecipeError: it takes no token ids. DiskFullError, StoreError, MissingExtraError.
    """
    if encode is not None and name != "trl":
        raise RecipeError(f"{name} takes no token ids; trl does (--to trl --tokenizer DIR).")
    return format_named(name).write(path, items, How(speech, with_failures, encode))


def read_file(name: str, path: Path, defaults: Defaults = Defaults()) -> Iterator[Read]:  # noqa: B008 (frozen)
    """
    Raises:
        UnknownNameError: no such format. MissingDataError, BadDataError, MissingExtraError.
    """
    return format_named(name).read(path, defaults)


def format_named(name: str, kind: str = "format") -> Format:
    if name not in FORMATS:
        raise unknown(kind, name, FORMATS)
    return FORMATS[name]


# --- chats ------------------------------------------------------------------------------


def _write_chats(chat: Chat) -> Callable[[Path, Iterable[Item], How], Written]:
    def write(path: Path, items: Iterable[Item], how: How) -> Written:
        lost: Counter[str] = Counter()
        rows = (
            (visible_row(item, chat, how.speech, lost, with_failures=how.with_failures, encode=how.encode), item)
            for item in items
        )
        num = write_objects(path, (write_row(visible, item) for visible, item in rows if visible is not None))
        return Written(num, dict(lost))

    return write


def _read_chats(chat: Chat) -> Callable[[Path, Defaults], Iterator[Read]]:
    def read(path: Path, defaults: Defaults) -> Iterator[Read]:
        for index, (at, row) in enumerate(read_objects(path)):
            yield read_row(row, chat, f"{path}, {at}", index, defaults)

    return read


def _write_openai(path: Path, items: Iterable[Item], how: How) -> Written:
    """Two files, line by line: what the service takes, and the records."""
    lost: Counter[str] = Counter()
    beside = path.with_name(path.name + BESIDE)
    num = 0
    with whole(path) as draft, whole(beside) as record_draft, draft.open("wb") as file, record_draft.open("wb") as records:
        for item in items:
            visible = visible_row(item, OPENAI, how.speech, lost)
            if visible is None:
                continue
            write_line(file, visible)
            write_line(records, {FIELD: packed(item, visible)})
            num += 1
    return Written(num, dict(lost), beside)


def _read_openai(path: Path, defaults: Defaults) -> Iterator[Read]:
    """With the records where the second file is there and fits."""
    beside = path.with_name(path.name + BESIDE)
    records: Iterator[tuple[str, dict[str, Any]]] | None = read_objects(beside) if beside.is_file() else None
    for index, (at, row) in enumerate(read_objects(path)):
        if records is not None and FIELD not in row:
            found = next(records, None)
            if found is None:
                raise BadDataError(f"{beside} has fewer lines than {path}: remove it, or restore both.")
            row = {**row, **found[1]}
        yield read_row(row, OPENAI, f"{path}, {at}", index, defaults)


# --- records ----------------------------------------------------------------------------


def _write_records(path: Path, items: Iterable[Item], how: How) -> Written:
    """Our own lines (docs/records.md); of a training set with `weight` and `condition` before the record's fields."""

    def row(item: Item) -> dict[str, Any]:
        weighed: dict[str, Any] = {} if item.weight is None else {"weight": item.weight}
        return {**weighed, **({"condition": item.condition} if item.condition else {}), **to_json(item.trajectory)}

    return Written(write_objects(path, map(row, items)), {})


def _read_records(path: Path, defaults: Defaults) -> Iterator[Read]:
    for at, row in read_objects(path):
        weight, condition = row.pop("weight", None), row.pop("condition", "")
        if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float)):
            raise BadDataError(f"{path}, {at}: weight: expected a number, got {weight!r}.")
        try:
            trajectory = from_json(row)
        except BadDataError as error:
            raise BadDataError(f"{path}, {at}: {error}") from None
        yield Read(Item(trajectory, None if weight is None else float(weight), str(condition)))


def _write_atif(path: Path, items: Iterable[Item], how: How) -> Written:
    """A line each where the name ends in .jsonl; else a folder with a file each, as Harbor keeps them."""
    if path.suffix == ".jsonl":
        return Written(write_objects(path, map(to_atif, items)), {})
    path.mkdir(parents=True, exist_ok=True)
    num = 0
    for num, item in enumerate(items, start=1):
        write_objects(path / f"{num:06d}.json", [to_atif(item)])
    return Written(num, {})


def _read_atif(path: Path, defaults: Defaults) -> Iterator[Read]:
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    index = 0
    for file in files:
        for at, row in _whole_objects(file):
            yield from_atif(row, f"{file}, {at}", index, defaults)
            index += 1


def _whole_objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A `.json` file is one object, on however many lines; any other has one a line."""
    if file.suffix == ".json" and file.is_file():
        try:
            data = json.loads(file.read_bytes().decode("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise BadDataError(f"{file}: is not JSON that a3t reads: {error}.") from None
        if isinstance(data, dict):
            yield "the object", data
            return
    yield from read_objects(file)


def _write_table(path: Path, items: Iterable[Item], how: How) -> Written:
    return Written(write_parquet(path, items, how.speech), {})


FORMATS = {
    one.name: one
    for one in (
        Format("jsonl", False, _write_records, _read_records),
        Format("openai", True, _write_openai, _read_openai),
        Format("sharegpt", True, _write_chats(SHAREGPT), _read_chats(SHAREGPT)),
        Format("trl", True, _write_chats(TRL), _read_chats(TRL)),
        Format("atif", False, _write_atif, _read_atif),
        Format("parquet", False, _write_table, read_parquet),
    )
}
