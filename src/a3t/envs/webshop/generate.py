"""A catalogue of our own making: as many products as wanted from one seed, in the original's file formats, with human-style
instructions.

Products come in families: the same kind and brand, much the same title, but one lacks the attribute that was asked for, another
costs more, a third is not made in that colour. So the first hit is seldom right by itself; whoever buys must read. What there is
to sell stands in
`stock.toml`.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import random
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from a3t.envs.webshop.catalogue import MANIFEST
from a3t.envs.webshop.importing import cache_folder, import_catalogue
from a3t.envs.webshop.phrasing import Ask, describe, instruct
from a3t.errors import RecipeError

VERSION = 1
"""Changes whenever the same seed gives other products."""

NUM_PRODUCTS = 5_000
HUMAN_SHARE = 0.72
"""Products that somebody wrote an instruction for."""
SYNTHETIC_SHARE = 0.42
MISSING_PRICE_SHARE = 0.06
PRICE_RANGE_SHARE = 0.12
NO_OPTIONS_SHARE = 0.12

_GROUP_LABELS = {"color": "Color", "size": "Size", "flavor": "Flavor Name", "scent": "Scent"}
_ASIN_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of thing that is sold, from `stock.toml`."""

    query: str
    category: str
    path: str
    titles: tuple[str, ...]
    asks: tuple[str, ...]
    """How shoppers call it."""
    options: tuple[tuple[str, tuple[str, ...]], ...]
    """Option group to all its values."""
    attributes: tuple[str, ...]
    price: tuple[float, float]
    """Cheapest and dearest, dollars."""


@dataclass(frozen=True, slots=True)
class Made:
    """One product, as it enters the three official files."""

    record: dict[str, Any]
    attributes: dict[str, Any]
    human: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Family:
    kind: Kind
    brand: str
    noun: str
    audience: str
    attributes: tuple[str, ...]
    price: float


@cache
def stock() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "stock.toml").read_text(encoding="utf-8"))


@cache
def kinds() -> tuple[Kind, ...]:
    """Everything there is to sell."""
    return tuple(
        Kind(
            query=entry["query"],
            category=entry["category"],
            path=entry["path"],
            titles=tuple(entry["titles"].split("|")),
            asks=tuple(entry["asks"].split("|")),
            options=tuple(_option_group(option) for option in entry["options"]),
            attributes=tuple(entry["attributes"]),
            price=(float(entry["price"][0]), float(entry["price"][1])),
        )
        for entry in stock()["kinds"]
    )


def make_products(num_products: int, seed: int, coined_words: int = 0, human_share: float = HUMAN_SHARE) -> Iterator[Made]:
    """Products in shuffled order of family, one after the other.

    Args:
        num_products: how many.
        seed: decides everything.
        coined_words: made-up words added to each description, as rare and as common as words are (Zipf); for benchmarks, where a
            vocabulary of natural size matters.
        human_share: of products that somebody wrote an instruction for.
    """
    rng = random.Random(f"webshop {VERSION} {seed}")
    # Numbers that wander through all of them before one comes twice: unique without keeping a list.
    step, space = 25_214_903_917, 36**8
    start = rng.randrange(space)
    for number, (family, at) in enumerate(itertools.islice(_members(rng), num_products)):
        yield _make(family, at, _asin((start + number * step) % space), rng, coined_words, human_share)


def write_official_files(folder: Path, products: Iterable[Made]) -> None:
    """The three files of the original, which its own engine can load as well."""
    with (
        (folder / "items_shuffle.json").open("w", encoding="utf-8") as records,
        (folder / "items_ins_v2.json").open("w", encoding="utf-8") as attributes,
        (folder / "items_human_ins.json").open("w", encoding="utf-8") as human,
    ):
        separator, human_separator = "", ""
        for file, opening in ((records, "["), (attributes, "{"), (human, "{")):
            file.write(opening)
        for made in products:
            asin = made.record["asin"]
            records.write(separator + json.dumps(made.record))
            attributes.write(f"{separator}{json.dumps(asin)}: {json.dumps(made.attributes)}")
            separator = ",\n"
            if made.human:
                human.write(f"{human_separator}{json.dumps(asin)}: {json.dumps(made.human)}")
                human_separator = ",\n"
        for file, closing in ((records, "]"), (attributes, "}"), (human, "}")):
            file.write(closing + "\n")


