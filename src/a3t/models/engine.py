"""The batch that never waits: conversations that read and conversations that write share every forward pass.

A row is one request. It takes a slot of the cache, reads what the cache does not hold of its prompt, writes one token per pass,
and leaves the moment it has finished; a waiting row takes its place before the next pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from a3t.errors import ModelError
from a3t.models import packed
from a3t.models.cache import KeyValueCache
from a3t.models.packed import Segment
from a3t.models.sampling import draw
from a3t.models.sessions import WORTH_COPYING, Sessions, Slot, common_prefix
from a3t.models.stopping import Texts, first_stop
from a3t.models.unpacked import Unpacked

WORTH_WAITING = 64
"""Tokens that a conversation must share with one being read before it waits a pass to copy them."""

SMALLEST_PASS = 64
"""Tokens in a forward pass below which running out of memory is not answered by smaller passes any more."""


@dataclass(slots=True)
class Usage:
    """Tokens so far, for reports and tests."""

    num_read: int = 0
    """Computed as part of a prompt."""
    num_reused: int = 0
    """Taken from the cache instead."""
    num_written: int = 0
    """Sampled."""


@dataclass(slots=True, eq=False)
class Row:
    """A request on its way: a completion (`room` > 0) or a scoring (`targets`)."""

    index: int
    """Its place among the requests."""
    session: str
    prompt: list[int]
    """All ids to read; for a scoring, the continuation but its last token too."""
    keep_from: int
    """Position of the first token whose logits are wanted."""
    targets: list[int] = field(default_factory=list)
    """Of a scoring: the continuation."""
    room: int = 0
    """Tokens it may write."""
    stops: tuple[str, ...] = ()
    temperature: float = 0.0
    numbers: np.ndarray | None = None
    """Uniform numbers that decide its draws; None where greedy."""
    slot: Slot | None = None
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    text: str = ""
    finish: str = ""
    """`stop`, `room` (all of it is used), `broken` (the logits are not numbers) or `scored`; empty while it runs."""

    @property
    def is_reading(self) -> bool:
        """Much of its prompt is still to come."""
        return self.slot is not None and len(self.prompt) - len(self.slot.ids) >= WORTH_COPYING

    def unread(self) -> list[int]:
        """What has to be fed next: the rest of the prompt, or the token written last."""
        assert self.slot is not None
        done = len(self.slot.ids)
        return self.prompt[done:] if done < len(self.prompt) else self.ids[-1:]


class _Fed(NamedTuple):
    """A row's part in a pass."""

    row: Row
    slot: Slot
    segment: Segment


