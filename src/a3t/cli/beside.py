"""`a3t beside DIR…`: runs in two tables, those that differ in the seed alone as one row with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from a3t.cli.assemble import recipe_of
from a3t.cli.telling import reading, view
from a3t.errors import RecipeError
from a3t.evaluate import Scores, score
from a3t.report.beside import Told, beside
from a3t.report.render import to_markdown, to_rich
from a3t.report.view import BASE
from a3t.store import Store
from a3t.types import Stage


def show_beside(folders: Sequence[Path], markdown: bool) -> None:
    """Print the tables.

    Raises:
        MissingDataError, RecipeError: a folder is no run, has not finished a round, or is given twice.
    """
    from rich.console import Console

    twice = [folder for folder, count in Counter(folder.resolve() for folder in folders).items() if count > 1]
    if twice:
        raise RecipeError(f"{twice[0]} is given twice: a run beside itself says nothing.\n  Give each folder once.")
    console = Console()
    for table in beside([read_run(folder) for folder in folders]):
        if markdown:
            print(to_markdown(table), end="\n\n")
        else:
            console.print(to_rich(table, min(console.width, 160)))


def read_run(folder: Path) -> Told:
    with reading(folder) as store:
        run = view(store, with_cases=False)
        if not run.rounds:
            raise RecipeError(f"{folder} has no finished round to tell of.\n  `a3t resume {folder}` goes on with it.")
        recipe = recipe_of(folder).model_dump(mode="json")
        return Told(recipe, run.rounds, run.base, _recovered(store, run.rounds[-1].index), _recovered(store, BASE), str(folder))


def _recovered(store: Store, round_index: int) -> Scores | None:
    """How a policy went on after wrong beginnings. A beginning is part of the task's name: only equal ones are held together."""
    played = []
    for trial in store.trajectories(stages=(Stage.RECOVER,), rounds=(round_index,), attempt=0):
        beginning = " > ".join(step.action for step in trial.steps if not step.trained)
        task = replace(trial.task, task_id=f"{trial.task.task_id} > {beginning}")
        played.append(replace(trial, task=task))
    return score(played) if played else None
