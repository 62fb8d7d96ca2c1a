"""An intake log of a new hub, arrivals made up for a test, and what became of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from hub.events.arriving import Refusal
from hub.events.record import Event
from hub.intake.arrival import events_arrival, profiles_arrival, rejects_arrival
from hub.intake.log import IntakeLog
from hub.intake.mover import Mover
from hub.intake.position import make_ready
from hub.intake.rejections import rejected
from hub.lake.tables import EVENTS, IDENTITY, PROFILES
from hub.people.profile_state import stored
from hub.people.profile_update import Update
from hub.store.holding import MOVER, holding

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = 1_000_000


def events(first: int, count: int, **ids):
    """So many events, from number `first`; the number is in the insert id."""
    time = int(AT.timestamp()) * SECOND
    who = {"device_id": None, "user_id": None, **ids}
    return [
        Event("Ticked", f"p{n % 5}", time + n * SECOND, f"i{n}", who["device_id"], who["user_id"], None, {"n": n})
        for n in range(first, first + count)
    ]


def some_events(first: int, count: int, **ids):
    return events_arrival(1, events(first, count, **ids), AT)


def one_more(who: str = "counter"):
    """An update that adds one: folded twice, it shows."""
    return profiles_arrival(1, [Update(who, (("$add", {"n": 1}),))], AT)


def a_refusal(reason: str = "event is missing."):
    return rejects_arrival(1, "track", [Refusal(0, "", "event", reason, "{}")], AT)


@pytest.fixture
def log(workspace):
    made = IntakeLog(workspace.settings.intake_url)
    make_ready(made, workspace.store, workspace.lake)
    yield made
    made.close()


@pytest.fixture
def move(workspace, log):
    """Move all that is in the log, as a mover that has just come."""

    def run(**options):
        with holding(workspace.store, MOVER, what="Moving") as lease:
            return Mover(workspace, log, lease, **options).move(log.last_id())

    return run


class Held:
    """What a hub holds of what arrived."""

    def __init__(self, workspace):
        self.workspace = workspace

    def rows(self, layout):
        from hub.lake.reading import reading

        with reading(self.workspace.lake) as reader:
            return [row for batch in reader.batches(reader.table(layout)) for row in batch.to_pylist()]

    @property
    def events(self) -> Counter[str]:
        """How often each event is in the lake, by its insert id."""
        return Counter(row["insert_id"] for row in self.rows(EVENTS))

    def counter(self, who: str = "counter"):
        """How often one was added to a profile, in the control plane and as the lake has it."""
        with self.workspace.store.reading() as connection:
            now = [profile.properties["n"] for profile in stored(connection, 1, [who])]
        newest = max(self.rows(PROFILES), key=lambda row: row["seq"], default=None)
        return (now[0] if now else 0), (dict(newest["numbers"])["n"] if newest else 0)

    @property
    def people(self):
        """Who an id belongs to, as the lake has it."""
        return {row["id"]: row["person"] for row in self.rows(IDENTITY) if row["known_to"] is None}

    @property
    def refused(self):
        return {each.reason: each.count for each in rejected(self.workspace.store, 1)}


@pytest.fixture
def held(workspace):
    return Held(workspace)
