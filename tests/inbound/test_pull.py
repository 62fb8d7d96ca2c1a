"""Message events from a partner's reports: each once, the person found when read, nobody billed for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from hub.errors import PartnerUnavailable, UsageError
from hub.lake.tables import EVENTS
from hub.people.views import people_events
from tests.customers import NAMES, describe, email, know

RATES = {"open": 0.5, "click": 0.3, "bounce": 0.1, "unsubscribe": 0.1}


def send(partner, *, days_ago: float = 3, seed: int = 1, tag: str | None = "hub: loyal") -> dict[str, int]:
    """Let the partner send a campaign to the tag; returns how many of each kind of event there are to be had."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    return partner.admin.post(
        "/campaigns",
        {
            "list_id": "a6b5da1054",
            "tag": tag,
            "subject": "We miss you",
            "title": "Win-back",
            "send_time": at.isoformat(),
            "seed": seed,
            "rates": RATES,
        },
    )


def rows(hub) -> list[dict]:
    """The message events in the lake."""
    with hub.workspace.reading() as reader:
        events = reader.table(EVENTS)
        found = events.filter(events.source == "mailchimp")
        return [row for batch in reader.batches(found) for row in batch.to_pylist()]


@pytest.fixture
async def sent(connected, partner):
    """The loyal customers have the tag, and got a campaign."""
    connected.syncs.start("loyal", "news", every=None)
    await connected.syncs.run("loyal-news")
    send(partner)
    return connected


async def test_the_five_documented_events_come_in_with_their_marker(sent):
    pulled = await sent.inbound.pull("news")

    found = rows(sent)
    assert pulled.new == len(found) > 40
    assert {row["event"] for row in found} <= {
        "Mailchimp - Sent To",
        "Mailchimp - Opened Campaign",
        "Mailchimp - Clicked Campaign Url",
        "Mailchimp - Bounced",
        "Mailchimp - Unsubscribed",
    }
    assert sum(row["event"] == "Mailchimp - Sent To" for row in found) == 40
    assert all(dict(row["strings"])["$source"] == "mailchimp" for row in found)


async def test_pulling_again_brings_nothing_twice(sent):
    first = await sent.inbound.pull("news")

    second = await sent.inbound.pull("news")

    assert second.new == 0
    assert len(rows(sent)) == first.new


async def test_a_pull_that_forgot_its_cursor_brings_nothing_twice(sent):
    first = await sent.inbound.pull("news")
    from hub.store.tables import pulls

    with sent.workspace.store.writing() as connection:
        connection.execute(pulls.update().values(cursor={}, version=0))

    again = await sent.inbound.pull("news")

    assert again.read >= first.read
    assert again.new == 0
    assert len(rows(sent)) == first.new


async def test_a_pull_that_broke_off_goes_on_and_misses_nothing(sent, partner):
    from unittest.mock import patch

    expected = (await _fresh(sent, partner)).new
    partner.admin.fault(kind="status", status=500, method="GET", path="/3.0/reports/", after=1, count=None)
    with patch("hub.connectors.retry._backoff", lambda state: 0.0), pytest.raises(PartnerUnavailable):
        await sent.inbound.pull("news")
    partner.admin.clear_faults()
    before = len(rows(sent))

    rest = await sent.inbound.pull("news")

    assert before + rest.new == expected


async def _fresh(hub, partner):
    """Pull everything, then forget it, to learn how much there is."""
    from deltalake import DeltaTable

    from hub.store.tables import pulls

    pulled = await hub.inbound.pull("news")
    DeltaTable(hub.workspace.lake.root / "events").delete("source = 'mailchimp'")
    with hub.workspace.store.writing() as connection:
        connection.execute(pulls.update().values(cursor={}))
    return pulled


async def test_tracked_users_are_the_same_before_and_after_pulling_events_of_dormant_people(sent):
    month = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m")
    before = sent.mtu(month)

    await sent.inbound.pull("news")

    after = sent.mtu(month)
    assert after.mtu == before.mtu == 0
    assert after.exempt_only == 40


async def test_an_event_of_somebody_unknown_becomes_his_when_he_becomes_known(sent, partner, tmp_path):
    know(partner, ["stranger"])
    send(partner, tag=None, seed=5)
    await sent.inbound.pull("news")

    assert not _events_of(sent, "stranger")
    describe(sent, tmp_path, ["stranger"])

    found = _events_of(sent, "stranger")
    assert found
    assert _events_of(sent, f"$match:$email:{email('stranger')}") == []


async def test_somebody_with_the_same_address_in_capitals_is_found(sent, tmp_path):
    path = tmp_path / "capitals.jsonl"
    path.write_text(json.dumps({"$distinct_id": NAMES[0], "$set": {"$email": f" {email(NAMES[0]).upper()} "}}) + "\n")
    sent.profiles.import_file(str(path))

    await sent.inbound.pull("news")

    assert _events_of(sent, NAMES[0])


def _events_of(hub, person: str) -> list[dict]:
    with hub.workspace.reading() as reader:
        events = people_events(reader, hub.workspace.project)
        found = events.filter(events.person == person, events.source == "mailchimp")
        return [row for batch in reader.batches(found.select("event", "insert_id")) for row in batch.to_pylist()]


async def test_the_command_line_pulls_and_lists(sent, cli):
    pulled = json.loads(cli("inbound", "pull", "news", "--json").stdout)
    listed = json.loads(cli("inbound", "list", "--json").stdout)

    assert pulled["new"] > 40
    assert listed[0]["received"] == pulled["new"]


async def test_run_due_pulls_what_is_due(sent, cli):
    due = json.loads(cli("run-due", "--json").stdout)

    assert due["pulled"]["news"] > 40
    assert json.loads(cli("run-due", "--json").stdout)["pulled"] == {}


async def test_a_connector_without_message_events_says_so(hub, monkeypatch, partner):
    await hub.connections.add("mailchimp", "news", partner.settings)
    monkeypatch.setattr(hub.plugins.connector("mailchimp"), "abilities", frozenset())

    with pytest.raises(UsageError, match="cannot pull"):
        await hub.inbound.pull("news")


async def test_a_pull_that_wakes_up_when_another_has_taken_over_moves_no_cursor(sent, monkeypatch):
    from hub.errors import Busy
    from hub.inbound import pulling
    from hub.store.tables import pulls

    whole = pulling.store_events

    def taken_over(*arguments, **named):
        with sent.workspace.store.writing() as connection:
            connection.execute(pulls.update().values(lease_owner="elsewhere:1:1:abc"))
        return whole(*arguments, **named)

    monkeypatch.setattr(pulling, "store_events", taken_over)
    with pytest.raises(Busy, match="taken over"):
        await sent.inbound.pull("news")
    monkeypatch.setattr(pulling, "store_events", whole)
    with sent.workspace.store.writing() as connection:
        assert connection.execute(pulls.select()).one().cursor == {}
        connection.execute(pulls.update().values(lease_owner=None))

    await sent.inbound.pull("news")

    assert sum(row["event"] == "Mailchimp - Sent To" for row in rows(sent)) == 40
    assert len({row["insert_id"] for row in rows(sent)}) == len(rows(sent))
