"""TextCraft as an environment: `a3t.make("textcraft", seed=0, depths=[1, 2], …)`, or `recipes="…/data/minecraft/recipes"`.

Where tasks come from is told here; playing them is `world.py`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from string import printable
from typing import Any, NamedTuple

import gymnasium

from a3t.envs.textcraft.book import words
from a3t.envs.textcraft.folder import Loaded, load
from a3t.envs.textcraft.generate import GENERATOR, Spec, draw_spec, generate
from a3t.envs.textcraft.names import SPLITS
from a3t.envs.textcraft.options import MAX_DISTRACTORS, MAX_SEED, MAX_TASKS, depths_of, span, whole
from a3t.envs.textcraft.shelf import game_of, targets
from a3t.envs.textcraft.world import MAX_ACTION, Game, State
from a3t.errors import EnvironmentFailure, MissingDataError, UnknownTaskError, nearest, unknown
from a3t.types import Task

ENGINE = "a3t-crafting 1"
"""Goes into every record; the number changes whenever an answer of the engine does."""
MAX_TEXT = 100_000
"""Characters that Gymnasium's text space allows for."""
MAX_ID = 300
MAX_COMPARED = 20_000
NUM_GENERATED = {"train": 2000, "valid": 100, "test": 200}
_ID = re.compile(r"[a-z0-9_]+-d[1-4]/s(0|[1-9]\d{0,17})-([tvx])(\d{5,9})")


class Snapshot(NamedTuple):
    """Where an episode stands: a value, true whatever the environment does next."""

    game: Game
    state: State
    text: str
    num_steps: int
    over: bool


