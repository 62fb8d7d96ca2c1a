"""Under original identity an update means the person whom its id belongs to when it comes in."""

from __future__ import annotations

import pytest

from hub.app import Hub
from hub.events.record import Event
from hub.intake.arrival import events_arrival, profiles_arrival
from hub.intake.log import IntakeLog
from hub.intake.mover import Mover, Sizes
from hub.intake.position import make_ready
from hub.people.profile_state import stored
from hub.people.profile_update import Update
from hub.projects import initialise
from hub.settings import load
from hub.store.holding import MOVER, holding
from tests.intake.conftest import AT, some_events

ANONYMOUS = "b2f1c5a0-9d3e-4c7b-8a21-0f5d6e7c8b9a"


def update(who, **added):
    return profiles_arrival(1, [Update(who, (("$add", added),))], AT)


def identify():
    properties = {"$identified_id": "ann", "$anon_id": ANONYMOUS}
    event = Event("$identify", "ann", int(AT.timestamp()) * 1_000_000, "i1", None, None, None, properties)
    return events_arrival(1, [event], AT)


@pytest.mark.parametrize("entries", [1, 2, 100])
def test_updates_before_and_after_a_link_go_to_one_profile_however_they_are_batched(tmp_path, entries):
    initialise(load(tmp_path / "original"), identity="original")
    workspace = Hub.open(tmp_path / "original").workspace
    log = IntakeLog(workspace.settings.intake_url)
    make_ready(log, workspace.store, workspace.lake)
    log.append([some_events(0, 1), update(ANONYMOUS, before=1), some_events(1, 1), identify()])
    log.append([update(ANONYMOUS, n=1), some_events(2, 1), update("ann", n=1)])

    with holding(workspace.store, MOVER, what="Moving") as lease:
        Mover(workspace, log, lease, sizes=Sizes(events=entries)).move(log.last_id())

    with workspace.store.reading() as connection:
        found = stored(connection, 1, ["ann", ANONYMOUS])
    assert [profile.properties for profile in found] == [{"before": 1, "n": 2}]
