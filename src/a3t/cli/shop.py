"""`a3t play`: where a person's session goes, and the shop as web pages."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from a3t.envs.play import find_task
from a3t.envs.splits import splits_of
from a3t.errors import RecipeError, TestTaskError
from a3t.types import Stage, Task, Trajectory

TEST_SPLITS = ("test", "eval", "valid_seen", "valid_unseen")
"""Sessions on these are never demonstrations; a store that we make for sessions is closed to them."""


class Recorder:
    """Appends sessions to a JSONL file (`.jsonl`), or to the store of a run directory, which is made where there is none.

    Args:
        path: where to; None keeps nothing.
        env: the world that is played: its test tasks are what a store that we make is closed to.
    """

    def __init__(self, path: Path | None, env: Any = None) -> None:
        self.path = path
        self._env = env
        self.is_file = path is not None and (path.suffix == ".jsonl" or path.is_file())

    def refuse_early(self, tasks: Iterable[Task]) -> None:
        """Say before the playing, not after it, that these sessions could not be kept.

        Raises:
            TestTaskError: the store holds one of the tasks out of training data.
            StoreError, MissingDataError, …: the store cannot be opened.
        """
        if self.path is None or self.is_file:
            return
        with self._store() as store:
            for task in tasks:
                if store.is_protected(task):
                    raise TestTaskError(
                        f"{task.split}/{task.task_id} is a test task: a session on it would be a demonstration of the answer.\n"
                        "  Try: --split train, or --record FILE.jsonl for a record that is no training data."
                    )

    def add(self, trajectory: Trajectory) -> str:
        """Keep a session, numbered among those of its task; says where it went."""
        from a3t.store import read_jsonl, write_jsonl

        if self.path is None:
            return ""
        if self.is_file:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            earlier = list(read_jsonl(self.path)) if self.path.exists() else []
            write_jsonl(self.path, [*earlier, _numbered(trajectory, earlier)])
        else:
            with self._store() as store:
                split, task_id = trajectory.task.split, trajectory.task.task_id
                attempts = [d.attempt for d in store.done(Stage.IMPORT, 0) if (d.split, d.task_id) == (split, task_id)]
                store.add(replace(trajectory, attempt=max(attempts, default=-1) + 1))
        return f"Recorded in {self.path}."

    def _store(self) -> Any:
        from a3t.store import Store

        assert self.path is not None
        store = Store.open(self.path)
        try:
            if store.run is None:
                store.protect(splits=TEST_SPLITS)
                if getattr(self._env, "one_task_per_id", False):
                    store.protect(_test_tasks(self._env), in_every_split=True)
        except BaseException:
            store.close()
            raise
        return store


def _test_tasks(env: Any) -> list[Task]:
    return [task for split in splits_of(env) if split in TEST_SPLITS for task in env.tasks(split)]


def _numbered(trajectory: Trajectory, earlier: Iterable[Trajectory]) -> Trajectory:
    attempts = [one.attempt for one in earlier if one.task == trajectory.task and one.stage is trajectory.stage]
    return replace(trajectory, attempt=max(attempts, default=-1) + 1)


def play_on_the_web(env: Any, name: str, tasks: list[Task], task: str | None, port: int, recorder: Recorder) -> None:
    """Serve the shop until Ctrl-C or SIGTERM; every visit that ends is recorded, and those that had not ended then."""
    from a3t.envs.webshop import WebshopEnv
    from a3t.envs.webshop.web import Storefront, serve

    if not isinstance(env, WebshopEnv):
        raise RecipeError(f"--web shows a shop, and {name!r} is none.\n  Try: a3t play webshop --web, or a3t play {name}.")
    first = next((place for place, one in enumerate(tasks) if one.task_id == task), None) if task is not None else 0
    if first is None:
        # Says what is nearest.
        env.reset(options={"task_id": task})
        found = find_task(env, task)
        assert found is not None
        raise RecipeError(f"task {task!r} is in the split {found.split!r}.\n  Try: --split {found.split}")
    recorder.refuse_early(tasks)

    def ended(trajectory: Trajectory) -> str:
        said = recorder.add(trajectory)
        score = f"reward {trajectory.reward:g}" if trajectory.steps and trajectory.reward else trajectory.stop.value
        print(f"{trajectory.task.split}/{trajectory.task.task_id}: {score}. {said}", flush=True)
        return said

    def ready(url: str) -> None:
        print(f"The shop is open at {url}   Ctrl-C closes it.", flush=True)

    with _sigterm_as_ctrl_c():
        serve(Storefront(env, tasks, first, ended), port, ready)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """What a service manager sends ends the visits as a person does; a second one does not cut that short."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
