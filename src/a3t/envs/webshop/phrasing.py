"""How generated products are described, and how generated shoppers ask for them: short English from templates and paraphrases."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_OPENINGS = (
    "i am looking for", "i'm looking for", "i need", "i want", "find me", "looking for", "i would like to buy", "show me",
    "can you help me find", "i want to buy", "please find", "i'd like", "hi, i need", "get me", "i am interested in",
)  # fmt: skip

_OPTION_PHRASES: Mapping[str, tuple[str, ...]] = {
    "color": ("in {}", "in the color {}", ". the color should be {}", ". i want the {} one", ", and i prefer {}"),
    "size": ("in size {}", ". it should be {}", ", size {}", ". i need the {} one", ", {}"),
    "flavor": ("in {} flavor", ", {} flavored", ". i like {}", ". the flavor should be {}"),
    "scent": ("with a {} scent", ", {} scented", ". i would like {}", ". the scent should be {}"),
}

_SENTENCES = (
    "Our {noun} {verb} {attribute}, so that {audience} get more out of every day.",
    "{Attribute}: made with care and checked by hand before it leaves us.",
    "{Attribute}. A good choice for {audience}.",
    "Thanks to its {attribute} design, this {noun} is a favorite with {audience}.",
    "What you get: one {noun}, {attribute}, and our friendly service.",
)
_PLAIN_SENTENCES = (
    "If you have any question, write to us and we answer within a day.",
    "A nice gift for {audience}.",
    "Please allow a little difference, as every {noun} is measured by hand.",
    "Colors may look different on your screen.",
    "Designed for {audience} who care about what they buy.",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a shopper wants."""

    noun: str
    attributes: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    """Option group and value."""


def instruct(ask: Ask, paraphrases: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """One instruction as a person might type it: lower case, attributes paraphrased, options in words.

    Args:
        ask: what is wanted.
        paraphrases: attribute to its ways of being asked for, before the noun and after it, each parted by `|`.
        rng: chooses the words.
    """
    before: list[str] = []
    after: list[str] = []
    for attribute in ask.attributes:
        adjectives, clauses = paraphrases[attribute]
        if rng.random() < 0.55 and len(before) < 2:
            before.append(rng.choice(adjectives.split("|")))
        else:
            after.append(rng.choice(clauses.split("|")))
    thing = " ".join([", ".join(before), ask.noun]).strip()
    text = f"{rng.choice(_OPENINGS)} {_article(thing)}{' ' + ' and '.join(after) if after else ''}"
    for group, value in rng.sample(ask.options, len(ask.options)):
        phrase = rng.choice(_OPTION_PHRASES[group]).format(value)
        text += phrase if phrase[0] in ".," else f" {phrase}"
    return text + ("." if rng.random() < 0.3 else "")


def describe(noun: str, audience: str, attributes: Sequence[str], rng: random.Random) -> tuple[str, list[str]]:
    """Description (empty for some) and bullet points, which between them name every attribute."""
    told = [_sentence(noun, audience, attribute, rng) for attribute in attributes]
    rng.shuffle(told)
    plain = [sentence.format(noun=noun.lower(), audience=audience) for sentence in rng.sample(_PLAIN_SENTENCES, 2)]
    if rng.random() < 0.3:
        return "", [*told, plain[0]]
    cut = rng.randint(0, min(2, len(told)))
    return " ".join([*told[:cut], *plain]), [*told[cut:], plain[0]]


def _sentence(noun: str, audience: str, attribute: str, rng: random.Random) -> str:
    template = rng.choice(_SENTENCES)
    words = {
        "noun": noun.lower(),
        "audience": audience,
        "attribute": attribute,
        "Attribute": attribute.title(),
        "verb": rng.choice(("is", "comes")),
    }
    return template.format(**words)


def _article(thing: str) -> str:
    if thing.startswith(("pair of", "box of", "bag of", "bottle of")) or not thing.endswith("s"):
        return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"
    return thing
