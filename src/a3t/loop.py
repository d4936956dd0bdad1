"""The closed loop of A³T, top to bottom.

    round 0      prompt the base on every training task, keep the successes, fine-tune            (bootstrap)
    round 1 …    try each training task once; compose on the failures; train on the contrast; evaluate

How it differs from the paper (Yang et al. 2024), each by default or by recipe:

1. The annotator (ActRe) may be the policy's own base model; the paper prompts gpt-3.5-turbo-instruct, as for the bootstrap.
2. Every explanation carries a consistency gate, recorded, and enforced where the recipe says so.
3. The loss is normalised by trained tokens, not by trajectories (docs/decisions/0004).
4. Exact duplicates of a trajectory are recorded and trained on once.
5. Validation tasks are held out from training as test tasks are; the paper validates on 60 tasks of its own.

Everything gathered is stored the moment an episode ends; a round is written whole, its last record last. A killed run resumes
at the chunk of episodes where it stood and plays that chunk again from its beginning: batches, and with them every bit of
arithmetic, are those of the run that was never killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from a3t.agents.actre import ActReAnnotator
from a3t.agents.asking import Asking, run
from a3t.agents.react import ReactPolicy
from a3t.config import Recipe
from a3t.episode import Terms, Worlds, policy_mover, rollout
from a3t.errors import Interrupted, NothingToTrainError
from a3t.evaluate import accumulated, by_split, score
from a3t.explore import compose
from a3t.learning.dataset import build_dataset
from a3t.protocols import Trainer
from a3t.report.tally import costs, exploration
from a3t.store import Store
from a3t.tasksets import TaskSets
from a3t.types import Round, Stage, Task, Trajectory

T = TypeVar("T")

CHUNK = 4
"""Episodes in a chunk, as a multiple of the batch: what a killed run plays again at most."""

BASE_ROUND = -1
"""Round index of the untuned base's own trials: before round 0."""

TRAINING_STAGES = (Stage.COLLECT, Stage.EXPLORE, Stage.REVISE, Stage.IMPORT)


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
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock seconds by stage of the round in progress."""


def run_loop(parts: Parts) -> None:
    """Close the loop for as many rounds as the recipe says, from where the store stands.

    Raises:
        Interrupted: `should_stop` said so; everything finished is saved.
        NothingToTrainError: the bootstrap solved no task at all.
    """
    parts.store.protect(parts.tasks.held_out)
    for round_index in range(parts.store.next_round(), parts.recipe.num_rounds):
        collect(parts, round_index)
        explore(parts, round_index)
        fitted = train(parts, round_index)
        evaluate(parts, round_index)
        finish(parts, round_index, fitted)


def run_to(parts: Parts, last: str) -> int:
    """Go on with the round in progress to the end of one stage: `collect`, `explore`, `train`, or `evaluate`, which finishes it.

    What comes before that stage is done first where it is missing: half of it would be taken for the whole.

    Returns:
        The round's index.
    """
    parts.store.protect(parts.tasks.held_out)
    round_index = parts.store.next_round()
    collect(parts, round_index)
    if last == "collect":
        return round_index
    explore(parts, round_index)
    if last == "explore":
        return round_index
    fitted = train(parts, round_index)
    if last == "train":
        return round_index
    evaluate(parts, round_index)
    finish(parts, round_index, fitted)
    return round_index


def checkpoint(parts: Parts, round_index: int) -> Path:
    return parts.folder / "rounds" / f"{round_index:02d}" / "policy"


def failures(trajectories: Iterable[Trajectory]) -> list[Trajectory]:
    """The policy's own failures; an episode that broke says nothing about the policy."""
    return [t for t in trajectories if not t.success and not t.is_broken]


def named(trajectory: Trajectory) -> tuple[str, str]:
    """Its task; an id alone may be used in several splits."""
    return trajectory.task.split, trajectory.task.task_id


# --- stages: each does what is missing of it, provided that the one before it is whole ------


