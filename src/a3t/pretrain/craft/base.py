"""The crafting world's pretraining: a base that has read another world reads on, or one begins from nothing.

With a `base`, household text is mixed in, lest that be forgotten; without, the model begins as the recipe's `shape` says. The
words of `builtin:tiny` keep their ids either way.

A lesson's `mixture` holds the fields of `CraftMixture`, `household` (the share of rows from that world) and `household_mixture`
(the fields of its `Mixture`). An environment of the recipe says which world it is (`world = "household"`; else
it is textcraft) and may say in which lessons it is read (`lessons = [0]`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from a3t.errors import RecipeError

if TYPE_CHECKING:
    from a3t.pretrain.craft.transcripts import CraftMixture
    from a3t.pretrain.transcripts import Mixture

MANY = {"household": 20_000, "textcraft": 12_000}
"""Tasks of an environment of each world, for each lesson; it ends where one of them does."""
SEEN_OFTEN = 20
"""Times that a word of the thoughts must occur in the sample to get a token."""


def make_tokenizer(recipe: Any) -> Any:
    """The old base's tokenizer, this world's tokens after its own; the tiny base's where the model begins from nothing."""
    from a3t.models.loading import load_tokenizer
    from a3t.pretrain.craft.words import extend_tokenizer, new_words
    from a3t.text.segments import segments_text

    old = load_tokenizer(_old_base(recipe))
    sample = [segments_text(row) for row in islice(told(recipe, 0), recipe.vocabulary_transcripts)]
    return extend_tokenizer(old, new_words(sample, extend_tokenizer(old), SEEN_OFTEN))


def begin(recipe: Any) -> tuple[Any, Any]:
    """The old base with room for the new words, and its tokenizer."""
    from a3t.models.loading import load_folder
    from a3t.pretrain.craft.words import grow_embeddings

    model, _tokenizer = load_folder(_old_base(recipe), device="cpu")
    tokenizer = make_tokenizer(recipe)
    grow_embeddings(model, tokenizer, recipe.seed)
    return model.train(), tokenizer


class Told(NamedTuple):
    """What a lesson's transcripts are mixed of."""

    craft: CraftMixture
    household: Mixture
    share: float
    """Of household rows."""


def mixture_of(recipe: Any, number: int) -> Told:
    """Raises `RecipeError`."""
    from a3t.pretrain.craft.transcripts import CraftMixture
    from a3t.pretrain.tables import read
    from a3t.pretrain.transcripts import Mixture

    fields, where = dict(recipe.lessons[number].mixture), f"lessons.{number}.mixture"
    share = fields.pop("household", 0.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise RecipeError(f"{where}.household = {share!r} does not fit: expected a share, at least 0 and below 1.")
    household = read(Mixture, fields.pop("household_mixture", {}), f"{where}.household_mixture")
    return Told(read(CraftMixture, fields, where), household, share)


def told(recipe: Any, number: int) -> Iterator[Any]:
    """Transcripts for a lesson, more than it takes, each from its own training task; no lesson repeats another's.

    Raises:
        RecipeError: a world is missing that the lesson wants to hear of.
    """
    from a3t.envs import make
    from a3t.pretrain.craft.transcripts import craft_transcript
    from a3t.pretrain.transcripts import transcript

    craft, household, share = mixture_of(recipe, number)
    worlds: dict[str, list[Any]] = {"household": [], "textcraft": []}
    for options in recipe.environments:
        name = options.get("world", "textcraft")
        if name not in worlds:
            raise RecipeError(f"a pretraining environment is one of {', '.join(worlds)}, not {name!r}.")
        if number not in options.get("lessons", [number]):
            continue
        own = {key: value for key, value in options.items() if key not in ("world", "lessons")}
        worlds[name].append(make(name, num_train=(number + 1) * MANY[name], **own))
    if not worlds["textcraft"] or (share and not worlds["household"]):
        raise RecipeError("this lesson needs an environment of each world in it; add one to [[environments]].")
    listed = {name: [env.tasks("train") for env in envs] for name, envs in worlds.items()}
    turns = {name: number * many for name, many in MANY.items()}
    for index in count():
        rng = np.random.default_rng([recipe.seed, number, index])
        name = "household" if rng.random() < share else "textcraft"
        turn = turns[name]
        turns[name] += 1
        if turn >= (number + 1) * MANY[name]:
            return
        which = turn % len(worlds[name])
        env, task = worlds[name][which], listed[name][which][turn]
        yield transcript(env, task, household, rng) if name == "household" else craft_transcript(env, task, craft, rng)


def _old_base(recipe: Any) -> Any:
    from a3t.models import folder

    return folder(recipe.base or "builtin:tiny")
