"""From a recipe to the parts of the loop: the only place where parts are chosen."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from a3t import __version__
from a3t.agents.actre import ActReAnnotator
from a3t.agents.react import ReactPolicy
from a3t.cli.revise import check_revision, load_chat, make_workshop
from a3t.cli.speaking import header_of, speech_of
from a3t.config import ModelConfig, Recipe, load_recipe
from a3t.envs import make
from a3t.envs.blame import listing, version_of
from a3t.episode import Worlds
from a3t.errors import Interrupted, ModelError, RecipeError, unknown
from a3t.explore import sampler
from a3t.learning.chat import CHAT, chat_segments
from a3t.learning.dataset import SUCCESS_LABEL, build_dataset, labelled
from a3t.protocols import Environment
from a3t.stages import Parts, Progress
from a3t.store import RunInfo, Store
from a3t.store.store import FILE_NAME
from a3t.tasksets import TaskSets, choose_tasks
from a3t.text.prompting import Header
from a3t.text.react import render
from a3t.text.segments import Segment
from a3t.types import Task, Weighted

if TYPE_CHECKING:
    from a3t.serving.endpoints import Endpoints
    from a3t.training.hosted import HostedTrainer
    from a3t.training.trainer import Trainer

RECIPE = "recipe.toml"


def use_threads(recipe: Recipe) -> None:
    """As many CPU threads as the recipe says."""
    import torch

    if recipe.num_threads is not None:
        torch.set_num_threads(recipe.num_threads)


def open_run(recipe: Recipe, folder: Path, progress: Progress, should_stop: Callable[[], bool] = lambda: False) -> Parts:
    """A run directory and everything the loop needs.

    Raises:
        StoreError: the directory holds a run with another recipe.
        ModelError, MissingDataError, RecipeError: a part cannot be had; nothing has been run yet.
    """
    made = not_there(folder)
    refuse_leftover(recipe, folder)
    use_threads(recipe)
    env = make(recipe.environment.name, **recipe.environment.options)
    tasks, version = tasks_of(env, recipe), version_of(env, recipe.environment.name)
    make_env = functools.partial(make, recipe.environment.name, **recipe.environment.options)
    models = Models(recipe, version)
    refuse_early(recipe, models)
    trainer = make_trainer(recipe, models.header(recipe.agent.prompt), progress, should_stop)
    chat = load_chat(recipe)
    store = Store.open(folder, run=RunInfo(recipe_hash=recipe.hash, name=recipe.name, seed=recipe.seed, a3t_version=__version__))
    recipe_file = folder / RECIPE
    if not recipe_file.exists():
        # Whole or not at all: half a recipe is another recipe.
        aside = folder / f".{RECIPE}.new"
        aside.write_text(recipe.to_toml(), encoding="utf-8")
        aside.replace(recipe_file)
    store.set_meta("provenance", provenance(recipe, tasks, version))
    try:
        models.go_online(folder, store, progress.say)
    except BaseException:
        models.close()
        store.close()
        forget_run(folder, made)
        raise
    worlds = Worlds(make_env, recipe.environment.step_timeout_s)
    worlds.give_back(env)
    return Parts(
        recipe=recipe,
        folder=folder,
        store=store,
        tasks=tasks,
        worlds=worlds,
        environment=version,
        load_policy=models.policy,
        bootstrap=models.bootstrap,
        annotator=models.annotator,
        trainer=trainer,
        progress=progress,
        should_stop=should_stop,
        workshop=make_workshop(recipe, models, worlds),
        chat=chat,
        spent=models.spent,
        close=models.close,
    )


def not_there(folder: Path) -> frozenset[str]:
    """Which of a run's two first files a new run would make in this folder."""
    return frozenset(name for name in (RECIPE, FILE_NAME) if not (folder / name).exists())


