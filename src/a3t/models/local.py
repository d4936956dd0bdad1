"""A transformers model in this process: whole batches of conversations, each read once and never again.

The keys and values of a conversation (`Completion.session`) stay from call to call, so that a turn costs its new observation and
the tokens it writes. `engine.py` runs the batch; here requests become rows, and rows answers.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from a3t.config import ModelConfig
from a3t.errors import RecipeError
from a3t.learning.tokens import encode_parts, encode_prompt
from a3t.models.agreement import disagreement
from a3t.models.cache import KeyValueCache
from a3t.models.copies import Copies
from a3t.models.engine import Engine, Row, Usage
from a3t.models.loading import context_limit, end_ids, load_folder, pick_device, tokenizer_fingerprint
from a3t.models.sampling import uniforms
from a3t.models.sessions import Sessions
from a3t.models.stopping import Texts
from a3t.types import Completed, Completion, Scored, Scoring, Tokens


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
            cache_bytes: memory for the keys and values of all conversations; beyond it, the least recently used are forgotten.

        Raises:
            ModelError: `max_context` is more than the model was made for.
            RecipeError: a limit is not positive.
        """
        limits = {
            "max_context": max_context,
            "max_batch": max_batch,
            "max_pass_tokens": max_pass_tokens,
            "cache_bytes": cache_bytes,
        }
        for option, limit in limits.items():
            if limit is not None and limit < 1:
                raise RecipeError(f"{option} = {limit} does not fit: expected a positive number.")
        self.name = name or str(getattr(model.config, "_name_or_path", "") or type(model).__name__)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.fingerprint = tokenizer_fingerprint(tokenizer)
        self.device: torch.device = next(model.parameters()).device
        self.max_context = context_limit(model, max_context)
        self._vocabulary: int = model.get_input_embeddings().weight.shape[0]
        self._lock = threading.RLock()
        cache = KeyValueCache()
        problem = disagreement(self.model, cache, self.max_context)
        if problem:
            warnings.warn(f"{self.name} is run one conversation at a time, which is slow: {problem}.", stacklevel=2)
        self._engine = Engine(
            self.model,
            cache,
            Sessions(cache, cache_bytes or _default_budget(self.device), self.max_context),
            Texts(tokenizer),
            end_ids=end_ids(model, tokenizer),
            is_packed=not problem,
            max_batch=max_batch,
            max_pass_tokens=max_pass_tokens or (4096 if self.device.type == "cpu" else 16384),
        )

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

    @property
    def usage(self) -> Usage:
        """Tokens read, reused and written so far."""
        return self._engine.usage

    def complete(self, requests: Sequence[Completion]) -> list[Completed]:
        """One answer per request, in order."""
        answers: dict[int, Completed] = {}
        rows = []
        for index, request in enumerate(requests):
            row = self._row(index, request)
            if isinstance(row, Row):
                rows.append(row)
            else:
                answers[index] = row
        with self._lock:
            self._engine.run(rows)
        for row in rows:
            answers[row.index] = _answer(row, requests[row.index])
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
                rows.append(Row(index, request.session, whole[:-1], len(before) - 1, targets=after))
        with self._lock:
            self._engine.run(rows)
        for row in rows:
            scores[row.index] = Scored(tuple(row.logprobs), len(row.prompt) + 1)
        return [scores[index] for index in range(len(requests))]

    def release(self, sessions: Iterable[str]) -> None:
        """These conversations are over: their memory is free. Unknown names are no error."""
        with self._lock:
            self._engine.sessions.release(sessions)

    def clear(self) -> None:
        """Forget all conversations and give their memory back."""
        with self._lock:
            self._engine.clear()

    def _row(self, index: int, request: Completion) -> Row | Completed:
        """The request on its way, or its answer where there is nothing to run."""
        prompt = encode_prompt(self.tokenizer, request.prompt)
        problem = self._problem(prompt)
        if not 0 <= request.temperature < math.inf:
            problem = f"a temperature is a number from 0 up, not {request.temperature}"
        if problem:
            return Completed("", None, "error", len(prompt), problem)
        room = min(request.max_tokens, self.max_context - len(prompt))
        if room <= 0:
            return Completed("", Tokens((), ()), "context" if request.max_tokens > 0 else "length", len(prompt))
        return Row(
            index,
            request.session,
            prompt,
            len(prompt) - 1,
            room=room,
            stops=tuple(stop for stop in request.stop if stop),
            temperature=request.temperature,
            numbers=uniforms(request.seed, room) if request.temperature > 0 else None,
        )

    def _problem(self, ids: Sequence[int]) -> str:
        if not ids:
            return "the prompt is empty, and the tokenizer puts nothing in front of it: there is nothing to continue"
        if min(ids) < 0 or max(ids) >= self._vocabulary:
            return f"the prompt holds ids outside the model's vocabulary of {self._vocabulary}"
        return ""


def _answer(row: Row, request: Completion) -> Completed:
    if row.finish == "broken":
        return Completed("", None, "error", len(row.prompt), "the model's logits are not numbers: its weights are broken")
    finish = row.finish
    if finish == "room":
        finish = "length" if row.room == request.max_tokens else "context"
    return Completed(row.text, Tokens(tuple(row.ids), tuple(row.logprobs)), finish, len(row.prompt))


def _default_budget(device: torch.device) -> int:
    """Two thirds of what the card has free, or 2 GiB of ordinary memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] * 2 // 3
    return 2 * 2**30


def load_configured(config: ModelConfig, weights: Path | None = None) -> LocalModel | Copies:
    """A recipe's `kind = "local"`, with the weights or the adapter of a checkpoint where one is given."""
    if config.processes == 1 or pick_device(config.device).type != "cpu":
        return open_configured(config, weights)
    return Copies(config, weights, config.processes, max(1, torch.get_num_threads() // config.processes))


def open_configured(config: ModelConfig, weights: Path | None = None) -> LocalModel:
    """The same in this process, whatever `config.processes` is."""
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
