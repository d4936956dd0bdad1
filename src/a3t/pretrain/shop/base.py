"""The shop's pretraining: which goals are told, and the words that get a token.

Catalogues are generated from seeds of their own, so no product and no goal of the shop that is played in is among them; of each,
only the training split's goals are told. The tokenizer is made for copying: capitals are small letters, since pages shout what
actions whisper; every attribute and option is one token; a product's number is `b0` and four pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice, product
from pathlib import Path
from string import ascii_lowercase, digits
from typing import TYPE_CHECKING, Any

import numpy as np

from a3t.envs.webshop.generate import NUM_PRODUCTS, generated_folder, kinds, stock

if TYPE_CHECKING:
    from a3t.pretrain.command import PretrainRecipe
    from a3t.pretrain.shop.transcripts import Mixture

PHRASES = (
    "Observation: WebShop \nInstruction:",
    "WebShop \nInstruction:",
    "Observation: [Back to Search] \n",
    "Page 1 (Total results:",
    "[Next >] \n",
    "[< Prev] \n",
    "Rating: N.A. \n[Description] \n[Features] \n[Reviews] \n[",
    "Observation: You have clicked",
    "Observation: Your score (min 0.0, max 1.0):",
    "Observation: Invalid action!",
    "Observation: OK.\n\n",
    " and price lower than",
    " dollars \n[Search]",
    "flavor name",
    "][",
    "] \n",
    " \n",
    ".\n",
    "\nPrice: $",
    "Observation:",
    "Action:",
    "Reason:",
    " think[",
    " search[",
    " click[",
    "buy now",
    "back to search",
    "< prev",
    "; below ",
)
"""What this world says again and again is one token each …"""

SAYINGS = (
    "look at", "is below", "is above", "take it.", "buy it.", "go back.", "search again.", "search.", "all is chosen.", "need",
    "want", "i am looking for", "i'm looking for", "i would like", "i would like to buy", "can you help me find", "it should be",
    "the color should be", "the flavor should be", "the scent should be", "i am interested in", "i want", "i want to buy",
    "i need",
)  # fmt: skip
"""… and what shoppers say, with the space before it or without."""

WORD = (
    # A product's number: `b0`, then pairs.
    r" ?b0(?=[a-z0-9]{8}(?![a-z0-9]))"
    r"|(?<=b0|b0[a-z0-9]{2}|b0[a-z0-9]{4}|b0[a-z0-9]{6})[a-z0-9]{2}(?=[a-z0-9]{0,6}(?![a-z0-9]))"
    r"| ?[a-z]+(?:'[a-z]+)?|\d{1,3}|\.\d\d?(?!\d)| ?[^\sa-z\d]|\n|\s"
)
"""A word with the space before it; a number or its cents without, so that it is one token wherever it stands."""


def mixture_of(recipe: PretrainRecipe, number: int) -> Mixture:
    """What a lesson's transcripts are mixed of. Raises `RecipeError`."""
    from a3t.pretrain.shop.transcripts import Mixture
    from a3t.pretrain.tables import read

    return read(Mixture, recipe.lessons[number].mixture, f"lessons.{number}.mixture")


def told(recipe: PretrainRecipe, number: int) -> Iterator[Any]:
    """A lesson's transcripts: training goals of each catalogue in turn; a lesson begins where the one before it ends."""
    from a3t.envs import make
    from a3t.pretrain.shop.transcripts import transcript

    mixture = mixture_of(recipe, number)
    start = sum(earlier.num_transcripts for earlier in recipe.lessons[:number])
    worlds = [make("webshop", data=folder, **options) for folder, options in _catalogues(recipe)]
    goals = [(world, task) for world in worlds for task in world.tasks("train")]  # type: ignore[attr-defined]
    order = np.random.default_rng([recipe.seed, 3]).permutation(len(goals))
    index = start
    while True:
        world, task = goals[order[index % len(goals)]]
        yield transcript(world, task, mixture, np.random.default_rng([recipe.seed, index]))
        index += 1


def _catalogues(recipe: PretrainRecipe) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folder of each catalogue, and the environment's options; `seeds` of an entry is the first and how many."""
    for entry in recipe.environments:
        options = dict(entry)
        first, count = options.pop("seeds", (1000, 1))
        num_products = options.pop("num_products", NUM_PRODUCTS)
        yield from ((generated_folder(num_products, seed), options) for seed in range(first, first + count))


def make_tokenizer(recipe: PretrainRecipe) -> Any:
    from a3t.pretrain.fit import Shape
    from a3t.pretrain.tokenizer import build_tokenizer, pieces_of
    from a3t.text.segments import segments_text

    rows = islice(told(recipe, 0), recipe.vocabulary_transcripts)
    counts = pieces_of((segments_text(row).lower() for row in rows), pattern())
    words = [word for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count > 1]
    pairs = ("".join(pair) for pair in product(digits + ascii_lowercase, repeat=2))
    every = [*words, *things(), *(f" {thing}" for thing in things()), *pairs, *map(str, range(1000))]
    return build_tokenizer(every, Shape(**recipe.shape).max_context, pattern(), lowercase=True)


@cache
def things() -> tuple[str, ...]:
    """Every attribute, option and audience that the shop knows."""
    values = (value for kind in kinds() for _group, group in kind.options for value in group)
    audiences = (f"for {audience}" for audience in stock()["audiences"].split("|"))
    return tuple(dict.fromkeys([*stock()["attributes"], *values, *audiences]))


@cache
def pattern() -> str:
    """The pre-tokens: phrases, then attributes and options, the longest first, then words."""
    phrases = sorted((phrase.lower() for phrase in PHRASES), key=lambda phrase: (-len(phrase), phrase))
    named = sorted((thing for thing in (*things(), *SAYINGS) if not thing.isdigit()), key=lambda thing: (-len(thing), thing))
    ends = r"(?![a-z0-9])(?!\.\d)"
    anything = "|".join(re.escape(thing) + (ends if thing[-1].isalnum() else "") for thing in named)
    return "|".join(
        [
            *(re.escape(phrase) + (ends if phrase[-1].isalnum() else "") for phrase in phrases),
            rf" (?:{anything})|(?<![a-z0-9$.-])(?:{anything})",
            WORD,
        ]
    )


def share(text: str) -> tuple[str, ...]:
    """What a token has in common with others: its words with and without a space, a number with those near it."""
    if text.isdigit() and not text.startswith("0"):
        # A ladder: two numbers share as many steps as both are above.
        return ("number", *(f"above {step}" for step in LADDER if int(text) > step))
    return (text,) if len(text) > 1 else ()


LADDER = (3, 6, 9, 12, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 100, 120, 150, 200, 250, 300, 400, 500, 700)
