"""One forward pass over many conversations without a single padding token.

The new tokens of all conversations lie one after the other in a batch of one row, so that every linear layer sees only real
tokens. Only attention needs to know where one conversation ends and the next begins: transformers lets us supply that function,
and ours writes the new keys and values into the cache and lets each token see its own conversation up to itself. It works for
every architecture that takes its attention from transformers' attention interface and its positions from `position_ids`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from a3t.errors import ModelError
from a3t.models.cache import KeyValueCache

CPU_RUN = 16
"""Conversations in one attention call on a CPU. All read as far as the longest of them, and more calls cost little there."""

ATTENTION = "a3t_packed"
"""Our name in transformers' registry of attention functions."""


class Segment(NamedTuple):
    """New tokens of one conversation."""

    slot: int
    start: int
    """Tokens of this conversation that are in the cache already: the position of the first new one."""
    ids: Sequence[int]
    keep: int
    """How many of its last tokens need logits."""
    before: Sequence[int] = ()
    """Those `start` tokens; read only where the cache cannot be asked (`a3t.models.unpacked`)."""


@dataclass(slots=True)
class _Run:
    """Conversations with one new token each, in neighbouring slots: one attention call over a view of the cache."""

    first_slot: int
    first_row: int
    lengths: list[int]
    """Tokens each may see, its new one included."""


@dataclass(slots=True)
class Plan:
    """Where every token of a packed batch belongs. Built once per forward pass, read by every layer."""

    cache: KeyValueCache
    ids: Tensor
    """[1, T]"""
    slots: Tensor
    """[T]"""
    positions: Tensor
    """[T]"""
    kept: Tensor
    """[K] packed indices whose logits are wanted, segment by segment."""
    runs: list[_Run]
    longer: list[tuple[int, Segment]]
    """(first packed index, segment) of those with several new tokens."""
    masks: dict[Any, Tensor | None] = field(default_factory=dict)
    """Masks of this pass, made by the first layer that needs them."""


_plan: Plan | None = None
"""The pass that is running. Global because architectures differ in what they hand down to their attention; `LocalModel` runs one
pass at a time."""


def forward(model: Any, cache: KeyValueCache, segments: Sequence[Segment]) -> Tensor:
    """Feed the segments' tokens and keep their keys and values.

    Segments are sorted by `order`. The caller has put the model under `attention(model)`.

    Returns:
        [sum of keep, vocabulary] logits in float32, segment by segment.
    """
    global _plan
    device = next(model.parameters()).device
    plan = _plan = _make_plan(cache, segments, device)
    try:
        logits = model(
            input_ids=plan.ids, position_ids=plan.positions[None], use_cache=False, logits_to_keep=plan.kept, return_dict=True
        ).logits
    finally:
        _plan = None
    return logits[0].float()  # type: ignore[no-any-return]


def order(segment: Segment) -> tuple[bool, int]:
    """Sort key: conversations with one new token first, by slot, so that neighbours share one attention call."""
    return len(segment.ids) > 1, segment.slot


