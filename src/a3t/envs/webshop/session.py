"""One shopper's way through the shop: a frozen state and pure steps from one to the next, the original's rules and quirks
included."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace

from a3t.envs.webshop.bm25 import TOP
from a3t.envs.webshop.catalogue import Catalogue
from a3t.envs.webshop.pages import (
    BACK,
    BUY,
    NEXT,
    PER_PAGE,
    PREVIOUS,
    SUB_PAGES,
    Kind,
    Page,
    Piece,
    item_page,
    results_page,
    search_page,
    sub_page,
)
from a3t.envs.webshop.product import Product

_BASE = "http://127.0.0.1:3000"
_ID = "a3t"
_PAGE_NAMES = ("search_results", "item_page", "item_sub_page", "done")


@dataclass(frozen=True, slots=True)
class Session:
    """Where a shopper is."""

    page: str = "index"
    """`index`, `search_results`, `item_page`, `item_sub_page` or `done`."""
    url: str = f"{_BASE}/{_ID}"
    """The original's address of the page; it decides which options count as clicked, and a few quirks."""
    keywords: tuple[str, ...] = ()
    number: int = 0
    """Results page, from 1."""
    asin: str = ""
    visited: frozenset[str] = frozenset()
    """ASINs opened since the last search page."""
    options: tuple[tuple[str, str], ...] = ()
    """Chosen options, group to value, in the order of choosing."""
    sub_page: str = ""

    @property
    def chosen(self) -> dict[str, str]:
        return dict(self.options)

    @property
    def query(self) -> str:
        return " ".join(self.keywords)


def parse_action(action: str) -> tuple[str, str | None]:
    """Verb and argument as the original's `(.+)\\[(.+)\\]`, matched at the beginning, finds them; without a match, no argument.

    So the last `[` before the last `]` of the first line divides them. (The expression takes hours over a megabyte of `[`.)
    """
    line = action.partition("\n")[0]
    close = line.rfind("]")
    opening = line.rfind("[", 1, max(close - 1, 0))
    return (action, None) if opening < 0 else (line[:opening], line[opening + 1 : close])


class Shop:
    """The catalogue as pages, for any number of shoppers."""

    def __init__(
        self, catalogue: Catalogue, seed: int = 0, products_shown: int = PER_PAGE, show_attributes: bool = False
    ) -> None:
        self.catalogue = catalogue
        self._seed = seed
        self._products_shown = products_shown
        self._show_attributes = show_attributes

    def render(self, session: Session, instruction: str) -> Page:
        """Any page but `done`."""
        if session.page == "search_results":
            results = self.results(session.keywords)
            on_page = results[(session.number - 1) * PER_PAGE : session.number * PER_PAGE]
            products = [self.catalogue.product(number) for number in on_page]
            return results_page(instruction, products, session.number, len(results), self._products_shown)
        if session.page == "item_page":
            return item_page(instruction, self.product(session), self._show_attributes)
        if session.page == "item_sub_page":
            return sub_page(instruction, self.product(session), session.sub_page)
        return search_page(instruction)

    def product(self, session: Session) -> Product:
        return self.catalogue.by_asin(session.asin)

    def search(self, session: Session, keywords: tuple[str, ...], number: int = 1) -> Session:
        """A results page; forgets the product and the options that were chosen."""
        url = f"{_BASE}/search_results/{_ID}/{'+'.join(keywords)}/{number}"
        return replace(
            session, page="search_results", url=url, keywords=keywords, number=number, asin="", options=(), sub_page=""
        )

    def click(self, session: Session, label: str, page: Page) -> Session:
        """Follow a clickable of the page that is shown; buying is the caller's.

        Args:
            session: where the shopper is.
            label: lower-cased; one of `page.clickables`.
            page: what `render` gave for `session`.
        """
        at = next((name for name in _PAGE_NAMES if name in session.url), "")
        if label == BACK.lower():
            return Session()
        if label == NEXT.lower() and at == "search_results":
            return self.search(session, session.keywords, session.number + 1)
        if label == PREVIOUS.lower():
            if at == "search_results":
                return self.search(session, session.keywords, session.number - 1)
            if at == "item_page":
                return self.search(session, session.keywords, session.number)
        for name in SUB_PAGES:
            if label == name.lower():
                return self._sub_page(session, name)
        return self._item(session, page.clickables[label], label)

    def results(self, keywords: tuple[str, ...]) -> tuple[int, ...]:
        """Product numbers for a query; `<r>`, `<a>`, `<c>` and `<q>` list by chance, attribute, category and query instead."""
        rest = " ".join(keywords[1:]).strip()
        match keywords[0] if keywords else "":
            case "<r>":
                # The same fifty for the same words: a page turned is not a new draw.
                count = self.catalogue.num_products
                return tuple(random.Random(f"{self._seed} {rest}").sample(range(count), min(TOP, count)))
            case "<a>":
                return self.catalogue.with_attribute(rest)
            case "<c>":
                return self.catalogue.with_category(keywords[1].strip() if len(keywords) > 1 else "")
            case "<q>":
                return self.catalogue.with_query(rest)
        return self.catalogue.search_numbers(" ".join(keywords))

    def _item(self, session: Session, clicked: Piece, label: str) -> Session:
        if clicked.kind is Kind.PRODUCT:
            session = replace(session, asin=clicked.text, visited=session.visited | {clicked.text})
        elif clicked.kind is Kind.OPTION:
            session = replace(session, options=tuple({**session.chosen, clicked.group.lower(): label}.items()))
        chosen = json.dumps(session.chosen)
        url = f"{_BASE}/item_page/{_ID}/{session.asin}/{'+'.join(session.keywords)}/{session.number}/{chosen}"
        return replace(session, page="item_page", url=url, sub_page="")

    def _sub_page(self, session: Session, name: str) -> Session:
        url = f"{_BASE}/item_sub_page/{_ID}/{session.asin}/{'+'.join(session.keywords)}/{session.number}/{name}/{session.chosen}"
        return replace(session, page="item_sub_page", url=url, sub_page=name)


def is_purchase(label: str) -> bool:
    return label == BUY.lower()