def forget_run(folder: Path, made: frozenset[str]) -> None:
    """Of a run that never began: its recipe may be corrected and the folder used again. Logs of servers stay.

    Args:
        made: what of it was made now, as `not_there` said before; a run whose store was there already did begin.
    """
    if FILE_NAME not in made:
        return
    for name in made:
        for path in folder.glob(f"{name}*" if name == FILE_NAME else name):
            path.unlink(missing_ok=True)


def refuse_leftover(recipe: Recipe, folder: Path) -> None:
    """A recipe without a store is nobody's run; one that says something else would be taken for this run's, at the next resume.

    Raises:
        RecipeError: there is such a recipe, or one that cannot be read.
    """
    left = folder / RECIPE
    if (folder / FILE_NAME).exists() or not left.exists():
        return
    hash_there = load_recipe(left).hash
    if hash_there != recipe.hash:
        raise RecipeError(
            f"{left} is recipe {hash_there}, and no run belongs to it; this run has recipe {recipe.hash}.\n"
            f"  Move it away, choose another folder with --out, or run it as it is: a3t run {left} --out {folder}"
        )


@contextmanager
def lent(parts: Parts, made: frozenset[str] = frozenset()) -> Iterator[None]:
    """A run's store and servers, let go of afterwards.

    A run that fails before its first trajectory never began: the folder takes the corrected recipe.

    Args:
        made: as in `forget_run`.
    """
    is_false_start = False
    try:
        with parts.store, closing_afterwards(parts.close):
            try:
                yield
            except Exception as error:
                # Where servers were asked, the store knows what they cost.
                is_false_start = not (isinstance(error, Interrupted) or parts.spent() or parts.store.count())
                raise
    finally:
        if is_false_start:
            forget_run(parts.folder, made)


@contextmanager
def closing_afterwards(close: Callable[[], None]) -> Iterator[None]:
    """Whatever happens in it, `close` is called afterwards."""
    try:
        yield
    finally:
        close()


def reopen_run(folder: Path, progress: Progress, should_stop: Callable[[], bool] = lambda: False) -> Parts:
    """A run directory that exists, with the recipe it began with."""
    return open_run(recipe_of(folder), folder, progress, should_stop)


def recipe_of(folder: Path) -> Recipe:
    if not (folder / RECIPE).is_file():
        raise RecipeError(f"{folder} is not a run directory: it has no {RECIPE}.\n  `a3t run --out DIR` makes one.")
    return load_recipe(folder / RECIPE)


def refuse_early(recipe: Recipe, models: Models) -> None:
    """Names and folders that would otherwise be missed only after rounds of work. Raises as the stages that need them do.

    Models that are not there are refused last (`ModelError`): everything else is in order then.
    """
    from a3t.models import names

    build_dataset((), recipe.objective)
    check_revision(recipe)
    sampler(recipe.explore.sampler)
    models.header(recipe.agent.prompt)
    models.header(recipe.bootstrap.prompt or recipe.agent.prompt)
    models.header(recipe.annotator.prompt, "actre")
    configs = [config for config in (recipe.policy, recipe.bootstrap.model, recipe.annotator.model) if config is not None]
    for config in configs:
        if config.kind not in names():
            raise unknown("kind of model", config.kind, names())
    refuse_untrainable(recipe)
    for config in configs:
        if config.kind == "local":
            refuse_no_model(config.path)


def refuse_no_model(path: str) -> None:
    """Where a local model's folder is absent, or lacks a file that every model has. Raises `ModelError`."""
    from a3t.models import check_folder, folder

    found = folder(path)
    if not found.is_dir():
        raise ModelError(f"there is no model folder at {path!r}.\n  The base that ships: 'builtin:tiny'.")
    # An adapter's folder names its base; that is looked at when it is loaded.
    if not (found / "adapter_config.json").is_file():
        check_folder(found)