def collect(parts: Parts, round_index: int) -> None:
    """The policy tries each training task: prompted in round 0 (the bootstrap), tuned and greedy, once, afterwards."""
    recipe = parts.recipe
    if round_index == 0:
        evaluate(parts, BASE_ROUND)
    policy = parts.bootstrap() if round_index == 0 else parts.load_policy(checkpoint(parts, round_index - 1))
    num_attempts = recipe.bootstrap.num_attempts if round_index == 0 else 1
    terms = terms_of(parts, Stage.COLLECT, round_index, policy)
    tries = [(task, attempt) for attempt in range(num_attempts) for task in parts.tasks.train]

    def play(task: Task, attempt: int) -> Asking[Trajectory]:
        bootstrapping = recipe.bootstrap.temperature if attempt == 0 else recipe.bootstrap.retry_temperature
        return episode(parts, policy, terms, task, attempt, bootstrapping if round_index == 0 else 0.0)

    gather(parts, f"round {round_index} · {'collect' if round_index else 'bootstrap'}", terms, tries, play)


def explore(parts: Parts, round_index: int) -> None:
    """Compose trajectories on each task that the policy failed; nothing in round 0."""
    if round_index == 0:
        return
    recipe, annotator = parts.recipe, parts.annotator()
    policy = parts.load_policy(checkpoint(parts, round_index - 1))
    failed = failures(parts.store.trajectories(stages=(Stage.COLLECT,), rounds=(round_index,)))
    terms = replace(
        terms_of(parts, Stage.EXPLORE, round_index, policy),
        annotator=annotator.name,
        max_turns=recipe.explore.max_turns or recipe.agent.max_turns,
    )
    seen = actions_seen(parts, failed, round_index)

    def play(trajectory: Trajectory, record: Callable[[Trajectory], None]) -> Asking[bool]:
        task = trajectory.task
        composed = yield from compose(
            parts.worlds,
            task,
            policy,
            annotator,
            recipe.explore,
            recipe.annotator,
            terms,
            seed=episode_seed(recipe.seed, terms, task, 0),
            seen=seen[task],
            record=record,
        )
        return any(t.success for t in composed)

    chunked(parts, f"round {round_index} · explore", terms, failed, parts.recipe.evaluate.batch_size, play)


def train(parts: Parts, round_index: int) -> dict[str, Any]:
    """Fit a new policy, from the base, on everything gathered so far. Returns what `finish` records of it."""
    gathered = parts.store.training_trajectories(rounds=range(round_index + 1))
    dataset = build_dataset(gathered, parts.recipe.objective)
    if not dataset.weighted:
        raise NothingToTrainError(
            f"round {round_index} has no trajectory to train on: none of {len(parts.tasks.train)} training tasks was solved.\n"
            "  Try a stronger base, bootstrap.num_attempts above 1, or easier tasks."
        )
    with stage(parts, f"round {round_index} · train", "train", 0):
        training = parts.trainer.fit(dataset.weighted, checkpoint(parts, round_index), round_index=round_index)
    return {"training": training, "dataset": dataset.stats.as_json()}


def evaluate(parts: Parts, round_index: int) -> None:
    """One greedy trial of every validation and test task, by the round's policy or, before round 0, by the base."""
    if round_index == BASE_ROUND and not parts.recipe.evaluate.base:
        return
    is_base = round_index == BASE_ROUND
    policy = parts.bootstrap() if is_base else parts.load_policy(checkpoint(parts, round_index))
    terms = terms_of(parts, Stage.EVALUATE, round_index, policy)
    tries = [(task, 0) for task in parts.tasks.held_out]
    title = f"{'base' if is_base else f'round {round_index}'} · evaluate"
    gather(parts, title, terms, tries, lambda task, attempt: episode(parts, policy, terms, task, attempt, 0.0))


def finish(parts: Parts, round_index: int, fitted: dict[str, Any]) -> None:
    """Write the round, its record last."""
    metrics = measure(parts, round_index) | fitted
    out = checkpoint(parts, round_index)
    write_json(out.parent / "metrics.json", metrics)
    parts.store.finish_round(Round(round_index, str(out.relative_to(parts.folder)), metrics))
    parts.seconds.clear()


