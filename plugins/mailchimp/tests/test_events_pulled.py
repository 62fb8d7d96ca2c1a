"""Whatever goes wrong while reports are read, no message event is skipped, and none is counted twice.

A fake of Mailchimp's reports stands in here, because rows that move between two requests, and processes that die
between two pages, cannot be had from a server on demand.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import PartnerClient, PartnerError
from hub.connectors.addresses import AddressGuard
from hub_mailchimp import reports
from hub_mailchimp.refusals import explain

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ROWS_IN_A_PAGE = 2
LIFE = timedelta(days=30)

Happened = tuple[str, str, str, str]
"""kind, campaign, address, time and url in words."""


@dataclass
class Mail:
    """A campaign of the fake."""

    sent_at: datetime
    recipients: dict[str, str] = field(default_factory=dict)
    activity: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    gone: dict[str, datetime] = field(default_factory=dict)


@dataclass
class FakeReports:
    """Reports whose rows come in another order at every request, and which go on growing meanwhile."""

    at: datetime = START
    mails: dict[str, Mail] = field(default_factory=dict)
    happened: set[Happened] = field(default_factory=set)
    order: random.Random = field(default_factory=lambda: random.Random(0))
    meanwhile: list[tuple[str, int]] = field(default_factory=list)
    answers_left: int = 10**6
    broken: str = ""
    asked: list[str] = field(default_factory=list)
    moved: bool = False

    def send(self, recipients: int = 5) -> str:
        name = f"c{len(self.mails)}"
        self.mails[name] = Mail(self.at)
        for _ in range(recipients):
            self.deliver(name)
        return name

    def deliver(self, name: str, status: str = "sent") -> None:
        mail = self.mails[name]
        address = f"p{len(mail.recipients)}@example.com"
        mail.recipients[address] = status
        self.note("sent", name, address, mail.sent_at)
        if status == "hard":
            self.act(name, address, {"action": "bounce", "type": "hard"})

    def act(self, name: str, address: str, activity: dict[str, str]) -> None:
        mail = self.mails[name]
        mail.activity.setdefault(address, []).append({**activity, "timestamp": self.at.isoformat(timespec="seconds")})
        self.note(activity["action"], name, address, self.at, activity.get("url", ""))

    def leave(self, name: str, address: str) -> None:
        if address not in self.mails[name].gone:
            self.mails[name].gone[address] = self.at
            self.note("unsubscribe", name, address, self.at)

    def note(self, kind: str, name: str, address: str, at: datetime, url: str = "") -> None:
        if self.at < self.mails[name].sent_at + LIFE:
            when = "" if kind == "bounce" else f"{at.isoformat(timespec='seconds')} {url}"
            self.happened.add((kind, name, address, when))

    def live(self, action: str, number: int) -> None:
        """Something happens in the world."""
        if action == "send" or not self.mails:
            self.send(number % 6)
            return
        name = sorted(self.mails)[number % len(self.mails)]
        if action == "deliver" or not self.mails[name].recipients:
            self.deliver(name, "hard" if number % 5 == 0 else "sent")
            return
        address = sorted(self.mails[name].recipients)[number % len(self.mails[name].recipients)]
        match action:
            case "open":
                self.act(name, address, {"action": "open"})
            case "click":
                self.act(name, address, {"action": "click", "url": f"https://shop.example.com/{number % 3}"})
            case "leave":
                self.leave(name, address)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.meanwhile:
            self.live(*self.meanwhile.pop(0))
        self.at += timedelta(seconds=1)
        self.asked.append(request.url.path)
        if self.answers_left <= 0 or (self.broken and f"/{self.broken}/" in request.url.path):
            return httpx.Response(500, text="<html>Sorry</html>")
        self.answers_left -= 1
        query = request.url.params
        key, rows = self.rows(request.url.path.removeprefix("/3.0/"), query)
        self.order.shuffle(rows)
        offset, count = int(query.get("offset", "0")), min(int(query["count"]), ROWS_IN_A_PAGE)
        return httpx.Response(200, content=orjson.dumps({key: rows[offset : offset + count], "total_items": len(rows)}))

    def rows(self, path: str, query: httpx.QueryParams) -> tuple[str, list[dict[str, Any]]]:
        if path == "reports":
            since = datetime.fromisoformat(query["since_send_time"])
            return "reports", [
                {
                    "id": name,
                    "send_time": mail.sent_at.isoformat(),
                    "campaign_title": f"Title of {name}",
                    "list_id": "l",
                }
                for name, mail in self.mails.items()
                if mail.sent_at >= since
            ]
        _, name, report = path.split("/")
        mail = self.mails[name]
        if report == "sent-to":
            return "sent_to", [_row(address) | {"status": status} for address, status in mail.recipients.items()]
        if report == "unsubscribed":
            return "unsubscribes", [_row(address) | {"timestamp": at.isoformat()} for address, at in mail.gone.items()]
        since = datetime.fromisoformat(query["since"]) if "since" in query else START - timedelta(days=999)
        rows = [
            _row(address) | {"activity": [one for one in done if datetime.fromisoformat(one["timestamp"]) >= since]}
            for address, done in mail.activity.items()
        ]
        return "emails", [row for row in rows if row["activity"]]


def _row(address: str) -> dict[str, Any]:
    return {"email_id": f"id-of-{address}", "email_address": address}


@dataclass
class Hub:
    """What the hub does with a connector's pages: it keeps events by id, and the cursor after the page."""

    world: FakeReports
    cursor: dict[str, Any] = field(default_factory=dict)
    events: dict[str, Happened] = field(default_factory=dict)
    told: int = 0

    async def poll(self, *, die_after: int = 10**6) -> None:
        transport = httpx.MockTransport(self.world.answer)
        guard = AddressGuard(allow_private=True)
        async with PartnerClient("https://us6.test/3.0", guard=guard, read_attempts=1, transport=transport) as http:
            http.explain = explain
            pages = reports.pull(http, self.cursor, now=lambda: self.world.at)
            async for events, cursor in pages:
                for event in events:
                    self.told += 1
                    self.keep(event)
                die_after -= 1
                if die_after < 0:  # killed after the page was stored, before its cursor was
                    await pages.aclose()
                    return
                self.cursor = orjson.loads(orjson.dumps(cursor))

    def keep(self, event: Any) -> None:
        when = f"{event.time.isoformat(timespec='seconds')} {event.properties.get('url', '')}"
        happened = (
            event.kind,
            event.origin.id,
            event.match[1],
            "" if event.kind == "bounce" else when,
        )
        assert self.events.setdefault(event.id, happened) == happened