def refuse_untrainable(recipe: Recipe) -> None:
    """A policy behind a URL is trained here, on the folder that `policy.path` names, and goes there as an adapter.

    Raises:
        RecipeError, ModelError: it cannot.
    """
    from a3t.models import folder

    if recipe.train.method == "hosted":
        from a3t.cli.hosted import refuse_misfit

        refuse_misfit(recipe)
        return
    if recipe.policy.kind != "openai":
        return
    if recipe.train.method == "full":
        raise RecipeError(
            "policy.kind = 'openai' with train.method = 'full': a server is brought an adapter, not whole weights.\n"
            "  Try train.method = 'lora', or policy.kind = 'local'."
        )
    base = folder(recipe.policy.path)
    if not any(base.glob("*.safetensors")):
        raise ModelError(
            f"policy.path = {recipe.policy.path!r} is no folder with weights: the policy is trained here, whoever serves it.\n"
            "  Expected the folder of the served model: config.json, *.safetensors and a tokenizer."
        )


class Models:
    """Models by what they are for; each is loaded once, and only the last checkpoint is kept in memory."""

    def __init__(self, recipe: Recipe, environment: str) -> None:
        self.recipe = recipe
        self.environment = environment
        self.speech = speech_of(recipe)
        self._loaded: dict[tuple[str, Path | None], Any] = {}
        self._endpoints: Endpoints | None = None

    def go_online(self, folder: Path, store: Store, say: Callable[[str], None]) -> None:
        """Start and probe every server of the recipe: what one cannot do is said before the run, not in the middle of it.

        Raises:
            ModelError, RecipeError: a server is absent, or lacks what the recipe needs of it.
        """
        recipe = self.recipe
        roles = {
            "policy": recipe.policy,
            "bootstrap": recipe.bootstrap.model or recipe.policy,
            "annotator": recipe.annotator.model or recipe.policy,
        }
        if not any(config.kind == "openai" for config in roles.values()):
            return
        from a3t.serving.endpoints import Endpoints

        self._endpoints = Endpoints(folder, store, say)
        for role, config in roles.items():
            if config.kind == "openai":
                say(f"{role}: {self._endpoints.open(config).name}")
        if recipe.policy.kind == "openai" and recipe.train.method != "hosted":
            self._endpoints.require_adapters(recipe.policy)

    def spent(self) -> dict[str, Any]:
        """What each server has cost the run so far, by model."""
        return {} if self._endpoints is None else self._endpoints.spent()

    def close(self) -> None:
        """End the servers that were started."""
        if self._endpoints is not None:
            self._endpoints.close()

    def policy(self, checkpoint: Path | None) -> ReactPolicy:
        return self._react(self.recipe.policy, checkpoint, self.recipe.agent.prompt)

    def bootstrap(self) -> ReactPolicy:
        config = self.recipe.bootstrap
        return self._react(config.model or self.recipe.policy, None, config.prompt or self.recipe.agent.prompt)

    def annotator(self) -> ActReAnnotator:
        config = self.recipe.annotator
        chosen = config.model or self.recipe.policy
        header = self.header(config.prompt, "actre")
        model = self._load(chosen, None)
        return ActReAnnotator(model, header, name_of(chosen, None), config.max_tokens, config.temperature)

    def header(self, prompt: str, kind: Literal["react", "actre"] = "react") -> Header:
        """Instructions and examples, as the recipe wants them."""
        return header_of(self.recipe, prompt, self.environment, kind)

    def _react(self, config: ModelConfig, checkpoint: Path | None, prompt: str) -> ReactPolicy:
        agent = self.recipe.agent
        model = self._load(config, checkpoint)
        return ReactPolicy(
            model=model,
            speech=self.speech,
            header=self.header(prompt),
            name=name_of(config, checkpoint),
            thoughts=agent.thoughts,
            max_tokens=agent.max_tokens,
            tokenizer=str(getattr(model, "fingerprint", "")),
            condition=SUCCESS_LABEL if checkpoint is not None and labelled(self.recipe.objective) else "",
        )

    def _load(self, config: ModelConfig, checkpoint: Path | None) -> Any:
        key = (config.model_dump_json(), checkpoint)
        if key not in self._loaded:
            # Checkpoints come one after the other; the bases stay, for they annotate.
            for old in [k for k in self._loaded if k[1] is not None and checkpoint is not None]:
                del self._loaded[old]
            self._loaded[key] = self._open(config, checkpoint)
        return self._loaded[key]

    def _open(self, config: ModelConfig, checkpoint: Path | None) -> Any:
        from a3t.cli.hosted import tuned_model
        from a3t.models import load

        hosted = tuned_model(config, checkpoint)
        if hosted is not None:
            config, checkpoint = hosted, None
        if config.kind != "openai" or self._endpoints is None:
            return load(config, weights=checkpoint)
        return self._endpoints.open(config) if checkpoint is None else self._endpoints.tuned(config, checkpoint)