class Engine:
    """Runs rows on a model; keeps conversations from call to call. Not for two threads at once."""

    def __init__(
        self,
        model: Any,
        cache: KeyValueCache,
        sessions: Sessions,
        texts: Texts,
        *,
        end_ids: frozenset[int],
        is_packed: bool,
        max_batch: int,
        max_pass_tokens: int,
    ) -> None:
        self.model = model
        self.sessions = sessions
        self.usage = Usage()
        self.max_batch = max_batch
        self.max_pass_tokens = max_pass_tokens
        self._device = next(model.parameters()).device
        self._cache = cache
        self._texts = texts
        self._end_ids = end_ids
        self._unpacked = None if is_packed else Unpacked(model)

    def run(self, rows: Sequence[Row]) -> None:
        """Serve all rows: each comes back with `finish` set.

        Raises:
            ModelError: the memory does not even hold small passes or a single conversation.
        """
        if not rows:
            return
        with torch.inference_mode():
            if self._unpacked:
                self._serve(rows)
            else:
                with packed.attention(self.model):
                    self._serve(rows)

    def clear(self) -> None:
        """Forget all conversations and give their memory back."""
        self.sessions.clear()
        if self._unpacked:
            self._unpacked.clear()

    def _serve(self, rows: Sequence[Row]) -> None:
        waiting, active = list(rows), list[Row]()
        try:
            while waiting or active:
                waiting = self._admit(waiting, active)
                self._step(active)
                for row in active:
                    if row.finish:
                        self._leave(row)
                active = [row for row in active if not row.finish]
        finally:
            for row in active:
                self._leave(row)

    def _admit(self, waiting: Sequence[Row], active: list[Row]) -> list[Row]:
        """Move rows from `waiting` into the batch while there is room; returns those that still wait.

        A new conversation that shares a long beginning with one that is being read right now waits until that is in the cache,
        and copies it: forty tries at one task read its prompt once.
        """
        left: list[Row] = []
        reading = [row.prompt for row in active if row.is_reading]
        is_full = False
        for row in waiting:
            is_full = is_full or len(active) >= self.max_batch
            if is_full or self._should_wait(row, reading):
                left.append(row)
                continue
            ids = row.prompt[: row.keep_from + 1]
            try:
                row.slot = self.sessions.take(row.session, ids, len(row.prompt) + row.room, keep=not row.targets)
            except torch.OutOfMemoryError as error:
                raise self._no_memory("the keys and values of the conversations", error) from error
            if row.slot is None:
                is_full = True
                left.append(row)
                continue
            self.usage.num_reused += len(row.slot.ids)
            active.append(row)
            if row.is_reading:
                reading.append(row.prompt)
        return left

    def _should_wait(self, row: Row, reading: Sequence[list[int]]) -> bool:
        if not reading or row.session in self.sessions:
            return False
        soon = max(common_prefix(row.prompt, other) for other in reading)
        return soon >= WORTH_WAITING and soon - self.sessions.known_prefix(row.prompt) >= WORTH_WAITING

    def _leave(self, row: Row) -> None:
        assert row.slot is not None
        self.sessions.give_back(row.slot)

    def _step(self, active: Sequence[Row]) -> None:
        """One forward pass; a token, or scores, for each row that has read its prompt."""
        fed = self._next_tokens(active)
        segments = [part.segment for part in fed]
        try:
            logits = self._unpacked.forward(segments) if self._unpacked else packed.forward(self.model, self._cache, segments)
        except torch.OutOfMemoryError as error:
            self._make_room(error)
            return
        end = 0
        writers: list[Row] = []
        last: list[int] = []
        for row, slot, segment in fed:
            slot.ids.extend(segment.ids)
            end += segment.keep
            if row.targets:
                self._take_scores(row, logits[end - segment.keep : end])
            elif segment.keep:
                writers.append(row)
                last.append(end - 1)
            if not row.ids:
                self.usage.num_read += len(segment.ids)
        if writers:
            self._write(writers, logits if len(last) == len(logits) else logits[last])

    def _next_tokens(self, active: Sequence[Row]) -> list[_Fed]:
        """What each row feeds to this pass, as far as `max_pass_tokens` goes; the rest has its turn in the next."""
        budget = self.max_pass_tokens
        fed: list[_Fed] = []
        for row in active:
            assert row.slot is not None
            ids = row.unread()[:budget]
            if not ids:
                break
            budget -= len(ids)
            start = len(row.slot.ids)
            keep = max(start + len(ids) - max(start, row.keep_from), 0)
            fed.append(_Fed(row, row.slot, Segment(row.slot.index, start, ids, keep, row.slot.ids)))
        return sorted(fed, key=lambda part: packed.order(part.segment))

    def _take_scores(self, row: Row, logits: Tensor) -> None:
        done = len(row.logprobs)
        targets = torch.tensor(row.targets[done : done + len(logits)], dtype=torch.long, device=logits.device)
        row.logprobs.extend(torch.log_softmax(logits, -1).gather(-1, targets[:, None])[:, 0].tolist())
        if len(row.logprobs) == len(row.targets):
            row.finish = "scored"

    def _write(self, rows: Sequence[Row], logits: Tensor) -> None:
        """Draw a token for each row, and see whether it was its last."""
        numbers = [0.0 if row.numbers is None else float(row.numbers[len(row.ids)]) for row in rows]
        chosen = draw(logits, [row.temperature for row in rows], numbers)
        for row, token, logprob in zip(rows, chosen.ids, chosen.logprobs, strict=True):
            row.ids.append(token)
            row.logprobs.append(logprob)
            self._end(row, token)
        self.usage.num_written += len(rows)

    def _end(self, row: Row, token: int) -> None:
        """Set `finish` and `text` if `token` was the row's last."""
        if math.isnan(row.logprobs[-1]):
            row.finish = "broken"
        elif token in self._end_ids:
            row.finish, row.text = "end", self._texts.text(row.prompt, row.ids[:-1])
        elif len(row.ids) == row.room or self._texts.may_complete(token, row.stops):
            row.text = self._texts.text(row.prompt, row.ids)
            at = first_stop(row.text, row.stops)
            if at is not None:
                row.finish, row.text = "stop", row.text[:at]
            elif len(row.ids) == row.room:
                row.finish = "room"

    def _make_room(self, error: torch.OutOfMemoryError) -> None:
        """A pass ran out of memory: forget idle conversations, go on in smaller passes. Nothing was taken from that pass."""
        self.max_pass_tokens //= 2
        if self.max_pass_tokens < SMALLEST_PASS:
            raise self._no_memory(f"a pass of {SMALLEST_PASS} tokens", error) from error
        self.sessions.evict_idle()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _no_memory(self, what: str, error: torch.OutOfMemoryError) -> ModelError:
        # Growing may have been interrupted between two layers: nothing that the cache holds is to be relied on.
        self.clear()
        return ModelError(
            f"the memory of {self._device} does not hold {what}: {error}\n"
            "  Try a smaller max_context, max_batch or cache_bytes, or quantization=nf4."
        )
