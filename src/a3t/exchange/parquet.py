"""Parquet, through pyarrow: a row per trajectory; short columns to filter by, the chat to look at, the record to come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from a3t.errors import BadDataError, MissingDataError, missing_extra
from a3t.exchange.chats import combine, said
from a3t.exchange.foreign import Defaults, read_messages
from a3t.exchange.item import FIELD, Item, Read, packed
from a3t.store.whole import whole
from a3t.text.react import Speech

ROWS_AT_ONCE = 500
CHATS = {"messages": ("role", "content"), "conversations": ("from", "value")}
"""Columns that may hold a chat, and what its parts are called."""


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise missing_extra("Parquet", "pyarrow", "parquet") from None
    return pyarrow


def write_parquet(path: Path, items: Iterable[Item], speech: Speech) -> int:
    """Raises `MissingExtraError`, `DiskFullError`, `StoreError`."""
    arrow = _arrow()
    message = arrow.struct([("role", arrow.string()), ("content", arrow.string()), ("trained", arrow.bool_())])
    short = [("task_id", arrow.string()), ("split", arrow.string()), ("task_type", arrow.string()), ("stage", arrow.string())]
    more = [("round_index", arrow.int32()), ("attempt", arrow.int32()), ("agent", arrow.string()), ("num_steps", arrow.int32())]
    worth = [("reward", arrow.float64()), ("success", arrow.bool_()), ("stop", arrow.string()), ("weight", arrow.float64())]
    schema = arrow.schema([*short, *more, *worth, ("messages", arrow.list_(message)), (FIELD, arrow.string())])
    count = 0
    with whole(path) as draft, arrow.parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
        rows: list[dict[str, Any]] = []
        for item in items:
            rows.append(_row(item, speech))
            count += 1
            if len(rows) == ROWS_AT_ONCE:
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                rows.clear()
        writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
    return count


def _row(item: Item, speech: Speech) -> dict[str, Any]:
    trajectory = item.trajectory
    chat = said(item, speech)
    visible = [{"role": m.role, "content": _utf8(m.content), "trained": m.trained} for m in chat]
    return {
        "task_id": trajectory.task.task_id,
        "split": trajectory.task.split,
        "task_type": trajectory.task.task_type,
        "stage": trajectory.stage.value,
        "round_index": trajectory.round_index,
        "attempt": trajectory.attempt,
        "agent": _utf8(trajectory.agent),
        "num_steps": trajectory.num_steps,
        "reward": trajectory.reward,
        "success": trajectory.success,
        "stop": trajectory.stop.value,
        "weight": item.weight,
        "messages": visible,
        FIELD: packed(item, visible),
    }


def _utf8(text: str) -> str:
    """Half a character, which Parquet cannot hold, as a question mark; the record has it whole."""
    return text.encode("utf-8", "replace").decode()


def read_parquet(path: Path, defaults: Defaults) -> Iterator[Read]:
    """
    Raises:
        MissingExtraError, MissingDataError.
        BadDataError: no Parquet, or neither a record of ours nor a chat in it.
    """
    arrow = _arrow()
    if not path.is_file():
        raise MissingDataError(f"there is no file {path}.")
    try:
        with arrow.parquet.ParquetFile(path) as file:
            index = 0
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    yield _read(row, f"{path}, row {index + 1}", index, defaults)
                    index += 1
    except (arrow.ArrowException, OSError) as error:
        raise BadDataError(f"{path} is not Parquet that can be read: {' '.join(str(error).split())[:200]}") from None


def _read(row: dict[str, Any], where: str, index: int, defaults: Defaults) -> Read:
    column = next((name for name in CHATS if row.get(name) is not None), None)
    if column is None:
        raise BadDataError(f"{where}: expected a column with a chat ({', '.join(CHATS)}), found {', '.join(row)[:200]}.")
    role, content = CHATS[column]
    visible = row[column]

    def messages() -> list[Any]:
        marked = [{**one, "train": one.get("trained") is not False} if isinstance(one, dict) else one for one in visible]
        return read_messages(marked, f"{where}: {column}", role=role, content=content)

    return combine(row.get(FIELD), visible, messages, row, where, index, defaults)
