"""What came in through one request to `/engage`: updates of profiles, and refusals."""

from __future__ import annotations

from collections.abc import Callable
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


def engaged(request: Decoded, *, now: datetime, known: Callable[[str], bool]) -> Engaged:
    """The updates of a request to `/engage`, each for the project of its own token.

    `known` says whether a token is any project's; items of others are refused. Never raises for what is in the items.
    """
    arrived = microseconds_since_1970(now)
    updates, refusals = dict[str, list[Update]](), list[Refusal]()
    for index, item in enumerate(request.records):
        try:
            update = _update(item, arrived)
            token = _token(item)
            if not known(token):
                raise Rejected("The token is no project's.", "$token")
            updates.setdefault(token, []).append(update)
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
