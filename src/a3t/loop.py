"""The closed loop of A³T, top to bottom.

    round 0      prompt the base on every training task, keep the successes, fine-tune            (bootstrap)
    round 1 …    try each training task once; compose on the failures; train on the contrast; evaluate
                 (Agent-R, where the recipe says so: search each training task, revise the mistakes, train on both)

How it differs from the paper (Yang et al. 2024), each by default or by recipe:

1. The annotator (ActRe) may be the policy's own base model; the paper prompts gpt-3.5-turbo-instruct, as for the bootstrap.
2. Every explanation carries a consistency gate, recorded, and enforced where the recipe says so.
3. The loss is normalised by trained tokens, not by trajectories (docs/decisions/0004).
4. Exact duplicates of a trajectory are recorded and trained on once.
5. Validation tasks are held out from training as test tasks are; the paper validates on 60 tasks of its own.
6. The recipes of the small bases that ship leave observations out of the loss, because these bases do; the paper's has them in.

With `[revise]` in a recipe, rounds from `first_round` on also grow revisions of the policy's own mistakes (Agent-R, Yuan et al.
2025), and one training set holds both. How that differs from its paper and its public code: docs/agent-r.md.

`run_loop` is the story, and each stage a function below it. What the loop is made of (`Parts`), and how a stage plays its
episodes chunk by chunk so that a killed run equals one that was not: `stages.py`. A round is written whole, its last record last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from a3t.agents.asking import Asking
from a3t.config import Recipe
from a3t.errors import NothingToTrainError, RecipeError
from a3t.evaluate import accumulated, by_split, score
from a3t.explore import compose
from a3t.learning.mixture import training_set
from a3t.report.tally import costs, exploration, with_cost
from a3t.revision import records
from a3t.revision.going_on import going_on
from a3t.revision.measures import behaviour, recovery, wrong_beginning
from a3t.revision.pairs import is_good
from a3t.revision.past import NO_PAST, Past, TaskName, pasts
from a3t.revision.revise import Workshop, pairs_of
from a3t.revision.revise import revise as make_revisions
from a3t.revision.tally import revised
from a3t.revision.tries import Try, gathered_tries, tree_tries
from a3t.search.grow import grow, trajectory
from a3t.search.tree import Budget, Tree
from a3t.stages import (
    CHUNK,
    Parts,
    chunked,
    episode,
    episode_seed,
    gather,
    stage,
    terms_of,
    write_json,
)
from a3t.store.trees import load_tree, load_trees, save_tree
from a3t.tasksets import stratified
from a3t.types import Round, Stage, Task, Trajectory

BASE_ROUND = -1
"""Round index of the untuned base's own trials: before round 0."""

DRAWN = 1
"""Attempt of the trials that wrong beginnings are taken from; what comes after such a beginning is attempt 0."""

TRAINING_STAGES = (Stage.COLLECT, Stage.EXPLORE, Stage.SEARCH, Stage.REVISE, Stage.IMPORT)


def run_loop(parts: Parts) -> None:
    """Close the loop for as many rounds as the recipe says, from where the store stands.

    Raises:
        Interrupted: `should_stop` said so; everything finished is saved.
        NothingToTrainError: the bootstrap solved no task at all.
    """
    while parts.store.next_round() < parts.recipe.num_rounds:
        run_to(parts, "evaluate")


def run_to(parts: Parts, last: str) -> int:
    """Go on with the round in progress to the end of one stage: collect, explore, revise, train, or evaluate, which finishes it.

    What comes before that stage is done first where it is missing: half of it would be taken for the whole.

    Returns:
        The round's index.
    """
    parts.store.protect(parts.tasks.held_out, in_every_split=parts.tasks.one_task_per_id)
    round_index = parts.store.next_round()
    collect(parts, round_index)
    if last == "collect":
        return round_index
    explore(parts, round_index)
    if last == "explore":
        return round_index
    search(parts, round_index)
    revise(parts, round_index)
    if last == "revise":
        return round_index
    fitted = train(parts, round_index)
    if last == "train":
        return round_index
    evaluate(parts, round_index)
    recover(parts, round_index)
    finish(parts, round_index, fitted)
    return round_index


def checkpoint(parts: Parts, round_index: int) -> Path:
    return checkpoint_of(parts.folder, round_index)


def checkpoint_of(folder: Path, round_index: int) -> Path:
    """Where a run directory keeps a round's policy."""
    return folder / "rounds" / f"{round_index:02d}" / "policy"


