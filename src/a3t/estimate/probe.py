"""A short probe: a few real episodes, compositions and training steps with the recipe's own models, timed and counted."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from a3t.agents.actre import ActReAnnotator
from a3t.agents.asking import Asking, run
from a3t.agents.react import ReactPolicy
from a3t.config import Recipe
from a3t.episode import Terms, policy_mover, rollout
from a3t.errors import EnvironmentFailure, Interrupted, ModelError, NothingToTrainError
from a3t.estimate.measured import Group, Pace, Probe, Sample, fit_pace, like, sample
from a3t.explore import compose
from a3t.protocols import Trainer
from a3t.stages import terms_for
from a3t.tasksets import stratified
from a3t.types import Stage, Task, Trajectory, Weighted

COMPOSED_TASKS = 4
COMPOSITIONS_PER_TASK = 2
TRAIN_BATCHES = 3
"""Optimiser steps per epoch that are timed; of two epochs the second counts, when everything is warm."""


@dataclass(frozen=True)
class Means:
    """What the probe works with: the recipe's own parts."""

    recipe: Recipe
    worlds: Any
    tasks: Sequence[Task]
    """Training tasks to try; held-out ones are left alone."""
    environment: str
    bootstrap: Callable[[], ReactPolicy]
    policy: Callable[[], ReactPolicy]
    annotator: Callable[[], ActReAnnotator]
    trainer: Callable[[float], Trainer] | None
    """From a number of epochs; None where somebody else trains."""
    row_tokens: Callable[[Trajectory], int]
    say: Callable[[str], None]
    should_stop: Callable[[], bool] = lambda: False


def measure(means: Means, num_episodes: int) -> Probe:
    """Play and train a little.

    Args:
        num_episodes: tries per kind of player; a quarter of them first, so that two widths tell what a batch costs.

    Raises:
        ModelError, EnvironmentFailure: every probed episode broke; the message is the first one's.
        Interrupted: `should_stop`.
    """
    began = time.perf_counter()
    recipe = means.recipe
    started = time.perf_counter()
    bootstrap, policy = means.bootstrap(), means.policy()
    load_s = time.perf_counter() - started
    tasks = stratified(means.tasks, num_episodes, np.random.default_rng([recipe.seed, 11]))
    means.say(f"probe: {len(tasks)} tries")
    tries, first_pace = _tries(means, bootstrap, tasks)
    first = _samples(means, tries)
    if _is_same(bootstrap, policy):
        own, own_pace = first, first_pace
    else:
        means.say(f"probe: {len(tasks)} tries by the policy's base")
        own_tries, own_pace = _tries(means, policy, tasks)
        own = _samples(means, own_tries)
    composed: list[Trajectory] = []
    compose_pace = own_pace
    if recipe.explore.num_compositions and recipe.num_rounds > 1:
        means.say("probe: compositions")
        composed, compose_pace = _compositions(means, policy, tries, own_pace)
    speed, start_s = None, 0.0
    if means.trainer is not None:
        means.say("probe: a few training steps")
        speed, start_s = _train(means, tries)
    return Probe(
        bootstrap=first,
        policy=own,
        compositions=_samples(means, composed) if composed else (),
        bootstrap_pace=first_pace,
        policy_pace=own_pace,
        composition_pace=compose_pace,
        train_tokens_per_s=speed,
        train_start_s=start_s,
        load_s=load_s,
        seconds=time.perf_counter() - began,
        usd=sum(t.cost.usd for t in (*tries, *composed)) + (0.0 if own is first else sum(one.usd for one in own)),
    )


def _is_same(one: ReactPolicy, other: ReactPolicy) -> bool:
    return one.model is other.model and one.header == other.header


