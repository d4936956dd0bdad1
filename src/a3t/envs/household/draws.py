"""Chance by name: every decision is a function of the words that name it, the same on every machine and Python."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of choices; equal names give equal streams.

    Only `Random.random()` is used: the one method whose sequence Python promises to keep.
    """

    __slots__ = ("_next",)

    def __init__(self, *name: object) -> None:
        digest = blake2b("/".join(map(str, name)).encode(), digest_size=8).digest()
        self._next = random.Random(int.from_bytes(digest, "big")).random

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return self._next() < share

    def below(self, count: int) -> int:
        """0 … count - 1."""
        return int(self._next() * count)

    def between(self, low: int, high: int) -> int:
        """low … high, both included."""
        return low + int(self._next() * (high - low + 1))

    def one_of(self, things: Sequence[T]) -> T:
        return things[int(self._next() * len(things))]

    def weighted(self, weights: Mapping[T, int]) -> T:
        """A key, as often as its weight says; `weights` is not empty."""
        left = self._next() * sum(weights.values())
        for thing, weight in weights.items():
            left -= weight
            if left < 0:
                return thing
        return thing

    def shuffled(self, things: Sequence[T]) -> list[T]:
        rest = list(things)
        for last in range(len(rest) - 1, 0, -1):
            other = int(self._next() * (last + 1))
            rest[last], rest[other] = rest[other], rest[last]
        return rest
