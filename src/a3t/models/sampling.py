"""Drawing the next token: greedy, or by one uniform number per token that belongs to the request alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Draw(NamedTuple):
    ids: list[int]
    logprobs: list[float]
    """Nats, of the distribution that was drawn from; NaN where the model's logits are not numbers."""


def uniforms(seed: int, count: int) -> np.ndarray:
    """The numbers in [0, 1) that decide a request's draws: token t of its completion takes the t-th.

    They depend on the seed alone, so a request draws the same whatever else is in its batch.
    """
    return np.random.Generator(np.random.Philox(seed % 2**64)).random(count)


def draw(logits: Tensor, temperatures: Sequence[float], numbers: Sequence[float]) -> Draw:
    """One token per row.

    Args:
        logits: [B, vocabulary] float32.
        temperatures: B of them; 0 takes the likeliest token (the first of equals).
        numbers: B uniform numbers in [0, 1); unused where greedy.

    Returns:
        Ids and their log-probabilities with the temperature applied; at temperature 0, those of temperature 1.
    """
    logits = logits - logits.max(-1, keepdim=True).values
    if any(temperature > 0 for temperature in temperatures):
        divisors = torch.tensor([t if t > 0 else 1.0 for t in temperatures], device=logits.device)
        logits = logits / divisors[:, None]
    logprobs = torch.log_softmax(logits, -1)
    ids = logits.argmax(-1)
    sampled = [row for row, temperature in enumerate(temperatures) if temperature > 0]
    if sampled:
        rows = torch.tensor(sampled, device=logits.device)
        cumulative = logprobs[rows].double().exp().cumsum(-1)
        marks = torch.tensor([numbers[row] for row in sampled], dtype=torch.float64, device=logits.device)[:, None]
        # The first token whose cumulative probability exceeds the mark; a token of probability 0 never does.
        chosen = torch.searchsorted(cumulative, marks * cumulative[:, -1:], right=True)[:, 0]
        ids[rows] = chosen.clamp_(max=logits.shape[-1] - 1)
    return Draw(ids.tolist(), logprobs.gather(-1, ids[:, None])[:, 0].tolist())