def failures(trajectories: Iterable[Trajectory]) -> list[Trajectory]:
    """The policy's own failures; an episode that broke says nothing about the policy."""
    return [t for t in trajectories if not t.success and not t.is_broken]


def why_nothing(tried: Iterable[Trajectory], tasks: Sequence[Task]) -> str:
    """Whose doing it is that nothing was solved, with what to try: the base's, or that of a world or a model that breaks."""
    num_tried, complaints = 0, Counter[str]()
    for one in tried:
        num_tried += 1
        if one.is_broken:
            complaints[one.error] += 1
    num_broken = complaints.total()
    if num_tried and num_broken == num_tried:
        return (
            f"all {num_tried} episodes broke, so that nothing is known about the base. Most often: {commonest(complaints)}\n"
            "  Try: a3t env check ENV, environment.step_timeout_s above what a step takes, or `a3t doctor` where the model broke."
        )
    also = f"; {num_broken} of {num_tried} episodes broke, most often: {commonest(complaints)}" if num_broken else "."
    return (
        f"none of {len(tasks)} training tasks was solved{also}\n"
        "  Try a stronger base, bootstrap.num_attempts above 1, or easier tasks."
    )


def commonest(complaints: Counter[str]) -> str:
    """One line of it."""
    return (complaints.most_common(1)[0][0].strip() or "without a word").splitlines()[0][:200]


def named(trajectory: Trajectory) -> tuple[str, str]:
    """Its task; an id alone may be used in several splits."""
    return trajectory.task.split, trajectory.task.task_id


# --- stages: each does what is missing of it, provided that the one before it is whole ------


def collect(parts: Parts, round_index: int) -> None:
    """The policy tries each training task: prompted in round 0 (the bootstrap), tuned and greedy, once, afterwards."""
    recipe = parts.recipe
    if round_index == 0:
        evaluate(parts, BASE_ROUND)
        recover(parts, BASE_ROUND)
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
    share = share_of(recipe.explore.round_tokens, len(failed))

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
            max_tokens=share,
            record=record,
        )
        return any(t.success for t in composed)

    chunked(parts, f"round {round_index} · explore", terms, failed, parts.recipe.evaluate.batch_size, play)


def search(parts: Parts, round_index: int) -> None:
    """Grow a tree on each training task (Agent-R); the policy of the round before is the actor."""
    recipe = parts.recipe
    if recipe.revise.source != "search" or round_index < recipe.revise.first_round:
        return
    shop = workshop(parts, Stage.SEARCH, round_index)
    tasks = parts.tasks.train[: recipe.revise.num_tasks]
    told = recipe.search
    limits = [limit for limit in (told.max_tokens, share_of(told.round_tokens, len(tasks))) if limit is not None]
    budget = Budget(told.num_rollouts, told.max_depth or recipe.agent.max_turns, min(limits, default=None), told.max_seconds)
    # A server's answers do not hang on what else is in a batch: its trees, which cost money, go on from their last rollout.
    goes_on = recipe.policy.kind != "local"
    keep = partial(save_tree, parts.store, round_index)

    def play(task: Task, record: Callable[[Trajectory], None]) -> Asking[bool]:
        settings = replace(shop.settings, seed=episode_seed(recipe.seed, shop.terms, task, 0))
        begun = load_tree(parts.store, round_index, task) if goes_on else None
        note = keep if goes_on else lambda _tree: None
        tree: Tree = yield from grow(parts.worlds, task, shop.actor, shop.terms, settings, budget, tree=begun, record=note)
        keep(tree)
        grown = [trajectory(tree, number, shop.terms) for number in range(len(tree.rollouts))]
        for one in grown:
            record(one)
        return any(one.success for one in grown)

    chunked(parts, f"round {round_index} · search", shop.terms, tasks, recipe.evaluate.batch_size, play)


