"""Commands that need no run directory: evaluate any model on any split, explain other people's trajectories."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from a3t.config import AnnotatorConfig, ModelConfig, Recipe, load_recipe
from a3t.errors import BadDataError, Interrupted, RecipeError

if TYPE_CHECKING:
    from a3t.agents.react import ReactPolicy
    from a3t.episode import Terms, Worlds
    from a3t.types import Task, Trajectory


class Asked(NamedTuple):
    """What the command line asks to be tried, and where it wants the result."""

    model: str | None
    env: str
    data: Path | None = None
    splits: list[str] | None = None
    """None: the recipe's test splits."""
    num_tasks: int | None = None
    """Per split, stratified by type; None takes all."""
    recipe: Path | None = None
    """Prompts and limits; None: the recipe that ships."""
    json_out: Path | None = None
    records: Path | None = None


class Trials(NamedTuple):
    """Everything that trials outside a run need."""

    recipe: Recipe
    version: str
    """Of the world, for records."""
    tasks: list[Task]
    worlds: Worlds
    policy: ReactPolicy
    terms: Terms


def prepare(asked: Asked) -> Trials:
    """Model, world and tasks, and folders for the result. Raises what any of them raises, before anything is played."""
    return _trials(_recipe_for(asked), asked)


def prepare_run(folder: Path, asked: Asked) -> tuple[Asked, Trials]:
    """The same for a run's last policy: as its recipe prompts and bounds it, on its own test tasks where no others are asked for.

    Raises:
        RecipeError: no run, no finished round, or a policy that only the run's own servers have.
    """
    from a3t.cli.assemble import recipe_of
    from a3t.cli.telling import reading
    from a3t.loop import checkpoint_of

    recipe = recipe_of(folder)
    if recipe.policy.kind == "openai" and recipe.train.method != "hosted":
        raise RecipeError(
            f"the policy of {folder} is an adapter that its server plays, and no server is started for strategies.\n"
            "  Try --model with a folder that can be played here."
        )
    with reading(folder) as store:
        last = store.next_round() - 1
    if last < 0:
        raise RecipeError(
            f"{folder} has no finished round, so no policy to try.\n"
            f"  `a3t resume {folder}` goes on with it; --model FOLDER tries any other policy."
        )
    policy = checkpoint_of(folder, last)
    return asked._replace(model=str(policy), env=recipe.environment.name), _trials(recipe, asked, policy)


def _trials(chosen: Recipe, asked: Asked, checkpoint: Path | None = None) -> Trials:
    import numpy as np

    from a3t.cli.assemble import Models, use_threads
    from a3t.envs import make
    from a3t.envs.blame import listing, version_of
    from a3t.episode import Worlds
    from a3t.stages import terms_for
    from a3t.tasksets import choose_tasks, stratified
    from a3t.types import Stage

    _make_room(asked.json_out, asked.records)
    make_env = functools.partial(make, chosen.environment.name, **chosen.environment.options)
    first = make_env()
    version = version_of(first, chosen.environment.name)
    list_tasks = getattr(first, "tasks", None)
    if list_tasks is None:
        raise RecipeError(f"environment {chosen.environment.name!r} has no `tasks(split)`, so there is nothing to evaluate on.")
    splits = asked.splits or chosen.environment.test_splits
    with listing(chosen.environment.name):
        if checkpoint is not None and asked.splits is None and asked.num_tasks is None:
            # Those that the run's own rounds were scored on.
            own = choose_tasks(first, chosen.environment, chosen.seed).test
            tasks = [task for split in own.values() for task in split]
        else:
            rng = np.random.default_rng([chosen.seed, 7])
            tasks = [
                task for split in splits for task in stratified(list_tasks(split), asked.num_tasks or len(list_tasks(split)), rng)
            ]
    if not tasks:
        found = f"split {', '.join(splits)} has none" if splits else "environment.test_splits names no split"
        raise RecipeError(f"no tasks to try: {found}.\n  Try: --split NAME, of a split that `a3t tasks` lists.")
    use_threads(chosen)
    policy = Models(chosen, version).policy(checkpoint)
    worlds = Worlds(make_env, chosen.environment.step_timeout_s)
    worlds.give_back(first)
    return Trials(chosen, version, tasks, worlds, policy, terms_for(chosen, version, policy, Stage.EVALUATE))