ACTIONS = st.tuples(st.sampled_from(["send", "deliver", "open", "open", "click", "leave"]), st.integers(0, 40))
WAITS = st.sampled_from([60, 900, 3600, 7200, 86400, 8 * 86400, 35 * 86400])


@given(
    seed=st.integers(0, 2**32),
    story=st.lists(
        st.tuples(
            st.lists(ACTIONS, max_size=4),  # before the poll
            st.lists(ACTIONS, max_size=12),  # one before each answer of the poll
            WAITS,
            st.one_of(st.none(), st.integers(0, 12)),  # pages until the process dies
            st.one_of(st.none(), st.integers(0, 20)),  # answers until Mailchimp is down
        ),
        max_size=7,
    ),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_event_is_skipped_whatever_happens_between_two_pages(seed: int, story: list[Any]) -> None:
    async def told() -> Hub:
        world = FakeReports(order=random.Random(seed))
        hub = Hub(world)
        await hub.poll()
        for before, meanwhile, wait, die_after, answers in story:
            for action in before:
                world.live(*action)
            world.meanwhile = list(meanwhile)
            world.answers_left = 10**6 if answers is None else answers
            try:
                await hub.poll(die_after=10**6 if die_after is None else die_after)
            except PartnerError:
                assert answers is not None
            world.at += timedelta(seconds=wait)
        world.meanwhile, world.answers_left = [], 10**6
        for _ in range(12):  # quiet days: even readings that go wrong by chance come to an end
            world.at += timedelta(hours=25)
            await hub.poll()
        return hub

    hub = asyncio.run(told())
    told_of = set(hub.events.values())
    assert hub.world.happened - told_of == set()
    assert len(hub.events) == len(told_of), "one event has two ids"


async def test_a_campaign_that_fails_does_not_hold_up_the_others_and_is_told_at_the_end() -> None:
    world = FakeReports()
    broken, sound = world.send(3), world.send(3)
    world.broken = broken
    hub = Hub(world)
    with pytest.raises(PartnerError, match="500"):
        await hub.poll()
    assert {campaign for _, campaign, _, _ in hub.events.values()} == {sound}
    assert hub.cursor["campaigns"][broken][1] is None  # still unread, from the start
    world.broken = ""
    await hub.poll()
    assert {campaign for _, campaign, _, _ in hub.events.values()} == {sound, broken}


async def test_the_mark_of_a_campaign_stays_until_all_of_its_reports_were_read() -> None:
    world = FakeReports()
    name = world.send(7)
    hub = Hub(world)
    world.answers_left = 4
    with pytest.raises(PartnerError):
        await hub.poll()
    assert hub.cursor["campaigns"][name][1] is None
    world.answers_left = 10**6
    before = world.at
    await hub.poll()
    assert datetime.fromisoformat(hub.cursor["campaigns"][name][1]) >= before


@pytest.mark.parametrize(
    ("age", "since_last", "due"),
    [
        (timedelta(hours=1), timedelta(minutes=5), False),
        (timedelta(hours=1), timedelta(minutes=15), True),
        (timedelta(hours=47), timedelta(minutes=15), True),
        (timedelta(hours=49), timedelta(minutes=15), False),
        (timedelta(hours=49), timedelta(hours=1), True),
        (timedelta(days=6, hours=23), timedelta(hours=1), True),
        (timedelta(days=8), timedelta(hours=1), False),
        (timedelta(days=8), timedelta(days=1), True),
        (timedelta(days=29), timedelta(hours=23), False),
        (timedelta(days=30, minutes=1), timedelta(minutes=20), True),
    ],
)
async def test_a_campaign_is_read_every_quarter_hour_then_hourly_then_daily(
    age: timedelta, since_last: timedelta, due: bool
) -> None:
    world = FakeReports()
    name = world.send(1)
    hub = Hub(world)
    world.at = START + age - since_last
    await hub.poll()
    world.at = START + age
    world.asked.clear()
    await hub.poll()
    assert any(f"/{name}/" in path for path in world.asked) is due


async def test_after_a_month_a_campaign_is_read_once_more_and_then_dropped() -> None:
    world = FakeReports()
    name = world.send(2)
    hub = Hub(world)
    world.at = START + timedelta(days=29, hours=20)
    await hub.poll()
    world.act(name, "p0@example.com", {"action": "open"})
    world.at = START + timedelta(days=33)
    await hub.poll()
    assert "open" in {kind for kind, *_ in hub.events.values()}
    assert hub.cursor["campaigns"] == {}
    world.asked.clear()
    world.at += timedelta(minutes=15)
    await hub.poll()
    assert world.asked == ["/3.0/reports"]


async def test_the_cursor_holds_a_month_of_campaigns_and_nothing_for_each_recipient() -> None:
    world = FakeReports()
    hub = Hub(world)
    for _ in range(60):
        world.send(3)
        world.at += timedelta(days=1)
        await hub.poll()
    assert len(hub.cursor["campaigns"]) <= 31
    size = len(orjson.dumps(hub.cursor))
    for name in hub.cursor["campaigns"]:
        for _ in range(20):
            world.deliver(name)
    world.at += timedelta(minutes=30)
    await hub.poll()
    assert len(orjson.dumps(hub.cursor)) <= size + 2 * len(hub.cursor["campaigns"])


async def test_a_deleted_campaign_is_forgotten() -> None:
    world = FakeReports()
    world.send(2)
    hub = Hub(world)
    await hub.poll()
    world.mails.clear()
    world.at += timedelta(hours=1)
    await hub.poll()
    assert hub.cursor["campaigns"] == {}


async def test_campaigns_that_were_sent_while_the_hub_was_away_for_months_are_read() -> None:
    world = FakeReports()
    hub = Hub(world)
    await hub.poll()
    world.at += timedelta(days=5)
    world.send(2)
    world.at += timedelta(days=90)
    await hub.poll()
    assert {kind for kind, *_ in hub.events.values()} == {"sent"}
    assert hub.cursor["campaigns"] == {}


async def test_recipients_are_read_again_only_when_there_are_more_of_them() -> None:
    world = FakeReports()
    name = world.send(5)
    hub = Hub(world)
    await hub.poll()
    world.at += timedelta(minutes=15)
    world.asked.clear()
    await hub.poll()
    assert world.asked.count(f"/3.0/reports/{name}/sent-to") == 1  # only their number
    world.deliver(name)
    world.at += timedelta(minutes=15)
    await hub.poll()
    assert ("sent", name, "p5@example.com") in {happened[:3] for happened in hub.events.values()}


async def test_activity_that_shows_up_in_the_report_most_of_an_hour_late_is_read() -> None:
    world = FakeReports()
    name = world.send(1)
    hub = Hub(world)
    world.at += timedelta(hours=5)
    await hub.poll()
    late = {"action": "open", "timestamp": (world.at - timedelta(minutes=55)).isoformat(timespec="seconds")}
    world.mails[name].activity["p0@example.com"] = [late]
    world.at += timedelta(minutes=15)
    await hub.poll()
    assert "open" in {kind for kind, *_ in hub.events.values()}


async def test_a_recipient_who_moves_ahead_while_another_one_comes_in_is_not_taken_for_read() -> None:
    class Moving(FakeReports):
        def rows(self, path: str, query: httpx.QueryParams) -> tuple[str, list[dict[str, Any]]]:
            if path.endswith("email-activity") and query["offset"] == "2" and not self.moved:
                self.moved = True  # p3 clicks and moves to the front, p4 opens and comes last
                self.act("c0", "p3@example.com", {"action": "click", "url": "https://shop.example.com"})
                self.act("c0", "p4@example.com", {"action": "open"})
            key, rows = super().rows(path, query)
            front = "p3@example.com" if self.moved else ""
            return key, sorted(rows, key=lambda row: (row.get("email_address") != front, row.get("email_address", "")))

    world = Moving(order=_Unshuffled())
    world.send(5)
    for number in range(4):
        world.act("c0", f"p{number}@example.com", {"action": "open"})
    world.at += timedelta(hours=3)
    hub = Hub(world)
    await hub.poll()
    world.at += timedelta(hours=3)
    await hub.poll()
    assert world.moved
    assert world.happened <= set(hub.events.values())


class _Unshuffled(random.Random):
    def shuffle(self, x: Any) -> None:
        """Leaves the rows in their order."""