def revise(parts: Parts, round_index: int) -> None:
    """Revisions of mistakes (Agent-R): pair, judge, splice, and keep what the environment confirms."""
    recipe, config = parts.recipe, parts.recipe.revise
    if config.source == "off" or round_index < config.first_round:
        return
    shop = workshop(parts, Stage.REVISE, round_index)
    alpha = config.alpha_in(round_index)
    tries, before = tries_of(parts, round_index), past_of(parts, round_index)

    def past(task: Task) -> Past:
        return before.get((task.split, task.task_id), NO_PAST)

    share = None
    if config.round_tokens:
        share = share_of(
            config.round_tokens, sum(bool(pairs_of(found, config, alpha, past(task))) for task, found in tries.items())
        )

    def play(task: Task, record: Callable[[Trajectory], None]) -> Asking[bool]:
        seed = episode_seed(recipe.seed, shop.terms, task, 0)
        lessons = yield from make_revisions(
            task, tries[task], shop, alpha=alpha, seed=seed, past=past(task), max_tokens=share, record=record
        )
        parts.store.put_blob(records.KIND, records.key_of(round_index, task), lessons.to_bytes())
        return any(lesson.revision for lesson in lessons.lessons)

    chunked(parts, f"round {round_index} · revise", shop.terms, list(tries), CHUNK * recipe.evaluate.batch_size, play)


def train(parts: Parts, round_index: int) -> dict[str, Any]:
    """Fit a new policy, from the base, on everything gathered so far. Returns what `finish` records of it."""
    recipe = parts.recipe
    gathered = parts.store.training_trajectories(rounds=range(round_index + 1))
    mixed, dataset = training_set(gathered, recipe, parts.chat, round_index)
    if not dataset.weighted:
        tried = parts.store.trajectories(stages=TRAINING_STAGES, rounds=range(round_index + 1))
        raise NothingToTrainError(f"round {round_index} has no trajectory to train on: {why_nothing(tried, parts.tasks.train)}")
    with stage(parts, f"round {round_index} · train", "train", 0):
        training = parts.trainer.fit(mixed.weighted, checkpoint(parts, round_index), round_index=round_index)
    fitted = {"training": training, "dataset": dataset.stats.as_json()}
    return fitted | ({"mixture": mixed.parts.to_json()} if is_agent_r(recipe) or parts.chat else {})


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


def recover(parts: Parts, round_index: int) -> None:
    """Put the round's policy, or the base, after wrong beginnings: first halves of failed trials drawn from the base."""
    most = parts.recipe.evaluate.num_recoveries
    if not most:
        return
    is_base = round_index == BASE_ROUND
    policy = parts.bootstrap() if is_base else parts.load_policy(checkpoint(parts, round_index))
    terms = terms_of(parts, Stage.RECOVER, round_index, policy)
    if is_base:
        # At temperature 1: after its own greedy mistakes a greedy base would only repeat itself. About half of the draws fail.
        # Worlds often list their tasks type after type in turn: every second one would be of half the types.
        tasks = [task for chosen in parts.tasks.test.values() for task in chosen]
        drawn = [(task, DRAWN) for task in stratified(tasks, 2 * most, np.random.default_rng(parts.recipe.seed))]
        gather(
            parts, "base · draw", terms, drawn, lambda task, attempt: episode(parts, policy, terms, task, attempt, 1.0), "drawn"
        )
    failed = failures(parts.store.trajectories(stages=(Stage.RECOVER,), rounds=(BASE_ROUND,), attempt=DRAWN))
    wrong = [one for one in failed if wrong_beginning(one)]
    # They come by the names of their tasks, and so type after type: the first of them would leave out the last types.
    kept = set(stratified([one.task for one in wrong], most, np.random.default_rng(parts.recipe.seed)))
    wrong = [one for one in wrong if one.task in kept]

    def play(one: Trajectory, record: Callable[[Trajectory], None]) -> Asking[bool]:
        seed = episode_seed(parts.recipe.seed, terms, one.task, 0)
        session = f"{round_index}/{terms.stage}/{one.task.split}/{one.task.task_id}"
        played = yield from going_on(
            parts.worlds,
            one.task,
            wrong_beginning(one, policy.tokenizer),
            policy,
            terms,
            temperature=0.0,
            seed=one.seed,
            play_seed=seed,
            session=session,
        )
        record(played)
        return played.success

    title = f"{'base' if is_base else f'round {round_index}'} · recover"
    chunked(parts, title, terms, wrong, CHUNK * parts.recipe.evaluate.batch_size, play)


def finish(parts: Parts, round_index: int, fitted: dict[str, Any]) -> None:
    """Write the round, its record last."""
    metrics = measure(parts, round_index) | fitted | ({"servers": spent} if (spent := parts.spent()) else {})
    if paid := fitted.get("training", {}).get("usd"):
        # A hosted training's bill; episodes carry their own.
        metrics["cost"].setdefault("train", {})["usd"] = paid
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
    told = agent_r_metrics(parts, round_index, test[-1])
    if "revise" in told:
        # Judging, thoughts and repairs belong to no trajectory of their own.
        metrics["cost"] = with_cost(metrics["cost"], Stage.REVISE, told["revise"]["cost"])
    return metrics | told


