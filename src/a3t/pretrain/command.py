"""`a3t pretrain`: the tiny base again, from a seed and a recipe; it also writes the model card, out of what it did."""

from __future__ import annotations

import json
import shutil
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from a3t.errors import RecipeError

DEFAULT = Path(__file__).parent.parent / "assets" / "recipes" / "pretrain.toml"


MANY = 80_000
"""Transcripts there are to choose from."""


class PretrainRecipe(BaseModel):
    """What decides the base, all of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    num_transcripts: int = Field(20000, ge=1)
    environments: tuple[dict[str, Any], ...] = ({},)
    """Options of household worlds, taken in turn; only their training scenes are used."""
    mixture: dict[str, Any] = Field(default_factory=dict)
    """Fields of `transcripts.Mixture`."""
    shape: dict[str, int] = Field(default_factory=dict)
    schedule: dict[str, Any] = Field(default_factory=dict)
    max_tokens: int = 1024
    """Longer transcripts are cut."""
    short_tokens: int = 300
    """Transcripts up to this long are all taken …"""
    long_share: float = Field(0.3, ge=0, le=1)
    """… and of the longer ones this share: decisions, not tokens, are what the model learns from."""
    vocabulary_transcripts: int = 3000
    """The words of this many transcripts get a token each."""


def load(path: Path | None, overrides: list[str]) -> PretrainRecipe:
    """Raises `RecipeError`."""
    from a3t.config import apply_override

    path = path or DEFAULT
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        for override in overrides:
            apply_override(data, override)
        return PretrainRecipe.model_validate(data)
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise RecipeError(f"cannot use the pretraining recipe {path}: {error}") from None


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
    model.save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    shutil.rmtree(out / "partial", ignore_errors=True)
    facts["minutes"] = round((time.perf_counter() - started) / 60, 1)
    (out / "pretraining.json").write_text(
        json.dumps({"recipe": recipe.model_dump(mode="json"), "facts": facts, "log": log}, indent=1) + "\n", encoding="utf-8"
    )
    print(f"{out}: {facts}")


def make_base(recipe: PretrainRecipe, tell: Any, partial: Path) -> tuple[Any, Any, dict[str, Any]]:
    from a3t.learning.encode import encode_segments
    from a3t.pretrain.fit import Schedule, Shape, fit, new_model
    from a3t.pretrain.tokenizer import build_tokenizer, pieces_of
    from a3t.text.segments import segments_text

    shape, schedule = Shape(**recipe.shape), Schedule(**recipe.schedule)
    sample = [segments_text(row) for row, _ in zip(told(recipe), range(recipe.vocabulary_transcripts), strict=False)]
    counts = pieces_of(sample)
    words = [word for word, _count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    tokenizer = build_tokenizer([*words, *instances(counts)], shape.max_context)
    tell(event="vocabulary", size=len(tokenizer))
    encoded = []
    for index, row in enumerate(told(recipe)):
        one = encode_segments(row, tokenizer).cut(recipe.max_tokens)
        keep = np.random.default_rng([recipe.seed, index, 1]).random() < recipe.long_share
        if len(one) <= recipe.short_tokens or keep:
            encoded.append(one)
        if len(encoded) == recipe.num_transcripts:
            break
    tokens = int(sum(len(row) for row in encoded))
    model = new_model(shape, tokenizer, recipe.seed)
    size = sum(p.numel() for p in model.parameters())
    tell(event="training", parameters=size, transcripts=len(encoded), tokens=tokens)
    saved = time.perf_counter()

    def note(now: dict[str, float]) -> None:
        nonlocal saved
        tell(**now)
        if time.perf_counter() - saved > CHECKPOINT_EVERY_S:
            saved = time.perf_counter()
            model.save_pretrained(partial, safe_serialization=True)
            tokenizer.save_pretrained(partial)

    fit(model, encoded, schedule, recipe.seed, note)
    return model, tokenizer, {"parameters": size, "vocabulary": len(tokenizer), "transcripts": len(encoded), "tokens": tokens}


def instances(counts: Any) -> Iterator[str]:
    """Every instance from 1 to the largest number seen, for each kind that has instances, plus a few."""
    largest: dict[str, int] = {}
    for piece in counts:
        kind, _, number = piece.rpartition(" ")
        if number.isdigit() and kind.strip().isalpha():
            largest[kind] = max(largest.get(kind, 0), int(number))
    for kind, last in sorted(largest.items()):
        yield from (f"{kind} {number}" for number in range(1, last + 3))


def told(recipe: PretrainRecipe) -> Iterator[Any]:
    """Transcripts without end, each from its own task in a training scene."""
    from a3t.envs import make
    from a3t.pretrain.transcripts import Mixture, transcript

    mixture = Mixture(**recipe.mixture)
    worlds = [make("household", num_train=MANY, **options) for options in recipe.environments]
    listed = [env.tasks("train") for env in worlds]  # type: ignore[attr-defined]
    for index in range(MANY):
        turn = index % len(worlds)
        yield transcript(worlds[turn], listed[turn][index], mixture, np.random.default_rng([recipe.seed, index]))