def evaluate(asked: Asked) -> None:
    """One greedy trial per task, outside any run; the table in the terminal, scores and trajectories in files on request."""
    from rich.console import Console

    from a3t.agents.asking import run
    from a3t.cli.console import StopRequest, make_progress
    from a3t.episode import policy_mover, rollout
    from a3t.evaluate import by_split
    from a3t.report.render import to_rich
    from a3t.report.shop import EASY, HARD, agentboard_of
    from a3t.report.tables import scores_table

    chosen, version, tasks, worlds, policy, terms = prepare(asked)
    episodes = (
        rollout(
            worlds,
            task,
            policy_mover(policy, temperature=0.0, seed=0, session=f"{task.split}/{task.task_id}"),
            terms,
            seed=chosen.seed,
        )
        for task in tasks
    )
    stop, progress, played = StopRequest(), make_progress(), []
    with stop.listening():
        progress.begin("evaluate", len(tasks))
        for trajectory in run(episodes, chosen.evaluate.batch_size, stop):
            played.append(trajectory)
            progress.advance(1, solved=trajectory.success)
        progress.end()
    if len(played) < len(tasks):
        raise Interrupted(f"stopped after {len(played)} of {len(tasks)} trials; a part of them is no score, so none is given")
    scores = by_split(played, chosen.evaluate.confidence)
    for split, score in scores.items():
        Console().print(to_rich(scores_table(score, f"{asked.model} on {split}")))
    if EASY in scores and HARD in scores:
        Console().print(to_rich(agentboard_of(str(asked.model), scores)))
    keep(asked, version, {"scores": {split: score.to_json() for split, score in scores.items()}}, played)


def keep(asked: Asked, version: str, told: dict[str, Any], played: Iterable[Trajectory]) -> None:
    """Figures and trajectories in the files that were asked for."""
    from a3t.store import write_jsonl

    if asked.json_out is not None:
        figures = {"model": asked.model, "environment": version, **told}
        asked.json_out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if asked.records is not None:
        write_jsonl(asked.records, played)


def _make_room(*paths: Path | None) -> None:
    """Folders of the files that will be written: now, not when all has been played. Raises `RecipeError`, `OSError`."""
    for path in paths:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            refuse_folder(path)


def refuse_folder(path: Path) -> None:
    """Where a file is to be written. Raises `RecipeError`."""
    if path.is_dir():
        raise RecipeError(f"{path} is a folder; expected the name of a file to write.\n  Try: {path / 'NAME'}")


def _recipe_for(asked: Asked) -> Recipe:
    """A recipe's prompts and limits, with this model and world in it."""
    from a3t.cli.runs import DEFAULT_RECIPE

    if asked.model is None:
        raise RecipeError("nothing to evaluate: give a run directory, or --model FOLDER.")
    # As an override, so that the options, the splits and the text format of another world are not taken for this one's.
    chosen = load_recipe(asked.recipe or DEFAULT_RECIPE, [f"environment.name={json.dumps(asked.env)}"])
    environment, policy = chosen.environment, chosen.policy.model_copy(update={"path": asked.model})
    if asked.data is not None:
        environment = environment.model_copy(update={"options": {**environment.options, "data": str(asked.data)}})
    return chosen.model_copy(update={"environment": environment, "policy": policy})


def annotate(source: Path, out: Path, model: str, prompt: str) -> None:
    """Explain what has no reasons, with a model in this process."""
    from a3t.annotate import annotate_file
    from a3t.cli.assemble import Models
    from a3t.cli.console import StopRequest, make_progress
    from a3t.store import read_jsonl

    refuse_folder(out)
    if next(read_jsonl(source), None) is None:
        raise BadDataError(
            f"{source} holds no trajectory: there is nothing to annotate.\n  Expected a JSON object a line: docs/records.md."
        )
    config = AnnotatorConfig(model=ModelConfig(path=model), prompt=prompt)
    recipe = Recipe(policy=ModelConfig(path=model), annotator=config)
    models = Models(recipe, words_of(islice(read_jsonl(source), MOST_READ_FOR_WORDS)))
    stop, progress = StopRequest(), make_progress()
    with stop.listening():
        annotate_file(source, out, models.annotator(), models.policy(None), config, progress, should_stop=stop)


MOST_READ_FOR_WORDS = 100
"""Trajectories of a log that are looked at for the generation of its text."""


def words_of(trajectories: Iterable[Trajectory]) -> str:
    """The generation of a household log's text, for prompts in the same words: its own, or that of the first `put` or `move`."""
    for trajectory in trajectories:
        found = re.search(r"2\.1\.[12]", trajectory.environment)
        if found:
            return found[0]
        for action in trajectory.actions:
            if re.fullmatch(r"put .+ (in/on|in|on) .+", action):
                return "2.1.1"
            if re.fullmatch(r"move .+ to .+", action):
                return "2.1.2"
    return ""
