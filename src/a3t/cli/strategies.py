"""`a3t evaluate --strategy …`: strategies at test time on the same tasks, success and tokens side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a3t.errors import Interrupted

if TYPE_CHECKING:
    from pathlib import Path

    from a3t.cli.standalone import Asked


def evaluate(names: list[str], num_tries: int, asked: Asked, folder: Path | None = None) -> None:
    """One table for all strategies; figures and trajectories in files on request.

    Args:
        folder: a run directory, whose last policy is tried; otherwise the model that was asked for.

    Raises:
        Interrupted: the user stopped in the middle of a strategy; those before it have been printed and kept.
    """
    from rich.console import Console

    from a3t.agents.asking import run
    from a3t.cli.console import StopRequest, make_progress
    from a3t.cli.standalone import keep, prepare, prepare_run
    from a3t.report.render import to_rich
    from a3t.strategies import Playing, strategy
    from a3t.strategies.iterations import Iteration, iterations, iterations_table
    from a3t.text.lessons import load_lesson
    from a3t.types import Trajectory

    # An unknown name costs nothing; a name given twice is one strategy.
    chosen = {name: strategy(name) for name in names}
    asked, trials = prepare_run(folder, asked) if folder is not None else (asked, prepare(asked))
    # What a model that was trained on the bare format is shown beside it would only confuse it.
    prompt = "bare" if trials.recipe.agent.prompt == "bare" else "few-shot"
    playing = Playing(
        worlds=trials.worlds,
        policy=trials.policy,
        terms=trials.terms,
        num_tries=num_tries,
        seed=trials.recipe.seed,
        reflect_header=load_lesson(prompt, "reflect", asked.env),
        critic_header=load_lesson(prompt, "critic", asked.env),
        max_tokens=trials.recipe.agent.max_tokens,
    )
    stop, progress = StopRequest(), make_progress()
    figures: dict[str, list[Iteration]] = {}
    every: list[Trajectory] = []
    played: list[tuple[Trajectory, ...]] = []
    with stop.listening():
        for name, play in chosen.items():
            played = []
            progress.begin(name, len(trials.tasks))
            for trajectories in run((play(playing, task) for task in trials.tasks), trials.recipe.evaluate.batch_size, stop):
                played.append(trajectories)
                progress.advance(1, solved=any(trajectory.success for trajectory in trajectories))
            progress.end()
            if len(played) < len(trials.tasks):
                break
            figures[name] = iterations(played, trials.recipe.evaluate.confidence)
            every += [trajectory for trajectories in played for trajectory in trajectories]
    if figures:
        Console().print(to_rich(iterations_table(figures, f"{asked.model} on {asked.env}: strategies at test time")))
        told = {name: [one.to_json() for one in its] for name, its in figures.items()}
        keep(asked, trials.version, {"strategies": told}, every)
    if len(figures) < len(chosen):
        whole = f"{', '.join(figures)} {'is' if len(figures) == 1 else 'are'} whole and kept" if figures else "none is whole"
        raise Interrupted(f"stopped after {len(played)} of {len(trials.tasks)} tasks of {name}; a part is no score ({whole})")