class TextCraftEnv(gymnasium.Env[str, str]):
    """Crafting from a list of recipes: `get 2 oak log`, `craft 4 oak planks using 1 oak log`, `inventory`.

    `info` holds `actions` (fetching what the shown recipes name, crafting what the inventory allows; sorted), `valid` (False
    where the command was refused: `Could not …`) and `success`. The reward is 1 for crafting the goal, which ends the episode,
    and 0 before; a step after the end changes nothing and repeats the last answer.

    Args:
        seed: makes other tasks; with `recipes`, draws other distractors and another order of the lines.
        recipes: a folder of Minecraft's recipe files; None generates tasks.
        depths: crafting steps above what the world gives, 1 to 4; generated tasks deal them in turn.
        distractors: shown recipes that lead nowhere, least and most.
        num_train, num_valid, num_test: tasks of the three splits; None is 2000, 100, 200, or all that `recipes` allows.
        split: where `reset` without a `task_id` draws its task from.
        max_steps: truncate an episode after so many steps; None never does.

    Raises:
        RecipeError: an option does not make sense.
        MissingDataError: the folder is not there, or nothing in it can be asked for.
        BadDataError: a file in it is damaged.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (Gymnasium's own declaration)

    def __init__(
        self,
        seed: int = 0,
        *,
        recipes: Path | str | None = None,
        depths: Sequence[int] | int = (1, 2, 3, 4),
        distractors: Sequence[int] | int = (4, 10),
        num_train: int | None = None,
        num_valid: int | None = None,
        num_test: int | None = None,
        split: str | None = None,
        max_steps: int | None = None,
    ) -> None:
        self.seed = whole("seed", seed, 0, MAX_SEED)
        self.depths = depths_of(depths)
        self.distractors = span("distractors", distractors, 0, MAX_DISTRACTORS)
        asked = {"train": num_train, "valid": num_valid, "test": num_test}
        self.num_tasks = {
            name: None if number is None else whole(f"num_{name}", number, 1, MAX_TASKS) for name, number in asked.items()
        }
        self.max_steps = None if max_steps is None else whole("max_steps", max_steps, 1, 10**9)
        self._loaded: Loaded | None = None if recipes is None else load(recipes)
        if not self.splits:
            raise MissingDataError(
                f"textcraft: nothing under {str(recipes)!r} is crafted in {self.depths[0]} to {self.depths[-1]} steps (depths)."
            )
        if split is not None and split not in self.splits:
            raise unknown("split of textcraft", split, self.splits)
        self.split = split or self.splits[0]
        characters = "".join(sorted(printable))
        self.observation_space = gymnasium.spaces.Text(MAX_TEXT, min_length=0, charset=characters)
        self.action_space = gymnasium.spaces.Text(MAX_ACTION, min_length=0, charset=characters)
        self._now: Snapshot | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """train, valid, test; of a small recipe folder, those that have a task."""
        if self._loaded is None:
            return tuple(SPLITS)
        return tuple(split for split, its in targets(self._loaded.book, self.depths).items() if its)

    @property
    def version(self) -> str:
        """`textcraft/generated 1 a3t-crafting 1`, or the digest of the recipes that were read: `textcraft/recipes 1f2e3d4c …`."""
        return f"textcraft/{GENERATOR if self._loaded is None else f'recipes {self._loaded.digest}'} {ENGINE}"

    @property
    def actions(self) -> list[str]:
        """The sorted admissible commands, as in `info`; for after a `restore`."""
        now = self._playing()
        return [] if now.over else now.game.actions(now.state)

    def tasks(self, split: str) -> Sequence[Task]:
        """All tasks of a split, in a fixed order.

        Raises:
            UnknownNameError: no such split.
        """
        if split not in self.splits:
            raise unknown("split of textcraft", split, self.splits)
        if self._loaded is None:
            number = self.num_tasks[split] or NUM_GENERATED[split]
            return _generated(self.seed, split, number, self.depths, self.distractors)
        return self._on_shelf(self._loaded, split)

    def solution(self, task_id: str) -> list[str]:
        """Commands that win the task, for someone who knows all recipes. Raises: UnknownTaskError."""
        return self._find(task_id)().plan.commands

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start `options["task_id"]`; without one, a task that `seed` draws from `options["split"]` or the environment's split.

        Raises:
            UnknownTaskError: no such task here.
            UnknownNameError: no such split.
        """
        super().reset(seed=seed)
        options = options or {}
        task_id = options.get("task_id")
        if task_id is None:
            tasks = self.tasks(options.get("split") or self.split)
            task_id = tasks[int(self.np_random.integers(len(tasks)))].task_id
        game = self._find(task_id)()
        self._now = Snapshot(game, State(), game.intro, 0, False)
        return game.intro, self._info(valid=True)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        game, state, text, num_steps, over = self._playing()
        valid = False
        if not over:
            # What is not text is refused like any other nonsense: no action may raise.
            state, text, valid = game.play(state, action if isinstance(action, str) else "")
            num_steps += 1
        truncated = not state.won and self.max_steps is not None and num_steps >= self.max_steps
        self._now = Snapshot(game, state, text, num_steps, state.won or truncated)
        return text, float(state.won), state.won, truncated, self._info(valid)

    def snapshot(self) -> Snapshot:
        """The episode as a value; taking one costs nothing."""
        return self._playing()

    def restore(self, state: object) -> None:
        """Go on from a snapshot, of this environment or another."""
        if not isinstance(state, Snapshot):
            raise EnvironmentFailure(f"textcraft restores its own snapshots, not a {type(state).__name__}.")
        self._now = state

    def _playing(self) -> Snapshot:
        if self._now is None:
            raise gymnasium.error.ResetNeeded("textcraft: call reset() before playing.")
        return self._now

    def _info(self, valid: bool) -> dict[str, Any]:
        return {"actions": self.actions, "valid": valid, "success": self._playing().state.won}

    def _find(self, task_id: object) -> Callable[[], Game]:
        """What makes the game that an id names. Raises: UnknownTaskError."""
        if self._loaded is None:
            spec = self._spec(task_id)
            return lambda: _game(spec)
        book, known = self._loaded.book, targets(self._loaded.book, self.depths)
        asked = (item for split, its in known.items() for item in its[: self.num_tasks[split]])
        item = next((item for item in asked if _shelf_id(book.depth(item), item) == task_id), None)
        if item is None:
            raise UnknownTaskError(self._unknown(task_id, "not among the tasks of these recipes and options"))
        return lambda: game_of(book, item, self.seed, self.distractors)

    def _spec(self, task_id: object) -> Spec:
        """The task that an id names: made again from the numbers in it, and held against the whole id."""
        found = _ID.fullmatch(task_id) if isinstance(task_id, str) and len(task_id) < MAX_ID else None
        if found is None:
            raise UnknownTaskError(self._unknown(task_id, "ids are like 'oak_door-d3/s0-t00042'"))
        seed, letter, index = int(found[1]), found[2], int(found[3])
        split = next(name for name, its_letter in SPLITS.items() if its_letter == letter)
        number = self.num_tasks[split] or NUM_GENERATED[split]
        if seed != self.seed:
            raise UnknownTaskError(self._unknown(task_id, f"it belongs to seed={seed}, this world has seed={self.seed}"))
        if index >= number:
            raise UnknownTaskError(self._unknown(task_id, f"{split} has {number} tasks (num_{split})"))
        spec = draw_spec(seed, split, index, self.depths, self.distractors)
        if spec.task_id != task_id:
            raise UnknownTaskError(self._unknown(task_id, f"number {index} of {split} is {spec.task_id!r} under these options"))
        return spec

    def _unknown(self, task_id: object, why: str) -> str:
        # Comparing with all of very many tasks would take longer than the reader waits.
        few = isinstance(task_id, str) and len(task_id) < MAX_ID and (self.num_tasks["train"] or 0) <= MAX_COMPARED
        close = nearest(str(task_id), (task.task_id for task in self.tasks(self.split)), limit=1) if few else []
        hint = f"Nearest: {close[0]!r}. " if close else ""
        return f"textcraft has no task {ascii(task_id)[:120]}: {why}.\n  {hint}`a3t tasks textcraft` lists them."

    def _on_shelf(self, loaded: Loaded, split: str) -> tuple[Task, ...]:
        depth = loaded.book.depth
        its = targets(loaded.book, self.depths)[split][: self.num_tasks[split]]
        return tuple(_task(_shelf_id(depth(item), item), split, depth(item), words(item)) for item in its)


def _task(task_id: str, split: str, depth: int, name: str) -> Task:
    return Task(task_id, split, f"depth-{depth}", f"craft {name}.")


def _shelf_id(depth: int, item: str) -> str:
    return f"{words(item).replace(' ', '_')}-d{depth}"


@lru_cache(maxsize=16)
def _generated(seed: int, split: str, number: int, depths: tuple[int, ...], distractors: tuple[int, int]) -> tuple[Task, ...]:
    specs = (draw_spec(seed, split, index, depths, distractors) for index in range(number))
    return tuple(_task(spec.task_id, split, spec.target.tier, spec.target.name) for spec in specs)


@lru_cache(maxsize=256)
def _game(spec: Spec) -> Game:
    """Shared by all environments of the process: a task is often played many times in a row."""
    return generate(spec)
