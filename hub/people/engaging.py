"""What came in through one request to `/engage`: updates of profiles, and refusals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.events.arriving import Refusal, microseconds_since_1970, refusal
from hub.events.lines import Rejected
from hub.events.request import Decoded
from hub.people.profile_update import Update, update_of


@dataclass(frozen=True)
class Engaged:
    """What became of the items of a request: the updates by the `$token` that they came with, in their order, and what
    was refused."""

    updates: dict[str, list[Update]]
    refusals: list[Refusal]


def engaged(request: Decoded, *, now: datetime) -> Engaged:
    """The updates of a request to `/engage`. Whether a token is a project's is the caller's to find out. Never raises
    for what is in the items."""
    arrived = microseconds_since_1970(now)
    updates, refusals = dict[str, list[Update]](), list[Refusal]()
    for index, item in enumerate(request.records):
        try:
            update = _update(item, arrived)
            updates.setdefault(_token(item), []).append(update)
        except Rejected as error:
            refusals.append(refusal(index, item, error))
    return Engaged(updates, refusals)


def _update(item: Any, arrived: int) -> Update:
    if isinstance(item, Rejected):
        raise item
    return update_of(item, arrived=arrived)


def _token(item: dict[str, Any]) -> str:
    token = item.get("$token")
    if token and type(token) is str:
        return token
    raise Rejected("$token is missing." if token is None else "$token is no token.", "$token")
