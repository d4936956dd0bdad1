"""Prices of one run: drawn from a seed, or read from a `prices.json` without keeping a million of them in memory."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable
from pathlib import Path

from a3t.envs.webshop.goals import product_price
from a3t.envs.webshop.product import Product
from a3t.errors import BadDataError, MissingDataError

Prices = Callable[[Product], float]
"""What a product costs, dollars."""

_SMALL_FILE_BYTES = 4_000_000


def seeded_prices(seed: int) -> Prices:
    return lambda product: product_price(product, seed)


def prices_from_file(path: Path | str) -> Prices:
    """Prices by ASIN; a product that the file leaves out costs the lower end of its own price.

    A small file is read and checked whole. In a large one, each price is looked for when it is asked for.

    Raises:
        MissingDataError: no such file.
        BadDataError: not a JSON object of numbers.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > _SMALL_FILE_BYTES:
            return _searched(path)
        prices = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingDataError(f"cannot read the price file {path}: {error.strerror or error}.") from None
    except ValueError as error:
        raise BadDataError(f"the price file {path} is not JSON: {error}.") from None
    if not isinstance(prices, dict):
        raise BadDataError(f"the price file {path} should be an object of ASIN to price, found {type(prices).__name__}.")
    wrong = next((asin for asin, price in prices.items() if isinstance(price, bool) or not isinstance(price, int | float)), None)
    if wrong is not None:
        raise BadDataError(f"the price file {path}: the price of {wrong!r} should be a number, found {prices[wrong]!r:.60}.")
    return lambda product: float(prices.get(product.asin, product.prices[0]))


def _searched(path: Path) -> Prices:
    with path.open("rb") as file:
        text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if re.match(rb"\s*\{", text) is None:
        raise BadDataError(f"the price file {path} should be a JSON object of ASIN to price.")

    def price(product: Product) -> float:
        key = re.escape(json.dumps(product.asin).encode())
        found = re.search(key + rb"\s*:\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)", text)
        return float(found.group(1)) if found else product.prices[0]

    return price
