"""The hub's main job, told as a story on a simulated shop, with every claim checked on the way.

Everything that the hub does here, it does through `hub.app`, as a command or a screen would make it do.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hub.app import Hub
from hub.clock import now, shown
from hub.demo.audience import Asked, PartnerSide
from hub.demo.checks import check, same_figure, same_people
from hub.demo.home import DemoHome
from hub.demo.partner import partner
from hub.demo.shop import PEOPLE, Shop, open_shop, write_comeback
from hub.demo.telling import Teller
from hub.errors import Interrupted
from hub.projects import initialise
from hub.settings import load
from hub.sync.models import Run
from hub.sync.states import RunState

if TYPE_CHECKING:
    from collections.abc import Set

    from hub.events.report import ImportReport
    from hub.people.mtu import Mtu
    from hub.testing.sandbox import Running

ZONE = "Europe/Oslo"
CONNECTOR, CONNECTION, COHORT = "mailchimp", "mailchimp", "win-back"
SYNC, TAG = f"{COHORT}-{CONNECTION}", f"hub: {COHORT}"
EVERY = timedelta(hours=2)
PURCHASES, QUIET = 3, timedelta(days=90)
WIN_BACK = """\
version: 1
description: Bought three times or more, and nothing in the last 90 days
all:
  - did: Purchase
    count: {at_least: 3}
  - did_not: Purchase
    window: in last 90 days
