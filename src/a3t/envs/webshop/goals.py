"""What shoppers are sent for: goals from human or synthetic instructions, their price limits and order from one seed, splits.

The original draws price limits from an unseeded generator and shuffles with seed 233 afterwards, so its order is stable and its
limits are not. Here prices and limits hang on one seed and on the product alone, the order is the original's, and both can be
written to files (`goals.jsonl`, `prices.json`) that name the task set for good.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from a3t.envs.webshop.agentboard import Boards, boards_by_rule
from a3t.envs.webshop.catalogue import Catalogue
from a3t.envs.webshop.product import Product
from a3t.errors import BadDataError, MissingDataError, unknown
from a3t.text.unicode import is_unicode

ORDER_SEED = 233
GOAL_KINDS = ("human", "synthetic")
"""What a catalogue has goals of."""

NO_LIMIT = 1_000_000
"""The price limit of a goal that names none."""

SPLITS: Mapping[str, tuple[int, int | None]] = {
    "test": (0, 500),
    "validation": (500, 1500),
    "train": (1500, None),
    "all": (0, None),
}
"""Official splits: places in the shuffled list, from and up to; made for the full catalogue's human goals."""

A3T_TRAIN, A3T_VALIDATION = 2300, 400
"""The paper's numbers, drawn from the goals outside `test` (its own choice is not published; ours is seeded)."""

_LIMITS = tuple(10.0 * step for step in range(1, 100))


@dataclass(frozen=True, slots=True)
class Goal:
    """One shopping task, under the original's field names."""

    asin: str
    category: str
    query: str
    name: str
    product_category: str
    instruction_text: str
    attributes: tuple[str, ...]
    price_upper: float
    goal_options: tuple[str, ...] | tuple[tuple[str, str], ...]
    """Values (human goals), or (group, value) pairs (synthetic goals)."""
    weight: float = 1.0

    @property
    def option_items(self) -> tuple[str | tuple[str, str], ...]:
        return self.goal_options

    @property
    def num_requirements(self) -> int:
        """Attributes and options it asks for."""
        return len(self.attributes) + len(self.goal_options)

    def to_json(self) -> str:
        """One line; options of a synthetic goal as an object, as the original has them."""
        options: Any = list(self.goal_options)
        if options and not isinstance(options[0], str):
            options = dict(options)
        fields = {name: getattr(self, name) for name in _FIELDS} | {"attributes": list(self.attributes), "goal_options": options}
        text = json.dumps(fields, ensure_ascii=False)
        # A title may hold half a character, which only an escape can write.
        return text if is_unicode(text) else json.dumps(fields)


_FIELDS = (
    "asin",
    "category",
    "query",
    "name",
    "product_category",
    "instruction_text",
    "attributes",
    "price_upper",
    "goal_options",
    "weight",
)


def product_price(product: Product, seed: int) -> float:
    """What a product costs in runs with this seed: a product with a price range gets one price within it."""
    if len(product.prices) == 1:
        return product.prices[0]
    return random.Random(f"price {seed} {product.asin}").uniform(*product.prices[:2])


def price_limit(price: float, rng: random.Random) -> float:
    """The larger of two values among the first four of 10, 20, … 990 above the price; `NO_LIMIT` where fewer than two are."""
    above = [limit for limit in _LIMITS if limit > price][:4]
    return max(rng.sample(above, 2)) if len(above) >= 2 else NO_LIMIT


def human_goals(catalogue: Catalogue, seed: int = ORDER_SEED) -> list[Goal]:
    """Goals that people wrote, in the official order."""
    goals = []
    for product, instructions in catalogue.human_instructions():
        for at, entry in enumerate(instructions):
            attributes = _texts(entry, "instruction_attributes", product)
            if not attributes:
                continue
            limit = _limit(product, seed, at)
            text = str(entry.get("instruction", "")).strip(".") + _limit_text(limit)
            goals.append(_goal(product, text, attributes, limit, _texts(entry, "instruction_options", product)))
    return _in_order(goals)


