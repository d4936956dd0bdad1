"""How many tokens go through the model at once: on a GPU as many as its memory holds, found by trying; on a CPU a budget."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import torch

from a3t.errors import ModelError
from a3t.learning.encode import Row
from a3t.training.data import Data
from a3t.training.forward import TokenLogprobs, collate

CPU_TOKENS = 4096
"""Measured on two cores: past a few thousand tokens a forward only falls out of the caches."""


def probe_micro_batch(logprobs: TokenLogprobs, data: Data, batch_tokens: int, cpu_tokens: int = CPU_TOKENS) -> int:
    """Tokens per forward, padding included.

    On CUDA, forwards and backwards of 1, 2, 4, … of the longest row are tried until one does not fit or a whole optimiser batch
    does; a tenth of the memory is left free. Gradients are dropped afterwards.

    Raises:
        ModelError: not even the longest row alone fits.
    """
    longest = max((data.rows[index] for index in data.used_rows), key=len)
    if logprobs.device.type != "cuda":
        return max(len(longest), min(batch_tokens, cpu_tokens))
    fits = 0
    num_rows = 1
    while True:
        if not _fits(logprobs, [longest] * num_rows):
            break
        fits = num_rows
        if fits * len(longest) >= batch_tokens:
            break
        num_rows *= 2
    if not fits:
        raise ModelError(
            f"the longest row, {len(longest)} tokens, does not fit the memory of {torch.cuda.get_device_name()}.\n"
            "  Try: train.gradient_checkpointing = true, or train.method = 'qlora'."
        )
    return fits * len(longest)


def _fits(logprobs: TokenLogprobs, rows: Sequence[Row]) -> bool:
    device = logprobs.device
    torch.cuda.reset_peak_memory_stats(device)
    try:
        logprobs(collate(rows, device)).sum().backward()  # type: ignore[no-untyped-call]
        peak, total = torch.cuda.max_memory_reserved(device), torch.cuda.get_device_properties(device).total_memory
        return bool(peak < 0.9 * total)
    except torch.OutOfMemoryError:
        return False
    finally:
        logprobs.model.zero_grad(set_to_none=True)
        gc.collect()
        torch.cuda.empty_cache()