def _tries(means: Means, policy: ReactPolicy, tasks: Sequence[Task]) -> tuple[list[Trajectory], Pace]:
    """Two groups, a narrow one and a wide one, each begun all at once."""
    terms, temperature = _terms(means, Stage.COLLECT, policy), means.recipe.bootstrap.temperature
    narrow = max(1, len(tasks) // 4)
    played: list[Trajectory] = []
    groups = []
    for number, part in enumerate((tasks[:narrow], tasks[narrow:])):
        if not part:
            continue
        episodes = [
            rollout(
                means.worlds,
                task,
                policy_mover(policy, temperature=temperature, seed=index, session=f"probe/{number}/{task.split}/{task.task_id}"),
                terms,
                seed=index,
            )
            for index, task in enumerate(part)
        ]
        started = time.perf_counter()
        done = _play(means, episodes, len(part))
        groups.append(_group(([t] for t in done), time.perf_counter() - started))
        played += done
    _at_least_one(played)
    return played, fit_pace(groups)


def _compositions(
    means: Means, policy: ReactPolicy, tries: Sequence[Trajectory], own_pace: Pace
) -> tuple[list[Trajectory], Pace]:
    recipe = means.recipe
    failed = [t.task for t in tries if not t.success and not t.is_broken] or [t.task for t in tries]
    tasks = failed[:COMPOSED_TASKS]
    number = min(COMPOSITIONS_PER_TASK, recipe.explore.num_compositions)
    explore = recipe.explore.model_copy(update={"num_compositions": number, "min_compositions": number})
    annotator = means.annotator()
    max_turns = explore.max_turns or recipe.agent.max_turns
    terms = replace(_terms(means, Stage.EXPLORE, policy), annotator=annotator.name, max_turns=max_turns)
    episodes = [
        compose(means.worlds, task, policy, annotator, explore, recipe.annotator, terms, seed=1_000 + index)
        for index, task in enumerate(tasks)
    ]
    started = time.perf_counter()
    done = _play(means, episodes, len(tasks))
    pace = like(own_pace, _group(done, time.perf_counter() - started))
    played = [t for chain in done for t in chain]
    _at_least_one(played)
    return played, pace


def _play(means: Means, episodes: Iterable[Asking[Any]], width: int) -> list[Any]:
    done = list(run(episodes, width, means.should_stop))
    if means.should_stop():
        raise Interrupted("the probe was stopped; nothing is kept of it")
    return done


def _group(chains: Iterable[Sequence[Trajectory]], seconds: float) -> Group:
    """Side by side: the passes are the calls of the longest chain."""
    calls = [sum(max(1, t.cost.model_calls) for t in chain) for chain in chains]
    return Group(max(calls), sum(calls), seconds)


def _samples(means: Means, trajectories: Sequence[Trajectory]) -> tuple[Sample, ...]:
    return tuple(sample(t, means.row_tokens(t)) for t in trajectories if not t.is_broken)


def _at_least_one(played: Sequence[Trajectory]) -> None:
    """A probe in which everything broke says why, instead of an estimate."""
    if not all(t.is_broken for t in played):
        return
    kind = ModelError if played[0].stop.value == "model_error" else EnvironmentFailure
    raise kind(f"every probed episode broke; the first: {played[0].error}")


def _train(means: Means, tries: Sequence[Trajectory]) -> tuple[float | None, float]:
    """Tokens a second, and the seconds besides the steps. The probe's episodes stand for the data, repeated until they fill
    a few batches; every one imitates, so that any objective has something to train on."""
    assert means.trainer is not None
    rows = [t for t in tries if not t.is_broken and t.steps]
    wanted = TRAIN_BATCHES * means.recipe.train.batch_tokens
    have = sum(means.row_tokens(t) for t in rows)
    if not have:
        return None, 0.0
    repeated = rows * max(1, -(-wanted // have))
    with _scratch() as folder:
        started = time.perf_counter()
        try:
            metrics = means.trainer(2.0).fit([Weighted(t, 1.0) for t in repeated], folder / "policy", round_index=0)
        except NothingToTrainError:
            return None, 0.0
        seconds = time.perf_counter() - started
    last = metrics["epochs"][-1]
    stepping = sum(epoch["seconds"] for epoch in metrics["epochs"])
    return last["row_tokens"] / max(last["seconds"], 1e-9), max(0.0, seconds - stepping)


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="a3t-estimate-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _terms(means: Means, stage: Stage, policy: ReactPolicy) -> Terms:
    return terms_for(means.recipe, means.environment, policy, stage)
