"""The slow way that every architecture can go: one conversation at a time, with transformers' own cache.

For models that `packed` cannot run: recurrent and hybrid ones, and those that place their tokens in a way of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from a3t.models.packed import Segment


class Unpacked:
    """Keeps, per slot, transformers' own cache and the tokens it has seen.

    As in `generate`, a cache is only ever continued by one token; anything else reads the conversation from its start. Recurrent
    states cannot be cut back, and not every architecture goes on from a state with several tokens at once.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._seen: dict[int, tuple[list[int], Any]] = {}

    def forward(self, segments: Sequence[Segment]) -> Tensor:
        """As `packed.forward`: [sum of keep, vocabulary] logits in float32, segment by segment."""
        return torch.cat([self._read(segment) for segment in segments])

    def clear(self) -> None:
        self._seen.clear()

    def _read(self, segment: Segment) -> Tensor:
        before = list(segment.before)
        seen, past = self._seen.pop(segment.slot, ([], None))
        if past is None or seen != before or len(segment.ids) > 1:
            past, ids = None, [*before, *segment.ids]
        else:
            ids = list(segment.ids)
        device = next(self._model.parameters()).device
        output = self._model(input_ids=torch.tensor([ids], device=device), use_cache=True, **self._with(past), return_dict=True)
        kept = getattr(output, "past_key_values", None)
        if kept is None:
            kept = getattr(output, "cache_params", None)
        if kept is not None:
            self._seen[segment.slot] = ([*before, *segment.ids], kept)
        logits: Tensor = output.logits[0, len(ids) - segment.keep :].float()
        return logits

    def _with(self, past: Any) -> dict[str, Any]:
        """The cache under the name that this architecture gives it."""
        if past is None:
            return {}
        import inspect

        names = inspect.signature(self._model.forward).parameters
        return {"cache_params" if "cache_params" in names else "past_key_values": past}
