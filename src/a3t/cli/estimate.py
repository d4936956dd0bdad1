"""`a3t estimate`: a short probe with the recipe's own models, then tokens, time and money by stage, before anything is spent."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from a3t.config import Recipe, load_recipe
from a3t.errors import RecipeError


def foretell(
    recipe: str | None, overrides: list[str], num_episodes: int, usd_per_hour: float, out: Path | None, as_json: bool
) -> None:
    from rich.console import Console

    from a3t.cli.console import StopRequest, complain, make_progress
    from a3t.cli.runs import DEFAULT_RECIPE
    from a3t.doctor.machine import read_machine
    from a3t.estimate.measured import Probe
    from a3t.estimate.plan import plan_of
    from a3t.estimate.probe import measure
    from a3t.estimate.result import estimate_of, write_estimate
    from a3t.estimate.simulate import simulate
    from a3t.report.foretold import estimate_table
    from a3t.report.render import to_rich

    if recipe is not None and "=" in recipe:
        overrides, recipe = [recipe, *overrides], None
    chosen = load_recipe(Path(recipe) if recipe else DEFAULT_RECIPE, overrides)
    if out is not None:
        _refuse_another_run(out, chosen)
    stop, progress = StopRequest(), make_progress()
    # JSON on stdout is JSON alone.
    say: Callable[[str], None] = complain if as_json else progress.say
    with stop.listening():
        means, num_held_out, price = _means(chosen, say, stop)
        probe: Probe = measure(means, num_episodes)
    plan = plan_of(chosen, len(means.tasks), num_held_out, price)
    draws = simulate(plan, probe, np.random.default_rng([chosen.seed, 13]))
    machine = read_machine()
    told = {
        "rounds": chosen.num_rounds,
        "episodes": len(probe.bootstrap),
        "successes": sum(one.success for one in probe.bootstrap),
        "compositions": len(probe.compositions),
        "seconds": probe.seconds,
        "usd": probe.usd,
        "train_tokens_per_s": probe.train_tokens_per_s or 0.0,
    }
    made_on = machine.gpus[0].name if machine.gpus else f"{machine.num_cores} CPU cores"
    estimate = estimate_of(draws, chosen.hash, chosen.name, told, usd_per_hour, made_on)
    if chosen.revise.source != "off" or chosen.evaluate.num_recoveries:
        say("Not in it: search trees, revisions and recoveries, which this recipe asks for; they may well cost the most.")
    if as_json:
        print(json.dumps(estimate.to_json(), indent=1))
    else:
        console = Console()
        console.print(to_rich(estimate_table(estimate), min(console.width, 100)))
    if out is not None:
        say(f"kept in {write_estimate(estimate, out)}: the report of `a3t run … --out {out}` shows it beside what it came to.")


def _refuse_another_run(out: Path, recipe: Recipe) -> None:
    """An estimate belongs to the run directory of its own recipe."""
    from a3t.cli.assemble import RECIPE, recipe_of

    if out.is_file():
        raise RecipeError(f"{out} is a file; --out is a run directory, that of the run to come.")
    if (out / RECIPE).is_file() and recipe_of(out).hash != recipe.hash:
        raise RecipeError(
            f"{out} holds a run with another recipe ({recipe_of(out).hash}, not {recipe.hash}).\n  Try another --out."
        )


def _means(recipe: Recipe, say: Callable[[str], None], should_stop: Callable[[], bool]) -> tuple[Any, int, float]:
    """The recipe's parts as `open_run` puts them together, without a run directory.

    Returns:
        What to probe with, the number of held-out tasks, and dollars per million tokens trained by somebody else.
    """
    from a3t.cli.assemble import Models, make_trainer, refuse_early, tasks_of, use_threads
    from a3t.envs import make
    from a3t.envs.blame import version_of
    from a3t.episode import Worlds
    from a3t.estimate.probe import Means
    from a3t.learning.encode import encode_segments
    from a3t.training.trainer import Trainer
    from a3t.types import Trajectory, Weighted

    use_threads(recipe)
    make_env = functools.partial(make, recipe.environment.name, **recipe.environment.options)
    env = make_env()
    tasks, version = tasks_of(env, recipe), version_of(env, recipe.environment.name)
    models = Models(recipe, version)
    refuse_early(recipe, models)
    worlds = Worlds(make_env, recipe.environment.step_timeout_s)
    worlds.give_back(env)
    header = models.header(recipe.agent.prompt)

    def trainer(num_epochs: float, recipe: Recipe = recipe) -> Any:
        train = recipe.train.model_copy(update={"epochs_first": num_epochs})
        return make_trainer(recipe.model_copy(update={"train": train}), header, _Silent())

    whole = trainer(1.0)
    trains_here = isinstance(whole, Trainer)

    def row_tokens(trajectory: Trajectory) -> int:
        if not trains_here:
            # Whoever trains counts with a tokenizer of their own; four characters a token is the usual rule.
            said = "".join(f"{s.thought} {s.action} {s.observation}\n" for s in trajectory.steps)
            return (len(trajectory.observation) + len(said)) // 4
        return len(encode_segments(whole.render(Weighted(trajectory, 1.0)), whole.tokenizer))

    means = Means(
        recipe=recipe,
        worlds=worlds,
        tasks=tasks.train,
        environment=version,
        bootstrap=models.bootstrap,
        policy=lambda: models.policy(None),
        annotator=models.annotator,
        trainer=trainer if trains_here else None,
        row_tokens=row_tokens,
        say=say,
        should_stop=should_stop,
    )
    return means, len(tasks.held_out), float(getattr(whole, "usd_per_million_tokens", 0.0))


class _Silent:
    """The probe's own training says nothing."""

    def begin(self, what: str, total: int) -> None: ...
    def advance(self, num: int = 1, **shown: object) -> None: ...
    def end(self) -> None: ...
    def say(self, text: str) -> None: ...