"""
EVERYBODY = "version: 1\ndescription: Whoever did anything\ndid: any event\n"

BACK = 0.06
"""The share of the win-back cohort that comes back."""
SENT_AGO, OPENED_WITHIN = timedelta(hours=4), timedelta(hours=1)
"""The campaign is dated so far back that whatever people do with it lies in the past."""


@dataclass
class Told:
    """How far the story is: its cast, and the figures for its last line."""

    hub: Hub
    shop: Shop
    side: PartnerSide
    running: Running
    home: DemoHome
    teller: Teller
    stop: threading.Event
    figures: dict[str, Any] = field(default_factory=dict)
    on_list: Set[str] = frozenset()
    members: dict[str, str] = field(default_factory=dict)
    """The cohort as the hub last told it: distinct_id -> address, empty when there is none."""


def tell_story(home: DemoHome, teller: Teller, stop: threading.Event, *, people: int = PEOPLE) -> dict[str, Any]:
    """Play the whole story in an empty demo home, and return its figures.

    Keys, all of them stable. Counts: `events` (of the shop), `profiles`, `people`, `cohort`, `qualified`, `skipped` (by
    reason), `added` and `rejected` (first run), `came_back`, `removed` and `unchanged` (second run), `message_events`
    (by name), `mtu_before`, `mtu_after`, `mtu_without_exemption`, `sandbox_requests` (all that the hub asked),
    `writes_first_run`, `writes_second_run`, `writes_third_run` (of those, the ones that change something there),
    `seconds`, `seconds_by_chapter`.
    Raises DemoFailed when a comparison fails, Interrupted when `stop` was set.
    """
    began = time.monotonic()
    hub, shop = _make_hub(home, teller), open_shop(now(), people=people)
    try:
        with partner(CONNECTOR, home.path) as running:
            figures = _play(Told(hub, shop, PartnerSide(running), running, home, teller, stop))
    except Interrupted as error:
        raise Interrupted("The demo was stopped.", signal_number=2, hint="Start it again: it begins anew.") from error
    figures["seconds"] = round(time.monotonic() - began, 1)
    home.finish(figures)
    return figures


def _play(told: Told) -> dict[str, Any]:
    timed = {}
    for name, chapter in _CHAPTERS.items():
        if told.stop.is_set():
            raise Interrupted(f"Stopped before {name}.", signal_number=2)
        began = time.monotonic()
        chapter(told)
        timed[name] = round(time.monotonic() - began, 2)
    return {**told.figures, "seconds_by_chapter": timed}


def _make_hub(home: DemoHome, teller: Teller) -> Hub:
    teller.chapter("A hub in a folder of its own")
    initialise(load(home.path), timezone=ZONE)
    teller.say(f"Database, lake and key are in {home.path}; the project's days are those of {ZONE}.")
    teller.show(f"hub init --timezone {ZONE}")
    return Hub.open(home.path)


def _take_in(told: Told) -> None:
    told.teller.chapter("A shop's last six months")
    events, profiles = told.home.path / "events.jsonl.gz", told.home.path / "profiles.jsonl.gz"
    written = told.shop.write_events(events, told.stop)
    known = told.shop.write_profiles(profiles)
    people = len(told.shop.customers)
    told.teller.say(
        f"A simulated shop with {people:,} people up to {shown(told.shop.end, ZONE)}: what they opened, looked at, "
        f"searched, put in the cart and bought, exported as JSON lines. {people - known:,} never said who they are."
    )
    told.teller.show("hub profile import profiles.jsonl.gz\nhub event import events.jsonl.gz")
    with told.teller.importing("profiles") as progress:
        of_profiles = told.hub.profiles.import_file(profiles, progress=progress, stop=told.stop)
    with told.teller.importing("events") as progress:
        of_events = told.hub.events.import_file(events, progress=progress, stop=told.stop)
    told.teller.figures(
        {"profiles are in": of_profiles.accepted, f"events are in{_rate(of_events)}": of_events.accepted}
    )
    held = told.hub.status()
    same_figure("events in the lake", held.events, written)
    same_figure("profiles", held.profiles, known)
    told.figures |= {"events": held.events, "profiles": held.profiles}


def _define(told: Told) -> None:
    told.teller.chapter("Who is worth winning back?")
    file = told.home.path / "win-back.yaml"
    file.write_text(WIN_BACK, "utf-8")
    told.teller.show(WIN_BACK)
    told.hub.cohorts.add("everybody", EVERYBODY)
    told.hub.cohorts.add(COHORT, file)
    told.teller.show(f"hub cohort add {COHORT} --file win-back.yaml\nhub cohort count {COHORT}")
    everybody, cohort = told.hub.cohorts.count("everybody"), told.hub.cohorts.count(COHORT)
    told.teller.figures({"people did something": everybody.count, "of them are to be won back": cohort.count})
    same_figure("people", everybody.count, len(told.shop.customers))
    _read_cohort(told)
    same_people("the cohort", told.members.keys(), told.shop.lapsed_buyers(purchases=PURCHASES, quiet=QUIET))
    told.teller.checked("Counted again from the shop's own books, person by person: the same people.")
    told.figures |= {"people": everybody.count, "cohort": cohort.count}


def _connect(told: Told) -> None:
    told.teller.chapter("Mailchimp, or rather a sandbox that behaves like it")
    subscribers = [*told.shop.newsletter()]
    told.on_list = {each.email for each in subscribers}
    told.side.put_contacts(subscribers)
    found = told.side.contacts()
    told.teller.say(
        f"The shop's newsletter list is there already: {found.all:,} contacts, {found.unsubscribed:,} of whom "
        "unsubscribed. The connection creates no contacts (the default): the hub tags people whom the shop may write "
        "to, and subscribes nobody behind their back."
    )
    told.teller.show(
        f"hub connection add {CONNECTOR} {CONNECTION} --set api_key=... --set base_url={told.running.url}/3.0"
    )
    connection = asyncio.run(told.hub.connections.add(CONNECTOR, CONNECTION, told.running.settings))
    told.teller.say(f"Connected: {connection.label}, account {connection.account}.")
    told.side.asked()


def _first_run(told: Told) -> None:
    told.teller.chapter("The cohort goes out, and stays in step from now on")
    before = told.side.contacts()
    told.hub.syncs.start(COHORT, CONNECTION, every=EVERY, mapping={"FNAME": "$first_name"})
    told.teller.show(f"hub sync start {COHORT} {CONNECTION} --every 2h --map FNAME='$first_name' --now")
    with told.teller.running("delivering") as report:
        run = asyncio.run(told.hub.syncs.run(SYNC, report=report, stop=told.stop))
    _ended_well(run)
    skipped = {f"left out: {_why(reason)}": count for reason, count in run.skipped.items()}
    told.teller.figures({"people in the cohort": run.qualified, **skipped})
    told.teller.figures(
        {"not on the newsletter list, so not tagged": run.rejected, f"have the tag {TAG!r} now": run.added}
    )
    asked = told.side.asked()
    told.teller.say(
        f"It took {asked.requests} requests; {asked.writes} of them changed something, 500 people at a time."
    )
    tagged = told.side.tagged(TAG)
    same_people("the sandbox's own list and the cohort", tagged, _expected(told))
    same_figure("members of the tag, people left out and people refused", len(tagged) + _unsent(run), run.qualified)
    check(told.side.contacts() == before, "The sync changed the number of contacts, or who is unsubscribed.")
    told.teller.checked("The sandbox's own list equals the cohort, person for person.")
    told.teller.checked("No contact was created, and nobody was subscribed again.")
    told.figures |= {
        "qualified": run.qualified,
        "skipped": dict(run.skipped),
        "added": run.added,
        "rejected": run.rejected,
        "writes_first_run": asked.writes,
        "sandbox_requests": asked.requests,
    }


def _come_back(told: Told) -> None:
    told.teller.chapter("Some come back")
    back = _with_an_address_of_their_own(told)[:: round(1 / BACK)]
    file = told.home.path / "comeback.jsonl"
    write_comeback(file, back, now())
    told.hub.events.import_file(file, stop=told.stop)
    told.teller.say(
        f"{len(back):,} of them buy something today. Two hours later the next run is due; the demo does not wait, and "
        "makes it due at once."
    )
    told.teller.show("hub event import comeback.jsonl\nhub run-due")
    before = told.side.tagged(TAG)
    run = _run_when_due(told)
    after, asked = told.side.tagged(TAG), told.side.asked()
    left = before - after
    told.teller.figures({"left the tag": run.removed, "stay, and are not sent again": run.unchanged})
    cohort = told.hub.cohorts.count(COHORT).count
    same_figure("people in the cohort without those who came back", cohort, len(told.members) - len(back))
    _read_cohort(told)
    same_people("the sandbox's own list and the cohort", after, _expected(told))
    same_people("what was sent and the difference", set(asked.members), {f"-{address}" for address in left})
    same_figure("removed", run.removed, len(left))
    check(0 < len(left) <= len(back), f"{len(left)} left the tag, and {len(back)} came back.")
    told.teller.checked(
        f"Only the difference was sent: {asked.writes} writing request(s), naming {len(left):,} people."
    )
    told.figures |= {"came_back": len(back), "removed": run.removed, "unchanged": run.unchanged}
    _count_requests(told, asked, "writes_second_run")


def _again(told: Told) -> None:
    told.teller.chapter("Nothing new, nothing sent")
    run = _run_when_due(told)
    asked = told.side.asked()
    same_figure("changes of a run without news", run.planned, 0)
    same_figure("writing requests of a run without news", asked.writes, 0)
    told.teller.checked(f"The third run compared {run.qualified:,} people and asked Mailchimp to change nothing.")
    _count_requests(told, asked, "writes_third_run")


def _write_to_them(told: Told) -> None:
    told.teller.chapter("The campaign, and what came of it")
    sent_at = now() - SENT_AGO
    before = _mtu(told, sent_at)
    wanted = told.side.tagged(TAG, "subscribed")
    counts = told.side.send_campaign(TAG, sent_at, within=OPENED_WITHIN)
    told.teller.say(
        f'"We miss you" goes to the {counts["emails_sent"]:,} people with the tag who are subscribed. (The sandbox '
        "dates it four hours back, so that people have had the time to open it.)"
    )
    told.teller.show(f"hub inbound pull {CONNECTION}")
    pulled = asyncio.run(told.hub.inbound.pull(CONNECTION, stop=told.stop))
    again = asyncio.run(told.hub.inbound.pull(CONNECTION, stop=told.stop))
    by_name = _message_events(told)
    told.teller.figures(by_name)
    same_figure("mails sent and subscribed members of the tag", counts["emails_sent"], len(wanted))
    check(by_name == _told_by(told, counts), f"The hub holds {by_name}, and the sandbox tells of {counts}.")
    same_figure("new message events", pulled.new, sum(by_name.values()))
    same_figure("new message events of a second pull", again.new, 0)
    told.teller.checked("The sandbox's reports say the same, and a second pull found nothing new.")
    told.figures |= {"message_events": by_name}
    _count_requests(told, told.side.asked())
    _bill(told, before, _mtu(told, sent_at))


def _bill(told: Told, before: Mtu, after: Mtu) -> None:
    told.teller.chapter("What it costs in tracked users")
    same_figure("tracked users before and after the message events", after.mtu, before.mtu)
    dormant = after.exempt_only - before.exempt_only
    check(dormant > 0, "Nobody got a mail who did not visit the shop this month.")
    told.teller.show(f"hub mtu --month {after.month}")
    told.teller.figures(
        {
            "tracked users before the message events came in": before.mtu,
            "after that, because Mailchimp's events are exempt": after.mtu,
            "it would be if they were not": after.mtu + after.exempt_only,
        }
    )
    told.teller.checked(f"{dormant:,} dormant people got a mail and cost nothing.")
    told.figures |= {
        "mtu_before": before.mtu,
        "mtu_after": after.mtu,
        "mtu_without_exemption": after.mtu + after.exempt_only,
    }


_CHAPTERS: dict[str, Callable[[Told], None]] = {
    "import": _take_in,
    "cohort": _define,
    "connection": _connect,
    "first_run": _first_run,
    "second_run": _come_back,
    "third_run": _again,
    "campaign": _write_to_them,
}


def _run_when_due(told: Told) -> Run:
    """Make the sync due, and do what is due, as cron would."""
    from hub.schedule import run_due

    told.hub.syncs.resume(SYNC)
    due = asyncio.run(run_due(told.hub, say=lambda text: None, stop=told.stop))
    check(not due.problems, f"What was due failed: {due.problems}.")
    same_figure("runs that were due", len(due.runs), 1)
    return _ended_well(due.runs[0])


def _ended_well(run: Run) -> Run:
    check(run.state is RunState.DONE, f"Run {run.id} of {run.sync} ended as {run.state}: {run.message}")
    return run


def _read_cohort(told: Told) -> None:
    members = told.hub.cohorts.members(COHORT)
    told.members = {each["distinct_id"]: (each["email"] or "").strip().lower() for each in members}


def _with_an_address_of_their_own(told: Told) -> list[str]:
    """The cohort without those who share an address: when one of them leaves, the other's name is sent for both."""
    having = Counter(told.members.values())
    return sorted(person for person, address in told.members.items() if not address or having[address] == 1)


