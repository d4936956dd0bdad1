"""`a3t compare`: ways to train on the same trajectories, told apart by a paired test over tasks and an interval over seeds."""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from a3t.agents.asking import run
from a3t.cli.assemble import Models, make_trainer, recipe_of, use_threads
from a3t.cli.console import StopRequest, make_progress
from a3t.cli.revise import load_chat
from a3t.cli.telling import reading
from a3t.config import Recipe, apply_override, parse_recipe
from a3t.envs import make
from a3t.envs.blame import version_of
from a3t.episode import Worlds, policy_mover, rollout
from a3t.errors import Interrupted, RecipeError
from a3t.evaluate import Scores, compare, score, spread
from a3t.learning.mixture import training_set
from a3t.report import paper_shop
from a3t.report.table import THEIRS
from a3t.stages import terms_for, write_json
from a3t.tasksets import choose_tasks
from a3t.types import Stage

SHIPPED = Path(__file__).parent.parent / "assets" / "recipes"
VARIANTS, SHOP_VARIANTS = SHIPPED / "variants.toml", SHIPPED / "variants-webshop.toml"
"""The question the paper asks: name = list of overrides; in the shop, its Table 7."""


def run_comparison(folders: Sequence[Path], variants: Path | None, only: Sequence[str], out: Path) -> None:
    """Train every variant on each run's trajectories, evaluate it, print one table.

    What is finished is kept in `DIR/compare/NAME/`, so an interrupted comparison goes on where it stood.

    Args:
        folders: finished runs of one recipe, a seed each.
        variants: TOML of `name = ["key.sub=value", …]`, a file or the name of one that ships; None: the one for the runs' world.
        only: names to take; all where empty.
    """
    chosen = load_variants(variants_for(folders) if variants is None else shipped(variants), only)
    stop, progress = StopRequest(), make_progress()
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    with stop.listening():
        for name, overrides in chosen.items():
            for folder in folders:
                result = one_result(folder, name, overrides, progress, stop)
                results[name].append(result)
                total = Scores.from_json(result["scores"]).total
                progress.say(f"{name} · {folder.name}: {total.successes}/{total.n}")
    text = table(results)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)


def variants_for(folders: Sequence[Path]) -> Path:
    """The shipped variants that ask the paper's question in the world of these runs."""
    worlds = {recipe_of(folder).environment.name for folder in folders}
    return SHOP_VARIANTS if worlds == {"webshop"} else VARIANTS


def shipped(path: Path) -> Path:
    """A file as it is named; a bare name that is no file here stands for one that ships, `.toml` or not."""
    ours = SHIPPED / f"{path.name.removesuffix('.toml')}.toml"
    return ours if path == Path(path.name) and not path.exists() and ours in (VARIANTS, SHOP_VARIANTS) else path


def load_variants(path: Path, only: Sequence[str]) -> dict[str, list[str]]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(
            f"cannot read the variants {path}: {error}.\n  Those that ship: {VARIANTS.stem}, {SHOP_VARIANTS.stem}."
        ) from None
    for name, overrides in data.items():
        if not isinstance(overrides, list) or not all(isinstance(item, str) for item in overrides):
            raise RecipeError(f"{path}: {name} is {overrides!r}; expected a list of overrides such as ['objective.name=sft'].")
    missing = [name for name in only if name not in data]
    if missing:
        raise RecipeError(f"{path} has no variant {missing[0]!r}; it has {', '.join(data)}.")
    return {name: data[name] for name in (only or data)}


def one_result(folder: Path, name: str, overrides: list[str], progress: Any, stop: StopRequest) -> dict[str, Any]:
    """One variant on one run's data; from its file where it was done before."""
    recipe = changed(recipe_of(folder), overrides)
    place = folder / "compare" / name
    done = place / "result.json"
    known = _read(done)
    if known.get("recipe") == recipe.hash:
        return known
    use_threads(recipe)
    options = recipe.environment.options
    env = make(recipe.environment.name, **options)
    version = version_of(env, recipe.environment.name)
    tasks = choose_tasks(env, recipe.environment, recipe.seed)
    models = Models(recipe, version)
    with reading(folder) as store:
        last = store.next_round() - 1
        if last < 0:
            raise RecipeError(f"{folder} has no finished round to compare on.\n  `a3t resume {folder}` goes on with it.")
        gathered = list(store.training_trajectories(rounds=range(last + 1)))
    mixed, dataset = training_set(gathered, recipe, load_chat(recipe), last)
    trainer = make_trainer(recipe, models.header(recipe.agent.prompt), progress)
    progress.begin(f"{name} · train", 0)
    training = trainer.fit(mixed.weighted, place / "policy", round_index=last)
    progress.end()
    policy = models.policy(place / "policy")
    worlds = Worlds(functools.partial(make, recipe.environment.name, **options), recipe.environment.step_timeout_s)
    terms = replace(terms_for(recipe, version, policy, Stage.EVALUATE, last), agent=name)
    trials = [task for split in tasks.test.values() for task in split]
    progress.begin(f"{name} · evaluate", len(trials))
    played = []
    for trajectory in run(
        (
            rollout(worlds, task, policy_mover(policy, temperature=0.0, seed=0, session=task.task_id), terms, seed=recipe.seed)
            for task in trials
        ),
        recipe.evaluate.batch_size,
        stop,
    ):
        played.append(trajectory)
        progress.advance(1, solved=trajectory.success)
    progress.end()
    if stop():
        raise Interrupted("the comparison stopped; the same command goes on with it")
    result = {
        "variant": name,
        "overrides": overrides,
        "selection": recipe.objective.selection,
        "round": last,
        "environment": version,
        "recipe": recipe.hash,
        "scores": score(played).to_json(),
        "dataset": dataset.stats.as_json(),
        "training": training,
    }
    write_json(done, result)
    return result


