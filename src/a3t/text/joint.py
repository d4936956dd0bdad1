"""Several worlds in one run: whose task it is, and the text that each world is played in.

A task of a joint run is a task of one of its worlds under a longer name: `kitchen/t00012` of the world `craft` is
`craft/kitchen/t00012`, and of type `craft: depth-1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from a3t.errors import BadDataError
from a3t.text.react import Dialect
from a3t.types import Task

T = TypeVar("T")

_AFTER_WORLD, _BEFORE_TYPE = "/", ": "
_VERSION, _IS, _BETWEEN = "joint ", " = ", "; "


def joined(world: str, task: Task, split: str) -> Task:
    """A world's own task, as the joint run names it in `split`."""
    kind = f"{world}{_BEFORE_TYPE}{task.task_type}" if task.task_type else world
    return replace(task, task_id=f"{world}{_AFTER_WORLD}{task.task_id}", split=split, task_type=kind)


def world_of(task_id: str) -> str:
    """The name of the world that a joint task is of; of an id without one, the whole id."""
    return task_id.partition(_AFTER_WORLD)[0]


def own_id(task_id: str) -> str:
    """The id that the world itself knows; empty where there is none."""
    return task_id.partition(_AFTER_WORLD)[2]


def own_task(task: Task) -> Task:
    """The task with the id and the type that the world itself gives it; its split stays the joint run's."""
    return replace(task, task_id=own_id(task.task_id), task_type=task.task_type.partition(_BEFORE_TYPE)[2])


def joint_version(versions: Mapping[str, str]) -> str:
    """What a joint run is called in records, from what its worlds call themselves."""
    parts = (f"{world}{_IS}{version.replace(_BETWEEN, ', ')}" for world, version in versions.items())
    return f"{_VERSION}{_BETWEEN.join(parts)}"


def versions_of(version: str) -> Mapping[str, str]:
    """What the worlds of a joint run call themselves; empty where the version is that of any other world.

    >>> versions_of(joint_version({"old": "household/2.1.1", "craft": "textcraft/generated 1"}))
    {'old': 'household/2.1.1', 'craft': 'textcraft/generated 1'}
    >>> versions_of("household/2.1.1")
    {}
    """
    if not version.startswith(_VERSION):
        return {}
    return dict(part.partition(_IS)[::2] for part in version.removeprefix(_VERSION).split(_BETWEEN))


def version_for(task: Task, version: str) -> str:
    """What the world of a task calls itself, where the run's version is that of several."""
    return versions_of(version).get(world_of(task.task_id), version)


def world_with_types(task: Task) -> str:
    """The world of a joint task whose type says more than that; empty for any other task.

    >>> world_with_types(Task("craft/door-d1", "test", "craft: depth-1")), world_with_types(Task("door-d1", "test", "depth-1"))
    ('craft', '')
    """
    world, between, _type = task.task_type.partition(_BEFORE_TYPE)
    return world if between and world == world_of(task.task_id) else ""


def is_part(task_type: str, groups: Iterable[str]) -> bool:
    """Whether a type of tasks is also counted in one of these groups: that of its world.

    >>> is_part("craft: depth-1", {"craft", "home"}), is_part("craft", {"craft", "home"})
    (True, False)
    """
    world, between, _type = task_type.partition(_BEFORE_TYPE)
    return bool(between) and world in groups


def part_named(task_type: str, name: Callable[[str], str]) -> str:
    """A type under a name of somebody's choice, its world before it where it has one."""
    world, between, kind = task_type.partition(_BEFORE_TYPE)
    return f"{world}{between}{name(kind)}" if between else name(task_type)


@dataclass(frozen=True, slots=True)
class SpeechByWorld:
    """The dialect of the world that a task is of: a `Speech`."""

    dialects: Mapping[str, Dialect]
    """By world."""

    def of(self, task: Task) -> Dialect:
        return _of_world(self.dialects, task)


@dataclass(frozen=True, slots=True)
class HeaderByWorld:
    """Instructions and examples of the world that a task is of: a `Header`."""

    headers: Mapping[str, Callable[[Task, str], str]]
    """By world."""

    def __call__(self, task: Task, observation: str) -> str:
        return _of_world(self.headers, task)(own_task(task), observation)


def _of_world(by_world: Mapping[str, T], task: Task) -> T:
    """Raises `BadDataError` for a task of no world: it came from somewhere else."""
    world = world_of(task.task_id)
    if world not in by_world:
        raise BadDataError(
            f"the task {ascii(task.task_id)[:120]} is of none of this run's worlds ({', '.join(by_world)}).\n"
            "  Expected: an id that begins with the name of a world and a slash."
        )
    return by_world[world]
