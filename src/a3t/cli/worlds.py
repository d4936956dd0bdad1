"""Commands about worlds alone: play, list tasks, check, get data."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer

from a3t.envs import make
from a3t.envs.blame import listing
from a3t.envs.splits import splits_of
from a3t.errors import RecipeError, unknown
from a3t.types import Task


def build(name: str, data: Path | None, options: list[str] | None = None) -> Any:
    """An environment from what stands on a command line."""
    return make(name, **chosen_options(data, options))


def chosen_options(data: Path | None, options: list[str] | None) -> dict[str, Any]:
    """`key=value` pairs; values are TOML, a bare word a string. Raises `RecipeError`."""
    chosen: dict[str, Any] = {} if data is None else {"data": str(data)}
    for option in options or []:
        key, equals, text = option.partition("=")
        if not equals:
            raise RecipeError(f"cannot read the option {option!r}: expected key=value.")
        try:
            chosen[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            chosen[key] = text
    return chosen


def tasks_of(env: Any, name: str, split: str | None) -> list[Task]:
    if not hasattr(env, "tasks"):
        raise RecipeError(f"environment {name!r} has no `tasks(split)`.")
    with listing(name):
        if split is not None:
            return list(env.tasks(split))
        # Sessions on training tasks may become demonstrations; those on test tasks may not.
        for known in sorted(splits_of(env), key=lambda known: known != "train"):
            listed = list(env.tasks(known))
            if listed:
                return listed
    raise RecipeError(f"environment {name!r} has no tasks in any of its splits.")


def play_task(
    name: str,
    task: str | None,
    split: str | None,
    data: Path | None,
    record: Path | None,
    options: list[str],
    web_port: int | None = None,
) -> None:
    """In the terminal, or on web pages where a port is given."""
    from a3t.cli.shop import Recorder, play_on_the_web
    from a3t.envs.play import find_task, play

    env = build(name, data, options)
    recorder = Recorder(record, env)
    if web_port is not None:
        play_on_the_web(env, name, tasks_of(env, name, split), task, web_port, recorder)
        return
    chosen: Task | str | None = task
    if task is None or split is not None:
        listed = tasks_of(env, name, split)
        chosen = next((one for one in listed if task in (None, one.task_id)), task)
    chosen = find_task(env, chosen)
    recorder.refuse_early([] if chosen is None else [chosen])
    session = play(env, chosen, environment=str(getattr(env, "version", name)))
    if record is not None:
        print(recorder.add(session) + (f" `a3t annotate {record} OUT.jsonl` gives it reasons." if recorder.is_file else ""))


def list_tasks(name: str, split: str, data: Path | None, limit: int, options: list[str]) -> None:
    listed = tasks_of(build(name, data, options), name, split)
    for task in listed[: limit or None]:
        print(f"{task.task_id}\t{task.instruction}" if task.instruction else task.task_id)
    if limit and len(listed) > limit:
        print(f"… {len(listed) - limit} more of {len(listed)}")


def check(name: str, data: Path | None, options: list[str], num_sequences: int, num_malformed: int) -> None:
    """Each finding is printed as it comes, for a slow world takes long; what they come to is said last."""
    from a3t.envs.conformance import Finding, check_named

    def tell(finding: Finding) -> None:
        print(finding, flush=True)

    report = check_named(name, chosen_options(data, options), num_sequences=num_sequences, num_malformed=num_malformed, tell=tell)
    print(report.slowest)
    print(report.summary)
    if not report.ok:
        raise typer.Exit(1)


def fetch_data(name: str, to: Path | None, edition: str | None) -> None:
    from a3t.envs.alfworld.data import USUAL, fetch

    if name != "alfworld":
        raise unknown("world whose data can be downloaded", name, ["alfworld"], "webshop: a3t data import webshop PATH.")
    print(fetch(to, edition=edition or USUAL))


def import_data(name: str, path: Path, to: Path | None) -> None:
    if name == "alfworld":
        from a3t.envs.alfworld.data import import_data as take

        print(take(path, to))
    elif name == "webshop":
        _import_webshop(path, to)
    else:
        raise unknown("world with data to import", name, ["alfworld", "webshop"], "The household world needs none.")


def export_data(name: str, path: Path | None, to: Path, goals: str, price_seed: int) -> None:
    """A shop's task set as files that name it for good; `sha256sum -c SHA256SUMS` holds them against their hashes."""
    from a3t.envs.webshop.goals import GOAL_KINDS, write_goals, write_prices
    from a3t.envs.webshop.opening import load_goals, open_shared

    if name != "webshop":
        raise unknown("world whose tasks can be exported", name, ["webshop"], "The tasks of other worlds lie in their own data.")
    if goals not in GOAL_KINDS:
        raise unknown("kind of goals", goals, GOAL_KINDS)
    files = [to / "goals.jsonl", to / "prices.json", to / "SHA256SUMS"]
    there = next((file for file in files if file.exists()), None)
    if there is not None:
        raise RecipeError(f"{there} is there already, and may be what results were made with.\n  Try: --to another folder.")
    catalogue = open_shared(path)
    chosen = load_goals(catalogue, goals, price_seed)
    to.mkdir(parents=True, exist_ok=True)
    hashes = [write_goals(chosen, files[0]), write_prices(catalogue, files[1], price_seed)]
    sums = [f"{digest}  {file.name}" for digest, file in zip(hashes, files[:2], strict=True)]
    files[2].write_text("\n".join(sums) + "\n", encoding="utf-8")
    print("\n".join(sums))
    print(f"{len(chosen):,} goals, {catalogue.num_products:,} prices: use them with goals={files[0]} prices={files[1]}")


def _import_webshop(path: Path, to: Path | None) -> None:
    from a3t.cli.console import make_progress
    from a3t.envs.webshop.importing import cache_folder, catalogue_folder, import_catalogue

    progress, now = make_progress(), ""

    def tell(stage: str, share: float) -> None:
        nonlocal now
        if stage != now:
            if now:
                progress.end()
            now = stage
            progress.begin(stage, 100)
        progress.advance(0, of=100, at=int(100 * share), percent=round(100 * share, 1))

    made = import_catalogue(path, to, tell) if to is not None else catalogue_folder(path, tell)
    if now:
        progress.end()
    progress.say(f"{made}: use it with data={made}" + ("" if to else f" (kept under {cache_folder()})"))
