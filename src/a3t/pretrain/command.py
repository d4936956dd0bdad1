"""`a3t pretrain`: the tiny base again, from a seed and a recipe; it also writes the model card, out of what it did."""

from __future__ import annotations

import importlib
import json
import math
import shutil
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from a3t.envs.alfworld.game import TaskType
from a3t.errors import RecipeError, unknown
from a3t.misfits import explain

DEFAULT = Path(__file__).parent.parent / "assets" / "recipes" / "pretrain.toml"


class Lesson(BaseModel):
    """One pass over transcripts of one kind, the learning rate down to zero at its end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_transcripts: int = Field(20000, ge=1)
    mixture: dict[str, Any] = Field(default_factory=dict)
    """Fields of the world's own mixture: `Mixture` of household and webshop, `CraftMixture` of textcraft."""
    schedule: dict[str, Any] = Field(default_factory=dict)
    """Fields of `fit.Schedule`."""
    max_tokens: int = Field(1024, ge=16)
    """Longer transcripts are cut."""
    short_tokens: int = Field(300, ge=0)
    """Transcripts up to this long are all taken …"""
    long_share: float = Field(0.3, ge=0, le=1)
    """… and of the longer ones this share: decisions, not tokens, are what the model learns from."""
    keep: dict[str, float] = Field(default_factory=dict)
    """Household: the share of the tasks of a type that are told at all; 1 where a type is not named."""
    environments: tuple[dict[str, Any], ...] = ()
    """Household: this lesson's own rooms, where they are not the recipe's; options of the worlds, taken in turn."""
    observations: bool = True
    """False: thoughts and actions alone are learned. What pages will say is mostly chance, and its noise drowns the few tokens
    that decide."""