@contextmanager
def attention(model: Any, function: Callable[..., Any] | None = None) -> Iterator[None]:
    """Lend the model our attention (or a `function` around it), and give it back its own."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, function or attend)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    before = inner.config._attn_implementation
    inner.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        inner.set_attn_implementation(before)


def _make_plan(cache: KeyValueCache, segments: Sequence[Segment], device: torch.device) -> Plan:
    widest = CPU_RUN if device.type == "cpu" else len(segments)
    ids: list[int] = []
    slots: list[int] = []
    positions: list[int] = []
    kept: list[int] = []
    runs: list[_Run] = []
    longer: list[tuple[int, Segment]] = []
    for segment in segments:
        row = len(ids)
        count = len(segment.ids)
        ids.extend(segment.ids)
        slots.extend([segment.slot] * count)
        positions.extend(range(segment.start, segment.start + count))
        kept.extend(range(row + count - segment.keep, row + count))
        if count > 1:
            longer.append((row, segment))
        elif runs and segment.slot == runs[-1].first_slot + len(runs[-1].lengths) and len(runs[-1].lengths) < widest:
            runs[-1].lengths.append(segment.start + 1)
        else:
            runs.append(_Run(segment.slot, row, [segment.start + 1]))
    packed = torch.tensor([ids, slots, positions], device=device)
    return Plan(cache, packed[:1], packed[1], packed[2], torch.tensor(kept, dtype=torch.long, device=device), runs, longer)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """The attention of a packed pass: [1, heads, T, dim] in, [1, T, heads, dim] out."""
    for name in ("s_aux", "position_bias"):
        if others.get(name) is not None:
            raise ModelError(f"{type(module).__name__} needs {name!r} in its attention, which a3t's does not know.")
    plan = _plan
    assert plan is not None
    keys, values = plan.cache.write(module.layer_idx, plan.slots, plan.positions, key[0], value[0])
    groups = query.shape[1] // keys.shape[1]
    out = query.new_empty(query.shape[2], query.shape[1], values.shape[3])
    packed = query[0].transpose(0, 1)  # [T, heads, dim]
    for index, run in enumerate(plan.runs):
        count, window = len(run.lengths), max(run.lengths)
        rows = slice(run.first_row, run.first_row + count)
        slots = slice(run.first_slot, run.first_slot + count)
        # One new token each: the query heads that share a key head stand where several tokens would.
        queries = packed[rows].reshape(count, keys.shape[1], groups, -1)
        own_keys, own_values = keys[slots, :, :window], values[slots, :, :window]
        mask = _run_mask(plan, index, sliding_window, query)
        if softcap is None and query.device.type != "cpu":
            answer = scaled_dot_product_attention(queries, own_keys, own_values, attn_mask=mask, scale=scaling)
        else:
            # On a CPU plain products read the cache a quarter faster than the fused kernel does for single queries.
            answer = _plain_attention(queries, own_keys, own_values, mask, scaling, softcap)
        out[rows] = answer.reshape(count, query.shape[1], -1)
    for index, (row, segment) in enumerate(plan.longer):
        end = segment.start + len(segment.ids)
        rows = slice(row, row + len(segment.ids))
        own_keys, own_values = keys[segment.slot, :, :end], values[segment.slot, :, :end]
        if groups > 1:
            own_keys, own_values = own_keys.repeat_interleave(groups, 0), own_values.repeat_interleave(groups, 0)
        queries, own_keys, own_values = query[:, :, rows], own_keys[None], own_values[None]
        if softcap is not None:
            mask = _segment_mask(plan, index, sliding_window, query)
            answer = _plain_attention(queries, own_keys, own_values, mask, scaling, softcap)
        elif segment.start == 0 and (sliding_window is None or end <= sliding_window):
            answer = scaled_dot_product_attention(queries, own_keys, own_values, is_causal=True, scale=scaling)
        else:
            mask = _segment_mask(plan, index, sliding_window, query)
            answer = scaled_dot_product_attention(queries, own_keys, own_values, attn_mask=mask, scale=scaling)
        out[rows] = answer[0].transpose(0, 1)
    return out[None], None


def _plain_attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float | None, softcap: float | None
) -> Tensor:
    scores = (queries * (queries.shape[-1] ** -0.5 if scaling is None else scaling)) @ keys.transpose(-1, -2)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, -1, dtype=torch.float32).to(values.dtype) @ values


def _run_mask(plan: Plan, index: int, sliding_window: int | None, like: Tensor) -> Tensor | None:
    """[rows, 1, 1, window] to be added to the scores; None where every row sees everything."""
    key = ("run", index, sliding_window)
    if key not in plan.masks:
        lengths = plan.runs[index].lengths
        window = max(lengths)
        if min(lengths) == window and (sliding_window is None or window <= sliding_window):
            plan.masks[key] = None
        else:
            ends = torch.tensor(lengths, device=like.device)[:, None, None, None]
            plan.masks[key] = _additive(ends - 1, window, sliding_window, like)
    return plan.masks[key]


def _segment_mask(plan: Plan, index: int, sliding_window: int | None, like: Tensor) -> Tensor | None:
    """[new tokens, tokens so far] to be added to the scores: a token sees its conversation up to itself."""
    key = ("segment", index, sliding_window)
    if key not in plan.masks:
        _row, segment = plan.longer[index]
        end = segment.start + len(segment.ids)
        plan.masks[key] = _additive(torch.arange(segment.start, end, device=like.device)[:, None], end, sliding_window, like)
    return plan.masks[key]


def _additive(own: Tensor, window: int, sliding_window: int | None, like: Tensor) -> Tensor:
    """0 where a query at position `own` may see key j, minus infinity elsewhere."""
    j = torch.arange(window, device=like.device)
    hidden = j > own
    if sliding_window is not None:
        hidden = hidden | (j <= own - sliding_window)
    return torch.zeros(hidden.shape, dtype=like.dtype, device=like.device).masked_fill_(hidden, float("-inf"))
