"""What a run tells: tables, report.html, one task's tries, an export."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from a3t.errors import MissingDataError, UnknownTaskError, nearest
from a3t.report.view import RunView
from a3t.store import Store
from a3t.types import Stage, Trajectory


@contextmanager
def reading(folder: Path) -> Iterator[Store]:
    """A run's store, to look only: works while the run goes on."""
    if not folder.is_dir():
        raise MissingDataError(f"there is no run directory {folder}.\n  `a3t run --out DIR` makes one.")
    with Store.open(folder, read_only=True) as store:
        yield store


def view(store: Store, with_cases: bool = True) -> RunView:
    from a3t.report.view import view_run

    told = store.trajectories(stages=(Stage.COLLECT, Stage.EXPLORE)) if with_cases else ()
    provenance = store.meta("provenance") or {}
    name = store.run.name if store.run else store.path.parent.name
    run = view_run(name, store.rounds(), told, provenance, provenance.get("environment", ""))
    return replace(run, estimate=_foretold(store))


def _foretold(store: Store) -> Any:
    """The estimate that lies in the run directory, if it is of this recipe; a broken one is no reason to have no report."""
    from a3t.errors import BadDataError
    from a3t.estimate.result import read_estimate

    try:
        found = read_estimate(store.path.parent)
    except BadDataError as error:
        print(f"No estimate is shown: {error}", file=sys.stderr)
        return None
    return found if found is not None and store.run is not None and found.recipe == store.run.recipe_hash else None


def report(folder: Path, form: Literal["terminal", "markdown", "json"], paper: bool) -> None:
    """The tables in the form asked for; the page and the curve beside the records."""
    from rich.console import Console

    from a3t.report.curve import write_curve
    from a3t.report.html import write_report
    from a3t.report.render import to_json, to_markdown, to_rich
    from a3t.report.series import learning_series
    from a3t.report.tables import tables

    with reading(folder) as store:
        run = view(store)
    if not run.rounds:
        print(f"{folder}: no round is finished yet. `a3t resume {folder}` goes on.", file=sys.stderr)
        return
    made = [table if paper else table.own() for table in tables(run)]
    if form == "json":
        print(to_json(made))
    elif form == "markdown":
        print("\n\n".join(to_markdown(table) for table in made))
    else:
        console = Console()
        for table in made:
            console.print(to_rich(table, min(console.width, 100)))
            console.print()
    page = write_report(run, folder / "report.html")
    if learning_series(run):
        write_curve(run, folder / "curve.svg")
    else:
        print(f"{folder}: no curve is drawn, for no round has a score on test tasks (environment.test_splits).", file=sys.stderr)
    if form == "terminal":
        print(f"Report: {page}   open it with: xdg-open {page}   (macOS: open {page})")


def show(folder: Path, task: str) -> None:
    from rich.console import Console

    from a3t.cli.revise import told_revisions
    from a3t.report.show import show as render

    with reading(folder) as store:
        ids = sorted({row.task_id for row in store.rows()})
        matches = [task] if task in ids else [known for known in ids if task in known]
        if len(matches) != 1:
            found = f"{len(matches)} tasks match" if matches else "no task matches"
            close = matches[:5] or nearest(task, ids, 5) or ids[:5]
            raise UnknownTaskError(f"{folder}: {found} {task!r}.\n  For instance: {', '.join(map(repr, close))}.")
        tries: list[Trajectory] = list(store.trajectories(task_id=matches[0]))
        revisions = told_revisions(store, tries)
    console = Console()
    for part in (render(tries), *revisions):
        console.print(part, width=min(console.width, 100))
