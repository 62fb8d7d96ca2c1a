"""Message events from `/v1/messages`: whole, each once in both feeds, and no gap between two readings."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from hub.testing.sandbox import Running
from hub_customerio.kinds import MESSAGE_EVENTS
from hub_customerio.pulling import DAY, _due, _moved
from hub_customerio.webhooks import receive

SEGMENT = "hub: Power users"


def send(workspace: Running, people: int, **order: Any) -> dict[str, int]:
    rows = [{"id": f"p{number:02}", "email": f"p{number:02}@shop.example"} for number in range(people)]
    workspace.admin.post("/people", {"people": rows})
    if not any(each["name"] == SEGMENT for each in workspace.admin.get("/segments")["segments"]):
        workspace.admin.post("/segments", {"name": SEGMENT})
    workspace.admin.post(f"/segments/{SEGMENT}/members", {"ids": [row["id"] for row in rows]})
    return dict(workspace.admin.post("/messages", {"segment": SEGMENT, **order}))


async def pulled(connector: Any, cursor: Any = None) -> tuple[list[Any], Any]:
    events, last = [], dict(cursor or {})
    async for page, told in connector.pull(dict(last)):
        events += page
        last = orjson.loads(orjson.dumps(told))
    return events, last


async def test_every_metric_of_every_page_is_told_with_the_name_of_its_origin(
    connections, workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_customerio.pulling.LARGEST_PAGE", 4)
    rates = {"opened": 0.6, "clicked": 0.6, "bounced": 0.2, "unsubscribed": 0.2, "converted": 0.3}
    counts = send(workspace, 10, rates=rates, name="Spring", seed=3)
    more = send(workspace, 3, sort="newsletter", origin=5, name="Weekly", type="sms", rates={})
    assert min(counts[metric] for metric in rates) > 0

    events, _ = await pulled(connections.open(signing_key=""))

    found = {
        metric: sum(event.kind == f"email_{metric}" for event in events) for metric in ("sent", "delivered", *rates)
    }
    assert found == {metric: counts[metric] for metric in found}
    assert sum(event.kind in ("sms_sent", "sms_delivered") for event in events) == 2 * more["deliveries"]
    assert {(event.origin.id, event.origin.name) for event in events} == {
        ("campaign:5", "Spring"), ("newsletter:5", "Weekly"),
    }  # fmt: skip
    [bounced, *_] = [event for event in events if event.kind == "email_bounced"]
    assert bounced.properties["failure_message"].startswith("550")
    assert {event.match[0] for event in events} == {"distinct_id"}
    assert {event.kind for event in events} <= {kind.kind for kind in MESSAGE_EVENTS.kinds}


async def test_both_feeds_tell_of_one_thing_by_one_id_and_of_opens_by_one_feed(connections, workspace) -> None:
    workspace.admin.post("/webhook", {"url": "http://127.0.0.1:9/in/x", "signing_key": "k"})
    connector = connections.open()
    _, cursor = await pulled(connector)  # webhooks begin here: what comes later is theirs to tell
    rates = {"opened": 1.0, "clicked": 0.5}
    send(workspace, 8, rates=rates, at=cursor["marks"][str(DAY)] + 10, spread=0)
    hooks = [orjson.dumps(each["event"]) for each in workspace.admin.get("/webhook/events")["events"]]
    received = [event for body in hooks for event in receive(body).events]

    events, _ = await pulled(connector, reading_to(cursor))

    once = {event.id for event in received if event.kind in ("email_sent", "email_delivered")}
    assert {event.id for event in events} == once
    assert {event.kind for event in received} == {"email_sent", "email_delivered", "email_opened", "email_clicked"}


def reading_to(cursor: dict[str, Any]) -> dict[str, Any]:
    """A cursor whose next reading ends a minute later: the deliveries of these tests are made in the next seconds."""
    until = cursor["opens_until"]
    return {**cursor, "reading": {"from": until - DAY, "to": until + 60, "back": DAY}}


async def test_opens_from_before_the_webhooks_are_pulled(connections, workspace) -> None:
    send(workspace, 6, rates={"opened": 1.0})
    events, cursor = await pulled(connections.open())
    assert sum(event.kind == "email_opened" for event in events) == 6
    again, later = await pulled(connections.open(), cursor)
    assert {event.id for event in again} == {event.id for event in events}
    assert later["opens_until"] == cursor["opens_until"]


async def test_a_place_that_the_partner_forgot_is_read_from_the_beginning_of_its_reading(
    connections, workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_customerio.pulling.LARGEST_PAGE", 2)
    send(workspace, 5, rates={})
    connector = connections.open()
    [(first, cursor), *_] = [page async for page in connector.pull({})]
    cursor["reading"]["next"] = "forgotten"

    events, _ = await pulled(connector, cursor)

    assert len({event.id for event in events}) == 10
    assert {event.id for event in first} < {event.id for event in events}
    assert parse_qs(workspace.admin.requests()[0]["query"]) == {}  # where the workspace is comes first


def test_a_reading_begins_before_the_last_whole_one_ended_and_none_is_left_out() -> None:
    at = 1_800_000_000
    first = _due({}, at, backfill=90 * DAY)
    assert first == {"from": at - 90 * DAY, "to": at, "back": 30 * DAY}
    marks = _moved({}, first)
    assert marks == {str(back * DAY): at for back in (30, 7, 1)}

    soon = _due(marks, at + 900, 90 * DAY)
    assert (soon["from"], soon["back"]) == (at + 900 - DAY, DAY)
    hourly = _due(_moved(marks, soon), at + 3600, 90 * DAY)
    assert (hourly["from"], hourly["back"]) == (at + 3600 - 7 * DAY, 7 * DAY)
    daily = _due(_moved(marks, hourly), at + DAY, 90 * DAY)
    assert (daily["from"], daily["back"]) == (at + DAY - 30 * DAY, 30 * DAY)
    # a hub that slept for fifty days has the fifty days to read, and an hour before them
    late = _due(marks, at + 50 * DAY, 90 * DAY)
    assert (late["from"], late["back"]) == (at - 3600, 30 * DAY)
    # six months are all that there is
    assert _due(marks, at + 300 * DAY, 90 * DAY)["from"] == at + 120 * DAY
