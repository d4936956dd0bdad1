"""What a recipe file may say about this world, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from a3t.envs.textcraft.names import NUM_TIERS
from a3t.errors import RecipeError

MAX_SEED = 10**18 - 1
MAX_TASKS = 1_000_000
MAX_DISTRACTORS = 30


def whole(name: str, value: Any, low: int, high: int) -> int:
    """`value`, where it is a whole number from `low` to `high`. Raises: RecipeError: it is not."""
    if not _is_whole(value) or not low <= value <= high:
        raise misfit(name, value, f"a whole number from {low} to {high}")
    return int(value)


def span(name: str, value: Any, low: int, high: int) -> tuple[int, int]:
    """Least and most, from `[2, 6]` or `4`. Raises: RecipeError: it is neither."""
    pair = [value, value] if _is_whole(value) else list(value) if _is_list(value) else []
    if len(pair) != 2 or not all(map(_is_whole, pair)) or not low <= pair[0] <= pair[1] <= high:
        raise misfit(name, value, f"[least, most] between {low} and {high}, or one number")
    return pair[0], pair[1]


def depths_of(value: Any) -> tuple[int, ...]:
    """Depths, sorted and each once, from `[1, 2]` or `3`. Raises: RecipeError: it is neither."""
    given = [value] if _is_whole(value) else list(value) if _is_list(value) else []
    if not given or not all(_is_whole(depth) and 1 <= depth <= NUM_TIERS for depth in given):
        raise misfit("depths", value, f"a list of depths from 1 to {NUM_TIERS}, or one of them")
    return tuple(sorted(set(given)))


def misfit(name: str, value: Any, expected: str) -> RecipeError:
    return RecipeError(f"textcraft: {name} = {ascii(value)[:80]} does not fit: expected {expected}.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
