"""What earlier rounds made of a task's bad tries: which are settled, and which came to nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from a3t.revision.records import Lessons, Ref

TaskName = tuple[str, str]
"""Split and id."""


class Past(NamedTuple):
    """Of one task; a bad try in neither has not been paired yet."""

    settled: frozenset[Ref] = frozenset()
    """A revision of it is trained on."""
    tried: frozenset[Ref] = frozenset()
    """It was paired, and no revision that is still trained on came of it."""


NO_PAST = Past()


def pasts(told: Iterable[Lessons], kept: Collection[tuple[str, str, Ref]]) -> dict[TaskName, Past]:
    """By task, what records of earlier rounds say of its bad tries.

    Args:
        kept: revisions that are trained on, by split and id of the task.
    """
    found: dict[TaskName, Past] = {}
    for one in told:
        task = one.split, one.task_id
        settled = {lesson.bad for lesson in one.lessons if lesson.revision and (*task, lesson.revision) in kept}
        before = found.get(task, Past())
        settled |= before.settled
        found[task] = Past(frozenset(settled), (before.tried | {lesson.bad for lesson in one.lessons}) - settled)
    return found
