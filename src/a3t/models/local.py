"""A transformers model in this process: whole batches of conversations, each read once and never again.

The keys and values of a conversation (`Completion.session`) stay from call to call, so that a turn costs its new observation and
the tokens it writes. One forward pass mixes conversations that are still reading with those that are writing; one that has
finished leaves the batch at once, and a waiting one takes its place.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from a3t.config import ModelConfig
from a3t.errors import ModelError
from a3t.learning.tokens import encode_parts, encode_prompt
from a3t.models import packed
from a3t.models.agreement import disagreement
from a3t.models.cache import KeyValueCache
from a3t.models.loading import context_limit, end_ids, load_folder, tokenizer_fingerprint
from a3t.models.packed import Segment
from a3t.models.sampling import draw, uniforms
from a3t.models.sessions import WORTH_COPYING, Sessions, Slot, common_prefix
from a3t.models.stopping import Texts, first_stop
from a3t.models.unpacked import Unpacked
from a3t.types import Completed, Completion, Scored, Scoring, Tokens

SMALLEST_PASS = 64
"""Tokens in a forward pass below which running out of memory is not answered by smaller passes any more."""

WORTH_WAITING = 64
"""Tokens that a conversation must share with one being read before it waits a pass to copy them."""


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
class _Row:
    """A request on its way."""

    index: int
    """Its place among the requests."""
    session: str
    prompt: list[int]
    """All ids to read; for a scoring, the continuation but its last token too."""
    room: int
    """Tokens it may write."""
    keep_from: int
    """Position of the first token whose logits are wanted."""
    request: Completion | None = None
    """None: a scoring."""
    numbers: np.ndarray | None = None
    targets: list[int] = field(default_factory=list)
    """Of a scoring: the continuation."""
    slot: Slot | None = None
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    @property
    def is_reading(self) -> bool:
        """More of its prompt is to come than a single pass of writers would take along."""
        return self.slot is not None and len(self.prompt) - len(self.slot.ids) >= WORTH_COPYING

    def unread(self) -> list[int]:
        """What has to be fed next: the rest of the prompt, or the token written last."""
        assert self.slot is not None
        done = len(self.slot.ids)
        return self.prompt[done:] if done < len(self.prompt) else self.ids[-1:]


class LocalModel:
    """Completes and scores text with a causal language model of transformers; see `Model` and `ScoringModel`.

    Log-probabilities of a completion are those of the distribution that was drawn from (temperature applied); of a greedy
    completion and of a scoring, those of temperature 1. A request that cannot be served (an empty prompt, ids outside the
    vocabulary, logits that are not numbers) yields `finish="error"`, or NaNs when scoring.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str = "",
        max_context: int | None = None,
        max_batch: int = 64,
        max_pass_tokens: int | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        """
        Args:
            model: a causal LM of transformers or PEFT, on its device; put into evaluation mode.
            max_context: tokens of prompt and completion together; None takes the model's own limit.
            max_batch: conversations that write at the same time; more requests wait for their turn.
            max_pass_tokens: tokens in one forward pass at most; a longer prompt is read in pieces.
            cache_bytes: memory for the keys and values of all conversations; beyond it, the least recently used are forgotten."""
        self.name = name or str(getattr(model.config, "_name_or_path", "") or type(model).__name__)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.fingerprint = tokenizer_fingerprint(tokenizer)
        self.device = next(model.parameters()).device
        self.max_context = context_limit(model, max_context)
        self.max_batch = max_batch
        self.max_pass_tokens = max_pass_tokens or (4096 if self.device.type == "cpu" else 16384)
        self.usage = Usage()
        self._texts = Texts(tokenizer)
        self._end_ids = end_ids(model, tokenizer)
        self._vocabulary = model.get_input_embeddings().weight.shape[0]
        self._cache = KeyValueCache()
        self._sessions = Sessions(self._cache, cache_bytes or _default_budget(self.device), self.max_context)
        self._lock = threading.RLock()
        problem = disagreement(self.model, self._cache, self.max_context)
        self._unpacked = Unpacked(self.model) if problem else None
        if problem:
            warnings.warn(f"{self.name} is run one conversation at a time, which is slow: {problem}.", stacklevel=2)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        quantization: str = "none",
        adapter: Path | str | None = None,
        **options: Any,
    ) -> LocalModel:
        """From a folder of safetensors and tokenizer, with a PEFT adapter's folder on top; never downloads. `options`: see above.

        Raises:
            ModelError: the folder, its weights, its tokenizer or the device is not what is needed.
            MissingExtraError: `quantization="nf4"` without bitsandbytes.
        """
        model, tokenizer = load_folder(Path(path), device=device, dtype=dtype, quantization=quantization, adapter=adapter)
        return cls(model, tokenizer, name=str(adapter or path), **options)

    def complete(self, requests: Sequence[Completion]) -> list[Completed]:
        """One answer per request, in order."""
        answers: dict[int, Completed] = {}
        rows = []
        for index, request in enumerate(requests):
            prompt = encode_prompt(self.tokenizer, request.prompt)
            room = min(request.max_tokens, self.max_context - len(prompt))
            problem = self._problem(prompt)
            if problem:
                answers[index] = Completed("", None, "error", len(prompt), problem)
            elif room <= 0:
                finish = "context" if request.max_tokens > 0 else "length"
                answers[index] = Completed("", Tokens((), ()), finish, len(prompt))
            else:
                numbers = uniforms(request.seed, room) if request.temperature > 0 else None
                rows.append(_Row(index, request.session, prompt, room, len(prompt) - 1, request, numbers))
        with self._running():
            for row, answer in self._run(rows):
                assert answer is not None
                answers[row.index] = answer
        return [answers[index] for index in range(len(requests))]

    def score(self, requests: Sequence[Scoring]) -> list[Scored]:
        """Log-probability of each continuation's tokens after its prompt; a session's cache is used and left as it is."""
        scores: dict[int, Scored] = {}
        rows = []
        for index, request in enumerate(requests):
            before = encode_prompt(self.tokenizer, request.prompt)
            after = encode_parts(self.tokenizer, request.continuation)
            whole = [*before, *after]
            if not after:
                scores[index] = Scored(())
            elif not before or len(whole) > self.max_context or self._problem(whole):
                scores[index] = Scored((math.nan,) * len(after))
            else:
                rows.append(_Row(index, request.session, whole[:-1], 0, len(before) - 1, targets=after))
        with self._running():
            for row, _answer in self._run(rows):
                scores[row.index] = Scored(tuple(row.logprobs))
        return [scores[index] for index in range(len(requests))]

    def release(self, sessions: Iterable[str]) -> None:
        """These conversations are over: their memory is free. Unknown names are no error."""
        with self._lock:
            self._sessions.release(sessions)

    def clear(self) -> None:
        """Forget all conversations and give their memory back."""
        with self._lock:
            self._sessions.clear()
            if self._unpacked:
                self._unpacked.clear()

    @contextmanager
    def _running(self) -> Iterator[None]:
        with self._lock, torch.inference_mode():
            if self._unpacked:
                yield
            else:
                with packed.attention(self.model):
                    yield

    def _problem(self, ids: Sequence[int]) -> str:
        if not ids:
            return "the prompt is empty, and the tokenizer puts nothing in front of it: there is nothing to continue"
        if min(ids) < 0 or max(ids) >= self._vocabulary:
            return f"the prompt holds ids outside the model's vocabulary of {self._vocabulary}"
        return ""

    def _run(self, rows: Sequence[_Row]) -> Iterator[tuple[_Row, Completed | None]]:
        """Serve all rows; each is yielded once, when it has finished."""
        waiting, active = list(rows), list[_Row]()
        try:
            while waiting or active:
                waiting = self._admit(waiting, active)
                if not active:
                    raise ModelError("no conversation fits into the memory for keys and values, and none can be forgotten.")
                finished = self._step(active)
                active = [row for row in active if row not in finished]
                for row, answer in finished.items():
                    yield row, answer
        finally:
            for row in active:
                self._leave(row)

    def _admit(self, waiting: Sequence[_Row], active: list[_Row]) -> list[_Row]:
        """Move rows from `waiting` into the batch while there is room; returns those that still wait.

        A new conversation that shares a long beginning with one that is being read right now waits until that is in the cache,
        and copies it: forty tries at one task read its prompt once.
        """
        left = []
        reading = [row.prompt for row in active if row.is_reading]
        is_full = False
        for row in waiting:
            is_full = is_full or len(active) >= self.max_batch
            if is_full or self._should_wait(row, reading):
                left.append(row)
                continue
            ids = row.prompt[: row.keep_from + 1]
            row.slot = self._sessions.take(row.session, ids, len(row.prompt) + row.room, keep=row.request is not None)
            if row.slot is None:
                is_full = True
                left.append(row)
                continue
            self.usage.num_reused += len(row.slot.ids)
            active.append(row)
            if row.is_reading:
                reading.append(row.prompt)
        return left

    def _should_wait(self, row: _Row, reading: Sequence[list[int]]) -> bool:
        if not reading or row.session in self._sessions:
            return False
        soon = max(common_prefix(row.prompt, other) for other in reading)
        return soon >= WORTH_WAITING and soon - self._sessions.known_prefix(row.prompt) >= WORTH_WAITING

    def _leave(self, row: _Row) -> None:
        assert row.slot is not None
        self._sessions.give_back(row.slot)

    def _step(self, active: Sequence[_Row]) -> dict[_Row, Completed | None]:
        """One forward pass, and a token for each row that has read its prompt. Returns the rows that have finished."""
        budget = max(self.max_pass_tokens - len(active), 1)
        fed: list[tuple[_Row, Segment]] = []
        for row in active:
            assert row.slot is not None
            ids = row.unread()
            if len(ids) > 1:
                if budget <= 0:
                    continue
                ids = ids[:budget]
                budget -= len(ids)
                self.usage.num_read += len(ids)
            start = len(row.slot.ids)
            keep = max(start + len(ids) - max(start, row.keep_from), 0)
            fed.append((row, Segment(row.slot.index, start, ids, keep, row.slot.ids)))
        fed.sort(key=lambda pair: packed.order(pair[1]))
        segments = [segment for _row, segment in fed]
        try:
            logits = self._unpacked.forward(segments) if self._unpacked else packed.forward(self.model, self._cache, segments)
        except torch.OutOfMemoryError as error:
            self._make_room(error)
            return {}
        for row, segment in fed:
            assert row.slot is not None
            row.slot.ids.extend(segment.ids)
        self._take_scores(fed, logits)
        return self._take_tokens(fed, logits)

    def _take_tokens(self, fed: Sequence[tuple[_Row, Segment]], logits: Tensor) -> dict[_Row, Completed | None]:
        """Draw for every completion whose prompt has been read; say which rows are done."""
        finished: dict[_Row, Completed | None] = {}
        writers: list[tuple[_Row, Completion]] = []
        kept: list[int] = []
        end = 0
        for row, segment in fed:
            end += segment.keep
            if row.request is None:
                if len(row.logprobs) == len(row.targets):
                    finished[row] = None
            elif segment.keep:
                writers.append((row, row.request))
                kept.append(end - 1)
        if writers:
            chosen = draw(
                logits if len(kept) == len(logits) else logits[kept],
                [request.temperature for _row, request in writers],
                [0.0 if row.numbers is None else row.numbers[len(row.ids)] for row, _request in writers],
            )
            for (row, request), token, logprob in zip(writers, chosen.ids, chosen.logprobs, strict=True):
                row.ids.append(token)
                row.logprobs.append(logprob)
                answer = self._finish(row, request)
                if answer is not None:
                    finished[row] = answer
            self.usage.num_written += len(writers)
        for row in finished:
            self._leave(row)
        return finished

    def _take_scores(self, fed: Sequence[tuple[_Row, Segment]], logits: Tensor) -> None:
        end = 0
        for row, segment in fed:
            end += segment.keep
            if row.request is None and segment.keep:
                targets = row.targets[len(row.logprobs) : len(row.logprobs) + segment.keep]
                logprobs = torch.log_softmax(logits[end - segment.keep : end], -1)
                row.logprobs.extend(logprobs.gather(-1, torch.tensor(targets, device=self.device)[:, None])[:, 0].tolist())

    def _finish(self, row: _Row, request: Completion) -> Completed | None:
        """The answer, if the token written last was the last one."""
        token, finish, text = row.ids[-1], "", None
        if math.isnan(row.logprobs[-1]):
            error = "the model's logits are not numbers: its weights or its inputs are broken"
            return Completed("", None, "error", len(row.prompt), error)
        if token in self._end_ids:
            finish, text = "stop", self._texts.text(row.prompt, row.ids[:-1])
        elif request.stop and self._texts.may_complete(token, request.stop):
            text = self._texts.text(row.prompt, row.ids)
            if first_stop(text, request.stop) is not None:
                finish = "stop"
        if not finish and len(row.ids) == row.room:
            finish = "length" if row.room == request.max_tokens else "context"
        if not finish:
            return None
        if text is None:
            text = self._texts.text(row.prompt, row.ids)
        at = first_stop(text, request.stop)
        tokens = Tokens(tuple(row.ids), tuple(row.logprobs))
        return Completed(text[:at], tokens, finish, len(row.prompt))

    def _make_room(self, error: torch.OutOfMemoryError) -> None:
        """After running out of memory: forget idle conversations, read in smaller pieces; nothing was written yet."""
        self.max_pass_tokens //= 2
        if self.max_pass_tokens < SMALLEST_PASS:
            raise ModelError(
                f"{self.name} does not fit into the memory of {self.device}, not even {SMALLEST_PASS} tokens at a time: {error}\n"
                "  Try a smaller max_context, max_batch or cache_bytes, or quantization=nf4."
            ) from error
        self._sessions.evict_idle()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _default_budget(device: torch.device) -> int:
    """Two thirds of what the card has free, or 2 GiB of ordinary memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] * 2 // 3
    return 2 * 2**30


def load_configured(config: ModelConfig, weights: Path | None = None) -> LocalModel:
    """A recipe's `kind = "local"`, with the weights or the adapter of a checkpoint where one is given."""
    from a3t.models import folder

    path, adapter = folder(config.path), None
    if weights is not None and (weights / "adapter_config.json").is_file():
        adapter = weights
    elif weights is not None:
        path = weights
    return LocalModel.load(
        path,
        device=config.device,
        dtype=config.dtype,
        quantization=config.quantization,
        adapter=adapter,
        max_context=config.max_context,
        **config.options,
    )
