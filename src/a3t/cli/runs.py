"""`run`, `resume` and the single stages: a recipe or a run directory in, the loop over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from a3t.config import Recipe, load_recipe
from a3t.errors import Interrupted, ModelError, RecipeError
from a3t.tasksets import TaskSets
from a3t.text.joint import world_of
from a3t.types import Task

DEFAULT_RECIPE = Path(__file__).parent.parent / "assets" / "recipes" / "household.toml"
"""The embedded default: needs no data, no network and no GPU."""


def start(recipe: str | None, overrides: list[str], out: Path | None, dry_run: bool) -> None:
    if recipe is not None and "=" in recipe:
        overrides, recipe = [recipe, *overrides], None
    chosen = load_recipe(Path(recipe) if recipe else DEFAULT_RECIPE, overrides)
    folder = out or Path("runs") / chosen.name
    if dry_run:
        _dry_run(chosen)
        return
    if folder.is_file():
        raise RecipeError(f"{folder} is a file; a run needs a folder of its own.\n  Choose another with --out.")
    _close_the_loop(chosen, folder)


def resume(folder: Path) -> None:
    from a3t.cli.assemble import recipe_of

    _close_the_loop(recipe_of(folder), folder)


def one_stage(folder: Path, stage: str) -> None:
    """Go on to the end of one stage of the round in progress; what is done is left alone."""
    from a3t.cli.assemble import lent, recipe_of, reopen_run
    from a3t.cli.console import StopRequest, make_progress
    from a3t.loop import run_to

    if stage == "revise" and recipe_of(folder).revise.source == "off":
        raise RecipeError(
            f"the recipe of {folder} makes no revisions: revise.source is 'off'.\n"
            "  A new run with them: a3t run recipes/agent-r.toml, or any recipe with revise.source=search."
        )
    stop, progress = StopRequest(), make_progress()
    with stop.listening():
        parts = reopen_run(folder, progress, stop)
        with lent(parts):
            done, wanted = parts.store.next_round(), parts.recipe.num_rounds
            if done >= wanted:
                raise RecipeError(
                    f"{folder} has finished all {wanted} rounds.\n"
                    f"  More rounds: a3t run with num_rounds={wanted + 1} and another --out. "
                    f"Its last policy alone: a3t evaluate --model {folder}/rounds/{wanted - 1:02d}/policy"
                )
            try:
                index = run_to(parts, stage)
            except Interrupted as interrupted:
                raise Interrupted(f"{interrupted}; go on with: a3t {stage} {folder}") from None
            progress.say(f"Round {index}: {stage} is done.")


def _close_the_loop(recipe: Recipe, folder: Path) -> None:
    from a3t.cli import telling
    from a3t.cli.assemble import lent, not_there, open_run
    from a3t.cli.console import StopRequest, make_progress
    from a3t.loop import run_loop

    stop, progress = StopRequest(), make_progress()
    made = not_there(folder)
    with stop.listening():
        parts = open_run(recipe, folder, progress, stop)
        with lent(parts, made):
            _introduce(recipe, parts.environment, parts.tasks, folder, progress.say)
            try:
                run_loop(parts)
            except Interrupted as interrupted:
                raise Interrupted(f"{interrupted}; go on with: a3t resume {folder}") from None
    telling.report(folder, "terminal", paper=False)


def _introduce(recipe: Recipe, environment: str, tasks: TaskSets, folder: Path, say: object) -> None:
    import torch

    assert callable(say)
    say(f"{recipe.name}: {recipe.num_rounds} rounds in {environment}, base {recipe.policy.path}, recipe {recipe.hash}")
    say(f"tasks: {_told_tasks(recipe, tasks)}")
    say(f"run directory {folder} · seed {recipe.seed} · {torch.get_num_threads()} threads")


def _told_tasks(recipe: Recipe, tasks: TaskSets) -> str:
    test = [task for chosen in tasks.test.values() for task in chosen]
    sets = {"to train on": tasks.train, "to validate": tasks.validation, "to test": test}
    return ", ".join(f"{_many(recipe, chosen)} {what}" for what, chosen in sets.items())


def _many(recipe: Recipe, tasks: Sequence[Task]) -> str:
    """How many; in a joint run also how many of each world, so that a world without any is seen."""
    if recipe.environment.name != "joint" or not tasks:
        return str(len(tasks))
    from a3t.envs.joint import read_worlds

    of = Counter(world_of(task.task_id) for task in tasks)
    worlds = (spec.world for spec in read_worlds(recipe.environment.options.get("worlds")))
    return f"{len(tasks)} ({', '.join(f'{of[world]} {world}' for world in worlds)})"


def _dry_run(recipe: Recipe) -> None:
    """What a run would be and cost. Raises what the run would, but for models that are not there (yet): these are named."""
    from a3t.cli.assemble import Models, refuse_early, tasks_of
    from a3t.cli.revise import load_chat
    from a3t.envs import make
    from a3t.envs.blame import version_of

    env = make(recipe.environment.name, **recipe.environment.options)
    tasks = tasks_of(env, recipe)
    models = Models(recipe, version_of(env, recipe.environment.name))
    lacks = ""
    try:
        refuse_early(recipe, models)
    except ModelError as error:
        lacks = str(error).splitlines()[0]
    chat = load_chat(recipe)
    held, train = len(tasks.held_out), len(tasks.train)
    later = recipe.num_rounds - 1
    bootstrap = recipe.bootstrap.num_attempts * train
    print(recipe.to_toml())
    print(f"# Tasks: {_told_tasks(recipe, tasks)}.")
    print(
        f"# Episodes: {bootstrap} bootstrap, {later} x {train} tries, {(recipe.num_rounds + recipe.evaluate.base) * held} trials;"
    )
    print(f"#   compositions: at most {recipe.explore.num_compositions} for each failed task and round ({later} rounds),")
    print(f"#   so {later * train * recipe.explore.num_compositions} if every task failed every time.")
    if recipe.revise.source == "search":
        trees, rounds = min(train, recipe.revise.num_tasks or train), recipe.num_rounds - recipe.revise.first_round
        each = f"{recipe.search.num_rollouts} rollouts, {recipe.search.num_actions} draws a node"
        print(f"#   search: {trees} trees in each of {rounds} rounds, {each}; then judging, thoughts and repairs.")
    if recipe.evaluate.num_recoveries:
        draws = min(2 * recipe.evaluate.num_recoveries, held - len(tasks.validation))
        most = min(recipe.evaluate.num_recoveries, draws)
        print(f"#   recoveries: {draws} draws of the base for wrong beginnings, then at most {most} for the base and")
        print(f"#   for each of {recipe.num_rounds} rounds: {draws + most * (1 + recipe.num_rounds)} episodes.")
    if chat:
        print(f"# Conversations of your own: {len(chat)}, {recipe.mixture.chat_share:.0%} of what is trained on at most.")
    print(f"# An episode has at most {recipe.agent.max_turns} turns of at most {recipe.agent.max_tokens} tokens a line.")
    print("# Tokens, time and money, from a short probe with these models: a3t estimate (the same arguments).")
    if lacks:
        print(f"# The run would be refused as things stand: {lacks}")
