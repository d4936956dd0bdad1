"""A product as the shop shows it, made from one record of the official file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from a3t.errors import BadDataError
from a3t.text.unicode import is_unicode

MISSING_PRICE = 100.0
"""What a product without a price costs."""

NO_ATTRIBUTES = ("DUMMY_ATTR",)
"""Attributes of a product that the attribute file does not list."""


@dataclass(frozen=True, slots=True)
class Product:
    """What search, pages and reward need to know."""

    asin: str
    title: str
    description: str
    bullets: tuple[str, ...]
    prices: tuple[float, ...]
    """One value, or the two ends of a range; dollars."""
    price_tag: str
    """As shown: `$9.98`, or `$5.0 to $9.5`."""
    options: tuple[tuple[str, tuple[str, ...]], ...]
    """Option groups in file order: lower-cased name, lower-cased values."""
    attributes: tuple[str, ...]
    category: str
    query: str
    """The search phrase under which it was found, lower-cased; a kind of fine category."""
    product_category: str
    """Category path, parts joined by ` › `."""
    image: str

    @property
    def indexed_text(self) -> str:
        """What search sees: title, description, first bullet and all options, lower-cased."""
        groups = ", and ".join(f"{name}: {', '.join(values)}" for name, values in self.options)
        return " ".join([self.title, self.description, self.bullets[0] if self.bullets else "", groups]).lower()

    def to_json(self) -> str:
        # Not `asdict`: it copies deeply, and a million products are written.
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Product:
        fields = json.loads(text)
        fields["bullets"] = tuple(fields["bullets"])
        fields["prices"] = tuple(fields["prices"])
        fields["options"] = tuple((name, tuple(values)) for name, values in fields["options"])
        fields["attributes"] = tuple(fields["attributes"])
        return cls(**fields)


def usable_asin(record: object) -> str | None:
    """The product's ASIN, or None where the original skips the record."""
    asin = record.get("asin") if isinstance(record, Mapping) else None
    return asin if isinstance(asin, str) and asin != "nan" and 0 < len(asin) <= 10 else None


def parse_product(record: Mapping[str, Any], attributes: tuple[str, ...] = NO_ATTRIBUTES) -> Product:
    """A product from a record of `items_shuffle.json`.

    Raises:
        BadDataError: a field that every product has is missing or of the wrong kind.
    """
    bullets = record.get("small_description")
    prices, tag = parse_price(record.get("pricing"))
    images = record.get("images")
    return Product(
        asin=_text(record, "asin"),
        title=_text(record, "name"),
        description=_text(record, "full_description"),
        bullets=tuple(map(str, bullets)) if isinstance(bullets, list) else (str(bullets or ""),),
        prices=prices,
        price_tag=tag,
        options=parse_options(record.get("customization_options")),
        attributes=attributes,
        category=_text(record, "category"),
        query=_text(record, "query").lower().strip(),
        product_category=_text(record, "product_category"),
        image=str(images[0]) if isinstance(images, list) and images else "",
    )


def all_texts(value: object, field: str) -> list[str]:
    """A list of texts, which it may lack or hold as null.

    Raises:
        BadDataError: says what was found.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadDataError(f"{field}: expected a list of texts, found {value!r:.60}.")
    return [whole_text(item, field) for item in value]


def whole_text(text: str, field: str) -> str:
    """Text that can be written as UTF-8, as what is looked up must be; half a character (a lone surrogate) cannot.

    Raises:
        BadDataError: says what was found.
    """
    if is_unicode(text):
        return text
    raise BadDataError(f"{field}: expected text, found half a character (a lone surrogate) in {text!r:.60}.")


def parse_price(pricing: object) -> tuple[tuple[float, ...], str]:
    """Numbers and price tag of a `pricing` text: every piece after a dollar sign is a price, and the first two count."""
    pieces = str(pricing).split("$")[1:] if pricing else []
    prices = tuple(value for piece in pieces if (value := _number(piece)) is not None)[:2]
    if not prices:
        return (MISSING_PRICE,), f"${MISSING_PRICE}"
    return prices, " to ".join(f"${price}" for price in prices)


def parse_options(groups: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Option groups of `customization_options`; the original writes `/` inside a value as ` | `."""
    if not groups:
        return ()
    if not isinstance(groups, Mapping):
        raise BadDataError(f"customization_options: expected an object of name to values, found {groups!r:.60}.")
    parsed: dict[str, tuple[str, ...]] = {}
    for name, contents in groups.items():
        if contents is None:
            continue
        if not isinstance(contents, list):
            raise BadDataError(f"customization_options[{name!r}]: expected a list of values, found {contents!r:.60}.")
        parsed[str(name).lower()] = tuple(_option_value(str(name), content) for content in contents)
    return tuple(parsed.items())


def _option_value(name: str, content: object) -> str:
    value = content.get("value") if isinstance(content, Mapping) else content
    if not isinstance(value, str):
        raise BadDataError(f"customization_options[{name!r}]: expected objects with a text 'value', found {content!r:.60}.")
    return value.strip().replace("/", " | ").lower()


def _number(piece: str) -> float | None:
    try:
        return float(re.sub(r"[^\d.]", "", piece))
    except ValueError:
        return None


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if value is None and field not in ("asin", "name"):
        return ""
    if not isinstance(value, str):
        raise BadDataError(f"field {field!r}: expected text, found {value!r:.60}.")
    return value
