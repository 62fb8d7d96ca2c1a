"""A hub and a workspace, both directions: the engine, the connector, the door and real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.app import Hub
from hub.listening import listen
from hub.projects import initialise
from hub.server.app import Server
from hub.server.protocol import guarded
from hub.server.serving import Listening
from hub.settings import load
from hub.testing.sandbox import Running, running
from hub_customerio.sandbox import SIGNING_KEY, CustomerIOSandbox

PRO = "version: 1\nall:\n  - profile: plan\n    op: '='\n    value: pro\n"
NAMES = [f"p{number:02}" for number in range(30)]
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    initialise(load(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def workspace(home: Path) -> Iterator[Running]:
    with running(CustomerIOSandbox(home / "sandbox" / "customerio", lag=0)) as started:
        yield started


@pytest.fixture
async def hub(home: Path, workspace: Running) -> Hub:
    """A hub with a cohort `pros` and a connection `cio`; two people have bought something on that day."""
    made = Hub.open(home)
    made.cohorts.add("pros", PRO)
    await made.connections.add("customerio", "cio", workspace.settings)
    bought = [
        {"event": "Bought", "properties": {"distinct_id": name, "time": int(NOON.timestamp()), "$insert_id": name}}
        for name in NAMES[:2]
    ]
    take_in(made, "events", bought)
    return made


def take_in(hub: Hub, what: str, lines: Iterable[dict[str, Any]]) -> None:
    path = hub.workspace.settings.home / f"{what}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    getattr(hub, what).import_file(str(path))
    path.unlink()


def describe(hub: Hub, names: Iterable[str], **properties: Any) -> None:
    lines = [{"$distinct_id": name, "$set": {"$email": f"{name}@shop.example", **properties}} for name in names]
    take_in(hub, "profiles", lines)


def held(workspace: Running, segment: str) -> list[str]:
    return list(workspace.admin.get(f"/segments/{segment}/members")["ids"])


@contextmanager
def served(hub: Hub) -> Iterator[str]:
    """The hub's server in a thread: its address."""
    server, ready, urls = Server(hub), threading.Event(), list[str]()
    server.open()

    def tell(url: str) -> None:
        urls.append(url)
        ready.set()

    with closing(listen("127.0.0.1", 0)) as listener:
        listening = Listening(server, hub.settings, listener, tell, guarded())
        thread = threading.Thread(target=listening.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert ready.wait(30)
            yield urls[0]
        finally:
            listening.should_exit = True
            thread.join(30)


async def test_a_cohort_goes_out_and_its_message_events_come_back_by_both_ways_each_once(
    hub: Hub, workspace: Running
) -> None:
    people = [{"id": name, "email": f"{name}@shop.example"} for name in NAMES[:28]]
    workspace.admin.post("/people", {"people": people})
    describe(hub, NAMES, plan="pro", visits=1)

    # once: who is not known there is told, and nobody is made
    once = hub.syncs.start("pros", "cio", audience="Launch", name="launch")
    launched = await hub.syncs.run(once.name)
    assert (launched.added, launched.rejected) == (28, 2)
    assert held(workspace, "Launch") == NAMES[:28]

    # dynamically: who leaves is taken out, who enters is put in, a value that changed is written
    mapping = {"email": "$email", "visits": "visits"}
    sync = hub.syncs.start("pros", "cio", every=timedelta(hours=1), mapping=mapping)
    await hub.syncs.run(sync.name)
    describe(hub, NAMES[:3], plan="free")
    describe(hub, NAMES[3:4], visits=2)
    second = await hub.syncs.run(sync.name)
    assert (second.added, second.updated, second.removed) == (0, 1, 3)
    assert held(workspace, "hub: pros") == NAMES[3:28]
    [changed] = workspace.admin.get("/people", id="p03")["people"]
    assert changed["attributes"] == {"visits": 2}
    assert (await hub.syncs.run(sync.name)).unchanged == 25

    # a message goes to the segment; what became of it comes by the door
    before = hub.mtu(f"{NOON:%Y-%m}")
    rates = {"bounced": 0.2, "unsubscribed": 0.2}
    message = {"segment": "hub: pros", "at": int(NOON.timestamp()), "spread": 600, "rates": rates, "name": "Autumn"}
    with served(hub) as url:
        webhook = {"url": f"{url}/in/cio", "signing_key": "not-the-key"}
        workspace.admin.post("/webhook", webhook)
        counts = workspace.admin.post("/messages", message)
        refused = workspace.admin.post("/webhook/send", {"attempts": 2, "wait": 0.01})
        workspace.admin.post("/webhook", {**webhook, "signing_key": SIGNING_KEY})
        sent = workspace.admin.post("/webhook/send", {"attempts": 1})
        again = workspace.admin.post("/webhook/send", {"attempts": 1, "again": True})
        hub.inbound.decode("cio")
        expected = sum(counts.get(name, 0) for name in ("sent", "delivered", "bounced")) + 2 * counts["unsubscribed"]
        assert (refused["sent"], refused["attempts"], refused["answers"]) == (0, 2, {"401": 2})
        assert (sent["sent"], sent["waiting"], again["sent"]) == (expected, 0, expected)
        source = hub.inbound.source("cio")
        assert (source.received, source.parked, source.refused) == (expected, 0, 2)

        # and by pulling: what webhooks told is known. Nobody has become a tracked user
        pulled = await hub.inbound.pull("cio")
        assert (pulled.read, pulled.new) == (expected - counts["unsubscribed"], 0)
        after = hub.mtu(f"{NOON:%Y-%m}")
        assert (before.mtu, after.mtu, after.exempt_only) == (2, 2, 25)

        # who opens is one: that is what a person did
        opened = workspace.admin.post("/messages", {**message, "origin": 6, "rates": {"opened": 0.5}})["opened"]
        workspace.admin.post("/webhook/send", {"attempts": 1})
        hub.inbound.decode("cio")
        assert 0 < opened < 25
        assert hub.mtu(f"{NOON:%Y-%m}").mtu == 2 + opened


async def test_what_the_partner_has_is_verified_by_the_connections_own_keys(hub: Hub, workspace: Running) -> None:
    describe(hub, NAMES, plan="pro")
    await hub.connections.edit("cio", {"create_people": "yes"})
    hub.connections.rematch("cio", "$email")
    sync = hub.syncs.start("pros", "cio", every=timedelta(hours=1))
    await hub.syncs.run(sync.name)
    found = workspace.admin.get("/segments/hub: pros/members")["emails"]
    assert found == [f"{name}@shop.example" for name in NAMES]

    verified = await hub.syncs.verify(sync.name)

    # everybody is listed by the key that the connection sent them by
    assert (verified.listed, verified.held, verified.differs) == (30, 30, False)
    assert verified.found.get("recent", 0) == 0