def measure(parts: Parts, round_index: int) -> dict[str, Any]:
    """The round's figures, from records alone; the shape is in docs/report.md."""
    store = parts.store
    trials = [list(store.trajectories(stages=(Stage.EVALUATE,), rounds=(r,))) for r in range(round_index + 1)]
    validation = {(task.split, task.task_id) for task in parts.tasks.validation}
    test = [[t for t in trial if named(t) not in validation] for trial in trials]
    confidence = parts.recipe.evaluate.confidence
    metrics: dict[str, Any] = {
        "scores": {split: scores.to_json() for split, scores in by_split(test[-1], confidence).items()},
        "accumulated": {
            split: accumulated([[t for t in trial if t.task.split == split] for trial in test], confidence).to_json()
            for split in parts.tasks.test
        },
        "cost": costs(store.trajectories(rounds=(BASE_ROUND, 0) if round_index == 0 else (round_index,)), parts.seconds),
    }
    if validation:
        metrics["validation"] = score((t for t in trials[-1] if named(t) in validation), confidence).to_json()
    gathered = [list(store.trajectories(stages=TRAINING_STAGES, rounds=(r,))) for r in range(round_index + 1)]
    metrics["accumulated"][parts.recipe.environment.train_split] = accumulated(gathered, confidence).to_json()
    if round_index > 0:
        metrics["explore"] = exploration(gathered[-1]).to_json()
    elif parts.recipe.evaluate.base:
        base = [t for t in store.trajectories(stages=(Stage.EVALUATE,), rounds=(BASE_ROUND,)) if named(t) not in validation]
        metrics["base"] = {split: scores.to_json() for split, scores in by_split(base, confidence).items()}
    return metrics


# --- how a stage runs -----------------------------------------------------------


def gather(
    parts: Parts,
    title: str,
    terms: Terms,
    tries: Sequence[tuple[Task, int]],
    play: Callable[[Task, int], Asking[Trajectory]],
) -> None:
    """Play one episode for each (task, attempt) and store it."""

    def play_one(one: tuple[Task, int], record: Callable[[Trajectory], None]) -> Asking[bool]:
        trajectory = yield from play(*one)
        record(trajectory)
        return trajectory.success

    chunked(parts, title, terms, tries, CHUNK * parts.recipe.evaluate.batch_size, play_one)


def chunked(
    parts: Parts,
    title: str,
    terms: Terms,
    items: Sequence[T],
    size: int,
    play: Callable[[T, Callable[[Trajectory], None]], Asking[bool]],
) -> None:
    """Play `items` chunk by chunk, store trajectories as they end, and remember which chunks are whole.

    A chunk that a killed run left half done is played again in full, so that its batches are the same; what was acknowledged
    stays as it is.

    Args:
        play: an episode or several for one item; hands its trajectories to the function it is given and says if it succeeded.
    """
    with stage(parts, title, terms.stage, len(items)):
        for start in range(0, len(items), size):
            chunk = items[start : start + size]
            key = f"done/{terms.round_index}/{terms.stage}/{start}"
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
    agent = parts.recipe.agent
    return Terms(
        stage=stage,
        round_index=round_index,
        agent=policy.name,
        environment=parts.environment,
        max_turns=agent.max_turns,
        max_thoughts_in_a_row=agent.max_thoughts_in_a_row,
        drop_banner=agent.drop_banner,
        tokenizer=policy.tokenizer,
    )


def actions_seen(parts: Parts, failed: Sequence[Trajectory], round_index: int) -> dict[Task, set[tuple[str, ...]]]:
    """Action sequences of the failed tasks so far, this round's compositions left out."""
    wanted = {t.task: {t.actions} for t in failed}
    for earlier in parts.store.trajectories(stages=TRAINING_STAGES, rounds=range(round_index)):
        if earlier.task in wanted:
            wanted[earlier.task].add(earlier.actions)
    return wanted


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
