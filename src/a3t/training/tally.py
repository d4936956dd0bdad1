"""The curves of a run: what one epoch came to, summed as it goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tally:
    """Sums over one epoch, in float64; part of the resume state.

    Tokens are of four kinds, in this order: observations of successes, words of the agent in successes, observations of
    failures, words of the agent in failures.
    """

    nll: list[float] = field(default_factory=lambda: [0.0] * 4)
    """Nats, before each token's own update."""
    tokens: list[int] = field(default_factory=lambda: [0] * 4)
    loss: float = 0.0
    grad_norm: float = 0.0
    num_steps: int = 0
    row_tokens: int = 0
    seconds: float = 0.0

    def add(self, nll: Sequence[float], tokens: Sequence[int]) -> None:
        """One forward's, by kind."""
        self.nll = [before + more for before, more in zip(self.nll, nll, strict=True)]
        self.tokens = [before + more for before, more in zip(self.tokens, tokens, strict=True)]

    @property
    def success_nll(self) -> float:
        return self._mean((0, 1))

    @property
    def failed_nll(self) -> float:
        return self._mean((2, 3))

    def _mean(self, kinds: Sequence[int]) -> float:
        count = sum(self.tokens[kind] for kind in kinds)
        return sum(self.nll[kind] for kind in kinds) / count if count else math.nan

    def as_json(self, epoch: int, lr: float) -> dict[str, Any]:
        """One point of the curves; a NLL without tokens is None."""
        means = {
            "success_nll": self.success_nll,
            "failed_nll": self.failed_nll,
            "success_agent_nll": self._mean((1,)),
            "failed_agent_nll": self._mean((3,)),
        }
        return {
            "epoch": epoch,
            **{name: None if math.isnan(value) else value for name, value in means.items()},
            "loss": self.loss / max(self.num_steps, 1),
            "grad_norm": self.grad_norm / max(self.num_steps, 1),
            "lr": lr,
            "num_steps": self.num_steps,
            "row_tokens": self.row_tokens,
            "seconds": self.seconds,
            "tokens_per_s": self.row_tokens / self.seconds if self.seconds else 0.0,
        }
