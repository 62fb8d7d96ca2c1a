"""A hub and Braze, both ways: the engine, the connectors, the door and real HTTP."""

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
from hub.connectors.connection import REFUSED
from hub.errors import CredentialRefused, PartnerError, UsageError
from hub.listening import listen
from hub.projects import initialise
from hub.server.app import Server
from hub.server.protocol import guarded
from hub.server.serving import Listening
from hub.settings import load
from hub.testing.sandbox import Running, running
from hub_braze.sandbox import BrazeSandbox, partner_settings

NAMES = [f"p{number:03}" for number in range(200)]
PRO = "version: 1\nall:\n  - profile: plan\n    op: '='\n    value: pro\n"
TOKEN = "token-of-our-own-making"
HOUR = timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    initialise(load(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def partner(home: Path) -> Iterator[Running]:
    """A Braze that knows two hundred people, by external ids that are not our own ids."""
    with running(BrazeSandbox(home / "sandbox" / "braze", lag=0)) as started:
        users = [{"external_id": f"x-{name}", "email": f"{name}@shop.example"} for name in NAMES]
        started.admin.post("/users", {"users": users})
        yield started


@pytest.fixture
def hub(home: Path, partner: Running) -> Hub:
    """A hub whose cohort `pros` are all of them but the last twenty."""
    made = Hub.open(home)
    made.cohorts.add("pros", PRO)
    describe(made, NAMES[:180], plan="pro", visits=1)
    describe(made, NAMES[180:], plan="free", visits=1)
    return made


def describe(hub: Hub, names: Iterable[str], **properties: Any) -> None:
    path = hub.workspace.settings.home / "profiles.jsonl"
    known = [(name, {"$email": f"{name}@shop.example", "$braze_external_id": f"x-{name}"}) for name in names]
    lines = [{"$distinct_id": name, "$set": {**keys, **properties}} for name, keys in known]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    hub.profiles.import_file(str(path))
    path.unlink()


def buy(hub: Hub, names: Iterable[str], at: datetime) -> None:
    path = hub.workspace.settings.home / "events.jsonl"
    told = [{"distinct_id": name, "time": int(at.timestamp()), "$insert_id": f"b-{name}"} for name in names]
    path.write_text("".join(json.dumps({"event": "Purchase", "properties": one}) + "\n" for one in told))
    hub.events.import_file(str(path))


def those(partner: Running, value: str) -> list[str]:
    users = partner.admin.get("/users", attribute="hub_pros", value=value)["users"]
    return [user["external_id"].removeprefix("x-") for user in users]


def data_points(partner: Running) -> int:
    return int(partner.admin.state()["partner"]["data_points"])


@contextmanager
def served(hub: Hub) -> Iterator[str]:
    """The hub's door, in a thread."""
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


async def test_once_then_only_those_who_leave_or_change_each_write_billed_once(hub: Hub, partner: Running) -> None:
    with pytest.raises(CredentialRefused, match="Invalid API key"):
        await hub.connections.add("braze", "news", {**partner.settings, "api_key": "another"})
    await hub.connections.add("braze", "news", partner.settings)
    once = hub.syncs.start("pros", "news", audience="autumn")
    describe(hub, ["odd"], plan="pro", **{"$braze_external_id": "nil"})
    first = await hub.syncs.run(once.name)
    assert (first.added, first.rejected, len(partner.admin.requests(writing=True))) == (180, 1, 3)
    describe(hub, ["odd"], plan="free")
    assert len(partner.admin.get("/users", attribute="autumn", value="true")["users"]) == 180

    sync = hub.syncs.start("pros", "news", every=HOUR, mapping={"visits": "visits"})
    await hub.syncs.run(sync.name)
    assert those(partner, "true") == NAMES[:180]
    before = data_points(partner)
    describe(hub, NAMES[:30], plan="free")
    describe(hub, NAMES[30:40], visits=2)
    describe(hub, NAMES[190:], plan="pro")
    second = await hub.syncs.run(sync.name)

    assert (second.added, second.updated, second.removed) == (10, 10, 30)
    assert those(partner, "true") == [*NAMES[30:180], *NAMES[190:]]
    assert those(partner, "false") == NAMES[:30]
    # two attributes of each who entered, one of each who left or changed
    assert data_points(partner) - before == 2 * 10 + 10 + 30
    asked = len(partner.admin.requests(writing=True))
    assert (await hub.syncs.run(sync.name)).unchanged == 160
    assert len(partner.admin.requests(writing=True)) == asked

    describe(hub, NAMES[:1], plan="pro")
    partner.admin.fault(kind="status", status=403, body={"message": "Access Denied"}, path="/users/track")
    assert "lacks the permission users.track" in (await hub.syncs.run(sync.name)).message
    assert hub.connections.get("news").state == REFUSED
    with pytest.raises(UsageError, match="I cannot tell who is in 'hub: pros': Braze has no call"):
        await hub.syncs.verify(sync.name)
    with pytest.raises(UsageError, match="one audience"):
        hub.syncs.start("pros", "news", every=HOUR, audience="HUB - pros!")


async def test_a_cohort_is_imported_by_name_and_followed(hub: Hub, partner: Running) -> None:
    await hub.connections.add("braze-cohorts", "audience", partner_settings(partner.url))
    sync = hub.syncs.start("pros", "audience", every=HOUR)
    await hub.syncs.run(sync.name)
    describe(hub, NAMES[:5], plan="free")
    second = await hub.syncs.run(sync.name)

    [cohort] = partner.admin.get("/cohorts")["cohorts"]
    assert (second.removed, cohort["name"], cohort["size"]) == (5, "hub: pros", 175)
    with pytest.raises(UsageError, match="I cannot tell"):
        await hub.syncs.verify(sync.name)


async def test_message_events_come_in_by_the_door_and_by_files_and_the_exempt_count_nobody(
    hub: Hub, partner: Running, tmp_path: Path
) -> None:
    sent = datetime(2026, 10, 15, 12, tzinfo=UTC)
    month, folder = f"{sent:%Y-%m}", tmp_path / "currents"
    folder.mkdir()
    buy(hub, NAMES[100:], sent)
    await hub.connections.add("braze", "news", {**partner.settings, "currents_tokens": f"new-{TOKEN} {TOKEN}"})
    sync = hub.syncs.start("pros", "news")
    await hub.syncs.run(sync.name)
    asked = {"campaign": "Autumn", "attribute": "hub_pros", "at": int(sent.timestamp()), "token": TOKEN}

    with served(hub) as url:
        asked["url"] = f"{url}/in/news"
        assert partner.admin.post("/currents/post", {**asked, "campaign": ""})["statuses"] == [200]  # Braze's probe
        unknown = {"event_type": "users.behaviors.CustomEvent", "id": "1", "time": 1, "user": {}, "properties": {}}
        refused = partner.admin.post("/currents/post", {**asked, "token": "somebody-elses-token"})
        posted = partner.admin.post("/currents/post", asked)
        assert partner.admin.post("/currents/post", {**asked, "campaign": "", "events": [unknown]})["delivered"] == 1
    assert set(refused["statuses"]) == {401} and refused["waiting"] == posted["delivered"] > 400
    assert set(posted["statuses"]) == {200} and posted["dropped"] == []
    decoded = hub.inbound.decode("news")

    assert decoded.new == posted["delivered"]
    source = hub.inbound.source("news")
    assert (source.parked, source.refused) == (1, len(refused["statuses"]))
    assert "no message event" in str(hub.inbound.kept("news")[0].parts)
    # of a hundred people who did not buy, 45 opened or clicked; those who only got a mail count nobody
    engaged = [name for place, name in enumerate(NAMES[:180]) if place % 10 != 9 and place % 2 == 0]
    counted = hub.mtu(month)
    assert counted.mtu == len({*NAMES[100:], *engaged})
    assert counted.exempt_only == 100 - len(set(engaged) & set(NAMES[:100]))

    await hub.connections.edit("news", {"currents_folder": str(folder)})
    partner.admin.post("/currents/write", {**asked, "folder": str(folder), "form": "avro"})
    again = await hub.inbound.pull("news")
    assert (again.read, again.new) == (posted["delivered"], 0)  # the same events, by another way
    more = {"campaign": "Winter", "attribute": "hub_pros", "at": asked["at"], "folder": str(folder), "form": "json"}
    written = partner.admin.post("/currents/write", more)
    (folder / "odd.json").write_text("no json\n")
    with pytest.raises(PartnerError, match=r"1 of the files.*odd\.json"):
        await hub.inbound.pull("news")
    assert hub.inbound.source("news").received == decoded.new + written["events"]
    assert hub.mtu(month).mtu == counted.mtu
    assert {each.name for each in hub.inbound.campaigns("news")} == {"Autumn", "Winter"}
