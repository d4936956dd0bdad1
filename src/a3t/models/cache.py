"""Keys and values of many conversations in one block of memory per layer: [slots, heads, length, dim].

A slot holds one conversation, token t of it at position t. Nothing ever moves: a batch reads the slots where they lie, and what
lies beyond a conversation's length is left-over memory that no query may see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

LENGTH_STEP = 128
"""Lengths are rounded up to this many tokens, so that a growing conversation seldom reallocates."""


class KeyValueCache:
    """Storage only: who sits in which slot is `a3t.models.sessions`' business."""

    def __init__(self) -> None:
        self.num_slots = 0
        self.length = 0
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}

    @property
    def token_bytes(self) -> int:
        """Memory of one token of one conversation over all layers; 0 until a forward pass has shown the shapes."""
        blocks = [*self.keys.values(), *self.values.values()]
        return sum(block.shape[1] * block.shape[3] * block.element_size() for block in blocks)

    @property
    def num_bytes(self) -> int:
        return self.token_bytes * self.num_slots * self.length

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store token i of a packed batch at (slots[i], positions[i]).

        Args:
            layer: which layer's block.
            slots, positions: [T] where each token goes.
            keys, values: [heads, T, dim] of that layer.

        Returns:
            The layer's whole blocks, [slots, heads, length, dim].
        """
        if layer not in self.keys:
            self.keys[layer] = _zeros(keys, (self.num_slots, keys.shape[0], self.length, keys.shape[2]))
            self.values[layer] = _zeros(values, (self.num_slots, values.shape[0], self.length, values.shape[2]))
        all_keys, all_values = self.keys[layer], self.values[layer]
        all_keys[slots, :, positions] = keys.transpose(0, 1)
        all_values[slots, :, positions] = values.transpose(0, 1)
        return all_keys, all_values

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """Give `target` the first `length` tokens of `source`."""
        for block in (*self.keys.values(), *self.values.values()):
            block[target, :, :length] = block[source, :, :length]

    def resize(self, num_slots: int, length: int, kept: Sequence[tuple[int, int]]) -> None:
        """Reallocate. `kept` lists (old slot, tokens used); the i-th of them becomes slot i."""
        for blocks in (self.keys, self.values):
            for layer, old in blocks.items():
                new = _zeros(old, (num_slots, old.shape[1], length, old.shape[3]))
                for index, (slot, used) in enumerate(kept):
                    new[index, :, :used] = old[slot, :, :used]
                blocks[layer] = new  # one layer at a time, so that only one layer is ever held twice
        self.num_slots, self.length = num_slots, length


def _zeros(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Zeros and not garbage: a masked key has weight 0, but 0 times a left-over NaN would still be NaN.

    On a CPU numpy allocates them, because it asks Linux for huge pages: whole caches are read for every token, and with pages of
    4 KB the processor spends more time on looking up addresses than on reading (measured: up to twice).
    """
    if like.device.type != "cpu" or 0 in shape:
        return like.new_zeros(shape)
    return torch.from_numpy(np.zeros(math.prod(shape) * like.element_size(), np.uint8)).view(like.dtype).view(shape)
