"""The Customer.io connector, as the conformance suite is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import orjson

from hub import Audience, InboundRequest, Member
from hub.testing.conformance import Subject
from hub.testing.sandbox import Running
from hub_customerio.connector import CustomerIO
from hub_customerio.sandbox import CustomerIOSandbox
from hub_customerio.settings import CustomerIOSettings
from hub_customerio.signature import OLDEST, signature

PEOPLE = 3000
_ROUNDS = iter(range(1, 1_000_000))


def _at_once(folder: Path) -> CustomerIOSandbox:
    """What is written shows at once, and the App API's limit is out of the way of many connectors in one second."""
    return CustomerIOSandbox(folder, lag=0, app_rate=1000)


def _people(partner: Running) -> None:
    people = [{"id": f"person-{number}", "email": f"person{number}@example.com"} for number in range(PEOPLE)]
    partner.admin.post("/people", {"people": people})


def _held(partner: Running, audience: Audience) -> Iterable[Member]:
    found = partner.admin.get(f"/segments/{audience.ref['segment']}/members")["ids"]
    return [Member(each, match="distinct_id") for each in found]


def _messages(partner: Running) -> int:
    """A message to twenty people, and what they do."""
    number = next(_ROUNDS)
    segment = partner.admin.post("/segments", {"name": f"Round {number}"})["id"]
    partner.admin.post(f"/segments/{segment}/members", {"ids": [f"person-{each}" for each in range(20)]})
    counts = partner.admin.post("/messages", {"segment": str(segment), "origin": number, "seed": number})
    return sum(count for metric, count in counts.items() if metric not in ("deliveries", "created"))


def _signed(settings: CustomerIOSettings, at: datetime) -> InboundRequest:
    identifiers = {"id": "42", "email": "ann@example.com", "cio_id": "d9c106000001"}
    data = {"campaign_id": 5, "delivery_id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY", "identifiers": identifiers}
    event = {"event_id": "01JD5A9Z7M3T1Q8V0K2N4P6R8S", "object_type": "email", "metric": "sent"}
    body = orjson.dumps({**event, "timestamp": 1763633000, "data": data})
    timestamp = str(int(at.timestamp()))
    signed = signature(settings.signing_keys()[0], timestamp, body)
    headers = {"content-type": "application/json", "x-cio-timestamp": timestamp, "x-cio-signature": signed}
    return InboundRequest("POST", headers, {}, body, at)


CUSTOMERIO = Subject(
    connector=CustomerIO,
    sandbox=_at_once,
    bad_credentials=[{"track_api_key": "not-the-track-key"}, {"app_api_key": "not-the-app-key"}],
    prepare=_people,
    refused=Member("stranger", match="distinct_id"),
    value=("plan", "pro"),
    held=_held,
    happen=_messages,
    signed=_signed,
    wrong_keys=[{"signing_key": "not-the-signing-key"}],
    window=OLDEST,
)
