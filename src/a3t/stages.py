"""How a stage runs: what the loop is made of, episodes gathered chunk by chunk, seeds, progress and the clock.

Everything gathered is stored the moment an episode ends. A killed run resumes at the chunk of episodes where it stood and plays
that chunk again from its beginning: batches, and with them every bit of arithmetic, are those of the run that was never killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from a3t.agents.actre import ActReAnnotator
from a3t.agents.asking import Asking, run
from a3t.agents.react import ReactPolicy
from a3t.config import Recipe
from a3t.episode import Terms, policy_mover, rollout
from a3t.errors import Interrupted
from a3t.protocols import Trainer
from a3t.revision.revise import Workshop
from a3t.store import Store
from a3t.tasksets import TaskSets
from a3t.types import Stage, Task, Trajectory
from a3t.worlds import Worlds

T = TypeVar("T")

CHUNK = 4
"""Episodes in a chunk, as a multiple of the batch: what a killed run plays again at most."""


class Progress(Protocol):
    """Tells a person how a long stage goes."""

    def begin(self, what: str, total: int) -> None: ...

    def advance(self, num: int = 1, **shown: object) -> None: ...

    def end(self) -> None: ...

    def say(self, text: str) -> None: ...


@dataclass
class Parts:
    """What the loop is made of; the command line chooses it, a test may too."""

    recipe: Recipe
    folder: Path
    """The run directory."""
    store: Store
    tasks: TaskSets
    worlds: Worlds
    environment: str
    """Name and version of the world."""
    load_policy: Callable[[Path | None], ReactPolicy]
    """From a checkpoint folder; None is the untuned base."""
    bootstrap: Callable[[], ReactPolicy]
    annotator: Callable[[], ActReAnnotator]
    trainer: Trainer
    progress: Progress
    should_stop: Callable[[], bool] = lambda: False
    workshop: Callable[[ReactPolicy, Terms], Workshop] | None = None
    """What revisions are made with; None where the recipe makes none."""
    chat: Sequence[Trajectory] = ()
    """The user's own conversations, to be mixed in."""
    spent: Callable[[], dict[str, Any]] = dict
    """What each server has cost the run so far, by model; empty where everything runs in this process."""
    close: Callable[[], None] = lambda: None
    """Ends servers that were started for the run; the store is its opener's."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock seconds by stage of the round in progress."""


def gather(
    parts: Parts,
    title: str,
    terms: Terms,
    tries: Sequence[tuple[Task, int]],
    play: Callable[[Task, int], Asking[Trajectory]],
    part: str = "",
) -> None:
    """Play one episode for each (task, attempt) and store it. `part` as in `chunked`."""

    def play_one(one: tuple[Task, int], record: Callable[[Trajectory], None]) -> Asking[bool]:
        trajectory = yield from play(*one)
        record(trajectory)
        return trajectory.success

    chunked(parts, title, terms, tries, CHUNK * parts.recipe.evaluate.batch_size, play_one, part)


def chunked(
    parts: Parts,
    title: str,
    terms: Terms,
    items: Sequence[T],
    size: int,
    play: Callable[[T, Callable[[Trajectory], None]], Asking[bool]],
    part: str = "",
) -> None:
    """Play `items` chunk by chunk, store trajectories as they end, and remember which chunks are whole.

    A chunk that a killed run left half done is played again in full, so that its batches are the same; what was acknowledged
    stays as it is.

    Args:
        play: an episode or several for one item; hands its trajectories to the function it is given and says if it succeeded.
        part: tells these items from others of the same stage and round.
    """
    with stage(parts, title, terms.stage, len(items)):
        for start in range(0, len(items), size):
            chunk = items[start : start + size]
            key = f"done/{terms.round_index}/{terms.stage}{part}/{start}"
            if parts.store.meta(key):
                parts.progress.advance(len(chunk))
                continue
            stored = parts.store.done(terms.stage, terms.round_index)

            def record(trajectory: Trajectory, stored: frozenset[Any] = frozenset(stored)) -> None:
                if (trajectory.task.task_id, trajectory.task.split, trajectory.attempt) not in stored:
                    parts.store.add(trajectory)

            episodes = (play(item, record) for item in chunk)
            for solved in run(episodes, parts.recipe.evaluate.batch_size, parts.should_stop):
                parts.progress.advance(1, solved=solved)
            if parts.should_stop():
                raise Interrupted("stopped between two turns")
            parts.store.set_meta(key, True)


def episode(parts: Parts, policy: ReactPolicy, terms: Terms, task: Task, attempt: int, temperature: float) -> Asking[Trajectory]:
    seed = episode_seed(parts.recipe.seed, terms, task, attempt)
    session = f"{terms.round_index}/{terms.stage}/{task.split}/{task.task_id}/{attempt}"
    mover = policy_mover(policy, temperature=temperature, seed=seed, session=session)
    return rollout(parts.worlds, task, mover, terms, seed=seed, attempt=attempt)


def episode_seed(seed: int, terms: Terms, task: Task, attempt: int) -> int:
    """Depends on what the episode is, never on when it runs."""
    from hashlib import sha256

    key = f"{seed}/{terms.stage}/{terms.round_index}/{task.split}/{task.task_id}/{attempt}"
    return int.from_bytes(sha256(key.encode()).digest()[:6], "big")


def terms_of(parts: Parts, stage: Stage, round_index: int, policy: ReactPolicy) -> Terms:
    return terms_for(parts.recipe, parts.environment, policy, stage, round_index)


def terms_for(recipe: Recipe, environment: str, policy: ReactPolicy, stage: Stage, round_index: int = 0) -> Terms:
    """What is common to the episodes of a stage: the recipe's bounds, the world's name, and who plays.

    Args:
        environment: name and version of the world.
    """
    agent = recipe.agent
    return Terms(
        stage=stage,
        round_index=round_index,
        agent=policy.name,
        environment=environment,
        max_turns=agent.max_turns,
        max_thoughts_in_a_row=agent.max_thoughts_in_a_row,
        drop_banner=agent.drop_banner,
        tokenizer=policy.tokenizer,
    )


@contextmanager
def stage(parts: Parts, title: str, name: str, total: int) -> Iterator[None]:
    """Progress and the clock around a stage."""
    started = time.perf_counter()
    parts.progress.begin(title, total)
    try:
        yield
    finally:
        parts.progress.end()
        parts.seconds[str(name)] = parts.seconds.get(str(name), 0.0) + time.perf_counter() - started


def write_json(path: Path, data: object) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)
