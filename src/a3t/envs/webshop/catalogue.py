"""An imported catalogue, open for reading: products in SQLite, search in mapped files, nothing held in memory but a small cache.

The folder holds `catalogue.json` (what it was made of; written last, so that its presence means whole), `products.sqlite` and
`index/`. Everything is read-only, so any number of processes share its pages.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import zstandard

from a3t.envs.webshop.bm25 import TOP, Index
from a3t.envs.webshop.product import Product
from a3t.errors import BadDataError, MissingDataError, UnknownNameError

FORMAT = 1
MANIFEST = "catalogue.json"


class Catalogue:
    """Products by number (their place in the file), by ASIN, and by search.

    Raises:
        MissingDataError: the folder is no imported catalogue.
        BadDataError: it was made by another version, or is damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        database = self.folder / "products.sqlite"
        if not database.is_file():
            raise MissingDataError(f"{self.folder} lacks products.sqlite.\n  Try: delete the folder and import again.")
        # Immutable: no locks, no journal; the file never changes once the manifest exists.
        self._database = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        self._index = Index(self.folder / "index")
        if self._index.num_docs != self.num_products:
            raise BadDataError(
                f"{self.folder} is damaged: its search index knows {self._index.num_docs} of {self.num_products} products.\n"
                "  Try: delete the folder and import again."
            )
        self._decompress = zstandard.ZstdDecompressor().decompress
        self.product = lru_cache(maxsize=2048)(self._product)
        self.number_of = lru_cache(maxsize=4096)(self._number_of)

    @property
    def name(self) -> str:
        """`webshop-1000-3f9a…`: size and content, for records."""
        return f"webshop-{self.num_products}-{self.manifest['hash'][:8]}"

    @property
    def num_products(self) -> int:
        return int(self.manifest["num_products"])

    def search(self, query: str, top: int = TOP) -> list[str]:
        """ASINs of the best products for a query, best first, at most `top` (the shop shows 50)."""
        numbers = self.search_numbers(query, top)
        # Not through `product`: only the names are wanted.
        marks = ",".join("?" * len(numbers))
        named = dict(self._database.execute(f"SELECT number, asin FROM products WHERE number IN ({marks})", numbers))
        return [named[number] for number in numbers]

    def search_numbers(self, query: str, top: int = TOP) -> tuple[int, ...]:
        """As `search`, but product numbers."""
        return self._index.search(query, top)

    def with_category(self, category: str) -> tuple[int, ...]:
        """Product numbers of a category, in file order (`<c>`)."""
        return self._numbers("SELECT number FROM products WHERE category = ? ORDER BY number", category)

    def with_query(self, query: str) -> tuple[int, ...]:
        """Product numbers found under a query, in file order (`<q>`)."""
        return self._numbers("SELECT number FROM products WHERE query = ? ORDER BY number", query)

    def with_attribute(self, attribute: str) -> tuple[int, ...]:
        """Product numbers that carry an attribute, in file order (`<a>`)."""
        return self._numbers("SELECT number FROM attributes WHERE attribute = ? ORDER BY number", attribute)

    def has_attribute(self, attribute: str) -> bool:
        """Whether any product carries it; does not count the tens of thousands that may."""
        found = self._database.execute("SELECT 1 FROM attributes WHERE attribute = ? LIMIT 1", (_as_utf8(attribute),))
        return found.fetchone() is not None

    def by_asin(self, asin: str) -> Product:
        """Raises: UnknownNameError."""
        number = self.number_of(asin)
        if number is None:
            raise UnknownNameError(f"{self.folder} has no product {asin!r}.")
        return self.product(number)

    def products(self) -> Iterator[Product]:
        """All, in file order."""
        for (data,) in self._database.execute("SELECT data FROM products ORDER BY number"):
            yield Product.from_json(self._decompress(data))

    def human_instructions(self) -> Iterator[tuple[Product, list[dict[str, Any]]]]:
        """Products that people wrote instructions for, in file order, with those."""
        query = "SELECT data, instructions FROM products JOIN human USING (asin) ORDER BY number"
        for data, instructions in self._database.execute(query):
            yield Product.from_json(self._decompress(data)), json.loads(instructions)

    def synthetic_instructions(self) -> Iterator[tuple[Product, str, list[str]]]:
        """Products with a made-up instruction, in file order: product, text, attributes it asks for."""
        query = (
            "SELECT data, instruction, wanted FROM products JOIN synthetic USING (asin) "
            "WHERE instruction IS NOT NULL ORDER BY number"
        )
        for data, instruction, wanted in self._database.execute(query):
            yield Product.from_json(self._decompress(data)), instruction, json.loads(wanted)

    def close(self) -> None:
        self._database.close()

    def _product(self, number: int) -> Product:
        row = self._database.execute("SELECT data FROM products WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise BadDataError(
                f"{self.folder} is damaged: product number {number} is missing.\n  Try: delete the folder and import again."
            )
        return Product.from_json(self._decompress(row[0]))

    def _number_of(self, asin: str) -> int | None:
        row = self._database.execute("SELECT number FROM products WHERE asin = ?", (asin,)).fetchone()
        return None if row is None else int(row[0])

    def _numbers(self, sql: str, value: str) -> tuple[int, ...]:
        return tuple(number for (number,) in self._database.execute(sql, (_as_utf8(value),)))


def _as_utf8(text: str) -> str:
    """SQLite takes no half characters (lone surrogates)."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """What an imported folder says of itself.

    Raises:
        MissingDataError: no `catalogue.json`.
        BadDataError: unreadable, or of another format.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError:
        raise MissingDataError(
            f"{folder} is no imported catalogue: it has no {MANIFEST}.\n  Try: a3t data import webshop PATH"
        ) from None
    except ValueError as error:
        raise BadDataError(f"{folder / MANIFEST} is damaged: {error}.\n  Try: delete the folder and import again.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise BadDataError(
            f"{folder} has catalogue format {found!r}; this a3t reads {FORMAT}.\n  Try: delete the folder and import again."
        )
    return manifest
