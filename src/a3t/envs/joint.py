"""Several worlds as one: `a3t.make("joint", worlds={"home": {"name": "household"}, "craft": {"name": "textcraft"}})`.

One run then gathers in all of them and trains one policy for all, as Agent-R's authors do. A task's id and type begin with the
name of its world (`a3t.text.joint`); what is played, said and paid is the world's own business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from string import printable
from typing import Annotated, Any, Literal, NamedTuple

import gymnasium
import numpy as np
from pydantic import Field, ValidationError

from a3t.config import Section
from a3t.envs.blame import listing, version_of
from a3t.errors import EnvironmentFailure, RecipeError, UnknownNameError, UnknownTaskError, nearest, unknown
from a3t.misfits import explain
from a3t.tasksets import stratified
from a3t.text.joint import joined, joint_version, own_id, world_of
from a3t.text.react import DIALECTS, HOUSEHOLD
from a3t.types import Task

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

OWN_SPLITS: Mapping[str, Mapping[Split, str]] = {
    "alfworld": {"validation": "valid_seen", "test": "valid_unseen"},
    "household": {"validation": "valid_seen", "test": "valid_unseen"},
    "scienceworld": {"validation": "dev"},
    "textcraft": {"validation": "valid"},
}
"""What our worlds call a split of a joint run, where it is something else."""

MAX_TEXT = 1_000_000
"""Characters that Gymnasium's text space allows for."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