def _expected(told: Told) -> set[str]:
    """Who has to have the tag: the cohort's addresses, as far as they are on the newsletter list."""
    return {address for address in told.members.values() if address} & told.on_list


def _unsent(run: Run) -> int:
    return sum(run.skipped.values()) + run.rejected


def _why(reason: str) -> str:
    return {
        "no profile": "anonymous, without a profile",
        "no key": "no e-mail address",
        "shared key": "somebody else has the same address",
    }.get(reason, reason)


def _rate(report: ImportReport) -> str:
    return f" ({report.accepted / report.seconds:,.0f} a second)" if report.seconds else ""


def _mtu(told: Told, at: datetime) -> Mtu:
    return told.hub.mtu(at.astimezone(told.hub.workspace.project.zone).strftime("%Y-%m"))


def _message_events(told: Told) -> dict[str, int]:
    """The partner's events in the lake, counted by name."""
    from hub.people.views import people_events

    with told.hub.workspace.reading() as reader:
        events = people_events(reader, told.hub.workspace.project)
        counted = events.filter(events.source == _declared(told).source).event.value_counts(name="count")
        rows = [row for batch in reader.batches(counted) for row in batch.to_pylist()]
    return {row["event"]: row["count"] for row in sorted(rows, key=lambda row: -row["count"])}


def _told_by(told: Told, counts: dict[str, int]) -> dict[str, int]:
    """The sandbox's figures, under the names that the hub gives such events."""
    by_kind = {
        "sent": counts["emails_sent"],
        "open": counts["opens"],
        "click": counts["clicks"],
        "bounce": counts["hard_bounces"] + counts["soft_bounces"],
        "unsubscribe": counts["unsubscribed"],
    }
    return {_declared(told).event_of(kind): count for kind, count in by_kind.items() if count}


def _declared(told: Told) -> Any:
    return told.hub.plugins.connector(CONNECTOR).message_events


def _count_requests(told: Told, asked: Asked, writes: str = "") -> None:
    told.figures["sandbox_requests"] += asked.requests
    if writes:
        told.figures[writes] = asked.writes
