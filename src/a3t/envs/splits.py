"""Which splits an environment has, and where among them a task is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from a3t.errors import A3TError
from a3t.types import Task

COMMON_SPLITS = ("train", "valid_seen", "valid_unseen", "valid_train", "validation", "valid", "dev", "test", "eval")
"""Tried where the environment has no `splits` attribute."""


def splits_of(env: Any) -> list[str]:
    """Names of the splits: `env.splits`, or the common names that it knows; empty where it has no tasks."""
    if not hasattr(env, "tasks"):
        return []
    named = getattr(env, "splits", None)
    return list(named) if named is not None else [split for split in COMMON_SPLITS if _knows(env, split)]


def all_tasks(env: Any) -> Iterator[Task]:
    """Every task, split by split, listed only as far as it is asked for."""
    for split in splits_of(env):
        yield from env.tasks(split)


def _knows(env: Any, split: str) -> bool:
    try:
        env.tasks(split)
    except A3TError:
        return False
    return True
