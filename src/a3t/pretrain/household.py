"""Household rooms for the pretraining: which tasks are told, and the words that get a token."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from a3t.pretrain.command import PretrainRecipe
    from a3t.pretrain.transcripts import Mixture

MANY = 80_000
"""Transcripts there are to choose from."""


def make_tokenizer(recipe: PretrainRecipe) -> Any:
    from a3t.pretrain.fit import Shape
    from a3t.pretrain.tokenizer import build_tokenizer, pieces_of
    from a3t.text.segments import segments_text

    counts = pieces_of(segments_text(row) for row in islice(told(recipe, 0), recipe.vocabulary_transcripts))
    words = [word for word, _count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return build_tokenizer([*words, *instances(counts)], Shape(**recipe.shape).max_context)


def instances(counts: Any) -> Iterator[str]:
    """Every instance from 1 to the largest number seen, for each kind that has instances, plus a few."""
    largest: dict[str, int] = {}
    for piece in counts:
        kind, _, number = piece.rpartition(" ")
        if number.isdigit() and kind.strip().isalpha():
            largest[kind] = max(largest.get(kind, 0), int(number))
    for kind, last in sorted(largest.items()):
        yield from (f"{kind} {number}" for number in range(1, last + 3))


def mixture_of(recipe: PretrainRecipe, number: int) -> Mixture:
    """What a lesson's transcripts are mixed of. Raises `RecipeError`."""
    from a3t.pretrain.tables import read
    from a3t.pretrain.transcripts import Mixture

    return read(Mixture, recipe.lessons[number].mixture, f"lessons.{number}.mixture")


def told(recipe: PretrainRecipe, number: int) -> Iterator[Any]:
    """Transcripts without end for a lesson, each from its own task in a training scene; no lesson repeats another's."""
    from a3t.envs import make
    from a3t.pretrain.transcripts import transcript

    mixture = mixture_of(recipe, number)
    lesson = recipe.lessons[number]
    rooms = lesson.environments or recipe.environments
    worlds = [make("household", num_train=(number + 1) * MANY, **options) for options in rooms]
    for index in range(number * MANY, (number + 1) * MANY):
        turn = index % len(worlds)
        task = worlds[turn].task("train", index)  # type: ignore[attr-defined]
        # A generator of its own, so that a lesson which keeps everything is what it was before there was a choice.
        if np.random.default_rng([recipe.seed, index, 2]).random() < lesson.keep.get(task.task_type, 1.0):
            yield transcript(worlds[turn], task, mixture, np.random.default_rng([recipe.seed, index]))
