"""Training a small causal model from scratch on token rows: Muon for matrices, AdamW for the rest, the rate down to zero."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from a3t.learning.encode import Row
from a3t.pretrain.heads import write_copying_heads


@dataclass(frozen=True, slots=True)
class Shape:
    """The model: a Llama in small."""

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    intermediate: int = 384
    max_context: int = 2048
    rope_theta: int = 10_000
    """How slowly positions turn: content can be compared over longer distances where it is large."""
    copying_heads: bool = False
    """Begin with heads that copy (`heads.py`); wants a large `rope_theta`."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How it is trained."""

    batch_tokens: int = 2000
    """Small batches taught these models most (shared experience: 8,000 tokens a batch, under 8 % success)."""
    muon_lr: float = 0.02
    adamw_lr: float = 3e-3
    warmup_steps: int = 60
    weight_decay: float = 0.01
    bfloat16: bool = True
    threads: int = 1


def new_model(shape: Shape, tokenizer: Any, seed: int, share: Callable[[str], Sequence[str]] | None = None) -> Any:
    """A randomly initialised `LlamaForCausalLM`, but for its embeddings: those begin with what the words share.

    ` tomato 1` starts as the sum of a vector for `tomato` and one for `1`, ` tomato` as the sum of the former and one of its own,
    so that looking for a tomato finds `tomato 1` before anything was learned about that instance.

    Args:
        share: a world's own idea of what tokens share: names, one or more, whose vectors a token's is the (scaled) sum of.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.max_context,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": float(shape.rope_theta)},
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    table = model.get_input_embeddings().weight
    generator = torch.Generator().manual_seed(seed)
    shared: dict[str, Any] = {}

    def vector(name: str) -> Any:
        if name not in shared:
            shared[name] = torch.randn(shape.hidden, generator=generator) * config.initializer_range / 2**0.5
        return shared[name]

    with torch.no_grad():
        for index in range(len(tokenizer)):
            text = tokenizer.decode([index]).strip()
            if share is not None:
                names = share(text)
                if names:
                    table[index] = sum(map(vector, (*names, f"alone {index}"))) * (2 / (len(names) + 1)) ** 0.5
                continue
            kind, _, number = text.partition(" ")
            if kind.isalpha() and (number.isdigit() or not number):
                table[index] = vector(kind) + vector(number or f"alone {index}")
    if shape.copying_heads:
        write_copying_heads(model, seed)
    return model


def fit(
    model: Any, rows: Sequence[Row], schedule: Schedule, seed: int, tell: Callable[[dict[str, float]], None] = lambda _: None
) -> None:
    """One pass over the rows, each read once; the model is changed in place.

    Args:
        tell: called about every twenty seconds with `step`, `num_steps`, `tokens`, `loss` (nats per token), `seconds`.
    """
    import torch
    from torch.nn import functional

    torch.set_num_threads(schedule.threads)
    batches = make_batches([len(row) for row in rows], schedule.batch_tokens, np.random.default_rng(seed))
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name and "lm_head" not in name]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    optimizers = [
        torch.optim.Muon(matrices, lr=schedule.muon_lr, weight_decay=schedule.weight_decay),
        torch.optim.AdamW(rest, lr=schedule.adamw_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    peaks = [schedule.muon_lr, schedule.adamw_lr]
    started = last = time.perf_counter()
    tokens, losses = 0, []
    for step, batch in enumerate(batches):
        rate = learning_rate(step, len(batches), schedule.warmup_steps)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
        ids, labels = pad([rows[i] for i in batch])
        with torch.autocast("cpu", torch.bfloat16, enabled=schedule.bfloat16):
            hidden = model.model(ids).last_hidden_state[:, :-1]
            kept = labels[:, 1:] >= 0
            logits = functional.linear(hidden[kept], model.lm_head.weight)
        loss = functional.cross_entropy(logits.float(), labels[:, 1:][kept])
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        tokens += int(kept.sum())
        losses.append(float(loss.detach()))
        now = time.perf_counter()
        if now - last > 20 or step + 1 == len(batches):
            last = now
            recent = losses[-200:]
            tell(
                {
                    "step": step + 1,
                    "num_steps": len(batches),
                    "tokens": tokens,
                    "loss": sum(recent) / len(recent),
                    "seconds": now - started,
                }
            )


def learning_rate(step: int, num_steps: int, warmup: int) -> float:
    """Share of the peak: linear up, then linear down to zero."""
    up = min(1.0, (step + 1) / max(1, warmup))
    return up * max(0.0, 1.0 - step / num_steps)


def make_batches(lengths: Sequence[int], batch_tokens: int, rng: np.random.Generator) -> list[list[int]]:
    """Rows of like length together, at most `batch_tokens` padded tokens each; batches in random order."""
    order = sorted(rng.permutation(len(lengths)).tolist(), key=lambda i: lengths[i] // 16)
    batches: list[list[int]] = [[]]
    for index in order:
        longest = max([lengths[index], *(lengths[i] for i in batches[-1])])
        if batches[-1] and longest * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
        batches[-1].append(index)
    return [batches[i] for i in rng.permutation(len(batches))]


def pad(rows: Sequence[Row]) -> tuple[Any, Any]:
    """Ids and labels, right-padded; a label below 0 is not learned. Causal attention never looks right, so no mask is needed."""
    import torch

    longest = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100, dtype=torch.long)
    for index, row in enumerate(rows):
        values = torch.tensor(row.ids, dtype=torch.long)
        ids[index, : len(values)] = values
        labels[index, : len(values)] = torch.where(torch.tensor(row.trained), values, -100)
    return ids, labels