def _read(path: Path) -> dict[str, Any]:
    """A result; empty where there is none, or none that can be read."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return result if isinstance(result, dict) else {}


def changed(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    data = recipe.model_dump(mode="json", exclude_none=True)
    for override in overrides:
        apply_override(data, override)
    return parse_recipe(data, "variant")


def table(results: Mapping[str, list[dict[str, Any]]]) -> str:
    """Markdown: success per seed, mean with Student's t interval, gains and losses against the first row, NLL at the end.

    A shop's real rewards get a column, and the paper's Table 7 stands beside: its round 0 or, for any later one, its round 1.
    """
    names = list(results)
    baseline = [Scores.from_json(one["scores"]) for one in results[names[0]]]
    heads = ["training", "success by seed", "mean (95 %)", f"vs {names[0]}: gained / lost, p", "K", "NLL success, failure"]
    in_shop = any(paper_shop.has_figures(str(one.get("environment"))) for runs in results.values() for one in runs)
    heads += [f"reward × 100, p against {names[0]}", f"reward / success {THEIRS.strip()}"] if in_shop else []
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, runs in results.items():
        scores = [Scores.from_json(one["scores"]) for one in runs]
        rates = [s.total.rate for s in scores]
        mean = spread(rates)
        between = [compare(b, s) for b, s in zip(baseline, scores, strict=True)]
        gained, lost = sum(p.gained for p in between), sum(p.lost for p in between)
        cells = [
            name,
            " ".join(f"{100 * (rate or 0):.1f}" for rate in rates),
            _interval(mean),
            _against(name, names[0], gained, lost),
            _mean(one["dataset"]["mean_successes_per_failed_task"] for one in runs),
            _nll(runs),
        ]
        if in_shop:
            reward = _interval(spread(s.total.reward for s in scores))
            cells += [reward if name == names[0] else f"{reward}, {_reward_test(baseline, scores):.3g}", _of_the_paper(runs[0])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(mean: Any) -> str:
    data = mean.to_json()
    middle = f"{100 * data['mean']:.1f}"
    return middle if data.get("low") is None else f"{middle} ({100 * data['low']:.1f}–{100 * data['high']:.1f})"


def _against(name: str, first: str, gained: int, lost: int) -> str:
    from a3t.evaluate import sign_test

    return "–" if name == first else f"+{gained} / −{lost}, {sign_test(gained, lost):.3g}"


def _reward_test(before: Sequence[Scores], after: Sequence[Scores]) -> float:
    """Sign test on the rewards of the same tasks, all seeds together."""
    from a3t.evaluate import sign_test

    changes = [
        later.outcomes[task].reward - outcome.reward
        for first, later in zip(before, after, strict=True)
        for task, outcome in first.outcomes.items()
        if task in later.outcomes
    ]
    return sign_test(sum(change > 0 for change in changes), sum(change < 0 for change in changes))


def _of_the_paper(result: Mapping[str, Any]) -> str:
    scheme = paper_shop.SCHEMES.get((min(result.get("round", 1), 1), str(result.get("selection"))))
    return "{:.1f} / {:.1f}".format(*scheme.test) if scheme else "–"


def _mean(values: Any) -> str:
    listed = list(values)
    return f"{sum(listed) / len(listed):.1f}"


def _nll(runs: Sequence[dict[str, Any]]) -> str:
    def last(key: str) -> str:
        found = [one["training"]["epochs"][-1].get(key) for one in runs if one["training"].get("epochs")]
        known = [value for value in found if isinstance(value, int | float)]
        return f"{sum(known) / len(known):.3f}" if known else "–"

    return f"{last('success_nll')}, {last('failed_nll')}"