def name_of(config: ModelConfig, checkpoint: Path | None) -> str:
    """How records call a model: a checkpoint by its round, a base by its folder."""
    return f"{checkpoint.parent.name}/{checkpoint.name}" if checkpoint is not None else config.path


def make_trainer(
    recipe: Recipe, header: Header, progress: Progress, should_stop: Callable[[], bool] = lambda: False
) -> Trainer | HostedTrainer:
    from a3t.models import folder
    from a3t.models.loading import load_tokenizer, tokenizer_fingerprint

    if recipe.train.method == "hosted":
        from a3t.cli.hosted import hosted_trainer

        return hosted_trainer(recipe, header, progress)

    from a3t.training.trainer import Trainer

    base = folder(recipe.policy.path)
    tokenizer = load_tokenizer(base)
    fingerprint, speech = tokenizer_fingerprint(tokenizer), speech_of(recipe)

    def render_own(weighted: Weighted) -> list[Segment]:
        """A trajectory as the policy saw it; a conversation as the base's chat template writes it."""
        if weighted.trajectory.environment == CHAT:
            return chat_segments(weighted.trajectory, tokenizer)
        return render(
            weighted.trajectory,
            speech.of(weighted.trajectory.task),
            tokenizer=fingerprint,
            thoughts=recipe.agent.thoughts,
            header=header(weighted.trajectory.task, weighted.trajectory.observation),
            condition=weighted.condition,
        )

    return Trainer(
        base,
        recipe.train,
        recipe.objective,
        render_own,
        seed=recipe.seed,
        device=recipe.policy.device,
        progress=lambda now: progress.advance(0, of=now.num_steps, at=now.step, loss=now.loss, epoch=now.epoch),
        announce=progress.say,
        should_stop=should_stop,
    )


def tasks_of(env: Environment, recipe: Recipe) -> TaskSets:
    """The tasks of a run; a world that cannot list them is named. Raises as `choose_tasks`, and `EnvironmentFailure`."""
    with listing(recipe.environment.name):
        return choose_tasks(env, recipe.environment, recipe.seed)


def provenance(recipe: Recipe, tasks: TaskSets, environment: str) -> dict[str, str]:
    """What a result was made of."""
    return {
        "a3t": __version__,
        "environment": environment,
        "recipe": f"{recipe.name} {recipe.hash}",
        "seed": str(recipe.seed),
        "policy": recipe.policy.path,
        "annotator": (recipe.annotator.model or recipe.policy).path,
        "objective": f"{recipe.objective.name} / {recipe.objective.selection}",
        "train tasks": hash_tasks(tasks.train),
        "validation tasks": hash_tasks(tasks.validation),
        **{f"test tasks {split}": hash_tasks(chosen) for split, chosen in tasks.test.items()},
    }


def hash_tasks(tasks: tuple[Task, ...]) -> str:
    """How many, and twelve hex digits over their ids in order."""
    digest = hashlib.sha256("\n".join(f"{task.split}/{task.task_id}" for task in tasks).encode()).hexdigest()[:12]
    return f"{len(tasks)} ({digest})"
