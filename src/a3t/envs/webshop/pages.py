"""What each page of the shop shows, as a list of visible texts, and what on it can be clicked.

The texts, their order and their spaces are the original's templates after an HTML parser has been over them: an empty text leaves
no trace, one of spaces alone shrinks to one space, one with a line break among its spaces vanishes with the template's
indentation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from a3t.envs.webshop.product import Product

BUY = "Buy Now"
NEXT = "Next >"
PREVIOUS = "< Prev"
BACK = "Back to Search"
SUB_PAGES = ("Description", "Features", "Reviews", "Attributes")
BUTTONS = (BUY, NEXT, PREVIOUS, BACK, *SUB_PAGES)
"""All that have a meaning of their own, on whichever page."""

PER_PAGE = 10

_SPACES = "\x20\x0a\x09\x0c\x0d"


class Kind(Enum):
    """What a visible text belongs to; decides how it is shown and what a click on it does."""

    TEXT = "text"
    BUTTON = "button"
    OPTION = "option"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class Piece:
    """One visible text."""

    kind: Kind
    text: str
    group: str = ""
    """The option group of an OPTION."""


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page."""

    pieces: tuple[Piece, ...]
    clickables: Mapping[str, Piece]
    """By the lower-cased label under which a click finds them; a later option takes the place of an earlier button."""


def search_page(instruction: str) -> Page:
    return _page([_text("WebShop"), _text("Instruction: "), _text(instruction), _button("Search")])


def results_page(instruction: str, products: Sequence[Product], page_number: int, total: int, shown: int = PER_PAGE) -> Page:
    """One page of search results.

    Args:
        instruction: the goal in words.
        products: those of this page.
        page_number: from 1.
        total: results on all pages.
        shown: how many products become visible; the rest can still be clicked by those who know them.
    """
    pieces = [*_header(instruction), _text(f"Page {page_number} (Total results: {total})")]
    if page_number > 1:
        pieces.append(_button(PREVIOUS))
    pieces.append(_button(NEXT))
    for product in products[:shown]:
        pieces += [Piece(Kind.PRODUCT, product.asin), _text(product.title), _text(product.price_tag)]
    hidden = [Piece(Kind.PRODUCT, product.asin) for product in products[shown:]]
    return _page(pieces, hidden)


def item_page(instruction: str, product: Product, show_attributes: bool = False) -> Page:
    pieces = [*_header(instruction), _button(PREVIOUS)]
    for name, values in product.options:
        pieces.append(_text(name))
        pieces += [Piece(Kind.OPTION, value, name) for value in values]
    pieces += [_text(product.title), _text(f"Price: {product.price_tag}"), _text("Rating: N.A.")]
    pieces += [_button(name) for name in SUB_PAGES if show_attributes or name != "Attributes"]
    pieces.append(_button(BUY))
    return _page(pieces)


def sub_page(instruction: str, product: Product, name: str) -> Page:
    """One of `SUB_PAGES`; the review page is always empty, as the original ships no reviews."""
    pieces = [*_header(instruction), _button(PREVIOUS)]
    if name == "Description":
        pieces.append(_text(product.description))
    elif name == "Features":
        pieces += [_text(f" {bullet}") for bullet in product.bullets]
    elif name == "Attributes":
        pieces += [_text(f" {attribute}") for attribute in product.attributes]
        pieces += [_text(product.category), _text(product.query), _text(product.product_category)]
    return _page(pieces)


def done_page(reward: float, asin: str, options: Mapping[str, str]) -> Page:
    """The page after a purchase, its hidden part included: a text browser sees it."""
    bought = [
        "asin",
        asin,
        "options",
        _json_in_html(options),
        "attrs",
        "None",
        "category",
        "None",
        "query",
        "None",
        "product category",
        "None",
    ]
    target = [
        "asin",
        "options",
        "attrs",
        "price upper",
        "instuction text",
        "category",
        "product category",
        "query",
        "Goal ",
        "None",
    ]
    texts = [
        "Thank you for shopping with us!", "Your code: ", "None", " (Paste it in your MTurk interface.)",
        "Purchased", *bought, "Target", *target,
        "Reward", SCORE, str(reward), "Reward Details ", "None",
    ]  # fmt: skip
    return _page([_text(text) for text in texts])


SCORE = "Your score (min 0.0, max 1.0)"


def _header(instruction: str) -> list[Piece]:
    return [_text("Instruction:"), _text(instruction), _button(BACK)]


def _page(pieces: Sequence[Piece], hidden: Sequence[Piece] = ()) -> Page:
    clickables: dict[str, Piece] = {}
    for kinds in ((Kind.BUTTON,), (Kind.PRODUCT,)):
        clickables.update({piece.text.lower(): piece for piece in (*pieces, *hidden) if piece.kind in kinds})
    # The value of an option is taken as it is: options are lower-case already.
    clickables.update({piece.text: piece for piece in pieces if piece.kind is Kind.OPTION})
    visible = (
        Piece(piece.kind, text, piece.group) if text != piece.text else piece
        for piece in pieces
        if (text := _as_parsed(piece.text))
    )
    return Page(tuple(visible), clickables)


def _as_parsed(text: str) -> str:
    """What an HTML parser leaves of a text between two tags; empty where nothing shows."""
    if text.strip(_SPACES):
        return text
    return "" if not text or "\n" in text else " "


def _text(text: str) -> Piece:
    return Piece(Kind.TEXT, text)


def _button(text: str) -> Piece:
    return Piece(Kind.BUTTON, text)


def _json_in_html(value: Mapping[str, str]) -> str:
    """As Jinja's `tojson` writes it into a page."""
    text = json.dumps(dict(value), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("'", "\\u0027")
