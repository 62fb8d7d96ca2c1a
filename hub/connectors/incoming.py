"""What comes in at the door `/in/<connection>`: a partner's request, our answer, and what was in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.connectors.messages import MessageEvent


@dataclass(frozen=True)
class InboundRequest:
    """One request, as it came. `headers` have lower-case names; `query` is decoded, the last of equal names.

    `body` is the raw bytes that a signature is about; `received_at` is aware UTC, and stays what it was when the
    request is decoded again later. By then headers and parameters that hold secrets or signatures are gone.
    `secret_path` tells that it came to the connection's own secret address, which only the partner was given: proof
    enough where a partner can sign nothing.
    """

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    received_at: datetime
    secret_path: bool = False


@dataclass(frozen=True)
class Reply:
    """What the partner is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Unknown:
    """A part of a request that the connector has no name for: kept, shown, and decoded again on request.

    `reason` is for people; `payload` is a JSON value.
    """

    reason: str
    payload: Any = None


class CohortAction(StrEnum):
    """What a page does with the members of a received cohort."""

    REPLACE = "replace"
    """It is a part of a full copy, which replaces what was there when all its pages are in."""
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True)
class CohortPage:
    """A page of members of somebody else's cohort, sent to us.

    `cohort` is the sender's id of it (it stays when `name` changes). Pages of one `session` belong together, numbered
    from 1 to `total`; they may come in any order and more than once. `members` are JSON objects with their keys.
    """

    cohort: str
    name: str
    action: CohortAction
    session: str
    number: int
    total: int
    members: Sequence[Mapping[str, Any]] = ()
    description: str = ""


@dataclass(frozen=True)
class Received:
    """What was in one request."""

    events: Sequence[MessageEvent] = ()
    unknown: Sequence[Unknown] = ()
    pages: Sequence[CohortPage] = field(default=())