def generated_folder(
    num_products: int = NUM_PRODUCTS,
    seed: int = 0,
    folder: Path | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Path:
    """Folder of the generated catalogue, made on first use and kept in the cache, beside its files in the official formats.

    Args:
        num_products: how many products.
        seed: other seeds, other products.
        folder: where to keep it; None names one in the cache after everything that decides its content.
        progress: told how far the import is.

    Returns:
        `catalogue/` in that folder; `official/` beside it holds the files.
    """
    if num_products < 1:
        raise RecipeError(f"a catalogue needs at least one product, not {num_products}.")
    shelf = hashlib.sha256((files(__package__) / "stock.toml").read_bytes()).hexdigest()[:8]
    folder = folder or cache_folder() / f"generated-{VERSION}-{shelf}-{num_products}-{seed}"
    catalogue = folder / "catalogue"
    if not (catalogue / MANIFEST).is_file():
        (folder / "official").mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (catalogue / MANIFEST).is_file():
                write_official_files(folder / "official", make_products(num_products, seed))
                import_catalogue(folder / "official", catalogue, progress)
    return catalogue


def _members(rng: random.Random) -> Iterator[tuple[_Family, int]]:
    """Families dealt out like cards: a few are open at a time, so that relatives do not stand side by side."""
    open_families: list[list[tuple[_Family, int]]] = []
    while True:
        while len(open_families) < 64:
            family = _found_family(rng)
            open_families.append([(family, at) for at in range(rng.randint(3, 7))])
        place = rng.randrange(len(open_families))
        yield open_families[place].pop()
        if not open_families[place]:
            open_families.pop(place)


def _found_family(rng: random.Random) -> _Family:
    kind = rng.choice(kinds())
    shelf = stock()
    brand = f"{rng.choice(shelf['brands_first'].split())} {rng.choice(shelf['brands_last'].split('|'))}"
    attributes = tuple(rng.sample(kind.attributes, min(len(kind.attributes), rng.randint(3, 5))))
    low, high = kind.price
    # Most things cost little: the square of a draw leans towards the cheap end.
    price = low + (high - low) * rng.random() ** 2
    return _Family(kind, brand, rng.choice(kind.titles), rng.choice(shelf["audiences"].split("|")), attributes, price)


def _make(family: _Family, at: int, asin: str, rng: random.Random, coined_words: int, human_share: float) -> Made:
    kind = family.kind
    attributes = _varied(family.attributes, kind.attributes, at, rng)
    options = _options(kind, rng)
    price = max(1.0, family.price * rng.uniform(0.7, 1.5))
    noun = family.noun if rng.random() < 0.7 else rng.choice(kind.titles)
    title = _title(family.brand, noun, family.audience, attributes, rng)
    description, bullets = describe(noun, family.audience, attributes, rng)
    if coined_words:
        description = " ".join([description, *(_coined(rng) for _ in range(coined_words))])
    record = {
        "name": title,
        "full_description": description,
        "pricing": _pricing(price, rng),
        "images": [f"https://shop.invalid/{asin}.jpg"],
        "product_category": kind.path,
        "average_rating": round(rng.uniform(3, 5), 1) if rng.random() < 0.7 else "",
        "small_description": bullets if rng.random() < 0.98 else bullets[0],
        "customization_options": _customization(options, asin, rng),
        "asin": asin,
        "category": kind.category,
        "query": kind.query,
        "page": rng.randint(1, 400),
    }
    entry: dict[str, Any] = {"attributes": list(attributes)}
    if rng.random() < SYNTHETIC_SHARE:
        wanted = rng.sample(attributes, min(len(attributes), rng.randint(1, 3)))
        entry["instruction"] = f"Find me {', '.join(wanted)} {kind.query}"
        entry["instruction_attributes"] = wanted
    human = (_human(kind, asin, attributes, options, rng),) if rng.random() < human_share else ()
    return Made(record, entry, human)


def _varied(base: Sequence[str], pool: Sequence[str], at: int, rng: random.Random) -> tuple[str, ...]:
    """The family's attributes, all but one of them in most members: the near-duplicate that lacks what was asked for."""
    varied = list(base)
    if at:
        varied.pop(rng.randrange(len(varied)))
        others = [attribute for attribute in pool if attribute not in base]
        if others and rng.random() < 0.6:
            varied.append(rng.choice(others))
    rng.shuffle(varied)
    return tuple(varied)


def _options(kind: Kind, rng: random.Random) -> dict[str, list[str]]:
    if rng.random() < NO_OPTIONS_SHARE:
        return {}
    chosen = {}
    for group, values in kind.options:
        count = rng.randint(min(2, len(values)), min(7, len(values)))
        kept = set(rng.sample(values, count))
        chosen[group] = [value for value in values if value in kept]
    return chosen


def _pricing(price: float, rng: random.Random) -> str:
    draw = rng.random()
    if draw < MISSING_PRICE_SHARE:
        return ""
    if draw < MISSING_PRICE_SHARE + PRICE_RANGE_SHARE:
        return f"${price:.2f}${price * rng.uniform(1.2, 2):.2f}"
    return f"${price:.2f}"


def _title(brand: str, noun: str, audience: str, attributes: Sequence[str], rng: random.Random) -> str:
    told = [attribute.title() for attribute in attributes[: rng.randint(1, 3)]]
    model = f" {rng.choice('ABCDEFGHKLMNPRSTUVWX')}{rng.randint(10, 999)}" if rng.random() < 0.35 else ""
    return f"{brand} {noun}{model} for {audience.title()}, {', '.join(told)}"


def _customization(options: dict[str, list[str]], asin: str, rng: random.Random) -> dict[str, Any] | str:
    if not options:
        return ""
    groups: dict[str, Any] = {
        _GROUP_LABELS[group]: [
            {
                "is_selected": False,
                "url": None,
                "value": value.title(),
                "price_string": "",
                "price": 0,
                "image": f"https://shop.invalid/{asin}-{at}.jpg",
            }
            for at, value in enumerate(values)
        ]
        for group, values in options.items()
    }
    if rng.random() < 0.1:
        groups["Style"] = None
    return groups


def _human(kind: Kind, asin: str, attributes: Sequence[str], options: dict[str, list[str]], rng: random.Random) -> dict[str, Any]:
    wanted = rng.sample(list(attributes), min(len(attributes), rng.choice((1, 1, 2, 2, 3))))
    chosen = {group: rng.choice(values) for group, values in options.items() if rng.random() < 0.8}
    ask = Ask(rng.choice(kind.asks), tuple(wanted), tuple(chosen.items()))
    return {
        "asin": asin,
        "instruction": instruct(ask, stock()["attributes"], rng),
        "attributes": list(attributes),
        "options": [f"{group}: {value}" for group, value in chosen.items()],
        "instruction_attributes": wanted,
        "instruction_options": list(chosen.values()),
        "assignment_id": f"{rng.getrandbits(64):016X}",
        "worker_id": "generated",
    }


def _option_group(option: str) -> tuple[str, tuple[str, ...]]:
    group, _, where = option.partition(":")
    table, _, name = where.partition(".")
    return group, tuple(stock()[table][name].split("|"))


def _asin(number: int) -> str:
    digits = []
    for _ in range(8):
        number, digit = divmod(number, 36)
        digits.append(_ASIN_DIGITS[digit])
    return "B0" + "".join(digits)


def _coined(rng: random.Random) -> str:
    """A made-up word; its rank follows Zipf's law over some hundred thousand."""
    rank = int(400_000 ** rng.random())
    syllables = []
    while True:
        rank, at = divmod(rank, len(_SYLLABLES))
        syllables.append(_SYLLABLES[at])
        if not rank:
            return "".join(syllables)


_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprtvz" for vowel in "aeiou"]