class WorldConfig(Section):
    """One world of a joint run, under a name of the run's own."""

    name: str | None = None
    """As for `a3t.make`; None: the name that the run gives it."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Passed to the world's constructor."""
    format: str | None = None
    """How its turns are written; None: the format that has the world's name, or `household`."""
    splits: dict[Split, str] = Field(default_factory=dict)
    """What the world calls the joint run's splits, where neither the name nor `OWN_SPLITS` says it."""
    num: dict[Split, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Tasks of each split at most, a sample stratified by type; without it all of them."""


class Spec(NamedTuple):
    """A world of a joint run, everything said."""

    world: str
    """Its name in the run."""
    name: str
    """As for `a3t.make`."""
    format: str
    options: Mapping[str, Any]
    splits: Mapping[Split, str]
    """Its own name of each of the run's splits."""
    is_told: frozenset[Split]
    """Splits that the recipe names or counts, so that it must have them."""
    num: Mapping[Split, int]


class Snapshot(NamedTuple):
    """Where an episode stands: a value, as long as the world's own is."""

    world: str
    state: object


class JointEnv(gymnasium.Env[str, str]):
    """Several worlds, each with its tasks, answers and rewards.

    The splits are `train`, `validation` and `test`: what each world calls so. A world without one of them has no task in it.

    Args:
        worlds: name in this run -> `WorldConfig` as a table: `{"name": "textcraft", "options": {"depths": [1]}}`.
        seed: decides which tasks are taken where `num` bounds them.

    Raises:
        RecipeError: `worlds` does not make sense, or an option of a world does not.
        MissingExtraError, MissingDataError: a world needs a package or files that are not there.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (Gymnasium's own declaration)

    def __init__(self, worlds: Mapping[str, Any] | None = None, seed: int = 0) -> None:
        from a3t.envs import make

        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise RecipeError(f"joint: seed = {ascii(seed)[:80]} does not fit: expected a whole number from 0.")
        self.seed = seed
        self.specs = {spec.world: spec for spec in read_worlds(worlds)}
        self._worlds: dict[str, Any] = {}
        try:
            for world, spec in self.specs.items():
                self._worlds[world] = make(spec.name, **spec.options)
        except BaseException:
            self.close()
            raise
        self._tasks: dict[Split, tuple[Task, ...]] = {}
        self._world = ""
        """The one that is being played."""
        self.observation_space = gymnasium.spaces.Text(MAX_TEXT, min_length=0, charset=self._charset("observation_space"))
        self.action_space = gymnasium.spaces.Text(1000, min_length=0, charset=self._charset("action_space"))

    @property
    def splits(self) -> tuple[Split, ...]:
        """Those of train, validation and test that some world has tasks of."""
        return tuple(split for split in SPLITS if self.tasks(split))

    @property
    def version(self) -> str:
        """What all worlds call themselves; while one is played, what that one does."""
        if self._world:
            return self._version(self._world)
        return joint_version({world: self._version(world) for world in self.specs})

    @property
    def one_task_per_id(self) -> bool:
        """Where all its worlds promise it; that the splits of one that does share nothing is seen to here."""
        return all(getattr(env, "one_task_per_id", False) for env in self._worlds.values())

    def tasks(self, split: str) -> Sequence[Task]:
        """The tasks that the worlds have in a split, world by world, each in its own order.

        Raises:
            UnknownNameError: no such split, or a world has none of the name that the recipe gives it.
            RecipeError: splits of a world hold the same tasks.
        """
        if split not in SPLITS:
            raise unknown("split of joint", split, SPLITS)
        if split not in self._tasks:
            self._tasks[split] = tuple(task for world in self.specs for task in self._tasks_of(world, split))
        return self._tasks[split]

    def solution(self, task_id: str) -> Sequence[str] | None:
        """Actions that win, where the task's world knows them. Raises: UnknownTaskError."""
        solve = getattr(self._worlds[self._find(task_id)], "solution", None)
        return None if solve is None else solve(own_id(task_id))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start `options["task_id"]`; without one, a task that `seed` draws from `options["split"]`, or from training.

        Raises:
            UnknownTaskError: no such task here.
            UnknownNameError: no such split.
        """
        super().reset(seed=seed)
        told = dict(options or {})
        if told.get("task_id") is None:
            split = told.get("split") or "train"
            tasks = self.tasks(split)
            if not tasks:
                raise UnknownTaskError(f"joint has no task in split {split!r}: none of its worlds has one.")
            told["task_id"] = tasks[int(self.np_random.integers(len(tasks)))].task_id
        world = self._find(told["task_id"])
        own = {**told, "task_id": own_id(told["task_id"])}
        if own.get("split") in SPLITS:
            own["split"] = self.specs[world].splits[own["split"]]
        answer: tuple[str, dict[str, Any]] = self._worlds[world].reset(seed=seed, options=own)
        self._world = world
        return answer

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        answer: tuple[str, float, bool, bool, dict[str, Any]] = self._playing().step(action)
        return answer

    @property
    def snapshot(self) -> Any:
        """`snapshot()` of the world that is being played; no attribute at all where that world keeps none."""
        playing = self._worlds.get(self._world)
        if playing is not None and not (hasattr(playing, "snapshot") and hasattr(playing, "restore")):
            raise AttributeError(f"the world {self._world!r} has no snapshot")
        return lambda: Snapshot(self._world, self._playing().snapshot())

    def restore(self, state: object) -> None:
        """Go on from a snapshot, of this environment or another with the same worlds."""
        if not isinstance(state, Snapshot) or state.world not in self._worlds:
            raise EnvironmentFailure(f"joint restores its own snapshots, not a {type(state).__name__}.")
        self._worlds[state.world].restore(state.state)
        self._world = state.world

    def close(self) -> None:
        """Close every world, though one of them may fail to."""
        for env in self._worlds.values():
            with suppress(Exception):
                getattr(env, "close", lambda: None)()

    def _playing(self) -> Any:
        if not self._world:
            raise gymnasium.error.ResetNeeded("joint: call reset() before playing.")
        return self._worlds[self._world]

    def _version(self, world: str) -> str:
        return version_of(self._worlds[world], self.specs[world].name)

    def _charset(self, space: str) -> str:
        told = [getattr(getattr(env, space, None), "characters", printable) for env in self._worlds.values()]
        return "".join(sorted(set().union(*told)))

    def _tasks_of(self, world: str, split: Split) -> list[Task]:
        spec, env = self.specs[world], self._worlds[world]
        with listing(spec.name):
            if not hasattr(env, "tasks"):
                raise RecipeError(f"joint: the world {world!r} ({spec.name}) has no `tasks(split)`, so there is nothing to play.")
            known = getattr(env, "splits", None)
            must_be_there = split in spec.is_told or split == "train"
            if known is not None and spec.splits[split] not in known and not must_be_there:
                return []
            try:
                own = list(env.tasks(spec.splits[split]))
            except UnknownNameError:
                if must_be_there:
                    raise
                return []
        if getattr(env, "one_task_per_id", False):
            self._refuse_shared(world, split, own)
        tasks = [joined(world, task, split) for task in own]
        return stratified(tasks, spec.num.get(split, len(tasks)), np.random.default_rng([self.seed, SPLITS.index(split)]))

    def _refuse_shared(self, world: str, split: Split, own: Sequence[Task]) -> None:
        """Where an id is one task in every split, splits of different names may still hold the same tasks."""
        ids = {task.task_id for task in own}
        for other, tasks in self._tasks.items():
            shared = {own_id(task.task_id) for task in tasks if world_of(task.task_id) == world} & ids
            if other != split and shared:
                names = self.specs[world].splits
                raise RecipeError(
                    f"joint: splits {names[other]!r} and {names[split]!r} of the world {world!r} share {len(shared)} tasks, "
                    f"such as {min(shared)!r}: test tasks never touch training, nor what decides what is reported."
                )

    def _find(self, task_id: object) -> str:
        """The world of a task. Raises: UnknownTaskError."""
        world = world_of(task_id) if isinstance(task_id, str) else ""
        if world not in self.specs:
            close = nearest(world, self.specs, limit=1)
            hint = f"Nearest world: {close[0]!r}. " if close else f"Worlds: {', '.join(self.specs)}. "
            raise UnknownTaskError(
                f"joint has no task {ascii(task_id)[:120]}: ids begin with the name of a world and a slash.\n"
                f"  {hint}`a3t tasks` lists them."
            )
        return world


def read_worlds(worlds: object) -> tuple[Spec, ...]:
    """The worlds of a joint run, from the recipe's `environment.options.worlds`.

    Raises:
        RecipeError: it is no table of tables, or a key or value in it does not fit.
        UnknownNameError: no such text format.
    """
    if not isinstance(worlds, Mapping) or not worlds:
        raise RecipeError(
            f"joint: worlds = {ascii(worlds)[:80]} does not fit: expected a table for each world, by a name of yours.\n"
            '  In a recipe: [environment.options.worlds.craft] and below it name = "textcraft"; on the command line:\n'
            '  environment.options.worlds=\'{home = {name = "household"}, craft = {name = "textcraft"}}\''
        )
    return tuple(_spec(world, told) for world, told in worlds.items())


def _spec(world: object, told: object) -> Spec:
    if not isinstance(world, str) or not _NAME.fullmatch(world):
        raise RecipeError(f"joint: {ascii(world)[:80]} is no name of a world: expected letters, digits, `-` and `_`.")
    where = f"joint: the world {world!r}"
    try:
        config = WorldConfig.model_validate(told)
    except ValidationError as error:
        raise RecipeError("\n".join(explain(item, WorldConfig, where) for item in error.errors())) from None
    name = config.name or world
    if name == "joint":
        raise RecipeError(f"{where} is joint itself: name its worlds beside each other.")
    if config.format is not None and config.format not in DIALECTS:
        raise unknown("text format", config.format, DIALECTS)
    spoken = config.format or (name if name in DIALECTS else HOUSEHOLD.name)
    splits = {split: config.splits.get(split) or OWN_SPLITS.get(name, {}).get(split, split) for split in SPLITS}
    alike = next((split for split in SPLITS for other in SPLITS if split != other and splits[split] == splits[other]), None)
    if alike is not None:
        raise RecipeError(
            f"{where}: two of train, validation and test are its split {splits[alike]!r}: test tasks never touch training,\n"
            "  nor what decides what is reported. Where it has no split of its own for one of them, leave that one out."
        )
    return Spec(world, name, spoken, config.options, splits, frozenset((*config.splits, *config.num)), config.num)