def synthetic_goals(catalogue: Catalogue, seed: int = ORDER_SEED) -> list[Goal]:
    """One goal for every combination of options of each product with a synthetic instruction, in the official order."""
    goals = []
    for product, instruction, wanted in catalogue.synthetic_instructions():
        if not wanted:
            continue
        limit = _limit(product, seed, 0)
        groups = sorted(product.options)
        for values in itertools.product(*(values for _name, values in groups)):
            options = tuple((name, value) for (name, _values), value in zip(groups, values, strict=True))
            told = ", and ".join(f"{name}: {value}" for name, value in options)
            text = f"{instruction}{' with ' + told if told else ''}{_limit_text(limit)}"
            goals.append(_goal(product, text, tuple(map(str, wanted)), limit, options))
    return _in_order(_weighted(goals))


def catalogue_goals(catalogue: Catalogue, kind: str, seed: int = ORDER_SEED) -> list[Goal]:
    """`human` or `synthetic` goals of a catalogue; made once, then read from its folder where that can be written to."""
    kept = catalogue.folder / f"goals-{kind}-{seed}.jsonl"
    if kept.is_file():
        return read_goals(kept)
    goals = human_goals(catalogue, seed) if kind == "human" else synthetic_goals(catalogue, seed)
    if goals:
        with contextlib.suppress(OSError):
            write_goals(goals, kept)
    return goals


