"""What a purchase is worth: the original's formula, every part of it told.

    r = r_type · (matched attributes + matched options + [price ≤ limit]) / (attributes + options + 1)

Source: Yao et al. 2022 (WebShop), Eq. 1 and its code at 64fa2a5, whose quirks are kept: a match is a *rounded* fuzzy ratio above
85; options of synthetic goals are compared as (name, value) pairs; a title that shares no noun with the goal's overrides
everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rapidfuzz import fuzz, utils

from a3t.envs.webshop.goals import Goal
from a3t.envs.webshop.nouns import Tagger
from a3t.envs.webshop.product import Product
from a3t.envs.webshop.words import word_list

COLORS = word_list("colors")
"""In this order: a value that holds one of them is reduced to the first."""

_THRESHOLD = 85
# The fuzzy matcher drops Latin-1 letters beyond ASCII, and these alone, before it compares.
_LATIN_1 = dict.fromkeys(range(128, 256))


class Score(NamedTuple):
    """The reward and its parts."""

    reward: float
    """In [0, 1]."""
    parts: dict[str, Any]
    """The original's names: r_type, r_att, w_att, query_match, category_match, title_score; r_option and w_option where the goal
    has options; r_price, w_price; beside them matched_attributes, matched_options and noun_tagger."""


def score_purchase(
    product: Product, goal: Goal, price: float, options: Mapping[str, str], tagger: Tagger, tagger_name: str
) -> Score:
    """Score a purchase.

    Args:
        product: what was bought.
        goal: what was wanted.
        price: of this product in this run, dollars.
        options: chosen, group to value.
        tagger: finds the nouns of titles.
        tagger_name: recorded with the score.
    """
    kind = type_parts(product, goal, tagger)
    attributes = [attribute for attribute in goal.attributes if _has_attribute(product, attribute)]
    wanted = goal.option_items
    matched = [option for option in wanted if _was_chosen(option, list(options.values()))]
    in_budget = price <= goal.price_upper if goal.price_upper > 0 else None
    size = len(goal.attributes) + len(wanted) + 1
    reward = (len(attributes) + len(matched) + bool(in_budget)) / size * kind["r_type"]
    parts: dict[str, Any] = {
        "r_type": kind["r_type"],
        "r_att": len(attributes) / len(goal.attributes) if goal.attributes else 0.0,
        "w_att": len(goal.attributes) / size,
        "query_match": kind["query_match"],
        "category_match": kind["category_match"],
        "title_score": kind["title_score"],
    }
    if wanted:
        parts |= {"r_option": len(matched) / len(wanted), "w_option": len(wanted) / size}
    if in_budget is not None:
        parts |= {"r_price": in_budget, "w_price": 1 / size}
    parts |= {
        "matched_attributes": attributes,
        "matched_options": [_as_text(option) for option in matched],
        "noun_tagger": tagger_name,
    }
    return Score(reward, parts)


def type_parts(product: Product, goal: Goal, tagger: Tagger) -> dict[str, Any]:
    """r_type and what it comes from: same search query, two shared categories, or enough shared title nouns."""
    query_match = product.query == goal.query
    category_match = len(_categories(product.product_category) & _categories(goal.product_category)) >= 2
    wanted = tagger(goal.name)
    # Distinct shared nouns over the *list* of the goal's: a noun that the goal repeats counts against it.
    title_score = len(set(tagger(product.title)) & set(wanted)) / len(wanted) if wanted else 0.2
    r_type = 1.0 if query_match or category_match or title_score > 0.2 else 0.5
    if title_score < 0.1:
        r_type = 0.1
    if title_score == 0.0:
        r_type = 0.0
    return {"r_type": r_type, "query_match": query_match, "category_match": category_match, "title_score": title_score}


def first_color(value: Any) -> Any:
    """The first of `COLORS` inside a value, or the value itself. A pair holds only what equals one of its two members."""
    return next((color for color in COLORS if color in value), value)


def alike(one: object, other: object) -> bool:
    """Whether the fuzzy ratio of two texts exceeds the threshold; pairs are compared as they print."""
    return round(fuzz.token_set_ratio(_processed(one), _processed(other))) > _THRESHOLD


def matches_option(value: str, wanted: str | tuple[str, str]) -> bool:
    """Whether a chosen value fulfils an option of the goal."""
    return alike(first_color(value), first_color(wanted))


def _has_attribute(product: Product, attribute: str) -> bool:
    if any(alike(own, attribute) for own in product.attributes):
        return True
    return (
        attribute in product.title.lower()
        or attribute in " ".join(product.bullets).lower()
        or attribute in product.description.lower()
    )


def _was_chosen(option: str | tuple[str, str], chosen: Sequence[str]) -> bool:
    return any(matches_option(value, option) for value in chosen)


def _categories(path: str) -> set[str]:
    return {part.strip() for part in path.split("›")}


def _as_text(option: str | tuple[str, str]) -> str:
    return option if isinstance(option, str) else ": ".join(option)


@lru_cache(maxsize=16384)
def _processed(value: object) -> str:
    return str(utils.default_process(str(value).translate(_LATIN_1)))
