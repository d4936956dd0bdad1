"""Log-probabilities of the trained tokens of some rows, and of no others.

Rows are padded on the right and go through the model without an attention mask: attention is causal, so no real token ever sees
padding, and the fast causal kernel applies. The model's own head is run on the trained positions alone, by a hook in front of it:
whatever the model does to logits after its head (scaling, soft-capping) still happens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from a3t.errors import ModelError
from a3t.learning.encode import Row


class Inputs(NamedTuple):
    """B rows as the model reads them; N trained tokens in all, row by row."""

    ids: Tensor
    """[B, T], right-padded."""
    predicting: Tensor
    """[N] indices into [B·T] of the positions whose logits predict a trained token: the token before it."""
    targets: Tensor
    """[N] the trained tokens."""
    row: Tensor
    """[N] in [0, B)."""


def collate(rows: Sequence[Row], device: torch.device) -> Inputs:
    """Pad and flatten. Padding is token 0: nothing attends to it and nothing is predicted from it."""
    width = max(len(row) for row in rows)
    ids = np.zeros((len(rows), width), np.int64)
    trained = np.zeros((len(rows), width), np.bool_)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row.ids
        trained[index, : len(row)] = row.trained
    row_of, column = np.nonzero(trained)
    arrays = ids, row_of * width + column - 1, ids[row_of, column], row_of
    return Inputs(*(torch.from_numpy(array).to(device, non_blocking=True) for array in arrays))


class TokenLogprobs:
    """A causal language model as a function from rows to the log-probabilities of their trained tokens."""

    def __init__(self, model: Any, autocast: torch.dtype | None = None) -> None:
        self.model = model
        self.autocast = autocast
        """The dtype of matrix products, or None for that of the weights."""
        self._selected = threading.local()
        head = model.get_output_embeddings()
        if head is None:
            raise ModelError(f"{type(model).__name__} has no language-model head: a causal language model is needed.")
        head.register_forward_pre_hook(self._select)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    def __call__(self, inputs: Inputs) -> Tensor:
        """[N] log p of each trained token given those before it, nats, float32."""
        with (
            self._positions(inputs.predicting),
            torch.autocast(inputs.ids.device.type, self.autocast, enabled=self.autocast is not None),
        ):
            logits = self.model(input_ids=inputs.ids, use_cache=False).logits[0]
        return -F.cross_entropy(logits.float(), inputs.targets, reduction="none")

    @contextmanager
    def _positions(self, positions: Tensor) -> Iterator[None]:
        # Each thread its own: forwards may go side by side.
        self._selected.positions = positions
        try:
            yield
        finally:
            self._selected.positions = None

    def _select(self, _head: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        positions: Tensor | None = getattr(self._selected, "positions", None)
        if positions is None:
            return arguments
        hidden, *rest = arguments
        return hidden.flatten(0, 1).index_select(0, positions)[None], *rest
