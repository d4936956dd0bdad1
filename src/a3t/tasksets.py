"""Which tasks train, which validate, which test: seeded, balanced by type, and never overlapping."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from a3t.config import EnvironmentConfig
from a3t.errors import RecipeError
from a3t.protocols import Environment
from a3t.types import Task


@dataclass(frozen=True, slots=True)
class TaskSets:
    """The tasks of a run."""

    train: tuple[Task, ...]
    validation: tuple[Task, ...]
    test: Mapping[str, tuple[Task, ...]]
    """By split."""
    one_task_per_id: bool = False
    """The world's own word: an id is the same task whatever the split, so what is held out is held out under any split's name."""

    @property
    def held_out(self) -> tuple[Task, ...]:
        """Everything that must never be trained on."""
        return (*self.validation, *(task for tasks in self.test.values() for task in tasks))


def choose_tasks(env: Environment, config: EnvironmentConfig, seed: int) -> TaskSets:
    """Draw the tasks of a run from an environment.

    Raises:
        RecipeError: the environment lists no tasks, or a test split is one that is trained on or validated with, by its name
            or, where the world has one task per id, by its tasks.
        UnknownNameError: no such split.
    """
    list_tasks = getattr(env, "tasks", None)
    if list_tasks is None:
        raise RecipeError(
            f"environment {config.name!r} has no `tasks(split)`, so there is nothing to train on and nothing to test."
        )
    rng = np.random.default_rng([seed, 7])
    if config.train_split in config.test_splits:
        raise RecipeError(
            f"environment.test_splits names {config.train_split!r}, which is trained on: test tasks never touch training."
        )
    if config.num_validation_tasks and config.validation_split in config.test_splits:
        raise RecipeError(
            f"environment.validation_split is {config.validation_split!r}, which is also tested on: "
            "what decides cannot be what is reported.\n"
            "  Name another split, or environment.num_validation_tasks=0."
        )
    one_task_per_id = bool(getattr(env, "one_task_per_id", False))
    if one_task_per_id:
        _refuse_shared_tasks(env, config)
    together = config.num_train_tasks + (config.num_validation_tasks if config.validation_split == config.train_split else 0)
    drawn = stratified(list_tasks(config.train_split), together, rng)
    if config.validation_split == config.train_split:
        # Fewer tasks than asked for: validation gets its share first, or there is no honest choice to make.
        num_validation = min(config.num_validation_tasks, len(drawn) // 2)
        validation = stratified(drawn, num_validation, rng)
        held = {task.task_id for task in validation}
        train = [task for task in drawn if task.task_id not in held][: config.num_train_tasks]
    else:
        validation = stratified(list_tasks(config.validation_split), config.num_validation_tasks, rng)
        train = drawn
    test = {
        split: tuple(stratified(list_tasks(split), config.num_test_tasks or len(list_tasks(split)), rng))
        for split in config.test_splits
    }
    if not train:
        raise RecipeError(f"split {config.train_split!r} of {config.name!r} has no tasks to train on.")
    return TaskSets(tuple(train), tuple(validation), test, one_task_per_id)


def _refuse_shared_tasks(env: Any, config: EnvironmentConfig) -> None:
    """Where an id is one task in every split, splits of different names may still hold the same tasks."""
    ids = functools.cache(lambda split: {task.task_id for task in env.tasks(split)})
    pairs = [(config.train_split, split, "test tasks never touch training") for split in config.test_splits]
    if config.num_validation_tasks:
        pairs += [(config.validation_split, split, "what decides cannot be what is reported") for split in config.test_splits]
        if config.validation_split != config.train_split:
            pairs.append((config.train_split, config.validation_split, "what decides cannot be what is trained on"))
    for one, other, why in pairs:
        shared = ids(one) & ids(other)
        if shared:
            raise RecipeError(
                f"splits {one!r} and {other!r} of {config.name!r} share {len(shared)} tasks, such as {min(shared)!r}: {why}.\n"
                f"  Splits that share none: {', '.join(getattr(env, 'splits', ())) or 'none that the world names'}."
            )


def stratified(tasks: Sequence[Task], num: int, rng: np.random.Generator) -> list[Task]:
    """`num` tasks in their order, the types in proportion (largest remainders); all of them if there are fewer."""
    if num >= len(tasks):
        return list(tasks)
    by_type: dict[str, list[int]] = {}
    for index, task in enumerate(tasks):
        by_type.setdefault(task.task_type, []).append(index)
    exact = {kind: num * len(indices) / len(tasks) for kind, indices in by_type.items()}
    quota = {kind: int(share) for kind, share in exact.items()}
    by_remainder = sorted(exact, key=lambda kind: (quota[kind] - exact[kind], kind))
    for kind in by_remainder[: num - sum(quota.values())]:
        quota[kind] += 1
    chosen = [index for kind in sorted(by_type) for index in rng.permutation(by_type[kind])[: quota[kind]]]
    return [tasks[index] for index in sorted(int(i) for i in chosen)]
