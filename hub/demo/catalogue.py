"""What the simulated shop sells, and the properties of its events, written once and looked up ever after."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from itertools import accumulate
from typing import Any

import orjson

CATEGORIES = ("Shoes", "Coats", "Knitwear", "Bags", "Outdoor", "Kids", "Home", "Books")
VERSIONS = ("5.0.2", "5.1.0", "5.2.1")
PRODUCTS = 400
UNITS = 3
"""The most of one product that somebody buys at once."""


class Kind(IntEnum):
    """The events of the shop."""

    APP_OPEN = 0
    PAGE_VIEW = 1
    SEARCH = 2
    ADD_TO_CART = 3
    PURCHASE = 4


NAMES = ("App Open", "Page View", "Search", "Add to Cart", "Purchase")
"""The name of each kind."""


def place(kind: Kind) -> int:
    """Where the details of a kind begin among all `details`."""
    return [0, *accumulate(len(group) for group in _groups())][kind]


def details() -> list[bytes]:
    """Properties that only some events have, as JSON to be put behind those that all have."""
    return [b"," + orjson.dumps(one)[1:-1] for group in _groups() for one in group]


@cache
def _groups() -> tuple[list[dict[str, Any]], ...]:
    products = [_product(number) for number in range(PRODUCTS)]
    return (
        [{"$app_version_string": version} for version in VERSIONS],
        [{"page": f"/{one['category'].lower()}/{one['product']}"} for one in products],
        [{"term": category.lower()} for category in CATEGORIES],
        [{**one} for one in products],
        [_sale(one, units) for one in products for units in range(1, UNITS + 1)],
    )


def _product(number: int) -> dict[str, Any]:
    price = 9.0 + number * 0.75 + (number % 10) / 10  # the dearer, the higher its number
    return {"product": f"P{number:03}", "category": CATEGORIES[number % len(CATEGORIES)], "price": round(price, 2)}


def _sale(product: dict[str, Any], units: int) -> dict[str, Any]:
    amount = round(product["price"] * units, 2)
    return {"product": product["product"], "category": product["category"], "amount": amount, "units": units}
