"""A hub's syncs to the receiver: the engine, the connector and real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.app import Hub
from hub.connectors.connection import CONNECTED, REFUSED, WRONG
from hub.errors import UsageError
from hub.projects import initialise
from hub.settings import load
from hub.testing.sandbox import Running, running
from hub_webhook.sandbox import WebhookSandbox

NAMES = [f"p{number:04}" for number in range(2_100)]
PRO = "version: 1\nall:\n  - profile: plan\n    op: '='\n    value: pro\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    initialise(load(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def partner(home: Path) -> Iterator[Running]:
    with running(WebhookSandbox(home / "sandbox" / "webhook")) as started:
        yield started


@pytest.fixture
async def hub(home: Path, partner: Running) -> Hub:
    """A hub with a cohort `pros`, and a connection `crm` to the receiver; nobody is in the cohort yet."""
    made = Hub.open(home)
    made.cohorts.add("pros", PRO)
    await made.connections.add("webhook", "crm", partner.settings)
    return made


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off without the wait."""
    from tenacity.wait import wait_none

    monkeypatch.setattr("hub.connectors.retry._backoff", wait_none())


def describe(hub: Hub, names: Iterable[str], **properties: Any) -> None:
    path = hub.workspace.settings.home / "profiles.jsonl"
    lines = [{"$distinct_id": name, "$set": {"$email": f"{name}@shop.example", **properties}} for name in names]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    hub.profiles.import_file(str(path))
    path.unlink()


def members(partner: Running) -> list[dict[str, Any]]:
    return list(partner.admin.get("/cohorts/hub: pros/members")["members"])


def held(partner: Running) -> list[str]:
    return [row["mixpanel_distinct_id"] for row in members(partner)]


def pages(partner: Running) -> list[tuple[str, int, int, int, int]]:
    """What was taken from syncs: action, page, total, members, times; without the tests of the connection."""
    told = partner.admin.get("/deliveries")["deliveries"]
    return [(d["action"], d["page"], d["total"], d["size"], d["times"]) for d in told if d["cohort"] != "0"]


async def test_once_in_pages_of_a_thousand_then_only_those_who_enter_leave_or_change(
    hub: Hub, partner: Running
) -> None:
    describe(hub, NAMES, plan="pro", visits=1)
    sync = hub.syncs.start("pros", "crm", every=timedelta(minutes=30), mapping={"email": "$email", "visits": "visits"})

    first = await hub.syncs.run(sync.name)

    assert (first.added, held(partner)) == (2_100, NAMES)
    assert members(partner)[0] == {"mixpanel_distinct_id": "p0000", "email": "p0000@shop.example", "visits": 1}
    assert pages(partner) == [("add_members", n, 3, size, 1) for n, size in ((1, 1000), (2, 1000), (3, 100))]

    describe(hub, NAMES[:2], plan="free")
    describe(hub, ["new"], plan="pro")
    describe(hub, NAMES[2:3], visits=2)
    second = await hub.syncs.run(sync.name)
    third = await hub.syncs.run(sync.name)

    assert (second.added, second.updated, second.removed) == (1, 1, 2)
    assert held(partner) == ["new", *NAMES[2:]]
    assert members(partner)[1] == {"mixpanel_distinct_id": "p0002", "email": "p0002@shop.example", "visits": 2}
    assert pages(partner)[3:] == [
        ("add_members", 1, 2, 1, 1),
        ("add_members", 2, 2, 1, 1),
        ("remove_members", 1, 1, 2, 1),
    ]
    assert third.unchanged == 2_099

    undone = await hub.syncs.undo(second.id)

    assert (undone.added, undone.updated, undone.removed) == (2, 1, 1)
    assert held(partner) == NAMES
    assert members(partner)[2]["visits"] == 1
    with pytest.raises(UsageError, match="I cannot tell who is in 'hub: pros': Webhook has no call"):
        await hub.syncs.verify(sync.name)


@pytest.mark.parametrize(("status", "state"), [(401, REFUSED), (404, WRONG)])
async def test_what_the_receiver_refuses_stops_the_connection_with_its_words(
    hub: Hub, partner: Running, status: int, state: str
) -> None:
    describe(hub, NAMES[:2], plan="pro")
    sync = hub.syncs.start("pros", "crm", every=timedelta(minutes=30))
    body = {"action": "add_members", "status": "failure", "error": {"message": "not this team", "code": status}}
    partner.admin.forget_requests()
    partner.admin.fault(kind="status", status=status, body=body)

    run = await hub.syncs.run(sync.name)

    assert run.state == "failed"
    assert "not this team" in run.message
    assert hub.connections.get("crm").state == state
    assert len(partner.admin.requests()) == 1
    assert (await hub.connections.check("crm")).state == CONNECTED
    assert (await hub.syncs.run(sync.name)).added == 2


async def test_five_retries_and_then_the_next_run(hub: Hub, partner: Running, no_waiting: None) -> None:
    describe(hub, NAMES[:2], plan="pro")
    sync = hub.syncs.start("pros", "crm", every=None)
    partner.admin.forget_requests()
    partner.admin.fault(kind="status", status=500, count=6)

    away = await hub.syncs.run(sync.name)

    assert (away.state, away.owed) == ("failed", 2)
    assert len(partner.admin.requests()) == 6
    partner.admin.fault(kind="status", status=500, count=5)
    assert (await hub.syncs.run(sync.name)).added == 2
    assert held(partner) == NAMES[:2]


async def test_a_lost_answer_is_said_and_the_page_counts_once(hub: Hub, partner: Running, no_waiting: None) -> None:
    describe(hub, NAMES[:2], plan="pro")
    sync = hub.syncs.start("pros", "crm", every=None)
    partner.admin.fault(kind="answer_lost")

    run = await hub.syncs.run(sync.name)

    assert (run.state, run.added, run.lost_answers) == ("done", 2, 1)
    assert pages(partner) == [("add_members", 1, 1, 2, 2)]
    assert len(partner.admin.repeats()) == 1


async def test_halves_of_a_page_that_is_too_large_are_sessions_of_their_own(hub: Hub, partner: Running) -> None:
    describe(hub, NAMES[:4], plan="pro")
    sync = hub.syncs.start("pros", "crm", every=None)
    partner.admin.fault(kind="status", status=413)

    assert (await hub.syncs.run(sync.name)).added == 4

    told = [d for d in partner.admin.get("/deliveries")["deliveries"] if d["cohort"] != "0"]
    assert [(d["page"], d["total"], d["size"]) for d in told] == [(1, 1, 2), (1, 1, 2)]
    assert len({d["session"] for d in told}) == 2
    assert held(partner) == NAMES[:4]


async def test_the_url_can_be_changed_and_everybody_goes_to_the_new_one(
    hub: Hub, partner: Running, tmp_path: Path
) -> None:
    describe(hub, NAMES[:2], plan="pro")
    sync = hub.syncs.start("pros", "crm", every=timedelta(minutes=30))
    await hub.syncs.run(sync.name)
    with running(WebhookSandbox(hub.workspace.settings.home / "sandbox" / "webhook-2")) as other:
        await hub.connections.edit("crm", {"base_url": other.settings["base_url"]})
        await hub.syncs.run(sync.name)
        assert held(other) == held(partner) == NAMES[:2]