def agent_r_metrics(parts: Parts, round_index: int, trials: Sequence[Trajectory]) -> dict[str, Any]:
    """What Agent-R adds to a round's figures; nothing where a recipe asks for none of it."""
    if not is_agent_r(parts.recipe):
        return {}
    store, confidence = parts.store, parts.recipe.evaluate.confidence
    metrics: dict[str, Any] = {"behaviour": behaviour(trials).to_json()}
    if parts.recipe.evaluate.num_recoveries:
        for name, index in {"recovery": round_index, **({} if round_index else {"base_recovery": BASE_ROUND})}.items():
            played = store.trajectories(stages=(Stage.RECOVER,), rounds=(index,), attempt=0)
            metrics[name] = recovery(played, confidence).to_json()
    if told := list(records.read_round(store, round_index)):
        metrics["revise"] = revised(told, store.trajectories(stages=(Stage.REVISE,), rounds=(round_index,))).to_json()
    return metrics


def is_agent_r(recipe: Recipe) -> bool:
    return recipe.revise.source != "off" or recipe.evaluate.num_recoveries > 0


def workshop(parts: Parts, stage_of: Stage, round_index: int) -> Workshop:
    """What revisions are made with, by the policy of the round before."""
    if parts.workshop is None:
        raise RecipeError("revise.source asks for revisions, and nothing was given to make them with.")
    policy = parts.load_policy(checkpoint(parts, round_index - 1)) if round_index else parts.bootstrap()
    config = parts.recipe.revise
    # Its steps may come from what exploring gathered, from a search that explores, or its thoughts from ActRe itself.
    gathers = config.source == "gathered" or config.earlier
    speaks = gathers or config.thoughts == "actre" or parts.recipe.search.explore_probability > 0
    terms = terms_of(parts, stage_of, round_index, policy)
    return parts.workshop(policy, replace(terms, annotator=parts.annotator().name) if speaks else terms)


def tries_of(parts: Parts, round_index: int) -> dict[Task, tuple[Try, ...]]:
    """The tries that revisions are made from, by task: rollouts of the round's trees, or what the round has gathered.

    With those of earlier rounds, values are counted over all of them: the trees knew nothing of each other.
    """
    config = parts.recipe.revise
    if config.source == "search" and not config.earlier:
        terms = workshop(parts, Stage.SEARCH, round_index).terms
        return {tree.task: tree_tries(tree, terms) for tree in load_trees(parts.store, round_index)}
    stages = (Stage.COLLECT, Stage.EXPLORE, *((Stage.SEARCH,) if config.source == "search" else ()))
    rounds = range(round_index + 1) if config.earlier else (round_index,)
    gathered: dict[Task, list[Trajectory]] = {}
    for one in parts.store.trajectories(stages=stages, rounds=rounds):
        gathered.setdefault(one.task, []).append(one)
    return {task: gathered_tries(found) for task, found in gathered.items()}


def past_of(parts: Parts, round_index: int) -> dict[TaskName, Past]:
    """What earlier rounds made of the bad tries, by task; nothing where a round pairs its own tries alone.

    Where α has risen past what a revision came to, it is trained on no more, and its try is open again.
    """
    if not parts.recipe.revise.earlier:
        return {}
    alpha, store = parts.recipe.revise.alpha_in(round_index), parts.store
    kept = {
        (row.split, row.task_id, records.Ref(row.stage.value, row.round_index, row.attempt))
        for row in store.rows(stages=(Stage.REVISE,), rounds=range(round_index))
        if row.success or is_good(row.reward, alpha)
    }
    return pasts((told for earlier in range(round_index) for told in records.read_round(store, earlier)), kept)


def share_of(tokens: int | None, num: int) -> int | None:
    """Of a round's tokens, for each of so many tasks."""
    return None if tokens is None else max(1, tokens // max(1, num))


def actions_seen(parts: Parts, failed: Sequence[Trajectory], round_index: int) -> dict[Task, set[tuple[str, ...]]]:
    """Action sequences of the failed tasks so far, this round's compositions left out."""
    wanted = {t.task: {t.actions} for t in failed}
    for earlier in parts.store.trajectories(stages=TRAINING_STAGES, rounds=range(round_index)):
        if earlier.task in wanted:
            wanted[earlier.task].add(earlier.actions)
    return wanted
