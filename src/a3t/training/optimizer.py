"""AdamW, paged where that exists, and the learning rate of each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from a3t.config import TrainConfig


def lr_at(step: int, num_steps: int, train: TrainConfig) -> float:
    """Learning rate of optimiser step `step` (from 0): linear warm-up over `warmup_share`, then the schedule.

    Linear and cosine reach their end at the last step, not after it: `lr / num_decay_steps` and its cosine equivalent, never 0.
    """
    num_warmup = math.ceil(train.warmup_share * num_steps)
    if step < num_warmup:
        return train.lr * (step + 1) / num_warmup
    left = (num_steps - step) / max(num_steps - num_warmup, 1)
    if train.schedule == "linear":
        return train.lr * left
    if train.schedule == "cosine":
        return train.lr * (1 - math.cos(math.pi * left)) / 2
    return train.lr


def make_optimizer(parameters: Sequence[Tensor], train: TrainConfig, name: str) -> torch.optim.Optimizer:
    """`name` is one that exists here: see `weights.available`."""
    if name == "paged_adamw_32bit":
        import bitsandbytes

        paged: torch.optim.Optimizer = bitsandbytes.optim.PagedAdamW32bit(
            parameters, lr=train.lr, weight_decay=train.weight_decay
        )
        return paged
    return torch.optim.AdamW(parameters, lr=train.lr, weight_decay=train.weight_decay, fused=True)


def state_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimiser's state as tensors by name, and what in it is not a tensor."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            (tensors if isinstance(value, Tensor) else plain)[f"{index}.{key}"] = value
    return tensors, plain


def restore_state(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
    """Undo `state_tensors`."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **plain}.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