def split_places(split: str, goals: Sequence[Goal], agentboard: Boards | None = None) -> list[int]:
    """Places of a split's goals in the list.

    `test`, `validation`, `train` and `all` go by place; `a3t_train` and `a3t_validation` are a seeded sample of what lies outside
    `test`;
    `agentboard_easy` and `agentboard_hard` part the first 251 by our rule, unless `agentboard` says otherwise.

    Raises:
        UnknownNameError: another name.
    """
    if split in SPLITS:
        first, last = SPLITS[split]
        return list(range(len(goals)))[first:last]
    if split in ("a3t_train", "a3t_validation"):
        rest = list(range(SPLITS["validation"][0], len(goals)))
        random.Random(ORDER_SEED).shuffle(rest)
        # Small catalogues are shared out in the same proportion.
        cut = min(A3T_TRAIN, len(rest) * A3T_TRAIN // (A3T_TRAIN + A3T_VALIDATION))
        return sorted(rest[:cut] if split == "a3t_train" else rest[cut : cut + A3T_VALIDATION])
    if split in ("agentboard_easy", "agentboard_hard"):
        return list((agentboard or boards_by_rule(goals))[split.removeprefix("agentboard_")])
    raise unknown("split of webshop", split, split_names())


def split_names() -> list[str]:
    return [*SPLITS, "a3t_train", "a3t_validation", "agentboard_easy", "agentboard_hard"]


def read_goals(path: Path | str) -> list[Goal]:
    """Goals from a JSONL file, one a line, in the original's field names; a goal's place is its line number, from 0.

    Raises:
        MissingDataError: no such file.
        BadDataError: says which line and what is wrong with it.
    """
    goals: list[Goal] = []
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file):
                if not line.strip():
                    continue
                if number > len(goals):
                    raise BadDataError(
                        f"{path}, line {len(goals)} is blank, and a goal follows in line {number}: task ids are line numbers "
                        "from 0, so a gap would give the goals after it other ids.\n  Try: delete the blank line."
                    )
                goals.append(_parse_goal(line, f"{path}, line {number}"))
    except OSError as error:
        raise MissingDataError(f"cannot read the goals file {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise BadDataError(f"the goals file {path} is not UTF-8: {error.reason}.") from None
    if not goals:
        raise BadDataError(f"the goals file {path} is empty.")
    return goals


def write_goals(goals: Iterable[Goal], path: Path) -> str:
    """Write `goals.jsonl`; returns its hash."""
    text = "".join(goal.to_json() + "\n" for goal in goals)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return hashlib.sha256(text.encode()).hexdigest()


def write_prices(catalogue: Catalogue, path: Path, seed: int = ORDER_SEED) -> str:
    """Write `prices.json`, ASIN to price in runs with this seed, a product a line; returns its hash."""
    digest = hashlib.sha256()
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8") as file:
        for piece in _price_pieces(catalogue, seed):
            file.write(piece)
            digest.update(piece.encode())
    temporary.replace(path)
    return digest.hexdigest()


def _price_pieces(catalogue: Catalogue, seed: int) -> Iterator[str]:
    opening = "{\n"
    for product in catalogue.products():
        yield f"{opening}{json.dumps(product.asin)}: {json.dumps(product_price(product, seed))}"
        opening = ",\n"
    yield "\n}\n"


def _goal(product: Product, text: str, attributes: tuple[str, ...], limit: float, options: Any) -> Goal:
    return Goal(
        asin=product.asin,
        category=product.category,
        query=product.query,
        name=product.title,
        product_category=product.product_category,
        instruction_text=text,
        attributes=attributes,
        price_upper=limit,
        goal_options=options,
    )


def _limit(product: Product, seed: int, at: int) -> float:
    return price_limit(product_price(product, seed), random.Random(f"limit {seed} {product.asin} {at}"))


def _limit_text(limit: float) -> str:
    return "" if limit == NO_LIMIT else f", and price lower than {limit:.2f} dollars"


def _in_order(goals: list[Goal]) -> list[Goal]:
    random.Random(ORDER_SEED).shuffle(goals)
    return goals


def _weighted(goals: list[Goal]) -> list[Goal]:
    """Goals with rarer attributes weigh more where goals are drawn by chance."""
    seen = Counter(attribute for goal in goals for attribute in goal.attributes)
    return [replace(goal, weight=sum(1.0 / seen[a] for a in goal.attributes) / len(goal.attributes)) for goal in goals]


def _texts(entry: Mapping[str, Any], field: str, product: Product) -> tuple[str, ...]:
    value = entry.get(field, []) if isinstance(entry, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadDataError(f"human instructions of {product.asin}: {field} should be a list of texts, found {value!r:.60}.")
    return tuple(value)


def _parse_goal(line: str, where: str) -> Goal:
    try:
        fields = json.loads(line)
        return Goal(
            asin=str(fields["asin"]),
            category=str(fields.get("category", "")),
            query=str(fields["query"]),
            name=str(fields["name"]),
            product_category=str(fields["product_category"]),
            instruction_text=str(fields["instruction_text"]),
            attributes=_all_texts(fields["attributes"], "attributes"),
            price_upper=float(fields["price_upper"]),
            goal_options=_options(fields["goal_options"]),
            weight=float(fields.get("weight", 1.0)),
        )
    except KeyError as error:
        raise BadDataError(f"{where}: the goal has no field {error}. Expected: {', '.join(_FIELDS[:-1])}.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise BadDataError(f"{where}: not a goal: {error}. Expected a JSON object with {', '.join(_FIELDS[:-1])}.") from None


def _all_texts(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{field} should be a list of texts, found {value!r:.60}")
    return tuple(value)


def _options(value: object) -> tuple[str, ...] | tuple[tuple[str, str], ...]:
    """A list of values (human goals); an object of name to value, or a list of such pairs (synthetic ones)."""
    pairs: Any = list(value.items()) if isinstance(value, Mapping) else value
    if isinstance(pairs, list) and pairs and not isinstance(pairs[0], str):
        if all(isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(t, str) for t in pair) for pair in pairs):
            return tuple((name, chosen) for name, chosen in pairs)
        raise ValueError(f"goal_options should be values, or pairs of name and value, all of them texts, found {value!r:.60}")
    return _all_texts(pairs, "goal_options")