class PretrainRecipe(BaseModel):
    """What decides the base, all of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    world: str = "household"
    """Whose players are read: one of `WORLDS`."""
    environments: tuple[dict[str, Any], ...] = ({},)
    """Options of the worlds, taken in turn; only their training tasks are used."""
    lessons: tuple[Lesson, ...] = (Lesson(),)
    shape: dict[str, Any] = Field(default_factory=dict)
    """Fields of `fit.Shape`; a base that reads on has its own."""
    vocabulary_transcripts: int = Field(3000, ge=0)
    """The words of this many transcripts of the first lesson get a token each."""
    bfloat16: bool = False
    """Weights on disk take half the room."""
    base: str = ""
    """A model that reads on (its shape and its tokens stay, the world's are added); empty begins from nothing."""


WORLDS = {"household": "a3t.pretrain.household", "webshop": "a3t.pretrain.shop.base", "textcraft": "a3t.pretrain.craft.base"}
"""Where each world's players are: a module with `told(recipe, number)`, `mixture_of(recipe, number)`, `make_tokenizer(recipe)`
and, where words share something at birth, `share(text)`; `begin(recipe)`, model and tokenizer, where a `base` may read on."""


def world_of(recipe: PretrainRecipe) -> Any:
    """Raises `UnknownNameError`."""
    if recipe.world not in WORLDS:
        raise unknown("world with scripted players", recipe.world, WORLDS)
    return importlib.import_module(WORLDS[recipe.world])


def load(path: Path | None, overrides: list[str]) -> PretrainRecipe:
    """Raises `RecipeError`."""
    from a3t.config import apply_override

    path = path or DEFAULT
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        for override in overrides:
            apply_override(data, override)
        recipe = PretrainRecipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError("\n".join(explain(item, PretrainRecipe, str(path)) for item in error.errors())) from None
    except FileNotFoundError:
        raise RecipeError(f"there is no pretraining recipe at {path}.\n  Those that ship are in {DEFAULT.parent}.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"cannot read the pretraining recipe {path}: {error}.") from None
    check(recipe)
    return recipe


def check(recipe: PretrainRecipe) -> None:
    """What would otherwise be missed only lessons later. Raises `RecipeError`, `UnknownNameError`."""
    from a3t.pretrain.fit import Schedule, Shape
    from a3t.pretrain.tables import read

    world = world_of(recipe)
    read(Shape, recipe.shape, "shape")
    if recipe.base:
        _beginner(recipe)
        if recipe.shape:
            raise RecipeError("base and shape are both given: a base that reads on keeps its own shape. Leave one out.")
    for number, lesson in enumerate(recipe.lessons):
        read(Schedule, lesson.schedule, f"lessons.{number}.schedule")
        world.mixture_of(recipe, number)
        if lesson.keep and recipe.world != "household":
            raise RecipeError(f"lessons.{number}.keep is about the household's task types; {recipe.world!r} keeps everything.")
        if lesson.environments and recipe.world != "household":
            raise RecipeError(
                f"lessons.{number}.environments are household rooms; {recipe.world!r} has one world for all lessons."
            )
        if math.gcd(max(1, len(lesson.environments)), len(TaskType)) != 1:
            raise RecipeError(
                f"lessons.{number}.environments has {len(lesson.environments)} rooms; these and {len(TaskType)} types of task"
                " are dealt in turn, so each room would see some types only.\n  Give 1, 5 or 7."
            )


CHECKPOINT_EVERY_S = 300


def pretrain(path: Path | None, out: Path, overrides: list[str]) -> None:
    """Write transcripts, build the tokenizer, train, and save a folder that plain transformers loads."""
    recipe = load(path, overrides)
    started = time.perf_counter()
    log: list[dict[str, Any]] = []

    def tell(**event: Any) -> None:
        log.append(event)
        print(
            " ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in event.items()),
            flush=True,
        )

    model, tokenizer, facts = make_base(recipe, tell, out / "partial")
    save(model, tokenizer, out, recipe.bfloat16)
    shutil.rmtree(out / "partial", ignore_errors=True)
    facts["minutes"] = round((time.perf_counter() - started) / 60, 1)
    (out / "pretraining.json").write_text(
        json.dumps({"recipe": recipe.model_dump(mode="json"), "facts": facts, "log": log}, indent=1) + "\n", encoding="utf-8"
    )
    print(f"{out}: {facts}")


def make_base(recipe: PretrainRecipe, tell: Any, partial: Path) -> tuple[Any, Any, dict[str, Any]]:
    """The model, its tokenizer and what they took.

    Args:
        partial: where checkpoints go, every five minutes and after every lesson; a killed pretraining goes on after the last
            lesson that was finished.
    """
    from a3t.models.loading import load_folder
    from a3t.pretrain.fit import Shape, new_model

    finished = [n for n in range(len(recipe.lessons)) if (partial / f"lesson-{n}" / "config.json").is_file()]
    if finished:
        model, tokenizer = load_folder(partial / f"lesson-{finished[-1]}", device="cpu")
        model.train()
        tell(event="resumed", after_lesson=finished[-1])
    elif recipe.base:
        model, tokenizer = _beginner(recipe)(recipe)
    else:
        world = world_of(recipe)
        tokenizer = world.make_tokenizer(recipe)
        model = new_model(Shape(**recipe.shape), tokenizer, recipe.seed, getattr(world, "share", None))
    size = sum(p.numel() for p in model.parameters())
    facts: dict[str, Any] = {"parameters": size, "vocabulary": len(tokenizer)}
    tell(event="model", **facts)
    for number in range(finished[-1] + 1 if finished else 0, len(recipe.lessons)):
        facts[f"lesson {number}"] = learn(model, tokenizer, recipe, number, tell, partial)
        save(model, tokenizer, partial / f"lesson-{number}")
    return model, tokenizer, facts


def _beginner(recipe: PretrainRecipe) -> Any:
    """Raises `RecipeError` where this world's words cannot be added to a base."""
    begin = getattr(world_of(recipe), "begin", None)
    if begin is None:
        raise RecipeError(f"world {recipe.world!r} begins from nothing: take base = {recipe.base!r} out of the recipe.")
    return begin


def learn(model: Any, tokenizer: Any, recipe: PretrainRecipe, number: int, tell: Any, partial: Path) -> dict[str, int]:
    """One lesson; returns its size."""
    from a3t.learning.encode import Row, encode_segments
    from a3t.pretrain.fit import Schedule, fit

    lesson, rows = recipe.lessons[number], list[Row]()
    for index, transcript in enumerate(world_of(recipe).told(recipe, number)):
        row = encode_segments(transcript, tokenizer, observation_loss=lesson.observations).cut(lesson.max_tokens)
        lucky = np.random.default_rng([recipe.seed, index, 1]).random() < lesson.long_share
        if len(row) <= lesson.short_tokens or lucky:
            rows.append(row)
        if len(rows) == lesson.num_transcripts:
            break
    size = {
        "transcripts": len(rows),
        "tokens": sum(len(row) for row in rows),
        "learned_tokens": sum(row.num_trained for row in rows),
    }
    tell(event="lesson", number=number, **size)
    saved = time.perf_counter()

    def note(now: dict[str, float]) -> None:
        nonlocal saved
        tell(**now)
        if time.perf_counter() - saved > CHECKPOINT_EVERY_S:
            saved = time.perf_counter()
            save(model, tokenizer, partial / "latest")

    fit(model, rows, Schedule(**lesson.schedule), recipe.seed + number, note)
    return size


def save(model: Any, tokenizer: Any, folder: Path, bfloat16: bool = False) -> None:
    if bfloat16:
        import torch

        model = model.to(torch.bfloat16)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
