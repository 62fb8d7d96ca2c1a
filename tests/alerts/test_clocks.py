"""What a clock wrote that stood a year in the future: once it is set back, nothing of that silences alerts."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from hub import PartnerUnavailable
from hub.alerts.clocks import SKEW
from hub.alerts.targets import WEBHOOK, Target
from hub.clock import now
from hub.store.tables import alert_messages, alert_mutes, alert_states, connections, sync_freshness
from tests.sync.tiny import Tiny

YEAR = timedelta(days=365)


async def _away(verb, members):
    raise PartnerUnavailable("gone")


def written_ahead(hub, table, *columns: str, by: timedelta = YEAR) -> None:
    """Move the instants of every row of a table into the future, as if a clock had stood there when it wrote them."""
    with hub.workspace.store.writing() as connection:
        for row in connection.execute(select(table)).mappings().all():
            key = next(iter(table.primary_key))
            moved = {name: row[name] + by for name in columns if row[name] is not None}
            if "raised" in row:
                moved["raised"] = [(datetime.fromisoformat(each) + by).isoformat() for each in row["raised"]]
            connection.execute(table.update().where(key == row[key.name]).values(**moved))


async def test_what_waited_for_a_clock_that_was_set_back_is_sent_at_once_and_retried_as_ever(receiver, tiny):
    receiver.secrets = [tiny.alerts.channels.add("ops", Target(WEBHOOK, url=receiver.url))]
    Tiny.answer, receiver.status = _away, 503
    await tiny.syncs.run("s")
    await tiny.alerts.tend()
    written_ahead(tiny, alert_messages, "created_at", "next_at", "tried_at")

    [tried] = await tiny.alerts.tend()
    assert not tried.arrived
    assert await tiny.alerts.tend() == [], "the next attempt keeps its distance"
    assert timedelta(0) < tiny.alerts.log()[0].next_at - now() < timedelta(minutes=1)

    with tiny.workspace.store.writing() as connection:  # its sender died, a year from now
        connection.execute(alert_messages.update().values(next_at=now(), claimed_until=now() + YEAR))
    receiver.status = 200
    [sent] = await tiny.alerts.tend()
    assert sent.arrived, sent.answer


async def test_clocks_that_differ_by_little_mend_nothing(receiver, tiny):
    tiny.alerts.channels.add("ops", Target(WEBHOOK, url=receiver.url))
    Tiny.answer, receiver.status = _away, 503
    await tiny.syncs.run("s")
    await tiny.alerts.tend()
    written_ahead(tiny, alert_messages, "created_at", "next_at", "tried_at", by=SKEW / 2)

    assert await tiny.alerts.tend() == []


async def test_a_mute_lasts_no_longer_than_was_asked_for(tiny):
    day = timedelta(days=1)
    tiny.alerts.mute("s", now() + timedelta(hours=2), reason="migration")
    written_ahead(tiny, alert_mutes, "created_at", "until")
    tiny.alerts.mute("", now() + 30 * day)

    tiny.alerts.look()

    of_sync, of_all = tiny.alerts.mutes()
    assert timedelta(hours=1.9) < of_sync.until - now() <= timedelta(hours=2) and of_sync.reason == "migration"
    assert of_all.until - now() > 29 * day, "one that a clock set which was right stays"


async def test_flapping_ends_and_what_gets_old_is_told_by_the_clock_that_is_right(receiver, tiny):
    tiny.alerts.channels.add("ops", Target(WEBHOOK, url=receiver.url))
    await tiny.syncs.run("s")
    at = now()
    for second, state in enumerate(["wrong", "connected"] * 3):
        with tiny.workspace.store.writing() as connection:
            connection.execute(connections.update().values(state=state))
        tiny.alerts.look(at=at + timedelta(seconds=second))
    assert [each.kind for each in tiny.alerts.open()] == [], "its third recovery waits for half an hour of quiet"
    written_ahead(tiny, alert_states, "since", "changed_at")
    written_ahead(tiny, sync_freshness, "delivered_to")

    assert tiny.alerts.look(at=at + timedelta(minutes=5)) == []
    told = tiny.alerts.look(at=at + timedelta(minutes=36))
    assert [(each.kind, each.word) for each in told] == [("connection_stopped", "recovered")]
    assert told[0].since <= at + timedelta(minutes=5)
    stale = tiny.alerts.look(at=at + timedelta(hours=10))
    assert ("sync_not_fresh", "raised") in {(each.kind, each.word) for each in stale}
