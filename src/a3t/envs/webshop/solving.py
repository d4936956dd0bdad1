"""A shopper who knows the goal's product: search its title, open it, choose what was asked for, buy."""

from __future__ import annotations

import re

from a3t.envs.webshop.goals import Goal
from a3t.envs.webshop.pages import BUY, NEXT, PER_PAGE
from a3t.envs.webshop.product import Product
from a3t.envs.webshop.reward import matches_option
from a3t.envs.webshop.session import Shop


def solve(shop: Shop, goal: Goal, turns_pages: bool = True) -> list[str] | None:
    """Actions that end in the purchase, or None where search does not find the product or an option is not offered."""
    number = shop.catalogue.number_of(goal.asin)
    if number is None:
        return None
    product = shop.catalogue.product(number)
    query = re.sub(r"[\[\]\s]+", " ", product.title).strip().lower()
    found = shop.results(tuple(query.split(" ")))
    clicks = _choices(product, goal)
    if number not in found or clicks is None:
        return None
    pages = found.index(number) // PER_PAGE
    if pages and not turns_pages:
        return None
    return [f"search[{query}]", *[f"click[{NEXT}]"] * pages, f"click[{goal.asin}]", *clicks, f"click[{BUY}]"]


def _choices(product: Product, goal: Goal) -> list[str] | None:
    """A click for each wanted option, no two in one group."""
    clicks: dict[str, str] = {}
    for wanted in goal.goal_options:
        offers = [
            (group, value)
            for group, values in product.options
            for value in values
            if group not in clicks and matches_option(value, wanted)
        ]
        if not offers:
            return None
        # The very words before what merely resembles them.
        group, value = min(offers, key=lambda offer: offer[1] != wanted)
        clicks[group] = f"click[{value}]"
    return list(clicks.values())
