"""The address guard of a hub: what its users' addresses may lead to."""

from __future__ import annotations

from urllib.parse import urlsplit

import orjson

from hub.connectors.addresses import AddressGuard
from hub.settings import Settings


def guard_of(settings: Settings) -> AddressGuard:
    """The address guard of a hub: strict, but for the sandboxes that run from its own home."""
    return AddressGuard(allow_private=settings.allow_private, sandboxes=_running_sandboxes(settings))


def _running_sandboxes(settings: Settings) -> set[tuple[str, int]]:
    found = set()
    for file in (settings.home / "sandbox").glob("*/running.json"):
        try:
            address = urlsplit(orjson.loads(file.read_bytes())["url"])
        except (OSError, ValueError, KeyError):
            continue
        found.add((str(address.hostname), address.port or 80))
    return found
