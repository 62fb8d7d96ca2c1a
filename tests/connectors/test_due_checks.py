"""Every connection is checked once a day, so that a revoked credential is found though no sync runs."""

from __future__ import annotations

import threading
from datetime import timedelta

from hub.alerts.conditions import conditions
from hub.alerts.model import CONNECTION_STOPPED, WARNING
from hub.clock import now
from hub.connectors.due import due_checks
from hub.schedule import run_due
from hub.store.tables import connections


def checked(hub, ago: timedelta) -> None:
    with hub.workspace.store.writing() as connection:
        connection.execute(connections.update().values(checked_at=now() - ago))


def due(hub) -> list[str]:
    return [each.name for each in due_checks(hub.workspace.store, hub.plugins, now())]


async def work(hub):
    return await run_due(hub, say=lambda line: None, stop=threading.Event())


async def test_a_credential_that_was_revoked_is_found_within_a_day_and_told(hub, partner):
    await hub.connections.add("mailchimp", "news", partner.settings)
    assert due(hub) == []
    checked(hub, timedelta(hours=23))
    assert due(hub) == []
    checked(hub, timedelta(days=1))
    assert due(hub) == ["news"]
    first = await work(hub)
    assert (first.checked, first.problems) == (["news"], {})
    assert due(hub) == []

    partner.admin.fault(kind="status", status=401, method="GET", path="/3.0/ping", count=None)
    checked(hub, -timedelta(hours=1))  # a clock was set back
    found = await work(hub)
    assert found.exit_code == 1
    assert "does not work" in found.problems["news"]
    assert hub.connections.get("news").state == "refused"
    assert any("news" in problem for problem in hub.status().problems)
    with hub.workspace.store.reading() as connection:
        told = [(each.kind, each.level, each.subject) for each in conditions(connection, now())]
    assert told == [(CONNECTION_STOPPED, WARNING, "news")]  # though no sync uses it
    checked(hub, timedelta(days=2))
    assert due(hub) == []  # it waits for somebody to mend it


async def test_a_partner_that_was_away_is_asked_again_within_the_hour(hub, partner):
    await hub.connections.add("mailchimp", "news", partner.settings)
    partner.admin.fault(kind="status", status=502, method="GET", path="/3.0/ping", body="<html>")
    await hub.connections.check("news")
    assert hub.connections.get("news").state == "unreachable"
    checked(hub, timedelta(minutes=59))
    assert due(hub) == []
    checked(hub, timedelta(hours=1))
    await work(hub)
    assert hub.connections.get("news").state == "connected"
